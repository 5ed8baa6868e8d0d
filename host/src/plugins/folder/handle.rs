//! Doing what operators ask for.

use std::sync::Arc;

use bytes::Bytes;

use super::compiling::Sha256;
use super::{Folder, KnownPlugin, Look, NotReady, Terms};
use crate::config::{self, PluginKeys};
use crate::error::{Error, Result};
use crate::plugins::KeptVersion;
use crate::plugins::cluster_plugins::{ClusterPlugins, Version};
use crate::plugins::files::{self, File, Files, Reading, Stamp};
use crate::plugins::folder_command::{FolderCommand, FolderTask};
use crate::plugins::load::{LoadError, hash};
use crate::plugins::plugin::hex;
use crate::text::shown;

/// Why an order is not carried out now.
pub(super) enum Halt {
    /// A component that it needs is being compiled.
    Compiling(Sha256),
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<NotReady> for Halt {
    fn from(not_ready: NotReady) -> Self {
        match not_ready {
            NotReady::Compiling(sha256) => Self::Compiling(sha256),
            NotReady::Refused(error) => Self::Failed(refused(error)),
        }
    }
}

impl Folder {
    /// Takes an order that was just given.
    pub(super) async fn take(&mut self, command: FolderCommand) {
        if let Some(id) = command.what.replaces() {
            self.overtake(id);
        }
        self.handle(command).await;
    }

    /// Carries an order out, or comes back to it once what it needs is compiled.
    pub(super) async fn handle(&mut self, command: FolderCommand) {
        let FolderCommand { what, done } = command;
        let halted = match &what {
            FolderTask::Reload(tables) => {
                if let Some(tables) = tables {
                    self.tables = tables.clone();
                    self.give_tables().await;
                }
                self.try_untried_again();
                self.scan(Look::Read).await;
                self.answer_when_settled(done);
                return;
            }
            FolderTask::Configure(config, tables) => {
                self.config = config::Plugins::clone(config);
                self.tables = tables.clone();
                self.give_tables().await;
                // What has to be compiled first is in force when it is: the rest of the configuration does not wait.
                self.scan(Look::Read).await;
                Ok(())
            }
            FolderTask::Retry { which } => match self.forgive(which) {
                Ok(()) => {
                    self.scan(Look::Read).await;
                    self.answer_when_settled(done);
                    return;
                }
                Err(error) => Err(error.into()),
            },
            FolderTask::Install { id, file } => self.install(id, file.clone()).await,
            FolderTask::RollBack { id, sha256 } => self.roll_back(id, sha256.as_deref()).await,
            FolderTask::Remove { id } => self.remove(id).await.map_err(Halt::from),
            FolderTask::Try { id, table } => self.try_out(id, config::Plugin::clone(table)).await,
            FolderTask::Change { id, keys } => self.change(id, keys.clone()).await,
            FolderTask::Rename { from, to } => self.rename(from, to).await.map_err(Halt::from),
        };
        match halted {
            Err(Halt::Compiling(sha256)) => self.park(sha256, FolderCommand { what, done }),
            // Whoever asked may have gone away.
            Err(Halt::Failed(error)) => drop(done.send(Err(error))),
            Ok(()) => drop(done.send(Ok(()))),
        }
    }

    async fn install(&mut self, id: &Arc<str>, file: Bytes) -> Result<(), Halt> {
        let terms = self.terms(id);
        // Started before it is put there: what does not run never takes the place of what does.
        let ready = self.prepare(id, file.clone(), &terms).await?;
        let stamp = if self.set.is_some() {
            self.install_everywhere(id, &file).await?
        } else {
            let folder = &self.config.folder;
            files::put(folder, id, &file).await.map_err(|error| {
                Error::Unavailable(format!("the folder {} cannot be written: {error}", folder.display()))
            })?
        };
        if terms.table.enabled {
            self.put_in_force(id, ready, &file, terms, stamp).await;
        }
        // In a cluster another node may have put its own version there meanwhile.
        self.scan(if self.set.is_some() { Look::Read } else { Look::Glance }).await;
        Ok(())
    }

    /// Lets the files of a plugin, or of a hash, be loaded again that took a process down.
    fn forgive(&mut self, which: &str) -> Result<()> {
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
        self.try_untried_again();
        Ok(())
    }

    /// What was ended from outside is tried again.
    fn try_untried_again(&mut self) {
        self.compiling.forget_tries();
        for known in self.known.values_mut() {
            if matches!(known.error, Some((LoadError::Untried(_), _))) {
                (known.stamp, known.sha256) = (None, None);
            }
        }
    }

    async fn install_everywhere(&mut self, id: &Arc<str>, file: &Bytes) -> Result<Stamp> {
        let former = self.running_version(id).await;
        self.set()?.install(id, &Version::of(file.clone()), former.as_ref()).await?;
        self.tell_set_changed();
        Ok(self.file(id).await?.stamp)
    }

    async fn roll_back(&mut self, id: &Arc<str>, sha256: Option<&str>) -> Result<(), Halt> {
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
        let common = self.set.as_ref().filter(|set| set.versions(id).contains(&version));
        let file = match common {
            Some(set) => set.read(&version.sha256).await?,
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
        if self.set.is_some() {
            self.set()?.remove(id).await?;
            self.tell_set_changed();
        } else {
            tokio::fs::remove_file(&file.path)
                .await
                .map_err(|error| Error::Unavailable(format!("{} cannot be removed: {error}", file.path.display())))?;
        }
        self.scan(Look::Read).await;
        Ok(())
    }

    async fn try_out(&mut self, id: &Arc<str>, table: config::Plugin) -> Result<(), Halt> {
        let file = self.file(id).await?;
        let Reading::Whole(bytes) = files::read(&file).await.map_err(refused)? else {
            return Err(Error::Unavailable(format!("{} is being written; try again", file.path.display())).into());
        };
        let terms = Terms { budget: self.config.budget(&table.limits), table };
        self.prepare(id, bytes.into(), &terms).await?;
        Ok(())
    }

    /// Changes keys of a plugin's table on all nodes, once it has started with them here.
    async fn change(&mut self, id: &Arc<str>, keys: PluginKeys) -> Result<(), Halt> {
        let table = self.terms(id).table.with(id, &keys).map_err(|why| Error::invalid("table", why))?;
        if keys.contains_key("settings") {
            self.try_out(id, table).await?;
        }
        self.set()?.change(id, keys).await?;
        self.tell_set_changed();
        self.scan(Look::Read).await;
        Ok(())
    }

    pub(super) fn set(&mut self) -> Result<&mut ClusterPlugins> {
        self.set.as_mut().ok_or_else(|| Error::internal("this server has no cluster to change plugins in"))
    }

    /// The file of a plugin that this node runs, or would if it could.
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
