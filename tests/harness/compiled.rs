//! A shared cache of compiled plugins: compiling takes far longer than any test.

use std::fs::{self, File, Permissions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;
use walkdir::WalkDir;

use super::{HOSTILE_GRANTS, Plugin, Setup};

/// The server's folder for compiled plugins.
const FOLDER: &str = "data/compiled-plugins";

/// Files whose changes invalidate the cache: they determine how plugins are compiled and stored.
const ENGINE: [&str; 4] = [
    include_str!("../../Cargo.lock"),
    include_str!("../../host/src/plugins/engine.rs"),
    include_str!("../../host/src/plugins/engine/proposals.rs"),
    include_str!("../../host/src/plugins/compiled.rs"),
];

/// Copies the compiled plugins into a server's folder.
pub(super) async fn copy_to(folder: &Path) {
    static COMPILED: OnceCell<Compiled> = OnceCell::const_new();
    let from = &COMPILED.get_or_init(compile).await.folder;
    copy(from, &folder.join(FOLDER));
    fs::set_permissions(folder.join(FOLDER), Permissions::from_mode(0o700)).expect("nobody else may write there");
}

struct Compiled {
    folder: PathBuf,
    /// A shared lock that keeps other processes from removing the folder.
    _in_use: File,
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

/// Compiles the plugins, once for all test processes.
async fn compile() -> Compiled {
    let all = [&Plugin::SHIPPED[..], &[Plugin::Bot, Plugin::NoAds, Plugin::Hostile]].concat();
    let mut hash = DefaultHasher::new();
    // Part of the key: what they are compiled with.
    ENGINE.hash(&mut hash);
    all.iter().for_each(|plugin| fs::read(plugin.path()).expect("a built plugin").hash(&mut hash));
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-plugins");
    fs::create_dir_all(&kept).expect("a folder is made");
    let lock = File::create(kept.join("lock")).expect("a lock");
    let locked = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
    let _lock = locked.expect("no panic").expect("it is locked");

    let folder = kept.join(format!("{:016x}", hash.finish()));
    let in_use = File::create(folder.with_extension("lock")).expect("a lock");
    in_use.lock_shared().expect("it is locked");
    if !folder.exists() {
        let setup = Setup::bare().cold().configure(&format!("[plugin.hostile]\n{HOSTILE_GRANTS}"));
        all.iter().for_each(|plugin| setup.install(*plugin, plugin.file_name()));
        let mut server = Box::pin(setup.start()).await;
        server.stop().await;
        let new = kept.join("new");
        copy(&server.path().join(FOLDER), &new);
        fs::rename(new, &folder).expect("it takes its place");
        remove_unused(&kept);
    }
    Compiled { folder, _in_use: in_use }
}

/// Removes caches of other plugin versions that no test process holds a lock of.
fn remove_unused(kept: &Path) {
    for entry in fs::read_dir(kept).expect("a folder that can be read") {
        let folder = entry.expect("a folder that can be read").path();
        let lock = folder.with_extension("lock");
        if folder.is_dir() && File::create(&lock).is_ok_and(|lock| lock.try_lock().is_ok()) {
            fs::remove_dir_all(folder).expect("it is removed");
            fs::remove_file(lock).expect("it is removed");
        }
    }
}
