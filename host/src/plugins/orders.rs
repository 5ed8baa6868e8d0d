//! What operators have done to plugins while the server runs. The folder's keeper does it, one thing after the other.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Plugins, Tables};
use crate::config::{self, PluginKeys};
use crate::error::{Error, Result};

/// What the folder's keeper is to do, and who waits for it.
pub(super) struct Order {
    pub(super) what: Task,
    pub(super) done: oneshot::Sender<Result<()>>,
}

pub(super) enum Task {
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
    /// Have these keys of its table hold on all nodes of the cluster.
    Change {
        id: Arc<str>,
        keys: PluginKeys,
    },
}

impl Plugins {
    /// Applies new tables and looks at the folder again; done when that is done.
    pub async fn reload(&self, tables: Option<Tables>) -> Result<()> {
        self.order(Task::Reload(tables)).await
    }

    /// The same with a new `[plugins]`, of which the folder stays the same.
    pub async fn configure(&self, config: config::Plugins, tables: Tables) -> Result<()> {
        self.order(Task::Configure(Box::new(config), tables)).await
    }

    /// Puts a file into the folder and into force. One that would not run is refused, and the version before goes on.
    pub async fn install(&self, id: &str, file: Bytes) -> Result<()> {
        if !config::is_plugin_id(id) {
            return Err(Error::invalid("id", "wanted lower-case words joined by dashes, such as `word-filter`"));
        }
        self.order(Task::Install { id: id.into(), file }).await
    }

    /// Puts the version of this hash into force again, or else the one that ran before the present one.
    pub async fn roll_back(&self, id: &str, sha256: Option<String>) -> Result<()> {
        self.order(Task::RollBack { id: id.into(), sha256 }).await
    }

    /// Takes a plugin's file out of the folder.
    pub async fn remove(&self, id: &str) -> Result<()> {
        self.order(Task::Remove { id: id.into() }).await
    }

    /// Whether a plugin's file would run with this table; the error says why not.
    pub async fn try_out(&self, id: &str, table: config::Plugin) -> Result<()> {
        self.order(Task::Try { id: id.into(), table: Box::new(table) }).await
    }

    /// Changes keys of a plugin's table on all nodes of the cluster; with new settings, once it has started with them here.
    pub async fn change_everywhere(&self, id: &str, keys: PluginKeys) -> Result<()> {
        self.order(Task::Change { id: id.into(), keys }).await
    }

    async fn order(&self, what: Task) -> Result<()> {
        let unwatched = || Error::Unavailable("the plugins folder is not being watched".into());
        let (done, heard) = oneshot::channel();
        self.orders.send(Order { what, done }).await.map_err(|_| unwatched())?;
        heard.await.map_err(|_| unwatched())?
    }
}
