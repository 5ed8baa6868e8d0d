//! The plugin files and tables that are set for all nodes of a cluster. They are stored in the database and override a node's
//! own; the files are written to a folder of their own, apart from the operator's.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::fs;

use super::Tables;
use super::files::{self, Files};
use super::load::hash;
use super::plugin::hex;
use super::versions::KeptVersion;
use crate::clock::{Timestamp, now};
use crate::config::{self, PluginKeys};
use crate::database::{AgreedPlugin, Agreement, Database, PluginFile};
use crate::error::{Error, Result};

const FOLDER: &str = "cluster-plugins";

/// This node's copy of the cluster's plugins.
pub(super) struct ClusterPlugins {
    database: Database,
    folder: PathBuf,
    /// This node's name.
    node: String,
    /// Version of the copy in memory; none before the first read, and after a file could not be fetched.
    version: Option<i64>,
    agreed: BTreeMap<Arc<str>, AgreedPlugin>,
    versions: BTreeMap<Arc<str>, Vec<KeptVersion>>,
    /// The hashes of the files in `folder`.
    local_files: BTreeMap<Arc<str>, String>,
    /// Errors of tables that cannot be used on this node, as already logged.
    table_errors: BTreeMap<Arc<str>, String>,
}

/// A plugin's file and its hash.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) sha256: String,
    pub(super) bytes: Bytes,
}

impl Version {
    pub(super) fn of(bytes: Bytes) -> Self {
        Self { sha256: hex(&hash(&bytes)), bytes }
    }
}

impl ClusterPlugins {
    /// Creates the folder if needed and hashes its files. [`ClusterPlugins::refresh`] reads the database.
    pub(super) async fn open(database: Database, cluster: &config::Cluster, data_dir: &Path) -> io::Result<Self> {
        let folder = data_dir.join(FOLDER);
        fs::create_dir_all(&folder).await?;
        let mut local_files = BTreeMap::new();
        for (id, file) in files::list(&folder).await? {
            local_files.insert(id, hex(&hash(&fs::read(&file.path).await?)));
        }
        Ok(Self {
            database,
            folder,
            node: cluster.node_name(),
            version: None,
            agreed: BTreeMap::new(),
            versions: BTreeMap::new(),
            local_files,
            table_errors: BTreeMap::new(),
        })
    }

    /// Reads the cluster's plugins from the database if they have changed, and fetches missing files. Returns whether they had
    /// changed.
    pub(super) async fn refresh(&mut self) -> Result<bool> {
        if self.version == Some(self.database.plugin_set_version().await?) && self.missing().is_empty() {
            return Ok(false);
        }
        let set = self.database.plugin_set().await?;
        self.agreed = set.agreed.into_iter().map(|(id, agreed)| (id.into(), agreed)).collect();
        self.versions.clear();
        for (id, sha256, since) in set.versions {
            self.versions.entry(id.into()).or_default().push(KeptVersion { sha256: sha256.into(), since });
        }
        self.version = None;
        for (id, sha256) in self.missing() {
            let bytes = self.read(&sha256).await?;
            self.put(&id, sha256, &bytes).await?;
        }
        self.version = Some(set.version);
        Ok(true)
    }

    /// The cluster's files that are not in the folder.
    fn missing(&self) -> Vec<(Arc<str>, String)> {
        let wanted = self.agreed.iter().filter_map(|(id, agreed)| Some((id, agreed.sha256.as_ref()?)));
        let missing = wanted.filter(|(id, sha256)| self.local_files.get(*id) != Some(sha256));
        missing.map(|(id, sha256)| (id.clone(), sha256.clone())).collect()
    }

    async fn put(&mut self, id: &Arc<str>, sha256: String, bytes: &[u8]) -> Result<()> {
        files::put(&self.folder, id, bytes).await.map_err(|error| {
            Error::Unavailable(format!("the folder {} cannot be written: {error}", self.folder.display()))
        })?;
        self.local_files.insert(id.clone(), sha256);
        Ok(())
    }

    /// The bytes of a version that is kept in the database.
    pub(super) async fn read(&self, sha256: &str) -> Result<Vec<u8>> {
        let bytes = self.database.plugin_file(sha256).await?;
        let bytes = bytes.filter(|bytes| hex(&hash(bytes)) == sha256);
        bytes.ok_or_else(|| Error::Unavailable(format!("the database has no file with the SHA-256 {sha256}")))
    }

    /// The files that this node runs: its own, except where the cluster sets or removes one.
    pub(super) async fn overlay(&mut self, mut own: Files) -> io::Result<Files> {
        let mut given = files::list(&self.folder).await?;
        // A file that was deleted here is fetched again with the next refresh.
        self.local_files.retain(|id, _| given.contains_key(id));
        for (id, agreed) in &self.agreed {
            if agreed.removed {
                own.remove(id);
            } else if let (Some(_), Some(file)) = (&agreed.sha256, given.remove(id)) {
                own.insert(id.clone(), file);
            }
        }
        Ok(own)
    }

    /// This node's tables with the cluster's keys applied over them. A table with an error is logged and left as it is.
    pub(super) fn tables(&mut self, own: &Tables) -> Tables {
        let mut tables = own.clone();
        for (id, agreed) in &self.agreed {
            let table = own.get(&**id).cloned().unwrap_or_default();
            let keys = [&agreed.given, &agreed.changed].into_iter().flatten().map(|text| text.parse());
            let over = keys.collect::<Result<Vec<PluginKeys>, _>>().map_err(|error| error.to_string());
            match over.and_then(|all| all.iter().try_fold(table, |table, keys| table.with(id, keys))) {
                Ok(table) => {
                    self.table_errors.remove(id);
                    tables.insert(id.to_string(), table);
                }
                Err(why) => {
                    if self.table_errors.get(id) != Some(&why) {
                        tracing::error!(plugin = %id, error = %why, "cluster's plugin table cannot be used on this node");
                    }
                    self.table_errors.insert(id.clone(), why);
                }
            }
        }
        tables
    }

    /// The versions that can be rolled back to on all nodes.
    pub(super) fn versions(&self, id: &str) -> &[KeptVersion] {
        self.versions.get(id).map_or(&[], Vec::as_slice)
    }

    /// The cluster's setting for a plugin's file: its hash, or none if it is removed; and since when.
    pub(super) fn file(&self, id: &str) -> Option<(Option<&str>, Timestamp)> {
        let agreed = self.agreed.get(id).filter(|agreed| agreed.removed || agreed.sha256.is_some())?;
        Some((agreed.sha256.as_deref(), Timestamp(agreed.file_at)))
    }

    /// Sets the file that all nodes run; `former` is the version that ran before.
    pub(super) async fn install(&mut self, id: &Arc<str>, file: &Version, former: Option<&Version>) -> Result<()> {
        let at = now();
        let kept = former.into_iter().chain([file]);
        let files: Vec<PluginFile<'_>> =
            kept.map(|version| PluginFile { sha256: &version.sha256, bytes: &version.bytes }).collect();
        let sha256 = file.sha256.clone();
        self.agree(id, &files, at, |agreed| {
            *agreed = AgreedPlugin { sha256: Some(sha256), removed: false, file_at: at.0, ..std::mem::take(agreed) };
        })
        .await
    }

    /// Removes a plugin from all nodes.
    pub(super) async fn remove(&mut self, id: &Arc<str>) -> Result<()> {
        let at = now();
        self.agree(id, &[], at, |agreed| {
            *agreed = AgreedPlugin { sha256: None, removed: true, file_at: at.0, ..std::mem::take(agreed) };
        })
        .await
    }

    /// Sets keys of a plugin's table on all nodes.
    pub(super) async fn change(&mut self, id: &Arc<str>, keys: PluginKeys) -> Result<()> {
        self.agree(id, &[], now(), |agreed| {
            let before = agreed.changed.take();
            let mut changed: PluginKeys = before.and_then(|text| text.parse().ok()).unwrap_or_default();
            changed.extend(keys);
            agreed.changed = Some(changed.to_string());
        })
        .await
    }

    /// Sets a table of this node's configuration on all nodes, or withdraws it if none. Changes that administrators made before
    /// are dropped.
    pub(super) async fn give_table(&mut self, id: &Arc<str>, table: Option<&config::Plugin>) -> Result<()> {
        let keys = table.map(|table| table.keys(id)).transpose().map_err(|why| Error::invalid("table", why))?;
        let given = keys.map(|keys| keys.to_string());
        if self.agreed.get(id).map(|agreed| &agreed.given).unwrap_or(&None) == &given {
            return Ok(());
        }
        let by = given.is_some().then(|| self.node.clone());
        self.agree(id, &[], now(), |agreed| {
            if agreed.given.is_some() {
                agreed.changed = None;
            }
            (agreed.given, agreed.given_by) = (given, by);
        })
        .await
    }

    /// The plugins whose tables this node has set, also before its last start.
    pub(super) fn given_by_this_node(&self) -> impl Iterator<Item = &Arc<str>> {
        let ours = |agreed: &AgreedPlugin| agreed.given_by.as_deref() == Some(&self.node);
        self.agreed.iter().filter(move |(_, agreed)| ours(agreed)).map(|(id, _)| id)
    }

    async fn agree(
        &mut self,
        id: &Arc<str>,
        files: &[PluginFile<'_>],
        at: Timestamp,
        change: impl FnOnce(&mut AgreedPlugin),
    ) -> Result<()> {
        let what = Agreement { plugin: id, files, node: &self.node, at };
        self.database.agree(what, change).await?;
        self.refresh().await.map(|_| ())
    }
}
