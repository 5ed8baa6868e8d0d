//! Accounts: sign-up, log-in, and identification by token.

mod external;
mod failed_log_ins;
pub mod keys;
mod log_in;
pub mod password;
mod profile;
mod refresh;
mod revoke;
mod sealed;
pub mod throttle;
pub mod token;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use self::external::ExternalIssuer;
use self::password::PasswordHasher;
use self::sealed::Sealer;
use self::throttle::{Origin, Throttles};
use self::token::Tokens;
use crate::cache::Cache;
use crate::clock::{Timestamp, now};
use crate::config::{self, Reloadable};
use crate::database::{Database, NewUser, User};
use crate::error::{Error, Result};
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::name;
use crate::protocol::{Account, AccountId, LoginId};

pub use self::failed_log_ins::FailedLogIns;
pub use self::profile::ProfileChange;

/// The longest e-mail address.
pub const MAX_EMAIL_BYTES: usize = 254;
/// The name, as a key, under which the server's own events are shown.
const SERVER_NAME: &str = "server";
/// Number of cached logins.
const MAX_CACHED_LOGINS: usize = 20_000;

/// The tokens and account that a sign-up, log-in or refresh returns.
#[derive(Clone)]
pub struct Login {
    pub token: String,
    pub refresh_token: String,
    /// For logging in from this device again; empty after a refresh.
    pub device_token: String,
    /// How long `token` is valid.
    pub expires_in: Duration,
    pub user: User,
}

/// An authenticated account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub account: Account,
    pub login: LoginId,
    pub expires_at: Timestamp,
    /// The issuer's id for the account, if the token is an external issuer's.
    pub external: Option<Arc<str>>,
}

pub struct SignUp {
    pub username: String,
    pub email: Option<String>,
    pub password: String,
    /// A second name, by which clients know the account.
    pub handle: Option<String>,
}

pub struct Accounts {
    database: Database,
    passwords: Arc<PasswordHasher>,
    tokens: Tokens,
    sealer: Sealer,
    external: Option<ExternalIssuer>,
    hub: Arc<Hub>,
    config: Reloadable<config::Auth>,
    /// How long a cached login is used: the command line, another process, may have ended it meanwhile.
    login_cache_ttl: Duration,
    logins: Cache<LoginId, (Instant, Option<Account>)>,
    throttles: ArcSwap<Throttles>,
    /// Decides which names are reserved, besides those of other accounts.
    reserved: OnceLock<IsReserved>,
}

type IsReserved = Box<dyn Fn(&str) -> bool + Send + Sync>;

impl Accounts {
    /// Creates the service; it closes connections of ended logins through `hub`.
    pub fn new(
        database: Database,
        passwords: Arc<PasswordHasher>,
        tokens: Tokens,
        hub: Arc<Hub>,
        config: Reloadable<config::Auth>,
        limits: &config::Limits,
        metrics: &Metrics,
    ) -> Self {
        let now = config.latest();
        let common = hub.is_clustered().then(|| database.clone());
        let login_cache_ttl = hub.limit_cache_age(now.recheck_interval);
        Self {
            database,
            passwords,
            sealer: tokens.sealer(),
            tokens,
            external: ExternalIssuer::new(&now),
            hub,
            login_cache_ttl,
            logins: Cache::new(MAX_CACHED_LOGINS),
            throttles: ArcSwap::from_pointee(Throttles::new(limits, metrics, common.as_ref())),
            reserved: OnceLock::new(),
            config,
        }
    }

    /// Reserves the names for which `is_reserved` is true, from now on. Accounts that have such a name keep it. Only the
    /// first call counts.
    pub fn reserve(&self, is_reserved: impl Fn(&str) -> bool + Send + Sync + 'static) {
        // A second rule is a programming error; the first one stays in force.
        let _ = self.reserved.set(Box::new(is_reserved));
    }

    /// Checks that a name is not the server's own and not reserved for plugins.
    fn check_not_reserved(&self, name: &str) -> Result<()> {
        if name::key(name) == SERVER_NAME {
            return Err(Error::Conflict(format!("{name} stands for the server itself; choose another name")));
        }
        match self.reserved.get().is_some_and(|is_reserved| is_reserved(name)) {
            true => Err(Error::Conflict(format!("{name} is a plugin of this server; choose another name"))),
            false => Ok(()),
        }
    }

    /// The shortest password that somebody may choose.
    pub fn min_password_chars(&self) -> usize {
        self.config.get().min_password_chars
    }

    pub fn throttles(&self) -> Arc<Throttles> {
        self.throttles.load_full()
    }

    /// Replaces the throttles by those of `limits`; counts start anew.
    pub fn set_limits(&self, limits: &config::Limits, metrics: &Metrics) {
        let common = self.hub.is_clustered().then_some(&self.database);
        self.throttles.store(Arc::new(Throttles::new(limits, metrics, common)));
    }

    pub async fn sign_up(&self, from: Origin, new: SignUp) -> Result<Login> {
        self.take_attempt(from).await?;
        let user = self.add(new).await?;
        let uid = user.uid;
        let mut login = self.begin(user).await?;
        login.device_token = self.new_device_token(uid, None);
        Ok(login)
    }

    /// Counts an attempt of an address, whether it succeeds or not.
    async fn take_attempt(&self, from: Origin) -> Result<()> {
        let throttles = self.throttles();
        if throttles.is_exempt(from) { Ok(()) } else { throttles.attempts.take(&from).await }
    }

    /// Adds an account without a login.
    pub async fn add(&self, new: SignUp) -> Result<User> {
        let (username, email) = (clean_username(&new.username)?, clean_email(new.email.as_deref())?);
        let handle = new.handle.as_deref().map(clean_handle).transpose()?;
        self.check_not_reserved(&username)?;
        handle.as_deref().map_or(Ok(()), |handle| self.check_not_reserved(handle))?;
        let hash = self.hash_new(new.password).await?;
        self.store(&username, email.as_deref(), &hash, handle.as_deref()).await
    }

    /// Imports an account with the hash of its password.
    pub async fn import(&self, username: &str, email: Option<&str>, password_hash: &str) -> Result<User> {
        let (username, email) = (clean_username(username)?, clean_email(email)?);
        self.check_not_reserved(&username)?;
        self.passwords.check_hash(password_hash)?;
        self.store(&username, email.as_deref(), password_hash, None).await
    }

    async fn store(
        &self,
        username: &str,
        email: Option<&str>,
        password_hash: &str,
        handle: Option<&str>,
    ) -> Result<User> {
        self.database.add_user(&NewUser { username, email, password_hash, handle }, now()).await
    }

    async fn hash_new(&self, password: String) -> Result<String> {
        let least = self.config.get().min_password_chars;
        if password.chars().count() < least {
            let at_least = match least {
                1 => "must not be empty".to_owned(),
                n => format!("at least {n} characters"),
            };
            return Err(Error::invalid("password", at_least));
        }
        self.passwords.hash(password).await
    }

    /// Whether an account has this name, id or e-mail address. Do not reveal the answer to strangers, unless the operator
    /// wants that.
    pub async fn is_known(&self, who: &str) -> Result<bool> {
        Ok(self.database.user_by_login(who).await?.is_some())
    }

    /// The identity of a token, if the token is valid and its login has not ended.
    pub async fn identify(&self, token: &str) -> Result<Identity> {
        let bearer = self.tokens.check(token)?;
        let load = || async { Ok((Instant::now(), self.account_of(bearer.login).await?)) };
        let (read, mut account) = self.logins.get_or_load(&bearer.login, load()).await?;
        if read.elapsed() > self.login_cache_ttl {
            self.logins.forget(&bearer.login);
            (_, account) = self.logins.get_or_load(&bearer.login, load()).await?;
        }
        // The token must name the account of its login.
        let account = account.filter(|account| account.id == bearer.account);
        let account = account.ok_or_else(|| Error::Unauthenticated("logged out; log in again".into()))?;
        Ok(Identity { account, login: bearer.login, expires_at: bearer.expires_at, external: None })
    }

    /// The account of a login, if the login has not ended and the account is enabled.
    async fn account_of(&self, login: LoginId) -> Result<Option<Account>> {
        let Some(row) = self.database.login(login).await?.filter(|row| row.revoked_at.is_none()) else {
            return Ok(None);
        };
        let user = self.database.user(row.account).await?;
        Ok(user.filter(|user| user.disabled_at.is_none()).map(|user| user.account()))
    }

    pub async fn user(&self, id: AccountId) -> Result<User> {
        self.database.user(id).await?.ok_or_else(|| Error::not_found("account"))
    }

    pub async fn numbered(&self, number: i64) -> Result<Account> {
        self.database.account_numbered(number).await?.ok_or_else(|| Error::not_found("account"))
    }

    pub async fn find(&self, name: &str) -> Result<Account> {
        self.database.account_named(name).await?.ok_or_else(|| Error::not_found("account"))
    }

    /// Whether an account is disabled.
    pub async fn is_disabled(&self, id: AccountId) -> Result<bool> {
        self.database.is_disabled(id).await
    }

    /// Validates a guest's name: clean, not a plugin's, and not an account's. Refuses names that look like an e-mail address or like an
    /// external account's name (`id@issuer`), whether or not there is such an account.
    pub async fn guest_name(&self, wanted: &str) -> Result<String> {
        let name = name::clean("guest", wanted)?;
        if name::key(&name).contains('@') {
            return Err(Error::invalid("guest", "must not hold an @: such names are of people who log in elsewhere"));
        }
        self.check_not_reserved(&name)?;
        if self.database.account_named(&name).await?.is_some() {
            return Err(Error::Conflict(format!("{name} has an account; log in, or choose another name")));
        }
        if self.database.imitates_account(&name).await? {
            return Err(Error::Conflict("this name looks like that of an account".into()));
        }
        name::check_scripts("guest", &name)?;
        Ok(name)
    }
}

fn clean_username(username: &str) -> Result<String> {
    no_address("username", name::clean("username", username)?)
}

fn clean_handle(handle: &str) -> Result<String> {
    no_address("id", name::clean_handle("id", handle)?)
}

fn no_address(field: &'static str, name: String) -> Result<String> {
    // Also refuses characters that fold to an @.
    match name::key(&name).contains('@') {
        true => Err(Error::invalid(field, "must not hold an @: log-ins by e-mail address could not be told apart")),
        false => Ok(name),
    }
}

fn clean_email(email: Option<&str>) -> Result<Option<String>> {
    let Some(email) = email.map(str::trim) else { return Ok(None) };
    let plausible = email
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    if !plausible || email.len() > MAX_EMAIL_BYTES || email.chars().any(char::is_whitespace) {
        return Err(Error::invalid("email", "should look like name@example.org"));
    }
    // Administrators see it in lists and mails are sent to it: like a name, it must have no hidden characters.
    natterjack_text::check_name(email).map_err(|fault| Error::invalid("email", fault.to_string()))?;
    Ok(Some(email.to_owned()))
}
