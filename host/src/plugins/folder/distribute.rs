//! Giving this node's own files and tables to all nodes of its cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{Folder, Look, NotReady};
use crate::error::Result;
use crate::plugins::Tables;
use crate::plugins::cluster_plugins::Version;
use crate::plugins::files::{self, File, Files, Reading, Stamp};
use crate::plugins::load::hash;
use crate::plugins::plugin::hex;

/// What this node has given so far.
#[derive(Default)]
pub(super) struct Given {
    /// Its own files, as they were last looked at.
    files: BTreeMap<Arc<str>, Seen>,
    /// Whether they were looked at before: what lay there at the start may be older than what is agreed on.
    started: bool,
    /// The tables that it has given.
    tables: Tables,
}

struct Seen {
    stamp: Stamp,
    sha256: [u8; 32],
    /// It did not start: another table may help.
    refused: bool,
}

impl Folder {
    /// Gives what has changed in the folder. False if a file is still being written. What fails is tried with
    /// the next rescan.
    pub(super) async fn give_files(&mut self, own: &Files, look: Look) -> bool {
        let Some(mut given) = self.given.take() else { return true };
        let mut settled = true;
        for (id, file) in own {
            let seen = given.files.get(id);
            if look == Look::Glance && seen.is_some_and(|seen| seen.stamp == file.stamp) {
                continue;
            }
            let bytes = match files::read(file).await {
                Ok(Reading::Whole(bytes)) => Bytes::from(bytes),
                Ok(Reading::Changing) => {
                    settled = false;
                    continue;
                }
                // It is said where the file is considered.
                Err(_) => continue,
            };
            let sha256 = hash(&bytes);
            let mut refused = false;
            if seen.is_none_or(|seen| seen.sha256 != sha256) && self.is_news(id, file, &sha256, given.started) {
                let terms = self.terms(id);
                match self.prepare(id, bytes.clone(), &terms).await {
                    // The folder is looked at again once it is compiled.
                    Err(NotReady::Compiling(_)) => continue,
                    Ok(_) => {
                        if let Err(error) = self.give_file(id, bytes).await {
                            tracing::error!(plugin = %id, "it cannot be given to the cluster: {error}");
                            continue;
                        }
                    }
                    Err(NotReady::Refused(error)) => {
                        refused = true;
                        let file = file.path.display();
                        tracing::error!(plugin = %id, %file, "not given to the cluster: {error}");
                    }
                }
            }
            given.files.insert(id.clone(), Seen { stamp: file.stamp, sha256, refused });
        }
        let gone: Vec<_> = given.files.keys().filter(|id| !own.contains_key(*id)).cloned().collect();
        for id in gone {
            match self.take_back(&id).await {
                Ok(()) => drop(given.files.remove(&id)),
                Err(error) => tracing::error!(plugin = %id, "it cannot be taken from the cluster: {error}"),
            }
        }
        given.started = true;
        self.given = Some(given);
        settled
    }

    /// Whether a file says something newer than what is agreed on.
    fn is_news(&self, id: &str, file: &File, sha256: &[u8; 32], started: bool) -> bool {
        let Some((agreed, since)) = self.set.as_ref().and_then(|set| set.file(id)) else { return true };
        agreed != Some(&*hex(sha256)) && (started || file.stamp.modified().is_some_and(|modified| modified > since))
    }

    async fn give_file(&mut self, id: &Arc<str>, bytes: Bytes) -> Result<()> {
        let former = self.running_version(id).await;
        let Some(set) = &mut self.set else { return Ok(()) };
        set.install(id, &Version::of(bytes), former.as_ref()).await?;
        tracing::info!(plugin = %id, "given to the cluster");
        self.tell_set_changed();
        Ok(())
    }

    async fn take_back(&mut self, id: &Arc<str>) -> Result<()> {
        let Some(set) = &mut self.set else { return Ok(()) };
        if set.file(id).is_none_or(|(agreed, _)| agreed.is_some()) {
            set.remove(id).await?;
            self.tell_set_changed();
        }
        Ok(())
    }

    /// Gives the tables that are new or changed, and takes back those that are gone. What fails is tried with the next
    /// change of the configuration.
    pub(super) async fn give_tables(&mut self) {
        let (Some(mut given), Some(set)) = (self.given.take(), &mut self.set) else { return };
        let gone = set.given_from_here().filter(|id| !self.tables.contains_key(&***id));
        let gone: Vec<String> = gone.map(ToString::to_string).collect();
        for id in gone.into_iter().chain(self.tables.keys().cloned()) {
            let table = self.tables.get(&id);
            if table.is_some() && given.tables.get(&id) == table {
                continue;
            }
            if let Err(error) = set.give(&id.as_str().into(), table).await {
                tracing::error!(plugin = id, "its table cannot be given to the cluster: {error}");
                continue;
            }
            match table {
                Some(table) => drop(given.tables.insert(id, table.clone())),
                None => drop(given.tables.remove(&id)),
            }
        }
        given.files.retain(|_, seen| !seen.refused);
        self.given = Some(given);
        self.tell_set_changed();
    }
}
