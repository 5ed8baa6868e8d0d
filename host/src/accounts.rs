//! Accounts: signing up, logging in, and who a token belongs to.

pub mod password;
pub mod throttle;
pub mod token;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::password::PasswordHasher;
use self::throttle::{Origin, Throttles};
use self::token::{Tokens, new_refresh_token, refresh_hash};
use crate::cache::Cache;
use crate::clock::{Timestamp, now};
use crate::config;
use crate::database::{Database, LoginRow, NewUser, User};
use crate::error::{Error, Result};
use crate::name;
use crate::protocol::{Account, AccountId, LoginId};

const MIN_PASSWORD_CHARS: usize = 8;
const MAX_EMAIL_BYTES: usize = 254;
/// How many logins are kept at hand.
const CACHED_LOGINS: usize = 20_000;
/// How long what was read of a login is believed: the command line, another process, may have ended it meanwhile.
const LOGIN_HOLDS: Duration = Duration::from_secs(5);

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
}

pub struct SignUp {
    pub username: String,
    pub email: Option<String>,
    pub password: String,
}

pub struct Accounts {
    database: Database,
    passwords: Arc<PasswordHasher>,
    tokens: Tokens,
    refresh_ttl: Duration,
    logins: Cache<LoginId, (Instant, Option<Account>)>,
    pub throttles: Throttles,
}

impl Accounts {
    pub fn new(
        database: Database,
        passwords: Arc<PasswordHasher>,
        secret: &[u8],
        config: &config::Auth,
        limits: &config::Limits,
    ) -> Self {
        Self {
            database,
            passwords,
            tokens: Tokens::new(secret, config.access_ttl),
            refresh_ttl: config.refresh_ttl,
            logins: Cache::new(CACHED_LOGINS),
            throttles: Throttles::new(limits),
        }
    }

    pub async fn sign_up(&self, from: Origin, new: SignUp) -> Result<Session> {
        self.throttles.attempts.take(&from)?;
        let user = self.add(new).await?;
        self.begin(user).await
    }

    /// An account that nobody has logged in to yet.
    pub async fn add(&self, new: SignUp) -> Result<User> {
        let username = name::clean("username", &new.username)?;
        if username.contains('@') {
            return Err(Error::invalid(
                "username",
                "must not hold an @: log-ins by e-mail address could not be told apart",
            ));
        }
        let email = new.email.as_deref().map(clean_email).transpose()?;
        let password_hash = self.hash_new(new.password).await?;
        let new = NewUser { username: &username, email: email.as_deref(), password_hash: &password_hash };
        self.database.add_user(&new, now()).await
    }

    /// A new password; whoever logged in with the old one is logged out.
    pub async fn set_password(&self, user: &User, password: String) -> Result<()> {
        let hash = self.hash_new(password).await?;
        let at = now();
        self.database.set_password(user.uid, &hash, at).await?;
        self.database.revoke_logins(user.id, at).await
    }

    async fn hash_new(&self, password: String) -> Result<String> {
        if password.chars().count() < MIN_PASSWORD_CHARS {
            return Err(Error::invalid("password", format!("at least {MIN_PASSWORD_CHARS} characters")));
        }
        self.passwords.hash(password).await
    }

    /// `who` is a user name or an e-mail address. An unknown name and a wrong password are the same error at the same cost.
    pub async fn log_in(&self, from: Origin, who: &str, password: String) -> Result<Session> {
        self.throttles.attempts.take(&from)?;
        let key = name::fold(who);
        self.throttles.failed_logins.check(&key)?;
        let wrong = || {
            self.throttles.failed_logins.failed(&key);
            Error::Unauthenticated("wrong name or password".into())
        };
        let Some(user) = self.database.user_by_login(who).await? else {
            self.passwords.pretend(password).await?;
            return Err(wrong());
        };
        if !self.passwords.verify(password, user.password_hash.clone()).await? {
            return Err(wrong());
        }
        if user.disabled_at.is_some() {
            return Err(Error::Forbidden("this account is disabled".into()));
        }
        self.begin(user).await
    }

    /// A new login of somebody who is allowed one.
    pub async fn begin(&self, user: User) -> Result<Session> {
        let refresh_token = new_refresh_token();
        let at = now();
        let login = self.database.add_login(user.id, &refresh_hash(&refresh_token), at, at + self.refresh_ttl).await?;
        self.session(user, login, refresh_token)
    }

    fn session(&self, user: User, login: LoginId, refresh_token: String) -> Result<Session> {
        let token = self.tokens.issue(user.uid, login)?;
        Ok(Session { token, refresh_token, expires_in: self.tokens.ttl(), user })
    }

    /// Trades a refresh token for a new pair. One that was traded before was stolen: its login ends, and is given back
    /// so that its connections can be closed.
    pub async fn refresh(&self, from: Origin, refresh_token: &str) -> Result<Session, (Error, Option<LoginId>)> {
        self.throttles.refreshes.take(&from).map_err(|e| (e, None))?;
        let invalid = || Error::Unauthenticated("the refresh token is not valid; log in again".into());
        let hash = refresh_hash(refresh_token);
        let found = self.database.login_by_refresh(&hash).await.map_err(|e| (e, None))?;
        let Some((login, account)) = found else { return Err((invalid(), None)) };
        if login.revoked_at.is_some() || Timestamp(login.expires_at) <= now() {
            return Err((invalid(), None));
        }
        let next = new_refresh_token();
        let expires = now() + self.refresh_ttl;
        let rotated = login.refresh_hash == hash
            && self
                .database
                .rotate_refresh(login.uid, &hash, &refresh_hash(&next), expires)
                .await
                .map_err(|e| (e, None))?;
        if !rotated {
            tracing::warn!(login = %login.uid, "a refresh token was used twice: its login is revoked");
            self.revoke(&login).await.map_err(|e| (e, None))?;
            return Err((invalid(), Some(login.uid)));
        }
        let user = self.database.user(account).await.map_err(|e| (e, None))?;
        match user.filter(|user| user.disabled_at.is_none()) {
            Some(user) => self.session(user, login.uid, next).map_err(|e| (e, None)),
            None => Err((invalid(), Some(login.uid))),
        }
    }

    pub async fn log_out(&self, identity: &Identity) -> Result<()> {
        self.database.revoke_login(identity.login, now()).await?;
        self.logins.forget(&identity.login);
        Ok(())
    }

    async fn revoke(&self, login: &LoginRow) -> Result<()> {
        self.database.revoke_login(login.uid, now()).await?;
        self.logins.forget(&login.uid);
        Ok(())
    }

    /// Who a token belongs to, if it is good and its login still holds.
    pub async fn identify(&self, token: &str) -> Result<Identity> {
        let bearer = self.tokens.check(token)?;
        let load = || async { Ok((Instant::now(), self.account_of(bearer.login, bearer.account).await?)) };
        let (read, mut account) = self.logins.get_or_load(&bearer.login, load()).await?;
        if read.elapsed() > LOGIN_HOLDS {
            self.logins.forget(&bearer.login);
            (_, account) = self.logins.get_or_load(&bearer.login, load()).await?;
        }
        let account = account.ok_or_else(|| Error::Unauthenticated("logged out; log in again".into()))?;
        Ok(Identity { account, login: bearer.login, expires_at: bearer.expires_at })
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

    pub async fn find(&self, name: &str) -> Result<Account> {
        self.database.account_named(name).await?.ok_or_else(|| Error::not_found("account"))
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

fn clean_email(email: &str) -> Result<String> {
    let email = email.trim();
    let plausible = email
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    if !plausible || email.len() > MAX_EMAIL_BYTES || email.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Error::invalid("email", "should look like name@example.org"));
    }
    Ok(email.to_owned())
}
