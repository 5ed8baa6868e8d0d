//! Fixture: a host without network, with the plugins and the database that they need to start.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use natterjack::accounts::password::PasswordHasher;
use natterjack::clock::now;
use natterjack::config;
use natterjack::database::{Database, Options};
use natterjack::hub::Hub;
use natterjack::messages::{Messages, Writer};
use natterjack::plugins::{Call, PluginRuntime, Plugins, Services, Tables};
use natterjack::protocol::{Account, AccountId, Actor, Room, RoomId, RoomKind, Visibility};
use natterjack::room_cache::RoomCache;
use natterjack::rooms::Rooms;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A plugin as `cargo xtask plugins` builds it, or one of the tests' fixtures.
pub(crate) fn built(name: &str) -> Vec<u8> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "../target".into(), PathBuf::from);
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join(target);
    let places = [target.join("plugins").join(name), target.join("wasm32-wasip2/plugin").join(name)];
    places
        .iter()
        .find_map(|file| std::fs::read(file).ok())
        .unwrap_or_else(|| panic!("{name} is not in {}: build it first, as docs/figures.md says", target.display()))
}

/// A folder with these plugins, and their configuration.
pub(crate) struct Host {
    folder: tempfile::TempDir,
    tables: Tables,
    cache: bool,
}

impl Host {
    pub(crate) fn new(plugins: &[&str], config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("plugins")).unwrap();
        let host = Self {
            folder,
            tables: config::Config::from_text("bench", config, [("", ""); 0]).unwrap().plugin,
            cache: false,
        };
        // As operators name files; cargo puts underscores into the names of what it builds.
        plugins.iter().for_each(|name| host.install(&name.replace('_', "-"), &built(name)));
        host
    }

    pub(crate) fn cached(self) -> Self {
        Self { cache: true, ..self }
    }

    pub(crate) fn install(&self, name: &str, bytes: &[u8]) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, bytes).unwrap();
        std::fs::rename(new, self.folder.path().join("plugins").join(name)).unwrap();
    }

    pub(crate) async fn services(&self) -> Arc<Services> {
        let url = format!("sqlite:{}", self.folder.path().join("bench.db").display());
        let database = Database::open(&Options { url, full_sync: false, readers: 1 }).await.unwrap();
        let (hub, known) = (Arc::new(Hub::default()), Arc::new(RoomCache::default()));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let writer = Writer::start(
            database.clone(),
            hub.clone(),
            known.clone(),
            &tasks,
            stop,
            &natterjack::metrics::Metrics::default(),
        );
        let passwords = Arc::new(PasswordHasher::new(&config::Auth::default()).unwrap());
        let rooms = Arc::new(Rooms::new(database.clone(), writer.clone(), known, config::Limits::default().into()));
        let messages = Arc::new(Messages::new(database.clone(), config::Limits::default().into()));
        Arc::new(Services::new(database, passwords, writer, rooms, messages, hub, Arc::default()))
    }

    pub(crate) async fn start(&self, services: Arc<Services>) -> Arc<Plugins> {
        Plugins::load(&self.config(), &self.tables, services, &[], self.folder.path()).await.unwrap()
    }

    /// Starts the plugins and watches the folder until `stop`.
    pub(crate) async fn follow(&self, services: Arc<Services>, stop: CancellationToken) -> Arc<Plugins> {
        let tasks = TaskTracker::new();
        let live = PluginRuntime { cluster: None, stop: stop.clone(), reacting: &tasks, stop_reactions: stop };
        Plugins::start(&self.config(), &self.tables, services, &[], self.folder.path(), live).await.unwrap()
    }

    fn config(&self) -> config::Plugins {
        config::Plugins { folder: self.folder.path().join("plugins"), cache: self.cache, ..config::Plugins::default() }
    }
}

/// A call by an account in a room.
pub(crate) fn call() -> Call {
    let account = Account { id: AccountId::new(), number: 1, name: "ann".into(), is_admin: false };
    let room = Room {
        guarded: false,
        pair: None,
        id: RoomId::new(),
        number: 1,
        code: "LOBBY".into(),
        name: "lobby".into(),
        kind: RoomKind::Room,
        visibility: Visibility::Public,
        topic: "".into(),
        member_limit: None,
        created_at: now(),
    };
    Call {
        request: uuid::Uuid::now_v7(),
        actor: Actor::Account(account),
        room: Some(room),
        role: None,
        connection: None,
        origin: None,
        depth: 0,
    }
}
