//! Commands that operators give while the server runs. The folder task handles them one after another.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Plugins, Tables};
use crate::config::{self, PluginKeys};
use crate::error::{Error, Result};

/// The longest id that a plugin can be renamed to; it becomes a file name.
const MAX_NEW_ID_BYTES: usize = 64;

/// A task for the folder task, and the caller that waits for it.
pub(super) struct FolderCommand {
    pub(super) task: FolderTask,
    pub(super) done: oneshot::Sender<Result<()>>,
}

pub(super) enum FolderTask {
    /// Rescan the folder, with these tables if they changed.
    Reload(Option<Tables>),
    /// Rescan the folder with a new `[plugins]` table.
    Configure(Box<config::Plugins>, Tables),
    /// Install this file, if it starts.
    Install {
        id: Arc<str>,
        file: Bytes,
    },
    /// Install the version with this hash again, or else the one before the current one.
    RollBack {
        id: Arc<str>,
        sha256: Option<String>,
    },
    Remove {
        id: Arc<str>,
    },
    /// Check that the plugin starts with this table, without changing anything.
    Try {
        id: Arc<str>,
        table: Box<config::Plugin>,
    },
    /// Lift the quarantine of this plugin's files, or of files with this hash, and load them again.
    Retry {
        which: String,
    },
    /// Rename a plugin with its storage, timers and account.
    Rename {
        from: Arc<str>,
        to: Arc<str>,
    },
    /// Set these keys of the plugin's table on all nodes of the cluster.
    Change {
        id: Arc<str>,
        keys: PluginKeys,
    },
}

impl FolderTask {
    /// The plugin whose file the task replaces or removes.
    pub(super) fn replaces(&self) -> Option<&str> {
        match self {
            Self::Install { id, .. } | Self::RollBack { id, .. } | Self::Remove { id } => Some(id),
            Self::Rename { from, .. } => Some(from),
            _ => None,
        }
    }
}

impl Plugins {
    /// Applies new tables, rescans the folder and waits until all files are loaded or refused.
    pub async fn reload(&self, tables: Option<Tables>) -> Result<()> {
        self.send_command(FolderTask::Reload(tables)).await
    }

    /// Applies a new `[plugins]` table, whose folder must be the same, and rescans. Does not wait for compiling.
    pub async fn configure(&self, config: config::Plugins, tables: Tables) -> Result<()> {
        self.send_command(FolderTask::Configure(Box::new(config), tables)).await
    }

    /// Installs a file in the folder and replaces the running version. A file that would not start is refused.
    pub async fn install(&self, id: &str, file: Bytes) -> Result<()> {
        if !config::is_plugin_id(id) {
            return Err(Error::invalid("id", "wanted lower-case words joined by dashes, such as `word-filter`"));
        }
        self.send_command(FolderTask::Install { id: id.into(), file }).await
    }

    /// Installs the kept version with this hash, or else the one that ran before the current one.
    pub async fn roll_back(&self, id: &str, sha256: Option<String>) -> Result<()> {
        self.send_command(FolderTask::RollBack { id: id.into(), sha256 }).await
    }

    /// Lifts the quarantine of this plugin's files, or of those whose SHA-256 starts with `which`, and waits until they are
    /// loaded or refused.
    pub async fn retry(&self, which: &str) -> Result<()> {
        self.send_command(FolderTask::Retry { which: which.to_owned() }).await
    }

    /// Checks whether a plugin can be renamed; the error names the obstacle.
    pub async fn check_rename(&self, from: &str, to: &str) -> Result<()> {
        for id in [from, to] {
            if !config::is_plugin_id(id) {
                return Err(Error::invalid("id", "wanted lower-case words joined by dashes, such as `word-filter`"));
            }
        }
        if to.len() > MAX_NEW_ID_BYTES {
            return Err(Error::invalid("to", format!("at most {MAX_NEW_ID_BYTES} characters")));
        }
        if self.shared.clustered {
            return Err(Error::Conflict(
                "plugins of a cluster are not renamed while they run, since the nodes take a change one after the other;                  docs/operate.md says how to do it by hand"
                    .into(),
            ));
        }
        let taken = |what: &str| Err(Error::Conflict(format!("there is {what} by the name of {to} already")));
        if from == to || self.statuses().iter().any(|status| &*status.id == to) {
            return taken("a plugin");
        }
        if self.shared.tables.load().contains_key(to) {
            return taken("a table in the configuration");
        }
        if self.shared.services.database.has_plugin_data(to).await? {
            return taken("stored data");
        }
        Ok(())
    }

    /// Renames a plugin with its file, storage, timers and account. A start continues an interrupted rename until
    /// [`Plugins::renamed`] says that the configuration has followed.
    pub async fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.send_command(FolderTask::Rename { from: from.into(), to: to.into() }).await
    }

    /// Ends a rename once the configuration has followed: deletes its record.
    pub async fn renamed(&self) {
        self.shared.forget_renaming().await;
    }

    /// Removes a plugin's file from the folder.
    pub async fn remove(&self, id: &str) -> Result<()> {
        self.send_command(FolderTask::Remove { id: id.into() }).await
    }

    /// Checks whether a plugin's file would start with this table; the error says why not.
    pub async fn try_out(&self, id: &str, table: config::Plugin) -> Result<()> {
        self.send_command(FolderTask::Try { id: id.into(), table: Box::new(table) }).await
    }

    /// Changes keys of a plugin's table on all nodes of the cluster. New settings are first tried on this node.
    pub async fn change_in_cluster(&self, id: &str, keys: PluginKeys) -> Result<()> {
        self.send_command(FolderTask::Change { id: id.into(), keys }).await
    }

    async fn send_command(&self, task: FolderTask) -> Result<()> {
        let unwatched = || Error::Unavailable("the plugins folder is not being watched".into());
        let (done, reply) = oneshot::channel();
        self.commands.send(FolderCommand { task, done }).await.map_err(|_| unwatched())?;
        reply.await.map_err(|_| unwatched())?
    }
}
