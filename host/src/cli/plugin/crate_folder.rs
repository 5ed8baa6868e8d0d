//! A plugin's crate: builds it, checks the component, and installs it into a plugins folder.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use super::{plugin_id, size};
use crate::plugins::{Inspection, inspect};

const TARGET: &str = "wasm32-wasip2";

/// The crate of a plugin.
pub(super) struct CrateFolder {
    pub(super) dir: PathBuf,
}

/// A built component that a server would load.
pub(super) struct Built {
    pub(super) id: String,
    pub(super) file: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) inspection: Inspection,
}

impl CrateFolder {
    /// Opens the crate in `dir`, or in the current folder.
    pub(super) fn open(dir: Option<PathBuf>) -> Result<Self> {
        let dir = dir.unwrap_or_else(|| PathBuf::from("."));
        let dir = dir.canonicalize().with_context(|| format!("there is no folder {}", dir.display()))?;
        if !dir.join("Cargo.toml").is_file() {
            bail!("{} contains no Cargo.toml; `natterjack plugin new NAME` creates one", dir.display());
        }
        Ok(Self { dir })
    }

    /// Builds the crate with cargo, whose messages go to the terminal.
    pub(super) async fn build(&self, cargo_args: &[OsString]) -> Result<Built> {
        ensure_target().await?;
        let cargo = Command::new(cargo())
            .args(["build", "--release", "--lib", "--target", TARGET, "--message-format=json-render-diagnostics"])
            .args(cargo_args)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Messages and progress go to the terminal. (`output()` would pipe them.)
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start cargo, which builds plugins (https://rustup.rs installs it)")?;
        let output = cargo.wait_with_output().await.context("cannot wait for cargo")?;
        if !output.status.success() {
            bail!("the build failed; see cargo's messages above");
        }
        let stdout = String::from_utf8_lossy(&output.stdout);
        let mut messages = stdout.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let manifest = self.dir.join("Cargo.toml");
        let Some((name, file)) = messages.find_map(|message| component(&message, &manifest)) else {
            bail!("no component was built; Cargo.toml needs `[lib] crate-type = [\"cdylib\", \"rlib\"]`");
        };
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let id = plugin_id(&name)?;
        let inspection = match inspect(&bytes) {
            Ok(Inspection { problem: Some(problem), .. }) | Err(problem) => {
                bail!("{} was built, but no server would load it: {problem}", file.display())
            }
            Ok(inspection) => inspection,
        };
        Ok(Built { id, file, bytes, inspection })
    }
}

impl Built {
    /// A one-line summary.
    pub(super) fn summary(&self) -> String {
        let Inspection { hooks, wants, .. } = &self.inspection;
        let mut text = format!("{}: {}, hooks {}", self.id, size(self.bytes.len()), hooks.join(" "));
        if !wants.is_empty() {
            let wants: Vec<&str> = wants.iter().map(|grant| grant.as_str()).collect();
            text.push_str(&format!(", needs the grants {}", wants.join(" ")));
        }
        text
    }

    /// Writes it into a plugins folder atomically, so that no server reads half of it.
    pub(super) fn install(&self, folder: &Path) -> Result<PathBuf> {
        let file = folder.join(&self.id).with_extension("wasm");
        let failed = || format!("cannot write {}", file.display());
        let mut new = tempfile::Builder::new()
            .prefix(".natterjack-")
            // Also readable by a server that runs as another user.
            .permissions(std::fs::Permissions::from_mode(0o644))
            .tempfile_in(folder)
            .with_context(failed)?;
        new.write_all(&self.bytes).with_context(failed)?;
        new.persist(&file).with_context(failed)?;
        Ok(file)
    }
}

/// The library's name and the component's file, if this is cargo's message about them.
fn component(message: &Value, manifest: &Path) -> Option<(String, PathBuf)> {
    if message["reason"] != "compiler-artifact" || Path::new(message["manifest_path"].as_str()?) != manifest {
        return None;
    }
    let mut files = message["filenames"].as_array()?.iter().filter_map(Value::as_str).map(PathBuf::from);
    let file = files.find(|file| file.extension().is_some_and(|extension| extension == "wasm"))?;
    Some((message["target"]["name"].as_str()?.to_owned(), file))
}

fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Installs Rust's target for plugins by rustup, unless it is installed.
async fn ensure_target() -> Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output().await;
    if asked.is_ok_and(|answer| {
        answer.status.success() && Path::new(String::from_utf8_lossy(&answer.stdout).trim()).is_dir()
    }) {
        return Ok(());
    }
    eprintln!("Rust's target {TARGET}, for which plugins are built, is not installed; asking rustup for it.");
    let added = Command::new("rustup").args(["target", "add", TARGET]).status().await;
    if !added.is_ok_and(|status| status.success()) {
        bail!(
            "plugins are built for Rust's target {TARGET}, and it could not be installed; see that \
             `rustup target add {TARGET}` works (https://rustup.rs), then try again"
        );
    }
    Ok(())
}
