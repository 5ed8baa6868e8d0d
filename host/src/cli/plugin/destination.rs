//! Where a built plugin is installed: into a server's plugins folder, or by its admin API.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::crate_folder::Built;
use super::remote::{Link, Server};
use crate::config::{self, Config};

/// File in a plugin's crate that records the last destination.
const DESTINATION_FILE: &str = ".natterjack.toml";

/// Command line options that name the destination.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// Install into this plugins folder, and save it as the crate's destination
    #[arg(long, value_name = "FOLDER", conflicts_with = "server")]
    folder: Option<PathBuf>,
    /// Upload to this running server, and save it as the crate's destination; needs --token
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// An administrator's access token, for --server (`natterjack user token NAME` prints one)
    #[arg(long, env = "NATTERJACK_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl Target {
    pub(super) fn is_named(&self) -> bool {
        self.folder.is_some() || self.server.is_some()
    }
}

#[derive(Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum SavedDestination {
    Folder(PathBuf),
    Server(String),
}

/// A folder or server that the plugin is installed to.
pub(super) enum Destination {
    Folder(PathBuf),
    Server(String, Link),
}

impl Destination {
    /// The destination named by the options, else the plugins folder of the `config.toml` in the current folder, else the last
    /// destination. A destination named by options is saved in the crate's folder.
    pub(super) fn find(target: Target, crate_dir: &Path) -> Result<Self> {
        let named = match (target.folder, target.server) {
            (Some(folder), _) => Some(SavedDestination::Folder(existing_folder(folder)?)),
            (None, Some(server)) => Some(SavedDestination::Server(server)),
            (None, None) => None,
        };
        let place = match named {
            Some(place) => {
                save(crate_dir, &place)?;
                place
            }
            None => match configured_folder()? {
                Some(folder) => SavedDestination::Folder(folder),
                None => last_destination(crate_dir)?,
            },
        };
        match place {
            SavedDestination::Folder(folder) => Ok(Self::Folder(existing_folder(folder)?)),
            SavedDestination::Server(url) => Ok(Self::Server(url.clone(), Server::at(url, target.token).open()?)),
        }
    }

    /// Installs a plugin; returns its new place, for display.
    pub(super) async fn install(&self, built: &Built) -> Result<String> {
        match self {
            Self::Folder(folder) => Ok(built.install(folder)?.display().to_string()),
            Self::Server(url, link) => {
                link.send(Method::PUT, &["plugins", &built.id], &[], built.bytes.clone()).await?;
                Ok(format!("{} on {url}", built.id))
            }
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Server(url, _) => url.clone(),
        }
    }
}

fn existing_folder(folder: PathBuf) -> Result<PathBuf> {
    folder.canonicalize().ok().filter(|folder| folder.is_dir()).with_context(|| {
        format!("there is no plugins folder {}; wanted the one that the server's config.toml names", folder.display())
    })
}

/// The plugins folder of the `config.toml` in the current folder, if there is one.
fn configured_folder() -> Result<Option<PathBuf>> {
    if config::default_file().is_none() {
        return Ok(None);
    }
    Ok(Some(Config::load(None, config::environment())?.plugins.folder))
}

fn save(crate_dir: &Path, place: &SavedDestination) -> Result<()> {
    let file = crate_dir.join(DESTINATION_FILE);
    let text = format!("# Where `natterjack plugin build --install` puts this plugin.\n{}", toml_of(place)?);
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn toml_of(place: &SavedDestination) -> Result<String> {
    let (key, value) = match place {
        SavedDestination::Folder(folder) => {
            ("folder", folder.to_str().with_context(|| format!("{} is not UTF-8", folder.display()))?)
        }
        SavedDestination::Server(url) => ("server", url.as_str()),
    };
    Ok(format!("{key} = {}\n", toml_edit::Value::from(value)))
}

fn last_destination(crate_dir: &Path) -> Result<SavedDestination> {
    let file = crate_dir.join(DESTINATION_FILE);
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "no destination: there is no config.toml here, and this crate was not installed before: name the server's \
             plugins folder by --folder FOLDER, or the server by --server URL with --token"
        ),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
    };
    toml::from_str(&text)
        .with_context(|| format!("{} is invalid; wanted `folder = \"…\"` or `server = \"http://…\"`", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_destination_is_read_back() {
        let crate_dir = tempfile::tempdir().unwrap();
        for place in [
            SavedDestination::Folder("/srv/it's \"chat\"/plugins".into()),
            SavedDestination::Server("http://pond:5000".into()),
        ] {
            save(crate_dir.path(), &place).unwrap();
            assert_eq!(last_destination(crate_dir.path()).unwrap(), place);
        }
    }

    #[test]
    fn error_for_a_crate_without_a_destination_names_both_options() {
        let crate_dir = tempfile::tempdir().unwrap();
        let error = last_destination(crate_dir.path()).unwrap_err().to_string();
        assert!(error.contains("--folder") && error.contains("--server"), "{error}");
        std::fs::write(crate_dir.path().join(DESTINATION_FILE), "floder = 1").unwrap();
        let error = last_destination(crate_dir.path()).unwrap_err().to_string();
        assert!(error.contains(".natterjack.toml"), "{error}");
    }
}
