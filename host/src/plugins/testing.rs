//! Test support: the services of a host, with a database of its own.

use std::sync::Arc;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Services, Shared};
use crate::accounts::password::PasswordHasher;
use crate::clock::now;
use crate::config;
use crate::database::{Database, NewUser, Options};
use crate::hub::Hub;
use crate::messages::{Messages, Writer};
use crate::protocol::Account;
use crate::room_cache::RoomCache;
use crate::rooms::Rooms;

/// A host's services with a temporary database.
pub(super) struct World {
    pub(super) services: Arc<Services>,
    hub: Arc<Hub>,
    /// Deleted on drop.
    pub(super) folder: TempDir,
}

impl World {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        let database = Database::open(&Options { url, full_sync: false, readers: 2 }).await.unwrap();
        let hub = Arc::new(Hub::default());
        let cache = Arc::new(RoomCache::default());
        let writer = Writer::start(
            database.clone(),
            hub.clone(),
            cache.clone(),
            &TaskTracker::new(),
            CancellationToken::new(),
            &crate::metrics::Metrics::default(),
        );
        let passwords = Arc::new(PasswordHasher::new(&config::Auth::default()).unwrap());
        let rooms = Arc::new(Rooms::new(database.clone(), writer.clone(), cache, config::Limits::default().into()));
        let messages = Arc::new(Messages::new(database.clone(), config::Limits::default().into()));
        let services = Services::new(database, passwords, writer, rooms, messages, hub.clone(), Arc::default());
        Self { services: Arc::new(services), hub, folder }
    }

    /// A new set of services over the same database and hub.
    pub(super) fn services(&self) -> Services {
        let of = &self.services;
        Services::new(
            of.database.clone(),
            of.passwords.clone(),
            of.writer.clone(),
            of.rooms.clone(),
            of.messages.clone(),
            self.hub.clone(),
            Arc::default(),
        )
    }

    /// The callers' shared state, without plugins.
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::new(Shared::new(self.services.clone(), &[], std::path::Path::new(""), false))
    }

    pub(super) async fn account(&self, name: &str) -> Account {
        let new = NewUser { username: name, email: None, password_hash: "none", handle: None };
        self.services.database.add_user(&new, now()).await.unwrap().account()
    }
}
