//! Handles operators' commands.

use std::sync::Arc;

use bytes::Bytes;

use super::compiling::Sha256;
use super::{Folder, KnownPlugin, NotReady, ScanMode, Terms};
use crate::config::{self, PluginKeys};
use crate::error::{Error, Result};
use crate::plugins::KeptVersion;
use crate::plugins::cluster_plugins::{ClusterPlugins, Version};
use crate::plugins::files::{self, File, Files, Reading, Stamp};
use crate::plugins::folder_command::{FolderCommand, FolderTask};
use crate::plugins::load::{LoadError, hash};
use crate::plugins::plugin::hex;
use crate::text::shown;

/// Why a command is not completed now.
pub(super) enum Incomplete {
    /// A component that the command needs is being compiled.
    Compiling(Sha256),
    Failed(Error),
}

impl From<Error> for Incomplete {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<NotReady> for Incomplete {
    fn from(not_ready: NotReady) -> Self {
        match not_ready {
            NotReady::Compiling(sha256) => Self::Compiling(sha256),
            NotReady::Refused(error) => Self::Failed(refused(error)),
        }
    }
}

impl Folder {
    /// Handles a new command, which supersedes parked ones for the same file.
    pub(super) async fn handle_new(&mut self, command: FolderCommand) {
        if let Some(id) = command.task.replaces() {
            self.fail_superseded(id);
        }
        self.handle(command).await;
    }

    /// Handles a command, or parks it until the component that it needs is compiled.
    pub(super) async fn handle(&mut self, command: FolderCommand) {
        let FolderCommand { task, done } = command;
        let outcome = match &task {
            FolderTask::Reload(tables) => {
                if let Some(tables) = tables {
                    self.tables = tables.clone();
                    self.distribute_tables().await;
                }
                self.retry_untried();
                self.scan(ScanMode::All).await;
                self.answer_when_settled(done);
                return;
            }
            FolderTask::Configure(config, tables) => {
                self.config = config::Plugins::clone(config);
                self.tables = tables.clone();
                self.distribute_tables().await;
                // Files that must be compiled are loaded later: the rest of the configuration does not wait for them.
                self.scan(ScanMode::All).await;
                Ok(())
            }
            FolderTask::Retry { which } => match self.lift_quarantine(which) {
                Ok(()) => {
                    self.scan(ScanMode::All).await;
                    self.answer_when_settled(done);
                    return;
                }
                Err(error) => Err(error.into()),
            },
            FolderTask::Install { id, file } => self.install(id, file.clone()).await,
            FolderTask::RollBack { id, sha256 } => self.roll_back(id, sha256.as_deref()).await,
            FolderTask::Remove { id } => self.remove(id).await.map_err(Incomplete::from),
            FolderTask::Try { id, table } => self.try_out(id, config::Plugin::clone(table)).await,
            FolderTask::Change { id, keys } => self.change(id, keys.clone()).await,
            FolderTask::Rename { from, to } => self.rename(from, to).await.map_err(Incomplete::from),
        };
        match outcome {
            Err(Incomplete::Compiling(sha256)) => self.park(sha256, FolderCommand { task, done }),
            // The caller may be gone.
            Err(Incomplete::Failed(error)) => drop(done.send(Err(error))),
            Ok(()) => drop(done.send(Ok(()))),
        }
    }

    async fn install(&mut self, id: &Arc<str>, file: Bytes) -> Result<(), Incomplete> {
        let terms = self.terms(id);
        // It is started before its file is written: a file that does not start never replaces one that does.
        let ready = self.prepare(id, file.clone(), &terms).await?;
        let stamp = if self.cluster_plugins.is_some() {
            self.install_in_cluster(id, &file).await?
        } else {
            let folder = &self.config.folder;
            files::put(folder, id, &file).await.map_err(|error| {
                Error::Unavailable(format!("the folder {} cannot be written: {error}", folder.display()))
            })?
        };
        if terms.table.enabled {
            self.activate(id, ready, &file, terms, stamp).await;
        }
        // In a cluster another node may have installed its own version meanwhile.
        self.scan(if self.cluster_plugins.is_some() { ScanMode::All } else { ScanMode::Changed }).await;
        Ok(())
    }

    /// Lifts the quarantine of a plugin's files, or of files with this hash, and retries inconclusive trials.
    fn lift_quarantine(&mut self, which: &str) -> Result<()> {
        let untried =
            |id: &str, known: &KnownPlugin| id == which && matches!(known.error, Some((LoadError::Untried(_), _)));
        let waits = self.known.iter().any(|(id, known)| untried(id, known));
        if self.crashed.forget(which) == 0 && !waits {
            return Err(Error::NotFound(format!("no file of `{}` is quarantined", shown(which))));
        }
        self.shared.crashed.store(Arc::new(self.crashed.all().to_vec()));
        for known in self.known.values_mut() {
            if matches!(known.error, Some((LoadError::Quarantined { .. }, _))) {
                (known.stamp, known.sha256) = (None, None);
            }
        }
        self.retry_untried();
        Ok(())
    }

    /// Lets files whose trial was inconclusive be tried again.
    fn retry_untried(&mut self) {
        self.compiling.forget_tries();
        for known in self.known.values_mut() {
            if matches!(known.error, Some((LoadError::Untried(_), _))) {
                (known.stamp, known.sha256) = (None, None);
            }
        }
    }

    async fn install_in_cluster(&mut self, id: &Arc<str>, file: &Bytes) -> Result<Stamp> {
        let former = self.running_version(id).await;
        self.cluster_plugins()?.install(id, &Version::of(file.clone()), former.as_ref()).await?;
        self.notify_cluster_changed();
        Ok(self.file(id).await?.stamp)
    }

    async fn roll_back(&mut self, id: &Arc<str>, sha256: Option<&str>) -> Result<(), Incomplete> {
        let running = self.shared.registry.load().plugin(id).map(|plugin| hex(&plugin.sha256));
        let wanted = |version: &&KeptVersion| match sha256 {
            Some(sha256) => *version.sha256 == *sha256,
            None => running.as_deref() != Some(&*version.sha256),
        };
        let Some(version) = self.versions_of(id).iter().find(wanted).cloned() else {
            let which = sha256.map_or_else(|| "from before".to_owned(), shown);
            return Err(Error::NotFound(format!("no version {which} of `{}` is kept", shown(id))).into());
        };
        let damaged = |why: String| Error::Unavailable(format!("the kept version {} {why}", version.sha256));
        let common =
            self.cluster_plugins.as_ref().filter(|cluster_plugins| cluster_plugins.versions(id).contains(&version));
        let file = match common {
            Some(cluster_plugins) => cluster_plugins.read(&version.sha256).await?,
            None => {
                let read = self.versions.read(id, &version).await;
                read.map_err(|error| damaged(format!("cannot be read: {error}")))?
            }
        };
        if hex(&hash(&file)) != *version.sha256 {
            return Err(damaged("is damaged".into()).into());
        }
        self.install(id, file.into()).await
    }

    async fn remove(&mut self, id: &Arc<str>) -> Result<()> {
        let file = self.file(id).await?;
        if self.cluster_plugins.is_some() {
            self.cluster_plugins()?.remove(id).await?;
            self.notify_cluster_changed();
        } else {
            tokio::fs::remove_file(&file.path)
                .await
                .map_err(|error| Error::Unavailable(format!("{} cannot be removed: {error}", file.path.display())))?;
        }
        self.scan(ScanMode::All).await;
        Ok(())
    }

    async fn try_out(&mut self, id: &Arc<str>, table: config::Plugin) -> Result<(), Incomplete> {
        let file = self.file(id).await?;
        let Reading::Whole(bytes) = files::read(&file).await.map_err(refused)? else {
            return Err(Error::Unavailable(format!("{} is being written; try again", file.path.display())).into());
        };
        let terms = Terms { budget: self.config.budget(&table.limits), table };
        self.prepare(id, bytes.into(), &terms).await?;
        Ok(())
    }

    /// Changes keys of a plugin's table on all nodes. New settings are first tried on this node.
    async fn change(&mut self, id: &Arc<str>, keys: PluginKeys) -> Result<(), Incomplete> {
        let table = self.terms(id).table.with(id, &keys).map_err(|why| Error::invalid("table", why))?;
        if keys.contains_key("settings") {
            self.try_out(id, table).await?;
        }
        self.cluster_plugins()?.change(id, keys).await?;
        self.notify_cluster_changed();
        self.scan(ScanMode::All).await;
        Ok(())
    }

    pub(super) fn cluster_plugins(&mut self) -> Result<&mut ClusterPlugins> {
        self.cluster_plugins.as_mut().ok_or_else(|| Error::internal("this server has no cluster to change plugins in"))
    }

    /// The file that this node runs, or would run, for a plugin.
    pub(super) async fn file(&mut self, id: &Arc<str>) -> Result<File> {
        let mut files = self.files().await.map_err(unreadable)?;
        files.remove(id).ok_or_else(|| no_file(id))
    }

    pub(super) async fn files(&mut self) -> std::io::Result<Files> {
        self.files_to_run(files::list(&self.config.folder).await?).await
    }
}

fn refused(error: LoadError) -> Error {
    Error::invalid("plugin", error.to_string())
}

pub(super) fn unreadable(error: std::io::Error) -> Error {
    Error::Unavailable(format!("the plugins folder cannot be read: {error}"))
}

fn no_file(id: &str) -> Error {
    Error::NotFound(format!("there is no plugin `{}`: the plugins folder has no such file", shown(id)))
}
