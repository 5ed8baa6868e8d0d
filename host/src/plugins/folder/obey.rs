//! Doing what operators ask for.

use std::sync::Arc;

use bytes::Bytes;

use super::{Folder, Look, Terms};
use crate::config::{self, PluginKeys};
use crate::error::{Error, Result};
use crate::plugins::KeptVersion;
use crate::plugins::files::{self, File, Files, Reading, Stamp};
use crate::plugins::load::{LoadError, hash};
use crate::plugins::orders::{Order, Task};
use crate::plugins::plugin::hex;
use crate::plugins::set::{Set, Version};

impl Folder {
    pub(super) async fn obey(&mut self, order: Order) {
        let done = match order.what {
            Task::Reload(tables) => {
                if let Some(tables) = tables {
                    self.tables = tables;
                    self.give_tables().await;
                }
                self.scan(Look::Read).await;
                Ok(())
            }
            Task::Configure(config, tables) => {
                self.config = *config;
                self.tables = tables;
                self.give_tables().await;
                self.scan(Look::Read).await;
                Ok(())
            }
            Task::Install { id, file } => self.install(&id, file).await,
            Task::RollBack { id, sha256 } => self.roll_back(&id, sha256.as_deref()).await,
            Task::Remove { id } => self.remove(&id).await,
            Task::Try { id, table } => self.try_out(&id, *table).await,
            Task::Change { id, keys } => self.change(&id, keys).await,
        };
        // Whoever asked may have gone away.
        let _ = order.done.send(done);
    }

    async fn install(&mut self, id: &Arc<str>, file: Bytes) -> Result<()> {
        let terms = self.terms(id);
        // Started before it is put there: what does not run never takes the place of what does.
        let ready = self.prepare(id, file.clone(), &terms).await.map_err(refused)?;
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

    async fn install_everywhere(&mut self, id: &Arc<str>, file: &Bytes) -> Result<Stamp> {
        let former = self.running_version(id).await;
        self.set()?.install(id, &Version::of(file.clone()), former.as_ref()).await?;
        self.tell_set_changed();
        Ok(self.file(id).await?.stamp)
    }

    async fn roll_back(&mut self, id: &Arc<str>, sha256: Option<&str>) -> Result<()> {
        let running = self.shared.registry.load().plugin(id).map(|plugin| hex(&plugin.sha256));
        let wanted = |version: &&KeptVersion| match sha256 {
            Some(sha256) => *version.sha256 == *sha256,
            None => running.as_deref() != Some(&*version.sha256),
        };
        let Some(version) = self.versions_of(id).iter().find(wanted).cloned() else {
            let which = sha256.map_or_else(|| "from before".to_owned(), |sha256| sha256.escape_debug().to_string());
            return Err(Error::NotFound(format!("no version {which} of `{}` is kept", id.escape_debug())));
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
            return Err(damaged("is damaged".into()));
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

    async fn try_out(&mut self, id: &Arc<str>, table: config::Plugin) -> Result<()> {
        let file = self.file(id).await?;
        let Reading::Whole(bytes) = files::read(&file).await.map_err(refused)? else {
            return Err(Error::Unavailable(format!("{} is being written; try again", file.path.display())));
        };
        let terms = Terms { budget: self.config.budget(&table.limits), table };
        self.prepare(id, bytes.into(), &terms).await.map_err(refused)?;
        Ok(())
    }

    /// Changes keys of a plugin's table on all nodes, once it has started with them here.
    async fn change(&mut self, id: &Arc<str>, keys: PluginKeys) -> Result<()> {
        let table = self.terms(id).table.with(id, &keys).map_err(|why| Error::invalid("table", why))?;
        if keys.contains_key("settings") {
            self.try_out(id, table).await?;
        }
        self.set()?.change(id, keys).await?;
        self.tell_set_changed();
        self.scan(Look::Read).await;
        Ok(())
    }

    fn set(&mut self) -> Result<&mut Set> {
        self.set.as_mut().ok_or_else(|| Error::internal("this server has no cluster to change plugins in"))
    }

    /// The file of a plugin that this node runs, or would if it could.
    async fn file(&mut self, id: &Arc<str>) -> Result<File> {
        let mut files = self.files().await.map_err(unreadable)?;
        files.remove(id).ok_or_else(|| no_file(id))
    }

    async fn files(&mut self) -> std::io::Result<Files> {
        self.files_to_run(files::list(&self.config.folder).await?).await
    }
}

fn refused(error: LoadError) -> Error {
    Error::invalid("plugin", error.to_string())
}

fn unreadable(error: std::io::Error) -> Error {
    Error::Unavailable(format!("the plugins folder cannot be read: {error}"))
}

fn no_file(id: &str) -> Error {
    Error::NotFound(format!("there is no plugin `{}`: the plugins folder has no such file", id.escape_debug()))
}
