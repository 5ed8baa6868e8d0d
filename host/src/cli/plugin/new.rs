//! `natterjack plugin new`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::plugin_id;

/// Every file of a new plugin, and what is in it.
const FILES: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    (".gitignore", include_str!("template/gitignore.in")),
    ("README.md", include_str!("template/README.md.in")),
    ("src/lib.rs", include_str!("template/lib.rs.in")),
    ("src/tests.rs", include_str!("template/tests.rs.in")),
];
const SDK_FOLDER: &str = "plugin-sdk";
const SDK_PACKAGE: &str = "natterjack-plugin-sdk";

/// Make a crate for a new plugin, with a command, a filter and tests to begin with
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plugin's name, such as `word-filter`
    name: String,
    /// Where to make it [default: a folder of that name]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// The folder of the SDK, plugin-sdk in a checkout of Natterjack [default: the one above this folder]
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let id = plugin_id(&args.name)?;
    let dir = args.dir.unwrap_or_else(|| PathBuf::from(&id));
    if dir.exists() && dir.read_dir().map_or(true, |mut entries| entries.next().is_some()) {
        bail!("{} is there already, and not empty; choose another name, or another folder by --dir", dir.display());
    }
    let here = std::env::current_dir().context("the current folder")?;
    let sdk = match args.sdk {
        Some(sdk) => checked(&sdk)?,
        None => find_sdk(&here).context(
            "the SDK is not on crates.io yet, and there is no checkout of Natterjack above this folder; \
             say where it is: --sdk PATH/TO/natterjack/plugin-sdk",
        )?,
    };
    make(&id, &dir, &sdk)?;
    say!("{} is made. Next:", dir.display());
    say!("  cd {}", dir.display());
    say!("  cargo test");
    say!("  natterjack plugin build");
    Ok(())
}

fn make(id: &str, dir: &Path, sdk: &Path) -> Result<()> {
    std::fs::create_dir_all(dir.join("src")).with_context(|| format!("cannot make {}", dir.display()))?;
    let sdk_text = sdk.to_str().with_context(|| format!("{} is not UTF-8, as Cargo.toml has to be", sdk.display()))?;
    for (name, template) in FILES {
        let text = template
            .replace("{{id}}", id)
            .replace("{{type}}", &type_name(id))
            .replace("{{word}}", &id.replace('-', ""))
            // A JSON string is a TOML string.
            .replace("{{sdk}}", &serde_json::to_string(sdk_text)?);
        let path = dir.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    // Begins with the versions that the SDK is tested with; cargo drops what is not needed.
    let lock = sdk.with_file_name("Cargo.lock");
    if lock.is_file() {
        std::fs::copy(&lock, dir.join("Cargo.lock")).with_context(|| format!("cannot copy {}", lock.display()))?;
    }
    Ok(())
}

/// `word-filter` is `WordFilter`.
fn type_name(id: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    id.split('-').map(capital).collect()
}

fn find_sdk(from: &Path) -> Option<PathBuf> {
    from.ancestors().find_map(|folder| checked(&folder.join(SDK_FOLDER)).ok())
}

fn checked(sdk: &Path) -> Result<PathBuf> {
    let manifest = sdk.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).with_context(|| format!("{} cannot be read", manifest.display()))?;
    if !text.contains(&format!("name = \"{SDK_PACKAGE}\"")) {
        bail!("{} is not the SDK's: it is no package {SDK_PACKAGE}", manifest.display());
    }
    Ok(sdk.canonicalize()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_crate_is_found_its_sdk_and_has_no_gaps_left() {
        let folder = tempfile::tempdir().unwrap();
        let sdk = find_sdk(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        make("dice-roll2", folder.path(), &sdk).unwrap();
        for (name, _) in FILES {
            let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(!text.contains("{{"), "{name}: {text}");
        }
        let lib = std::fs::read_to_string(folder.path().join("src/lib.rs")).unwrap();
        assert!(lib.contains("register!(DiceRoll2: ") && lib.contains("\"diceroll2.greet\""), "{lib}");
        assert!(find_sdk(folder.path()).is_none());
        assert!(checked(folder.path()).is_err());
    }
}
