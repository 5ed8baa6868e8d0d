//! Renaming a plugin takes steps that no transaction spans: the database, the plugins folder, the kept versions and the
//! configuration file. So a rename is recorded before the first step, and a record that is found at a start is carried out to its
//! end: every step can be repeated.

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Shared;
use super::versions::Versions;
use crate::config;
use crate::database::Database;
use crate::error::{Error, Result};

const RECORD_FILE: &str = "plugin-rename.json";

/// A rename that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renaming {
    pub from: String,
    pub to: String,
}

impl Renaming {
    /// Records the rename, so that it outlives the process.
    pub(super) async fn record(self, data_dir: &Path) -> Result<()> {
        let (folder, text) = (data_dir.to_owned(), serde_json::to_vec(&self).map_err(Error::internal)?);
        let written = tokio::task::spawn_blocking(move || {
            let new = folder.join(format!("{RECORD_FILE}.new"));
            let mut file = std::fs::File::create(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(new, folder.join(RECORD_FILE))?;
            std::fs::File::open(&folder)?.sync_all()
        });
        let written = written.await.map_err(Error::internal)?;
        written.map_err(|error| Error::Unavailable(format!("the rename cannot be recorded in data_dir: {error}")))
    }

    /// Deletes the record of a rename that is finished or undone.
    pub(super) async fn forget(data_dir: &Path) -> io::Result<()> {
        match tokio::fs::remove_file(data_dir.join(RECORD_FILE)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn recorded(data_dir: &Path) -> io::Result<Option<Self>> {
        let text = match std::fs::read(data_dir.join(RECORD_FILE)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let renaming: Self = serde_json::from_slice(&text)?;
        // The ids become parts of paths.
        let fit = config::is_plugin_id(&renaming.from) && config::is_plugin_id(&renaming.to);
        fit.then_some(renaming).map(Some).ok_or_else(|| io::Error::other("it names no plugins"))
    }
}

impl Shared {
    /// Deletes the record of a rename; logs a failure.
    pub(super) async fn forget_renaming(&self) {
        if let Err(error) = Renaming::forget(&self.data_dir).await {
            tracing::warn!(folder = %self.data_dir.display(), %error, "record of a plugin rename cannot be removed");
        }
    }
}

/// Finishes a rename that the previous process did not finish, before any plugin is loaded. `config_file` has the
/// plugins' tables. An obstacle is logged, and nothing is changed then: an operator has to resolve it.
pub async fn finish_renaming(
    data_dir: &Path,
    plugins: &config::Plugins,
    config_file: Option<&Path>,
    database: &Database,
) -> Option<Renaming> {
    let record = data_dir.join(RECORD_FILE);
    let renaming = match Renaming::recorded(data_dir) {
        Ok(renaming) => renaming?,
        Err(error) => {
            tracing::error!(file = %record.display(), %error, "record of a plugin rename cannot be read");
            return None;
        }
    };
    let Renaming { from, to } = &renaming;
    match finish(data_dir, &plugins.folder, config_file, database, &renaming).await {
        Ok(()) => {
            tracing::info!(plugin = %to, former = %from, "interrupted plugin rename finished");
            if let Err(error) = Renaming::forget(data_dir).await {
                tracing::warn!(file = %record.display(), %error, "record of a plugin rename cannot be removed");
            }
            Some(renaming)
        }
        Err(why) => {
            tracing::error!(
                plugin = %to, former = %from, file = %record.display(),
                "plugin rename was interrupted and cannot be finished: {why}; put that right and start again, or remove the file"
            );
            None
        }
    }
}

async fn finish(
    data_dir: &Path,
    folder: &Path,
    config_file: Option<&Path>,
    database: &Database,
    Renaming { from, to }: &Renaming,
) -> Result<(), String> {
    let file = |id: &str| folder.join(format!("{id}.wasm"));
    let stored = match (database.has_plugin_data(from).await, database.has_plugin_data(to).await) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(error), _) | (_, Err(error)) => return Err(error.to_string()),
    };
    match (stored, file(from).exists() && file(to).exists()) {
        ((true, true), _) => return Err("there is stored data by both names".into()),
        (_, true) => return Err("there are files by both names".into()),
        ((true, false), _) => database.rename_plugin(from, to).await.map_err(|error| error.to_string())?,
        ((false, _), _) => {}
    }
    if file(from).exists() {
        tokio::fs::rename(file(from), file(to)).await.map_err(|error| format!("{}: {error}", file(from).display()))?;
    }
    if let Err(error) = Versions::open(data_dir).rename(from, &to.as_str().into()).await {
        tracing::warn!(plugin = %to, %error, "cannot move kept versions of renamed plugin");
    }
    let Some(config) = config_file.map(Path::to_owned) else { return Ok(()) };
    let (from, to) = (from.clone(), to.clone());
    let rewritten = tokio::task::spawn_blocking(move || rename_table(config, &from, &to));
    rewritten.await.map_err(|error| error.to_string())?
}

fn rename_table(file: PathBuf, from: &str, to: &str) -> Result<(), String> {
    config::rename_plugin(&file, from, to).map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn record_is_read_back_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Renaming::recorded(folder.path()).unwrap(), None);
        let renaming = Renaming { from: "bot".into(), to: "crier".into() };
        renaming.clone().record(folder.path()).await.unwrap();
        assert_eq!(Renaming::recorded(folder.path()).unwrap(), Some(renaming));
        Renaming::forget(folder.path()).await.unwrap();
        Renaming::forget(folder.path()).await.unwrap();
        assert_eq!(Renaming::recorded(folder.path()).unwrap(), None);
        for damaged in ["", "{", r#"{"from":"../x","to":"y"}"#, r#"{"from":"a","to":"B"}"#] {
            std::fs::write(folder.path().join(RECORD_FILE), damaged).unwrap();
            assert!(Renaming::recorded(folder.path()).is_err(), "{damaged}");
        }
    }
}
