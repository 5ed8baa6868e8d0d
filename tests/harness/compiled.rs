//! The plugins as a server has compiled them, for all the other servers: compiling takes far longer than anything a test does.

use std::fs::{self, File, Permissions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;
use walkdir::WalkDir;

use super::{HOSTILE_GRANTS, Plugin, Setup};

/// Where a server keeps them.
const FOLDER: &str = "data/compiled-plugins";

/// Puts them where the server of this folder looks for them.
pub(super) async fn copy_to(folder: &Path) {
    static COMPILED: OnceCell<PathBuf> = OnceCell::const_new();
    let from = COMPILED.get_or_init(compile).await;
    copy(from, &folder.join(FOLDER));
    fs::set_permissions(folder.join(FOLDER), Permissions::from_mode(0o700)).expect("nobody else may write there");
}

fn copy(from: &Path, to: &Path) {
    for entry in WalkDir::new(from).into_iter().map(|entry| entry.expect("a folder that can be read")) {
        let copy = to.join(entry.path().strip_prefix(from).expect("below it"));
        if entry.file_type().is_dir() {
            fs::create_dir_all(copy).expect("a folder is made");
        } else {
            fs::copy(entry.path(), copy).expect("a file is copied");
        }
    }
}

/// Once for these plugins, whichever process of tests comes first.
async fn compile() -> PathBuf {
    let all = [&Plugin::SHIPPED[..], &[Plugin::Bot, Plugin::NoAds, Plugin::Hostile]].concat();
    let mut hash = DefaultHasher::new();
    all.iter().for_each(|plugin| fs::read(plugin.path()).expect("a built plugin").hash(&mut hash));
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-plugins");
    fs::create_dir_all(&kept).expect("a folder is made");
    let lock = File::create(kept.join("lock")).expect("a lock");
    let locked = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
    let _lock = locked.expect("no panic").expect("it is locked");

    let compiled = kept.join(format!("{:016x}", hash.finish()));
    if !compiled.exists() {
        let setup = Setup::bare().cold().configure(&format!("[plugin.hostile]\n{HOSTILE_GRANTS}"));
        all.iter().for_each(|plugin| setup.install(*plugin, plugin.file_name()));
        let mut server = Box::pin(setup.start()).await;
        server.stop().await;
        let new = kept.join("new");
        copy(&server.path().join(FOLDER), &new);
        fs::rename(new, &compiled).expect("it takes its place");
    }
    compiled
}
