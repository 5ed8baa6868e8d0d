//! Folders and plugins of the workspace.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use xtask::command::{cargo, output};

pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Cargo's target folder, as set by `CARGO_TARGET_DIR` or cargo's configuration.
    pub(crate) target_dir: PathBuf,
    /// The crates under `plugins/`.
    pub(crate) plugins: Vec<PluginCrate>,
}

pub(crate) struct PluginCrate {
    /// The plugin's id: the name of its folder.
    pub(crate) id: String,
    pub(crate) package: String,
    pub(crate) manifest: PathBuf,
}

impl Workspace {
    /// Asks cargo, so that it works in any folder of the workspace.
    pub(crate) fn find() -> Result<Self> {
        let text = output(&mut cargo(&["metadata", "--format-version=1", "--no-deps"]))?;
        let metadata: Value = serde_json::from_str(&text).context("cargo metadata cannot be read")?;
        let path =
            |name: &str| metadata[name].as_str().map(PathBuf::from).with_context(|| format!("cargo names no {name}"));
        let root = path("workspace_root")?;
        let folder = root.join("plugins");
        let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
        let mut plugins: Vec<PluginCrate> =
            packages.iter().filter_map(|package| plugin_crate(package, &folder)).collect();
        plugins.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(Self { root, target_dir: path("target_directory")?, plugins })
    }

    /// The folder of the built plugins.
    pub(crate) fn plugin_dir(&self) -> PathBuf {
        self.target_dir.join("plugins")
    }
}

fn plugin_crate(package: &Value, folder: &Path) -> Option<PluginCrate> {
    let manifest = PathBuf::from(package["manifest_path"].as_str()?);
    let inside = manifest.strip_prefix(folder).ok()?;
    let id = inside.parent()?.to_str()?.to_owned();
    let package = package["name"].as_str()?.to_owned();
    Some(PluginCrate { id, package, manifest })
}
