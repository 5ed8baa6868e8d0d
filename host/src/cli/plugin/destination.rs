//! Where a built plugin goes: into a server's plugins folder, or through its admin API.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::crate_folder::Built;
use super::remote::{Link, Server};
use crate::config::{self, Config};

/// In a plugin's crate: where it was installed the last time.
const REMEMBERED: &str = ".natterjack.toml";

/// Where to install.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// Install into this plugins folder, and remember it
    #[arg(long, value_name = "FOLDER", conflicts_with = "server")]
    folder: Option<PathBuf>,
    /// Upload to this running server, and remember it; needs --token
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
enum Place {
    Folder(PathBuf),
    Server(String),
}

/// A place that takes plugins.
pub(super) enum Destination {
    Folder(PathBuf),
    Server(String, Link),
}

impl Destination {
    /// The one that was named, or that the `config.toml` of this folder names, or where the crate was installed the last
    /// time. One that was named is remembered in the crate's folder.
    pub(super) fn find(target: Target, crate_dir: &Path) -> Result<Self> {
        let named = match (target.folder, target.server) {
            (Some(folder), _) => Some(Place::Folder(existing(folder)?)),
            (None, Some(server)) => Some(Place::Server(server)),
            (None, None) => None,
        };
        let place = match named {
            Some(place) => {
                remember(crate_dir, &place)?;
                place
            }
            None => match configured()? {
                Some(folder) => Place::Folder(folder),
                None => remembered(crate_dir)?,
            },
        };
        match place {
            Place::Folder(folder) => Ok(Self::Folder(existing(folder)?)),
            Place::Server(url) => Ok(Self::Server(url.clone(), Server::at(url, target.token).open()?)),
        }
    }

    /// Puts a plugin there; returns where it is now.
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

fn existing(folder: PathBuf) -> Result<PathBuf> {
    folder.canonicalize().ok().filter(|folder| folder.is_dir()).with_context(|| {
        format!("there is no plugins folder {}; wanted the one that the server's config.toml names", folder.display())
    })
}

/// The plugins folder of a server whose folder this is.
fn configured() -> Result<Option<PathBuf>> {
    if config::default_file().is_none() {
        return Ok(None);
    }
    Ok(Some(Config::load(None, config::environment())?.plugins.folder))
}

fn remember(crate_dir: &Path, place: &Place) -> Result<()> {
    let file = crate_dir.join(REMEMBERED);
    let text = format!("# Where `natterjack plugin build --install` puts this plugin.\n{}", toml_of(place)?);
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn toml_of(place: &Place) -> Result<String> {
    let (key, value) = match place {
        Place::Folder(folder) => {
            ("folder", folder.to_str().with_context(|| format!("{} is not UTF-8", folder.display()))?)
        }
        Place::Server(url) => ("server", url.as_str()),
    };
    Ok(format!("{key} = {}\n", toml_edit::Value::from(value)))
}

fn remembered(crate_dir: &Path) -> Result<Place> {
    let file = crate_dir.join(REMEMBERED);
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "where to install? There is no config.toml here, and this crate was not installed before: name the server's \
             plugins folder by --folder FOLDER, or the server by --server URL with --token"
        ),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
    };
    toml::from_str(&text).with_context(|| {
        format!("{} cannot be understood; wanted `folder = \"…\"` or `server = \"http://…\"`", file.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_places_are_remembered_as_they_were() {
        let crate_dir = tempfile::tempdir().unwrap();
        for place in [Place::Folder("/srv/it's \"chat\"/plugins".into()), Place::Server("http://pond:5000".into())] {
            remember(crate_dir.path(), &place).unwrap();
            assert_eq!(remembered(crate_dir.path()).unwrap(), place);
        }
    }

    #[test]
    fn crate_that_was_never_installed_is_told_both_ways() {
        let crate_dir = tempfile::tempdir().unwrap();
        let error = remembered(crate_dir.path()).unwrap_err().to_string();
        assert!(error.contains("--folder") && error.contains("--server"), "{error}");
        std::fs::write(crate_dir.path().join(REMEMBERED), "floder = 1").unwrap();
        let error = remembered(crate_dir.path()).unwrap_err().to_string();
        assert!(error.contains(".natterjack.toml"), "{error}");
    }
}
