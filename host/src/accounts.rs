//! Accounts: signing up, logging in, and who a token belongs to.

mod external;
mod failed_log_ins;
pub mod keys;
pub mod password;
mod profile;
mod revoke;
pub mod throttle;
pub mod token;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use self::external::ExternalIssuer;
use self::password::{PasswordHasher, Verdict};
use self::throttle::{Origin, Throttles};
use self::token::{Tokens, new_refresh_token, refresh_hash};
use crate::cache::Cache;
use crate::clock::{Timestamp, now};
use crate::config::{self, Live};
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
/// How many logins are kept at hand.
const CACHED_LOGINS: usize = 20_000;

/// What somebody has after signing up or logging in.
#[derive(Clone)]
pub struct Session {
    pub token: String,
    pub refresh_token: String,
    /// How long `token` holds.
    pub expires_in: Duration,
    pub user: User,
}

/// Somebody proven to be logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub account: Account,
    pub login: LoginId,
    pub expires_at: Timestamp,
    /// What the token's issuer calls the account, if that is not this server.
    pub external: Option<Arc<str>>,
}

pub struct SignUp {
    pub username: String,
    pub email: Option<String>,
    pub password: String,
    /// Another name by which clients know the account.
    pub handle: Option<String>,
}

pub struct Accounts {
    database: Database,
    passwords: Arc<PasswordHasher>,
    tokens: Tokens,
    external: Option<ExternalIssuer>,
    hub: Arc<Hub>,
    config: Live<config::Auth>,
    /// How long what was read of a login is believed: the command line, another process, may have ended it meanwhile.
    login_holds: Duration,
    logins: Cache<LoginId, (Instant, Option<Account>)>,
    throttles: ArcSwap<Throttles>,
}

impl Accounts {
    /// Connections of logins that end are closed in `hub`.
    pub fn new(
        database: Database,
        passwords: Arc<PasswordHasher>,
        tokens: Tokens,
        hub: Arc<Hub>,
        config: Live<config::Auth>,
        limits: &config::Limits,
        metrics: &Metrics,
    ) -> Self {
        let now = config.latest();
        let common = hub.has_others().then(|| database.clone());
        let login_holds = hub.believed_for(now.recheck_interval);
        Self {
            database,
            passwords,
            tokens,
            external: ExternalIssuer::new(&now),
            hub,
            login_holds,
            logins: Cache::new(CACHED_LOGINS),
            throttles: ArcSwap::from_pointee(Throttles::new(limits, metrics, common.as_ref())),
            config,
        }
    }

    /// The shortest password that somebody may choose.
    pub fn min_password_chars(&self) -> usize {
        self.config.get().min_password_chars
    }

    pub fn throttles(&self) -> Arc<Throttles> {
        self.throttles.load_full()
    }

    /// Throttles as `limits` has them from now on; what was counted so far is forgotten.
    pub fn throttle(&self, limits: &config::Limits, metrics: &Metrics) {
        let common = self.hub.has_others().then_some(&self.database);
        self.throttles.store(Arc::new(Throttles::new(limits, metrics, common)));
    }

    pub async fn sign_up(&self, from: Origin, new: SignUp) -> Result<Session> {
        self.throttles().attempts.take(&from).await?;
        let user = self.add(new).await?;
        self.begin(user).await
    }

    /// An account that nobody has logged in to yet.
    pub async fn add(&self, new: SignUp) -> Result<User> {
        let (username, email) = (clean_username(&new.username)?, clean_email(new.email.as_deref())?);
        let handle = new.handle.as_deref().map(clean_handle).transpose()?;
        let hash = self.hash_new(new.password).await?;
        self.store(&username, email.as_deref(), &hash, handle.as_deref()).await
    }

    /// An account of somebody who has a password elsewhere, of which this is the hash.
    pub async fn import(&self, username: &str, email: Option<&str>, password_hash: &str) -> Result<User> {
        let (username, email) = (clean_username(username)?, clean_email(email)?);
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

    /// Whether log-ins by this name, id or e-mail address can succeed. Tell nobody who does not know the answer, unless the
    /// operator wants that.
    pub async fn is_known(&self, who: &str) -> Result<bool> {
        Ok(self.database.user_by_login(who).await?.is_some())
    }

    /// `who` is a user name, an id or an e-mail address. An unknown name and a wrong password are the same error at the same cost.
    pub async fn log_in(&self, from: Origin, who: &str, password: String) -> Result<Session> {
        self.throttles().attempts.take(&from).await?;
        let key = name::fold(who);
        let throttles = self.throttles();
        throttles.failed_logins.check(&key).await?;
        let wrong = async || {
            throttles.failed_logins.failed(&key).await;
            Error::Unauthenticated("wrong name or password".into())
        };
        let Some(mut user) = self.database.user_by_login(who).await? else {
            self.passwords.pretend(password).await?;
            return Err(wrong().await);
        };
        match self.passwords.check(password.clone(), user.password_hash.clone()).await {
            Ok(Verdict::Right) => {}
            Ok(Verdict::Outdated) => self.rehash(&mut user, password).await,
            Ok(Verdict::Wrong) => return Err(wrong().await),
            Err(ref error @ Error::Invalid { ref field, .. }) if field == "hash" => {
                tracing::error!(account = %user.uid, %error, "this account's password hash cannot be checked");
                return Err(wrong().await);
            }
            Err(error) => return Err(error),
        }
        if user.disabled_at.is_some() {
            return Err(Error::Forbidden("this account is disabled".into()));
        }
        self.begin(user).await
    }

    /// Stores a right password's hash anew, as the settings have it today. What keeps it from that is no reason not to
    /// log in.
    async fn rehash(&self, user: &mut User, password: String) {
        let done = async {
            let hash = self.passwords.hash(password).await?;
            Ok::<_, Error>(self.database.set_password(user, &hash, now()).await?.then_some(hash))
        };
        match done.await {
            Ok(Some(hash)) => user.password_hash = hash,
            // Changed meanwhile: the new login will find that out.
            Ok(None) => {}
            Err(error) => tracing::warn!(account = %user.uid, %error, "an outdated password hash was not replaced"),
        }
    }

    /// A new login of somebody who is allowed one.
    pub async fn begin(&self, user: User) -> Result<Session> {
        let refresh_token = new_refresh_token();
        let at = now();
        let login = self
            .database
            .add_login(&user, &refresh_hash(&refresh_token), at, at + self.config.get().refresh_ttl)
            .await?;
        self.session(user, login, refresh_token)
    }

    fn session(&self, user: User, login: LoginId, refresh_token: String) -> Result<Session> {
        let token = self.tokens.issue(user.uid, login)?;
        Ok(Session { token, refresh_token, expires_in: self.tokens.ttl(), user })
    }

    /// Trades a refresh token for a new pair. One that was traded before was stolen: its login ends.
    pub async fn refresh(&self, from: Origin, refresh_token: &str) -> Result<Session> {
        self.throttles().refreshes.take(&from).await?;
        let invalid = || Error::Unauthenticated("the refresh token is not valid; log in again".into());
        let hash = refresh_hash(refresh_token);
        let (login, account) = self.database.login_by_refresh(&hash).await?.ok_or_else(invalid)?;
        if login.revoked_at.is_some() || Timestamp(login.expires_at) <= now() {
            return Err(invalid());
        }
        let next = new_refresh_token();
        let expires = now() + self.config.get().refresh_ttl;
        let rotated = login.refresh_hash == hash
            && self.database.rotate_refresh(login.uid, &hash, &refresh_hash(&next), expires).await?;
        if !rotated {
            tracing::warn!(login = %login.uid, "a refresh token was used twice: its login is revoked");
            self.revoke(login.uid).await?;
            return Err(invalid());
        }
        match self.database.user(account).await?.filter(|user| user.disabled_at.is_none()) {
            Some(user) => self.session(user, login.uid, next),
            None => {
                self.revoke(login.uid).await?;
                Err(invalid())
            }
        }
    }

    /// Who a token belongs to, if it is good and its login still holds.
    pub async fn identify(&self, token: &str) -> Result<Identity> {
        let bearer = self.tokens.check(token)?;
        let load = || async { Ok((Instant::now(), self.account_of(bearer.login, bearer.account).await?)) };
        let (read, mut account) = self.logins.get_or_load(&bearer.login, load()).await?;
        if read.elapsed() > self.login_holds {
            self.logins.forget(&bearer.login);
            (_, account) = self.logins.get_or_load(&bearer.login, load()).await?;
        }
        let account = account.ok_or_else(|| Error::Unauthenticated("logged out; log in again".into()))?;
        Ok(Identity { account, login: bearer.login, expires_at: bearer.expires_at, external: None })
    }

    async fn account_of(&self, login: LoginId, account: AccountId) -> Result<Option<Account>> {
        let Some(row) = self.database.login(login).await? else { return Ok(None) };
        let user = self.database.user(account).await?;
        Ok(user
            .filter(|user| user.id == row.user_id && row.revoked_at.is_none() && user.disabled_at.is_none())
            .map(|u| u.account()))
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

    /// Whether nobody can log in to an account.
    pub async fn is_disabled(&self, id: AccountId) -> Result<bool> {
        self.database.is_disabled(id).await
    }

    /// A guest's name: clean, and nobody's who has an account.
    pub async fn guest_name(&self, wanted: &str) -> Result<String> {
        let name = name::clean("guest", wanted)?;
        match self.database.account_named(&name).await? {
            Some(_) => Err(Error::Conflict(format!("{name} has an account; log in, or choose another name"))),
            None => Ok(name),
        }
    }
}

fn clean_username(username: &str) -> Result<String> {
    no_address("username", name::clean("username", username)?)
}

fn clean_handle(handle: &str) -> Result<String> {
    no_address("id", name::clean_handle("id", handle)?)
}

fn no_address(field: &'static str, name: String) -> Result<String> {
    // Also in a spelling that is the same as one.
    match name::fold(&name).contains('@') {
        true => Err(Error::invalid(field, "must not hold an @: log-ins by e-mail address could not be told apart")),
        false => Ok(name),
    }
}

fn clean_email(email: Option<&str>) -> Result<Option<String>> {
    let Some(email) = email.map(str::trim) else { return Ok(None) };
    let plausible = email
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    if !plausible || email.len() > MAX_EMAIL_BYTES || email.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Error::invalid("email", "should look like name@example.org"));
    }
    Ok(Some(email.to_owned()))
}
