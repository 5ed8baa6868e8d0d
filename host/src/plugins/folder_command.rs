//! What operators have done to plugins while the server runs. The folder's keeper does it, one thing after the other.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Plugins, Tables};
use crate::config::{self, PluginKeys};
use crate::error::{Error, Result};

/// What the folder's keeper is to do, and who waits for it.
pub(super) struct FolderCommand {
    pub(super) what: FolderTask,
    pub(super) done: oneshot::Sender<Result<()>>,
}

pub(super) enum FolderTask {
    /// Look at the folder, with these tables if they changed.
    Reload(Option<Tables>),
    /// The same with a new `[plugins]`.
    Configure(Box<config::Plugins>, Tables),
    /// Put this file there, if it runs.
    Install {
        id: Arc<str>,
        file: Bytes,
    },
    /// Put the version of this hash there again, or the one before.
    RollBack {
        id: Arc<str>,
        sha256: Option<String>,
    },
    Remove {
        id: Arc<str>,
    },
    /// Start the plugin as this table says, and leave everything as it is.
    Try {
        id: Arc<str>,
        table: Box<config::Plugin>,
    },
    /// Load the files of this plugin, or of this hash, again that took a process down.
    Retry {
        which: String,
    },
    /// Have a plugin, with all that is its own, be called otherwise.
    Rename {
        from: Arc<str>,
        to: Arc<str>,
    },
    /// Have these keys of its table hold on all nodes of the cluster.
    Change {
        id: Arc<str>,
        keys: PluginKeys,
    },
}

impl FolderTask {
    /// The plugin whose file it replaces or takes away.
    pub(super) fn replaces(&self) -> Option<&str> {
        match self {
            Self::Install { id, .. } | Self::RollBack { id, .. } | Self::Remove { id } => Some(id),
            Self::Rename { from, .. } => Some(from),
            _ => None,
        }
    }
}

impl Plugins {
    /// Applies new tables and looks at the folder again; done when that is done.
    pub async fn reload(&self, tables: Option<Tables>) -> Result<()> {
        self.send_command(FolderTask::Reload(tables)).await
    }

    /// The same with a new `[plugins]`, of which the folder stays the same.
    pub async fn configure(&self, config: config::Plugins, tables: Tables) -> Result<()> {
        self.send_command(FolderTask::Configure(Box::new(config), tables)).await
    }

    /// Puts a file into the folder and into force. One that would not run is refused, and the version before goes on.
    pub async fn install(&self, id: &str, file: Bytes) -> Result<()> {
        if !config::is_plugin_id(id) {
            return Err(Error::invalid("id", "wanted lower-case words joined by dashes, such as `word-filter`"));
        }
        self.send_command(FolderTask::Install { id: id.into(), file }).await
    }

    /// Puts the version of this hash into force again, or else the one that ran before the present one.
    pub async fn roll_back(&self, id: &str, sha256: Option<String>) -> Result<()> {
        self.send_command(FolderTask::RollBack { id: id.into(), sha256 }).await
    }

    /// Loads the files of this plugin, or those whose SHA-256 begins so, again that took a process down; done when that is.
    pub async fn retry(&self, which: &str) -> Result<()> {
        self.send_command(FolderTask::Retry { which: which.to_owned() }).await
    }

    /// Whether a plugin can be renamed so; the error says what is in the way.
    pub async fn check_rename(&self, from: &str, to: &str) -> Result<()> {
        for id in [from, to] {
            if !config::is_plugin_id(id) {
                return Err(Error::invalid("id", "wanted lower-case words joined by dashes, such as `word-filter`"));
            }
        }
        if self.shared.clustered {
            return Err(Error::Conflict(
                "plugins of a cluster are not renamed: every node would have to take the new name at the same moment"
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
        if self.shared.services.database.knows_plugin(to).await? {
            return taken("stored data");
        }
        Ok(())
    }

    /// Calls a plugin otherwise: its file, its storage, its timers and its account go with it.
    pub async fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.send_command(FolderTask::Rename { from: from.into(), to: to.into() }).await
    }

    /// Takes a plugin's file out of the folder.
    pub async fn remove(&self, id: &str) -> Result<()> {
        self.send_command(FolderTask::Remove { id: id.into() }).await
    }

    /// Whether a plugin's file would run with this table; the error says why not.
    pub async fn try_out(&self, id: &str, table: config::Plugin) -> Result<()> {
        self.send_command(FolderTask::Try { id: id.into(), table: Box::new(table) }).await
    }

    /// Changes keys of a plugin's table on all nodes of the cluster; with new settings, once it has started with them here.
    pub async fn change_everywhere(&self, id: &str, keys: PluginKeys) -> Result<()> {
        self.send_command(FolderTask::Change { id: id.into(), keys }).await
    }

    async fn send_command(&self, what: FolderTask) -> Result<()> {
        let unwatched = || Error::Unavailable("the plugins folder is not being watched".into());
        let (done, heard) = oneshot::channel();
        self.commands.send(FolderCommand { what, done }).await.map_err(|_| unwatched())?;
        heard.await.map_err(|_| unwatched())?
    }
}
