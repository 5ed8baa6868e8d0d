//! A minimal server around one plugin, with a temporary database, for the plugin test tools.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use crate::accounts::Accounts;
use crate::accounts::keys::Keys;
use crate::accounts::password::PasswordHasher;
use crate::accounts::token::Tokens;
use crate::clock::{Timestamp, now};
use crate::config::{Config, Grant, Plugin, Reloadable, Settings};
use crate::database::{self, Database, NewUser};
use crate::dialect::native::CORE_OPS;
use crate::hub::Hub;
use crate::messages::{Messages, Writer};
use crate::metrics::Metrics;
use crate::plugins::{Call, CommandInfo, PluginStatus, Plugins, Services, Trial};
use crate::protocol::{
    Account, AccountId, Actor, Change, NewRoom, Role, Room, RoomId, RoomName, RoomQuota, Timer, Unit, Visibility,
};
use crate::room_cache::RoomCache;
use crate::rooms::{Rooms, new_code};
use crate::router::{self, Caller, Commands, Exemptions, Router};

/// Timers of the plugin that are tested.
const MAX_TIMERS: u32 = 100;

/// A minimal server that runs one plugin.
pub(super) struct Bench {
    pub(super) router: Router,
    pub(super) plugins: Arc<Plugins>,
    pub(super) hub: Arc<Hub>,
    rooms: Arc<Rooms>,
    writer: Writer,
    id: String,
    database: Database,
    committed: Arc<Mutex<Vec<Unit>>>,
    staged: Arc<Mutex<Vec<Unit>>>,
    stop: CancellationToken,
    writing: TaskTracker,
    /// Holds the database and the plugin; deleted on drop.
    _folder: TempDir,
}

impl Bench {
    /// Starts the server with the plugin and these grants. [`Bench::status`] says whether the plugin runs.
    pub(super) async fn open(id: &str, component: &[u8], settings: Value, grants: Vec<Grant>) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let mut config = Config::default();
        config.plugins.folder = folder.path().join("plugins");
        std::fs::create_dir(&config.plugins.folder)?;
        std::fs::write(config.plugins.folder.join(id).with_extension("wasm"), component)?;
        let settings = Settings(if settings.is_null() { Value::Object(Map::new()) } else { settings });
        config.plugin.insert(id.to_owned(), Plugin { grants, settings, ..Plugin::default() });

        let url = format!("sqlite:{}", folder.path().join("bench.db").display());
        let database = Database::open(&database::Options { url, full_sync: false, readers: 2 }).await?;
        let (hub, known) = (Arc::new(Hub::default()), Arc::new(RoomCache::default()));
        let (stop, writing) = (CancellationToken::new(), TaskTracker::new());
        let committed: Arc<Mutex<Vec<Unit>>> = Arc::default();
        let writer =
            Writer::start(database.clone(), hub.clone(), known.clone(), &writing, stop.clone(), &Metrics::default());
        let sink = committed.clone();
        let writer = writer.on_commit(move |unit| sink.lock().push(unit.clone()));

        let passwords = Arc::new(PasswordHasher::new(&config.auth)?);
        let tokens = Tokens::new(Keys::of_secret(Uuid::new_v4().as_bytes()), config.auth.access_ttl);
        let accounts = Accounts::new(
            database.clone(),
            passwords.clone(),
            tokens,
            hub.clone(),
            (&config.auth).into(),
            &config.limits,
            &Metrics::default(),
        );
        let rooms = Arc::new(Rooms::new(database.clone(), writer.clone(), known, (&config.limits).into()));
        let messages = Arc::new(Messages::new(database.clone(), (&config.limits).into()));
        let services = Services::new(
            database.clone(),
            passwords,
            writer.clone(),
            rooms.clone(),
            messages.clone(),
            hub.clone(),
            Arc::default(),
        )
        .with_trial(Trial::with_this_program());
        let staged: Arc<Mutex<Vec<Unit>>> = Arc::default();
        let sink = staged.clone();
        let services = Arc::new(services.with_staged_callback(move |unit| sink.lock().push(unit.clone())));
        let plugins = Plugins::load(&config.plugins, &config.plugin, services, &CORE_OPS, folder.path()).await?;
        let limits = Reloadable::from(&config.limits);
        let commands = Commands::new(limits.clone(), Exemptions::new(limits, (&config.server).into()));
        let router = Router::new(router::Parts {
            accounts: Arc::new(accounts),
            rooms: rooms.clone(),
            messages,
            writer: writer.clone(),
            hub: hub.clone(),
            plugins: plugins.clone(),
            commands,
        });
        Ok(Self {
            router,
            plugins,
            hub,
            rooms,
            writer,
            id: id.to_owned(),
            database,
            committed,
            staged,
            stop,
            writing,
            _folder: folder,
        })
    }

    pub(super) fn status(&self) -> Result<PluginStatus> {
        self.plugins.statuses().into_iter().next().context("the plugin was not found where it was put")
    }

    /// Checks that the plugin runs; the error says why it does not.
    pub(super) fn check_runs(&self) -> Result<PluginStatus> {
        let status = self.status()?;
        match &status.error {
            Some((error, _)) => bail!("{} does not run: {error}", self.id),
            None => Ok(status),
        }
    }

    pub(super) fn commands(&self) -> Vec<Arc<CommandInfo>> {
        let names = self.status().map(|status| status.commands).unwrap_or_default();
        names.iter().filter_map(|name| self.plugins.command(name)).collect()
    }

    /// The account of this name, created if needed.
    pub(super) async fn account(&self, name: &str) -> Result<Account> {
        if let Some(account) = self.database.account_named(name).await? {
            return Ok(account);
        }
        let name = crate::name::clean("name", name)?;
        let new = NewUser { username: &name, email: None, password_hash: "nobody logs in here", handle: None };
        Ok(self.database.add_user(&new, now()).await?.account())
    }

    /// The room of this name, created if needed.
    pub(super) async fn room(&self, name: &str, visibility: Visibility) -> Result<Room> {
        let named = RoomName::parse(name.to_owned());
        if let Ok(room) = self.rooms.get(&named).await {
            return Ok(room);
        }
        let new = NewRoom {
            id: RoomId::new(),
            code: new_code(),
            name: crate::name::clean("room", name)?,
            visibility,
            topic: String::new(),
            member_limit: None,
            owner: None,
            quota: RoomQuota::Unlimited,
        };
        self.commit(Change::CreateRoom(new)).await?;
        Ok(self.rooms.get(&named).await?)
    }

    pub(super) async fn add_member(&self, room: &Room, account: &Account, role: Role) -> Result<()> {
        let membership = self.rooms.membership(room.id, account.id).await?;
        if membership.role.is_none() {
            self.commit(Change::AddMember { room: room.id, account: account.id, role }).await?;
        }
        Ok(())
    }

    /// Commits a change of the test's own, which [`Bench::take_committed`] does not return.
    async fn commit(&self, change: Change) -> Result<()> {
        self.writer.commit(Unit::new(Actor::Server, vec![change])).await?;
        self.committed.lock().clear();
        Ok(())
    }

    /// The number of the last entry in a room's log.
    pub(super) async fn last_seq(&self, room: &Room) -> Result<u64> {
        Ok(self.database.last_seq(room.id).await?)
    }

    /// Commits a change with this account as its actor.
    pub(super) async fn commit_for(&self, account: &Account, change: Change) -> Result<()> {
        Ok(self.writer.commit(Unit::new(Actor::Account(account.clone()), vec![change])).await?)
    }

    /// The units committed since the last call of this.
    pub(super) fn take_committed(&self) -> Vec<Unit> {
        std::mem::take(&mut *self.committed.lock())
    }

    /// The writes that the plugin's last call staged, committed or not.
    pub(super) fn take_staged(&self) -> Option<Unit> {
        std::mem::take(&mut *self.staged.lock()).pop()
    }

    /// The timers that the plugin has set, due or not.
    pub(super) async fn timers(&self) -> Result<Vec<Timer>> {
        let id: Arc<str> = self.id.as_str().into();
        Ok(self.database.due_timers(&id, Timestamp(i64::MAX), MAX_TIMERS).await?)
    }

    /// The names of all accounts and rooms by id.
    pub(super) async fn names(&self) -> Result<HashMap<Uuid, String>> {
        let mut names = HashMap::new();
        for user in self.database.users(None, 0, 1000).await? {
            names.insert(user.uid.0, user.username);
        }
        for (room, _) in self.database.rooms(None, None, "", 1000).await? {
            names.insert(room.id.0, room.name.to_string());
        }
        Ok(names)
    }

    pub(super) async fn close(self) {
        self.stop.cancel();
        self.writing.close();
        self.writing.wait().await;
        self.database.close().await;
    }
}

/// A caller with this account, for requests through the router.
pub(super) fn caller(account: &Account) -> Caller {
    let origin = IpAddr::from(Ipv4Addr::LOCALHOST).into();
    Caller { actor: Actor::Account(account.clone()), connection: None, origin, request: Uuid::now_v7() }
}

/// A call by this account, for hooks that are called without the router.
pub(super) fn call(account: &Account, room: &Room, role: Option<Role>) -> Call {
    Call {
        request: Uuid::now_v7(),
        actor: Actor::Account(account.clone()),
        room: Some(room.clone()),
        role,
        connection: None,
        origin: None,
        depth: 0,
    }
}

/// Whether the text is an account's id and not a name.
pub(super) fn is_account_id(text: &str) -> bool {
    text.parse::<AccountId>().is_ok()
}

/// Parses `--settings`.
pub(super) fn settings(text: &str) -> Result<Value> {
    object(text).map_err(|why| anyhow!("{why}; wanted an object, as the plugin's `settings` in config.toml"))
}

/// Parses a JSON object.
pub(super) fn object(text: &str) -> Result<Value> {
    let value: Value = serde_json::from_str(text).map_err(|error| anyhow!("is not JSON: {error}"))?;
    if !value.is_object() {
        bail!("is JSON, but not an object");
    }
    Ok(value)
}

/// Writes the plugin's log and the reasons of its faults to standard error.
pub(super) fn show_log() {
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("plugin=info"))
        .without_time()
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // Fails only if a test in the same process has set a logger already.
    let _ = log.try_init();
}
