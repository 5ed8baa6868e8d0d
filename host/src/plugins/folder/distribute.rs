//! Distributes this node's own files and tables to all nodes of its cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{Folder, NotReady, ScanMode};
use crate::error::Result;
use crate::plugins::Tables;
use crate::plugins::cluster_plugins::Version;
use crate::plugins::files::{self, File, Files, Reading, Stamp};
use crate::plugins::load::hash;
use crate::plugins::plugin::hex;

/// The files and tables that this node has distributed.
#[derive(Default)]
pub(super) struct Distributed {
    /// This node's own files, as of the last scan.
    files: BTreeMap<Arc<str>, Seen>,
    /// Whether they were scanned before: files found by the first scan may be older than the cluster's.
    started: bool,
    /// The tables that it has distributed.
    tables: Tables,
}

struct Seen {
    stamp: Stamp,
    sha256: [u8; 32],
    /// It did not start, and is tried again with another table.
    refused: bool,
}

impl Folder {
    /// Distributes files that changed in the folder. Returns false if a file is still being written. Failures are retried with
    /// the next rescan.
    pub(super) async fn distribute_files(&mut self, own: &Files, mode: ScanMode) -> bool {
        let Some(mut distributed) = self.distributed.take() else { return true };
        let mut settled = true;
        for (id, file) in own {
            let seen = distributed.files.get(id);
            if mode == ScanMode::Changed && seen.is_some_and(|seen| seen.stamp == file.stamp) {
                continue;
            }
            let bytes = match files::read(file).await {
                Ok(Reading::Whole(bytes)) => Bytes::from(bytes),
                Ok(Reading::Changing) => {
                    settled = false;
                    continue;
                }
                // `Folder::update` reports the error.
                Err(_) => continue,
            };
            let sha256 = hash(&bytes);
            let mut refused = false;
            if seen.is_none_or(|seen| seen.sha256 != sha256) && self.is_newer(id, file, &sha256, distributed.started) {
                let terms = self.terms(id);
                match self.prepare(id, bytes.clone(), &terms).await {
                    // The folder is scanned again once it is compiled.
                    Err(NotReady::Compiling(_)) => continue,
                    Ok(_) => {
                        if let Err(error) = self.distribute_file(id, bytes).await {
                            tracing::error!(plugin = %id, %error, "cannot distribute plugin file to cluster");
                            continue;
                        }
                    }
                    Err(NotReady::Refused(error)) => {
                        refused = true;
                        let file = file.path.display();
                        tracing::error!(plugin = %id, %file, %error, "plugin file not distributed to cluster: it does not start");
                    }
                }
            }
            distributed.files.insert(id.clone(), Seen { stamp: file.stamp, sha256, refused });
        }
        let gone: Vec<_> = distributed.files.keys().filter(|id| !own.contains_key(*id)).cloned().collect();
        for id in gone {
            match self.withdraw(&id).await {
                Ok(()) => drop(distributed.files.remove(&id)),
                Err(error) => tracing::error!(plugin = %id, %error, "cannot withdraw plugin file from cluster"),
            }
        }
        distributed.started = true;
        self.distributed = Some(distributed);
        settled
    }

    /// Whether a file differs from the cluster's and is newer.
    fn is_newer(&self, id: &str, file: &File, sha256: &[u8; 32], started: bool) -> bool {
        let Some((agreed, since)) = self.cluster_plugins.as_ref().and_then(|cluster| cluster.file(id)) else {
            return true;
        };
        agreed != Some(&*hex(sha256)) && (started || file.stamp.modified().is_some_and(|modified| modified > since))
    }

    async fn distribute_file(&mut self, id: &Arc<str>, bytes: Bytes) -> Result<()> {
        let former = self.running_version(id).await;
        let Some(cluster) = &mut self.cluster_plugins else { return Ok(()) };
        cluster.install(id, &Version::of(bytes), former.as_ref()).await?;
        tracing::info!(plugin = %id, "plugin file distributed to cluster");
        self.notify_cluster_changed();
        Ok(())
    }

    async fn withdraw(&mut self, id: &Arc<str>) -> Result<()> {
        let Some(cluster) = &mut self.cluster_plugins else { return Ok(()) };
        if cluster.file(id).is_none_or(|(agreed, _)| agreed.is_some()) {
            cluster.remove(id).await?;
            self.notify_cluster_changed();
        }
        Ok(())
    }

    /// Distributes new and changed tables, and withdraws those that are gone. Failures are retried with the next change of the
    /// configuration.
    pub(super) async fn distribute_tables(&mut self) {
        let (Some(mut distributed), Some(cluster)) = (self.distributed.take(), &mut self.cluster_plugins) else {
            return;
        };
        let gone = cluster.given_by_this_node().filter(|id| !self.tables.contains_key(&***id));
        let gone: Vec<String> = gone.map(ToString::to_string).collect();
        for id in gone.into_iter().chain(self.tables.keys().cloned()) {
            let table = self.tables.get(&id);
            if table.is_some() && distributed.tables.get(&id) == table {
                continue;
            }
            if let Err(error) = cluster.give_table(&id.as_str().into(), table).await {
                tracing::error!(plugin = id, %error, "cannot distribute plugin table to cluster");
                continue;
            }
            match table {
                Some(table) => drop(distributed.tables.insert(id, table.clone())),
                None => drop(distributed.tables.remove(&id)),
            }
        }
        distributed.files.retain(|_, seen| !seen.refused);
        self.distributed = Some(distributed);
        self.notify_cluster_changed();
    }
}
