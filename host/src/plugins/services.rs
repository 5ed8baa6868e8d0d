//! What imports are made of.

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

/// Bots whose accounts are kept at hand; more plugins than this are never installed.
const BOTS: usize = 1000;

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
    /// Told when timers may be due sooner than they were.
    pub(super) timers_changed: Notify,
    /// How unknown plugin files are tried.
    pub(super) trial: Option<Trial>,
    pub(super) bots: Cache<Arc<str>, Bot>,
    staged: Option<Staged>,
}

type Staged = Box<dyn Fn(&Unit) + Send + Sync>;

impl Services {
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
            bots: Cache::new(BOTS),
            staged: None,
        }
    }

    /// The same, loading unknown files in a process of their own first.
    pub fn trying_files(self, trial: Trial) -> Self {
        Self { trial: Some(trial), ..self }
    }

    /// The same, telling of what each call has staged, whether it becomes true or not: for trying plugins out.
    pub fn telling_staged(self, told: impl Fn(&Unit) + Send + Sync + 'static) -> Self {
        Self { staged: Some(Box::new(told)), ..self }
    }

    pub(super) fn wants_staged(&self) -> bool {
        self.staged.is_some()
    }

    pub(super) fn tell_staged(&self, unit: &Unit) {
        if let Some(staged) = &self.staged {
            staged(unit);
        }
    }

    /// A plugin's own account, made when it first does something in its own name.
    pub(super) async fn bot(&self, plugin: &Arc<str>) -> Result<Bot> {
        self.bots.get_or_load(plugin, self.database.bot(plugin, now())).await
    }
}
