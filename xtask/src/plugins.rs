//! `cargo xtask plugins`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use xtask::command::{announce, cargo, output};

use crate::wasm_target::{self, TARGET};
use crate::workspace::Workspace;

/// Build the plugins under plugins/ to target/plugins/ID.wasm.
///
/// A plugin's id is the name of its folder. Unchanged files are not written, so that a server that watches the folder
/// reloads only changed plugins.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Refuse to change Cargo.lock
    #[arg(long)]
    locked: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    build(workspace, args.locked)
}

pub(crate) fn build(workspace: &Workspace, locked: bool) -> Result<()> {
    if workspace.plugins.is_empty() {
        bail!("there is no crate under plugins/");
    }
    wasm_target::ensure()?;
    let mut command = cargo(&["build", "--profile=plugin", "--target", TARGET]);
    command.args(locked.then_some("--locked"));
    for plugin in &workspace.plugins {
        command.args(["--package", &plugin.package]);
    }
    announce(&command);
    // Cargo reports which file it built from which crate.
    let messages = output(command.arg("--message-format=json-render-diagnostics"))?;
    let built: Vec<Value> = messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();

    let folder = workspace.plugin_dir();
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for plugin in &workspace.plugins {
        let component = built.iter().find_map(|message| component_of(message, &plugin.manifest));
        let Some(component) = component else {
            bail!("{} builds no component; wanted crate-type = [\"cdylib\", …]", plugin.manifest.display());
        };
        let bytes = fs::read(&component).with_context(|| format!("cannot read {}", component.display()))?;
        let file = folder.join(&plugin.id).with_extension("wasm");
        let change = if install(&file, &bytes)? { "new" } else { "unchanged" };
        println!("{:>5} KB  {change:<9}  {}", bytes.len().div_ceil(1024), file.display());
    }
    report_unknown_files(workspace, &folder)
}

/// The component that a message of cargo reports for this crate.
fn component_of(message: &Value, manifest: &Path) -> Option<PathBuf> {
    if message["reason"] != "compiler-artifact" || message["manifest_path"].as_str()? != manifest.to_str()? {
        return None;
    }
    let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
    files.map(PathBuf::from).find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

/// Replaces a file atomically; false if it did not change.
fn install(file: &Path, bytes: &[u8]) -> Result<bool> {
    if fs::read(file).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    // A name of its own, since another run may write the same file.
    let part = file.with_extension(format!("wasm.{}.part", std::process::id()));
    fs::write(&part, bytes).with_context(|| format!("cannot write {}", part.display()))?;
    fs::rename(&part, file).with_context(|| format!("cannot replace {}", file.display()))?;
    Ok(true)
}

/// Lists files of unknown plugins, such as renamed ones: a server would load them too.
fn report_unknown_files(workspace: &Workspace, folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let id = path.file_stem().unwrap_or_default();
        let is_component = path.extension().is_some_and(|extension| extension == "wasm");
        if is_component && !workspace.plugins.iter().any(|plugin| id == plugin.id.as_str()) {
            println!("           left alone  {} (there is no such folder under plugins/)", path.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("word-filter.wasm");
        assert!(install(&file, b"one").unwrap());
        assert!(!install(&file, b"one").unwrap());
        assert!(install(&file, b"two").unwrap());
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn component_is_found_by_its_crate() {
        let message = serde_json::json!({
            "reason": "compiler-artifact",
            "manifest_path": "/p/plugins/groups/Cargo.toml",
            "filenames": ["/t/wasm32-wasip2/plugin/libgroups.rlib", "/t/wasm32-wasip2/plugin/groups.wasm"],
        });
        let found = component_of(&message, Path::new("/p/plugins/groups/Cargo.toml"));
        assert_eq!(found, Some(PathBuf::from("/t/wasm32-wasip2/plugin/groups.wasm")));
        assert_eq!(component_of(&message, Path::new("/p/plugins/echo/Cargo.toml")), None);
    }
}
