//! Logging in: every guess takes its permits first, and a right password gives them back.

use std::time::Duration;

use uuid::Uuid;

use super::password::Verdict;
use super::sealed::{DeviceToken, RefreshToken};
use super::throttle::{Known, Origin, Permit, Subject, Throttles};
use super::token::refresh_hash;
use super::{Accounts, Identity, Login};
use crate::clock::now;
use crate::database::User;
use crate::error::{Error, Result};
use crate::name;
use crate::protocol::{AccountId, LoginId};

/// How long a device token is good; each log-in gives a fresh one.
const DEVICE_TOKEN_TTL: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The permits of one guess at an account's password.
pub(super) enum Guess<'a> {
    /// By somebody who is known to the account.
    Known(Permit<'a, Known>),
    /// By anybody.
    Stranger(Permit<'a, (Subject, Origin)>, Permit<'a, Subject>),
}

impl<'a> Guess<'a> {
    async fn of_stranger(throttles: &'a Throttles, subject: Subject, from: Origin) -> Result<Self> {
        let here = throttles.failed_logins.permit(&(subject, from)).await?;
        match throttles.failed_logins_of_account.permit(&subject).await {
            Ok(everywhere) => Ok(Self::Stranger(here, everywhere)),
            Err(error) => {
                here.give_back().await;
                Err(error)
            }
        }
    }

    pub(super) async fn of_known(throttles: &'a Throttles, who: Known) -> Result<Self> {
        throttles.failed_logins_of_known.permit(&who).await.map(Self::Known)
    }

    /// The password was right, or was not looked at.
    pub(super) async fn give_back(self) {
        match self {
            Self::Known(permit) => permit.give_back().await,
            Self::Stranger(here, everywhere) => {
                here.give_back().await;
                everywhere.give_back().await;
            }
        }
    }
}

impl Accounts {
    /// `who` is a user name, an id or an e-mail address. An unknown name and a wrong password are the same error at the same cost.
    /// `device` is the device token of an earlier log-in: who has one is not kept out by the guesses of others.
    pub async fn log_in(&self, from: Origin, who: &str, password: String, device: Option<&str>) -> Result<Login> {
        let throttles = self.throttles();
        let attempt = match throttles.exempts(from) {
            true => None,
            false => Some(throttles.attempts.permit(&from).await?),
        };
        let user = self.database.user_by_login(who).await?;
        let subject = match &user {
            Some(user) => Subject::Account(user.uid),
            // Too long to be a name is as good as any other that nobody has.
            None if name::is_too_long(who) => Subject::unknown(""),
            None => Subject::unknown(&name::key(who.trim())),
        };
        throttles.log_ins.take(&(subject, from)).await?;
        let device = device.and_then(|token| self.device_of(token, user.as_ref()));
        let guess = match device {
            Some(device) => Guess::of_known(&throttles, Known::Device(device.account, device.device)).await?,
            None => Guess::of_stranger(&throttles, subject, from).await?,
        };
        let user = match self.check_password(user, password).await {
            Ok(Some(user)) => user,
            Ok(None) => {
                return Err(Error::Unauthenticated("wrong name or password".into()));
            }
            Err(error) => {
                // The password was not looked at.
                guess.give_back().await;
                if let Some(attempt) = attempt {
                    attempt.give_back().await;
                }
                return Err(error);
            }
        };
        guess.give_back().await;
        if let Some(attempt) = attempt {
            attempt.give_back().await;
        }
        if user.disabled_at.is_some() {
            return Err(Error::Forbidden("this account is disabled".into()));
        }
        let uid = user.uid;
        let mut session = self.begin(user).await?;
        session.device_token = self.new_device_token(uid, device.map(|device| device.device));
        Ok(session)
    }

    /// The account whose password this is; none if it is nobody's.
    async fn check_password(&self, user: Option<User>, password: String) -> Result<Option<User>> {
        let Some(mut user) = user else {
            self.passwords.pretend(password).await?;
            return Ok(None);
        };
        match self.passwords.check(password.clone(), user.password_hash.clone()).await {
            Ok(Verdict::Right) => Ok(Some(user)),
            Ok(Verdict::Outdated) => {
                self.rehash(&mut user, password).await;
                Ok(Some(user))
            }
            Ok(Verdict::Wrong) => Ok(None),
            Err(ref error @ Error::Invalid { ref field, .. }) if field == "hash" => {
                tracing::error!(account = %user.uid, %error, "this account's password hash cannot be checked");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A good device token of this account.
    fn device_of(&self, token: &str, user: Option<&User>) -> Option<DeviceToken> {
        let device = self.sealer.open_device_token(token)?;
        let good = user.is_some_and(|user| user.uid == device.account) && device.expires > now();
        good.then_some(device)
    }

    pub(super) fn new_device_token(&self, account: AccountId, device: Option<Uuid>) -> String {
        let device = device.unwrap_or_else(Uuid::new_v4);
        self.sealer.device_token(DeviceToken { account, device, expires: now() + DEVICE_TOKEN_TTL })
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
    pub async fn begin(&self, user: User) -> Result<Login> {
        let login = LoginId::new();
        let refresh_token = self.sealer.refresh_token(RefreshToken { login, generation: 0 });
        let at = now();
        let expires = at + self.config.get().refresh_ttl;
        self.database.add_login(login, &user, &refresh_hash(&refresh_token), at, expires).await?;
        self.issue(user, login, refresh_token)
    }

    pub(super) fn issue(&self, user: User, login: LoginId, refresh_token: String) -> Result<Login> {
        let token = self.tokens.issue(user.uid, login)?;
        Ok(Login { token, refresh_token, device_token: String::new(), expires_in: self.tokens.ttl(), user })
    }

    /// Whether this is the account's password. A token alone, which may be stolen, takes no account over; guessing is
    /// as slow as at the front door.
    pub(super) async fn confirm(&self, from: Origin, who: &Identity, password: String) -> Result<User> {
        let throttles = self.throttles();
        let attempt = match throttles.exempts(from) {
            true => None,
            false => Some(throttles.attempts.permit(&from).await?),
        };
        let user = self.user(who.account.id).await?;
        let guess = Guess::of_known(&throttles, Known::Login(who.login)).await?;
        let verdict = self.passwords.check(password, user.password_hash.clone()).await;
        if !matches!(verdict, Ok(Verdict::Wrong)) {
            guess.give_back().await;
            if let Some(attempt) = attempt {
                attempt.give_back().await;
            }
        }
        match verdict? {
            Verdict::Right | Verdict::Outdated => Ok(user),
            Verdict::Wrong => {
                // The front door counts it too, but what is tried there keeps nobody out here.
                let _ = throttles.failed_logins.take(&(Subject::Account(user.uid), from)).await;
                Err(Error::Forbidden("this is not the account's current password".into()))
            }
        }
    }
}
