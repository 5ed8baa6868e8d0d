//! What the nodes of a cluster have agreed to run. It is in the database and outranks what a node has by itself; its files are
//! put into a folder of their own, beside the operator's.

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

/// The set, as this node knows it.
pub(super) struct ClusterPlugins {
    database: Database,
    folder: PathBuf,
    /// What this node is called.
    node: String,
    /// None until it was read, and after a file of it could not be had.
    version: Option<i64>,
    agreed: BTreeMap<Arc<str>, AgreedPlugin>,
    versions: BTreeMap<Arc<str>, Vec<KeptVersion>>,
    /// The hashes of the files in the folder.
    here: BTreeMap<Arc<str>, String>,
    /// Why tables cannot be used here, as far as it was said.
    faults: BTreeMap<Arc<str>, String>,
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
    pub(super) async fn open(database: Database, cluster: &config::Cluster, data_dir: &Path) -> io::Result<Self> {
        let folder = data_dir.join(FOLDER);
        fs::create_dir_all(&folder).await?;
        let mut here = BTreeMap::new();
        for (id, file) in files::list(&folder).await? {
            here.insert(id, hex(&hash(&fs::read(&file.path).await?)));
        }
        Ok(Self {
            database,
            folder,
            node: cluster.node_name(),
            version: None,
            agreed: BTreeMap::new(),
            versions: BTreeMap::new(),
            here,
            faults: BTreeMap::new(),
        })
    }

    /// Reads what is agreed on, if that has changed; whether it had.
    pub(super) async fn look(&mut self) -> Result<bool> {
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

    /// The files that are agreed on and not here.
    fn missing(&self) -> Vec<(Arc<str>, String)> {
        let wanted = self.agreed.iter().filter_map(|(id, agreed)| Some((id, agreed.sha256.as_ref()?)));
        let missing = wanted.filter(|(id, sha256)| self.here.get(*id) != Some(sha256));
        missing.map(|(id, sha256)| (id.clone(), sha256.clone())).collect()
    }

    async fn put(&mut self, id: &Arc<str>, sha256: String, bytes: &[u8]) -> Result<()> {
        files::put(&self.folder, id, bytes).await.map_err(|error| {
            Error::Unavailable(format!("the folder {} cannot be written: {error}", self.folder.display()))
        })?;
        self.here.insert(id.clone(), sha256);
        Ok(())
    }

    /// The bytes of a version that is kept for all nodes.
    pub(super) async fn read(&self, sha256: &str) -> Result<Vec<u8>> {
        let bytes = self.database.plugin_file(sha256).await?;
        let bytes = bytes.filter(|bytes| hex(&hash(bytes)) == sha256);
        bytes.ok_or_else(|| Error::Unavailable(format!("the database has no file with the SHA-256 {sha256}")))
    }

    /// What this node runs: of its own files, those that nothing else is agreed on about.
    pub(super) async fn over(&mut self, mut own: Files) -> io::Result<Files> {
        let mut given = files::list(&self.folder).await?;
        // What somebody took away is fetched again with the next look.
        self.here.retain(|id, _| given.contains_key(id));
        for (id, agreed) in &self.agreed {
            if agreed.removed {
                own.remove(id);
            } else if let (Some(_), Some(file)) = (&agreed.sha256, given.remove(id)) {
                own.insert(id.clone(), file);
            }
        }
        Ok(own)
    }

    /// The plugins' tables, of which `own` are this node's.
    pub(super) fn tables(&mut self, own: &Tables) -> Tables {
        let mut tables = own.clone();
        for (id, agreed) in &self.agreed {
            let table = own.get(&**id).cloned().unwrap_or_default();
            let keys = [&agreed.given, &agreed.changed].into_iter().flatten().map(|text| text.parse());
            let over = keys.collect::<Result<Vec<PluginKeys>, _>>().map_err(|error| error.to_string());
            match over.and_then(|all| all.iter().try_fold(table, |table, keys| table.with(id, keys))) {
                Ok(table) => {
                    self.faults.remove(id);
                    tables.insert(id.to_string(), table);
                }
                Err(why) => {
                    if self.faults.get(id) != Some(&why) {
                        tracing::error!(plugin = %id, "what the cluster agreed on cannot be used here: {why}");
                    }
                    self.faults.insert(id.clone(), why);
                }
            }
        }
        tables
    }

    /// What can be gone back to on all nodes.
    pub(super) fn versions(&self, id: &str) -> &[KeptVersion] {
        self.versions.get(id).map_or(&[], Vec::as_slice)
    }

    /// What is agreed on about a plugin's file: its hash, or none if nobody runs it; and since when.
    pub(super) fn file(&self, id: &str) -> Option<(Option<&str>, Timestamp)> {
        let agreed = self.agreed.get(id).filter(|agreed| agreed.removed || agreed.sha256.is_some())?;
        Some((agreed.sha256.as_deref(), Timestamp(agreed.file_at)))
    }

    /// Has all nodes run a file; `former` is what ran before it.
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

    /// Has no node run it.
    pub(super) async fn remove(&mut self, id: &Arc<str>) -> Result<()> {
        let at = now();
        self.agree(id, &[], at, |agreed| {
            *agreed = AgreedPlugin { sha256: None, removed: true, file_at: at.0, ..std::mem::take(agreed) };
        })
        .await
    }

    /// Has these keys of its table hold on all nodes.
    pub(super) async fn change(&mut self, id: &Arc<str>, keys: PluginKeys) -> Result<()> {
        self.agree(id, &[], now(), |agreed| {
            let before = agreed.changed.take();
            let mut changed: PluginKeys = before.and_then(|text| text.parse().ok()).unwrap_or_default();
            changed.extend(keys);
            agreed.changed = Some(changed.to_string());
        })
        .await
    }

    /// Has this table of this node's configuration hold on all nodes, or none of it any more. What administrators changed
    /// before the table did is over.
    pub(super) async fn give(&mut self, id: &Arc<str>, table: Option<&config::Plugin>) -> Result<()> {
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

    /// The plugins whose tables this node gave, before it was started too.
    pub(super) fn given_from_here(&self) -> impl Iterator<Item = &Arc<str>> {
        let here = |agreed: &AgreedPlugin| agreed.given_by.as_deref() == Some(&self.node);
        self.agreed.iter().filter(move |(_, agreed)| here(agreed)).map(|(id, _)| id)
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
        self.look().await.map(|_| ())
    }
}
