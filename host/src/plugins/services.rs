//! The parts of the host behind the plugins' imports.

use std::sync::Arc;

use tokio::sync::Notify;

use super::outbound_http::OutboundHttp;
use super::trial::Trial;
use crate::accounts::password::PasswordHasher;
use crate::cache::Cache;
use crate::clock::now;
use crate::database::Database;
use crate::error::Result;
use crate::hub::Hub;
use crate::messages::{Messages, Writer};
use crate::metrics::Metrics;
use crate::protocol::{Bot, Unit};
use crate::rooms::Rooms;

/// Bot accounts in the cache; more plugins than this are never installed.
const MAX_CACHED_BOTS: usize = 1000;

/// The parts of the host that plugins reach through their imports.
pub struct Services {
    pub(super) database: Database,
    pub(super) passwords: Arc<PasswordHasher>,
    pub(super) writer: Writer,
    pub(super) rooms: Arc<Rooms>,
    pub(super) messages: Arc<Messages>,
    pub(super) hub: Arc<Hub>,
    pub(super) http: Arc<OutboundHttp>,
    pub(super) metrics: Arc<Metrics>,
    /// Notified when a timer may be due sooner than the next known one.
    pub(super) timers_changed: Notify,
    /// Loads unknown plugin files in a child process first, if set.
    pub(super) trial: Option<Trial>,
    pub(super) bots: Cache<Arc<str>, Bot>,
    on_staged: Option<OnStaged>,
}

type OnStaged = Box<dyn Fn(&Unit) + Send + Sync>;

impl Services {
    /// Without a trial of unknown files and without a callback for staged writes.
    pub fn new(
        database: Database,
        passwords: Arc<PasswordHasher>,
        writer: Writer,
        rooms: Arc<Rooms>,
        messages: Arc<Messages>,
        hub: Arc<Hub>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            database,
            passwords,
            writer,
            rooms,
            messages,
            hub,
            http: Arc::default(),
            metrics,
            timers_changed: Notify::new(),
            trial: None,
            bots: Cache::new(MAX_CACHED_BOTS),
            on_staged: None,
        }
    }

    /// Sets how unknown files are loaded in a child process first.
    pub fn with_trial(self, trial: Trial) -> Self {
        Self { trial: Some(trial), ..self }
    }

    /// Sets a callback for what each call has staged, whether it is committed or not: for the plugin test tools.
    pub fn with_staged_callback(self, on_staged: impl Fn(&Unit) + Send + Sync + 'static) -> Self {
        Self { on_staged: Some(Box::new(on_staged)), ..self }
    }

    pub(super) fn wants_staged(&self) -> bool {
        self.on_staged.is_some()
    }

    pub(super) fn report_staged(&self, unit: &Unit) {
        if let Some(on_staged) = &self.on_staged {
            on_staged(unit);
        }
    }

    /// A plugin's own account, created on first use.
    pub(super) async fn bot(&self, plugin: &Arc<str>) -> Result<Bot> {
        self.bots.get_or_load(plugin, self.database.bot(plugin, now())).await
    }
}
