//! The plugin SDK that is embedded in the program: its sources and the contract (WIT), for crates outside a checkout.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rust_embed::RustEmbed;
use toml_edit::{DocumentMut, InlineTable, Item, Table, Value};

/// The name of the SDK's package, and of the folder that `plugin new` writes it to.
pub(super) const PACKAGE: &str = "natterjack-plugin-sdk";
/// The workspace's manifest, which has the versions of dependencies.
const WORKSPACE: &str = include_str!("../../../../Cargo.toml");
/// The lock file, with the versions that the SDK is tested with.
pub(super) const LOCK: &str = include_str!("../../../../Cargo.lock");
const MANIFEST: &str = "Cargo.toml";

/// The SDK's files outside `src` and `wit`.
const FILES: [(&str, &str); 3] = [
    (MANIFEST, include_str!("../../../../plugin-sdk/Cargo.toml")),
    ("GUIDE.md", include_str!("../../../../plugin-sdk/GUIDE.md")),
    ("LICENSE", include_str!("../../../../LICENSE")),
];

#[derive(RustEmbed)]
#[folder = "../plugin-sdk/src/"]
struct Sources;

#[derive(RustEmbed)]
#[folder = "../plugin-sdk/wit/"]
struct Contract;

/// Write the contract between server and plugins (WIT) into a folder, for plugins in other languages
#[derive(Debug, clap::Args)]
pub(super) struct Wit {
    /// The folder, which is created if needed
    folder: PathBuf,
    /// Replace files there that differ
    #[arg(long)]
    force: bool,
}

/// Write the SDK's sources into a folder, or replace those of another version there
#[derive(Debug, clap::Args)]
pub(super) struct Sdk {
    /// The folder, such as natterjack-plugin-sdk in a plugin's crate
    folder: PathBuf,
}

pub(super) fn wit(args: &Wit) -> Result<()> {
    let files = embedded::<Contract>();
    if !args.force {
        for (name, text) in &files {
            let file = args.folder.join(name);
            if std::fs::read(&file).is_ok_and(|there| there != *text) {
                bail!("{} already exists and differs; --force replaces it", file.display());
            }
        }
    }
    write_all(&args.folder, &files)?;
    say!("{} contains the contract of natterjack {}", args.folder.display(), env!("CARGO_PKG_VERSION"));
    Ok(())
}

pub(super) fn sdk(args: &Sdk) -> Result<()> {
    let manifest = args.folder.join(MANIFEST);
    let occupied = args.folder.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !is_sdk(&manifest) {
        bail!("{} is not empty and contains no {PACKAGE}; choose another folder", args.folder.display());
    }
    // Files that only the other version has would still be compiled.
    for folder in ["src", "wit"].map(|name| args.folder.join(name)) {
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot replace {}", folder.display()));
            }
            _ => {}
        }
    }
    unpack(&args.folder)?;
    say!("{} contains {PACKAGE} {}", args.folder.display(), env!("CARGO_PKG_VERSION"));
    Ok(())
}

/// Writes the SDK as a standalone crate.
pub(super) fn unpack(folder: &Path) -> Result<()> {
    write_all(&folder.join("src"), &embedded::<Sources>())?;
    write_all(&folder.join("wit"), &embedded::<Contract>())?;
    let text = |name, text| if name == MANIFEST { standalone(text) } else { Ok(text.to_owned()) };
    FILES.iter().try_for_each(|(name, embedded)| write(&folder.join(name), text(*name, embedded)?.as_bytes()))
}

/// Whether this is the manifest of the SDK's package.
pub(super) fn is_sdk(manifest: &Path) -> bool {
    let text = std::fs::read_to_string(manifest).unwrap_or_default();
    let parsed = text.parse::<DocumentMut>();
    let name = |manifest: &DocumentMut| manifest.get("package")?.get("name")?.as_str().map(|name| name == PACKAGE);
    parsed.is_ok_and(|manifest| name(&manifest) == Some(true))
}

/// Names, relative to the embedded folder, and contents.
fn embedded<E: RustEmbed>() -> Vec<(String, Vec<u8>)> {
    E::iter().filter_map(|name| Some((name.to_string(), E::get(&name)?.data.into_owned()))).collect()
}

fn write_all(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<()> {
    files.iter().try_for_each(|(name, bytes)| write(&folder.join(name), bytes))
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(cannot)?;
    }
    std::fs::write(file, bytes).with_context(cannot)
}

/// The manifest with everything that it inherits from the workspace written out, and without the parts for Natterjack's own
/// tests.
fn standalone(manifest: &str) -> Result<String> {
    let mut manifest: DocumentMut = manifest.parse().context("the SDK's Cargo.toml")?;
    let workspace: DocumentMut = WORKSPACE.parse().context("the workspace's Cargo.toml")?;
    let workspace = &workspace["workspace"];
    manifest.remove("lints");
    manifest.remove("example");
    inherit(table(&mut manifest, "package")?, &workspace["package"])?;
    inherit(table(&mut manifest, "dependencies")?, &workspace["dependencies"])?;
    for (_, target) in table(&mut manifest, "target")?.iter_mut() {
        let dependencies = target.get_mut("dependencies").and_then(Item::as_table_mut);
        inherit(dependencies.context("a target of the SDK's without dependencies")?, &workspace["dependencies"])?;
    }
    Ok(manifest.to_string())
}

fn table<'a>(manifest: &'a mut DocumentMut, name: &str) -> Result<&'a mut Table> {
    manifest.get_mut(name).and_then(Item::as_table_mut).with_context(|| format!("the SDK's Cargo.toml has no {name}"))
}

/// Replaces every `key.workspace = true` by the workspace's value.
fn inherit(table: &mut Table, from: &Item) -> Result<()> {
    for (key, item) in table.iter_mut() {
        let inherited = item.get("workspace").and_then(Item::as_bool) == Some(true);
        if inherited {
            let value = from.get(key.get()).and_then(Item::as_value);
            *item = Item::Value(plain(value.with_context(|| format!("the workspace has no {}", key.get()))?));
        }
    }
    Ok(())
}

/// A value without the comments around it.
fn plain(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(table) = value.as_inline_table_mut() {
        InlineTable::fmt(table);
    }
    value.decorated(" ", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacked_manifest_names_versions_and_no_workspace() {
        let folder = tempfile::tempdir().unwrap();
        unpack(folder.path()).unwrap();
        let manifest = std::fs::read_to_string(folder.path().join(MANIFEST)).unwrap();
        assert!(!manifest.contains("workspace"), "{manifest}");
        let parsed: DocumentMut = manifest.parse().unwrap();
        assert_eq!(parsed["package"]["version"].as_str(), Some(env!("CARGO_PKG_VERSION")), "{manifest}");
        assert!(parsed["dependencies"]["serde"]["version"].is_str(), "{manifest}");
        assert!(manifest.contains("wit-bindgen"), "{manifest}");
        assert!(is_sdk(&folder.path().join(MANIFEST)));
        for file in ["LICENSE", "GUIDE.md", "src/lib.rs", "src/mock/host.rs", "wit/types.wit"] {
            assert!(folder.path().join(file).is_file(), "{file}");
        }
    }

    #[test]
    fn differing_contract_file_is_replaced_only_with_force() {
        let folder = tempfile::tempdir().unwrap();
        let write = |force| wit(&Wit { folder: folder.path().to_owned(), force });
        write(false).unwrap();
        // Identical files are no conflict.
        write(false).unwrap();
        let types = folder.path().join("types.wit");
        std::fs::write(&types, "// mine").unwrap();
        let refused = write(false).unwrap_err().to_string();
        assert!(refused.contains("types.wit") && refused.contains("--force"), "{refused}");
        write(true).unwrap();
        assert_ne!(std::fs::read_to_string(&types).unwrap(), "// mine");
    }

    #[test]
    fn sdk_replaces_another_version_but_no_other_crate() {
        let folder = tempfile::tempdir().unwrap();
        let args = Sdk { folder: folder.path().to_owned() };
        sdk(&args).unwrap();
        std::fs::write(folder.path().join("src/old.rs"), "").unwrap();
        sdk(&args).unwrap();
        assert!(!folder.path().join("src/old.rs").exists());
        std::fs::write(folder.path().join(MANIFEST), "[package]\nname = \"mine\"\n").unwrap();
        let refused = sdk(&args).unwrap_err().to_string();
        assert!(refused.contains("not empty"), "{refused}");
        assert!(folder.path().join("src/lib.rs").exists());
    }
}
