//! `natterjack plugin new`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::{plugin_id, sdk};

/// The files of a new plugin and their templates.
const FILES: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    (".gitignore", include_str!("template/gitignore.in")),
    ("README.md", include_str!("template/README.md.in")),
    ("src/lib.rs", include_str!("template/lib.rs.in")),
    ("src/tests.rs", include_str!("template/tests.rs.in")),
];
/// The SDK's folder in a checkout.
const SDK_FOLDER: &str = "plugin-sdk";

/// Create a crate for a new plugin, with a sample command, filter and tests
///
/// The crate contains the SDK, so that it builds anywhere. In a checkout of Natterjack, and with --sdk, it refers to the SDK there.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plugin's name, such as `word-filter`
    name: String,
    /// The folder to create [default: a folder of that name]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// The folder of an SDK to refer to [default: plugin-sdk of the checkout around this folder, if it is in one]
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let id = plugin_id(&args.name)?;
    let dir = args.dir.unwrap_or_else(|| PathBuf::from(&id));
    if dir.exists() && dir.read_dir().map_or(true, |mut entries| entries.next().is_some()) {
        bail!("{} already exists and is not empty; choose another name, or another folder by --dir", dir.display());
    }
    let sdk = match args.sdk {
        Some(folder) => Some(checked_sdk(&folder)?),
        None => find_sdk(&std::env::current_dir().context("cannot determine the current folder")?),
    };
    create(&id, &dir, sdk.as_deref())?;
    say!("created {}. Next:", dir.display());
    say!("  cd {}", dir.display());
    say!("  cargo test");
    say!("  natterjack plugin build");
    Ok(())
}

/// Creates the crate. It refers to the SDK in `sdk`, or contains a copy if none.
fn create(id: &str, dir: &Path, sdk: Option<&Path>) -> Result<()> {
    std::fs::create_dir_all(dir.join("src")).with_context(|| format!("cannot create {}", dir.display()))?;
    let sdk_text = match sdk {
        Some(sdk) => {
            sdk.to_str().with_context(|| format!("{} is not UTF-8, as Cargo.toml has to be", sdk.display()))?
        }
        None => sdk::PACKAGE,
    };
    for (name, template) in FILES {
        let text = template
            .replace("{{id}}", id)
            .replace("{{type}}", &type_name(id))
            .replace("{{word}}", &id.replace('-', ""))
            // A JSON string is a valid TOML string.
            .replace("{{sdk}}", &serde_json::to_string(sdk_text)?);
        let path = dir.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    // Starts from the versions that the SDK is tested with; cargo removes unused ones.
    let lock = match sdk.map(|sdk| sdk.with_file_name("Cargo.lock")).filter(|lock| lock.is_file()) {
        Some(lock) => std::fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?,
        None => sdk::LOCK.to_owned(),
    };
    std::fs::write(dir.join("Cargo.lock"), lock).with_context(|| format!("cannot write to {}", dir.display()))?;
    if sdk.is_none() {
        sdk::unpack(&dir.join(sdk::PACKAGE))?;
    }
    Ok(())
}

/// The type name for an id: `word-filter` becomes `WordFilter`.
fn type_name(id: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    id.split('-').map(capital).collect()
}

fn find_sdk(from: &Path) -> Option<PathBuf> {
    from.ancestors().find_map(|folder| checked_sdk(&folder.join(SDK_FOLDER)).ok())
}

fn checked_sdk(folder: &Path) -> Result<PathBuf> {
    if !sdk::is_sdk(&folder.join("Cargo.toml")) {
        bail!("{} contains no {}; wanted the folder of that package's Cargo.toml", folder.display(), sdk::PACKAGE);
    }
    Ok(folder.canonicalize()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_crate_in_a_checkout_refers_to_its_sdk_and_has_no_placeholders() {
        let folder = tempfile::tempdir().unwrap();
        let sdk = find_sdk(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        create("dice-roll2", folder.path(), Some(&sdk)).unwrap();
        for (name, _) in FILES {
            let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(!text.contains("{{"), "{name}: {text}");
        }
        let lib = std::fs::read_to_string(folder.path().join("src/lib.rs")).unwrap();
        assert!(lib.contains("register!(DiceRoll2: ") && lib.contains("\"diceroll2.greet\""), "{lib}");
        assert!(find_sdk(folder.path()).is_none());
        assert!(checked_sdk(folder.path()).is_err());
    }
}
