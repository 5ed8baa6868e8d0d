//! Log-ins: every attempt takes its permits before the password is checked, and a right password returns them.

use std::time::Duration;

use uuid::Uuid;

use super::password::Verdict;
use super::sealed::{DeviceToken, RefreshToken};
use super::throttle::{KnownClient, Origin, Permit, Subject, Throttles};
use super::token::refresh_hash;
use super::{Accounts, Identity, Login};
use crate::clock::now;
use crate::database::User;
use crate::error::{Error, Result};
use crate::name;
use crate::protocol::{AccountId, LoginId};

/// How long a device token is valid; each log-in issues a new one.
const DEVICE_TOKEN_TTL: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The permits of one guess at an account's password.
pub(super) enum Guess<'a> {
    /// By a client that is known to the account.
    Known(Permit<'a, KnownClient>),
    /// By any other client: a permit for this address, and one for all addresses.
    Stranger(Permit<'a, (Subject, Origin)>, Permit<'a, Subject>),
}

impl<'a> Guess<'a> {
    async fn of_stranger(throttles: &'a Throttles, subject: Subject, from: Origin) -> Result<Self> {
        let of_address = throttles.failed_logins.permit(&(subject, from)).await?;
        match throttles.failed_logins_of_account.permit(&subject).await {
            Ok(of_account) => Ok(Self::Stranger(of_address, of_account)),
            Err(error) => {
                of_address.give_back().await;
                Err(error)
            }
        }
    }

    pub(super) async fn of_known(throttles: &'a Throttles, who: KnownClient) -> Result<Self> {
        throttles.failed_logins_of_known.permit(&who).await.map(Self::Known)
    }

    /// Returns the permits: the password was right, or was not checked.
    pub(super) async fn give_back(self) {
        match self {
            Self::Known(permit) => permit.give_back().await,
            Self::Stranger(of_address, of_account) => {
                of_address.give_back().await;
                of_account.give_back().await;
            }
        }
    }
}

impl Accounts {
    /// Logs in. `who` is a user name, an id or an e-mail address. An unknown name and a wrong password give the same error at the
    /// same cost. `device` is the device token of an earlier log-in: clients that have one are not throttled by others' guesses.
    pub async fn log_in(&self, from: Origin, who: &str, password: String, device: Option<&str>) -> Result<Login> {
        let throttles = self.throttles();
        let attempt = match throttles.is_exempt(from) {
            true => None,
            false => Some(throttles.attempts.permit(&from).await?),
        };
        let user = self.database.user_by_login(who).await?;
        let subject = match &user {
            Some(user) => Subject::Account(user.uid),
            // A text that is too long for a name is an unknown name.
            None if name::is_too_long(who) => Subject::unknown(""),
            None => Subject::unknown(&name::key(who.trim())),
        };
        throttles.log_ins.take(&(subject, from)).await?;
        let device = device.and_then(|token| self.device_of(token, user.as_ref()));
        let guess = match device {
            Some(device) => Guess::of_known(&throttles, KnownClient::Device(device.account, device.device)).await?,
            None => Guess::of_stranger(&throttles, subject, from).await?,
        };
        let user = match self.check_password(user, password).await {
            Ok(Some(user)) => user,
            Ok(None) => {
                return Err(Error::Unauthenticated("wrong name or password".into()));
            }
            Err(error) => {
                // The password was not checked.
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
        let mut login = self.begin(user).await?;
        login.device_token = self.new_device_token(uid, device.map(|device| device.device));
        Ok(login)
    }

    /// The user, if the password is right. Takes as long for an unknown user.
    async fn check_password(&self, user: Option<User>, password: String) -> Result<Option<User>> {
        let Some(mut user) = user else {
            self.passwords.check_decoy(password).await?;
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
                tracing::error!(account = %user.uid, %error, "cannot check password hash");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The device token's content, if it is valid for this account.
    fn device_of(&self, token: &str, user: Option<&User>) -> Option<DeviceToken> {
        let device = self.sealer.open_device_token(token)?;
        let good = user.is_some_and(|user| user.uid == device.account) && device.expires > now();
        good.then_some(device)
    }

    pub(super) fn new_device_token(&self, account: AccountId, device: Option<Uuid>) -> String {
        let device = device.unwrap_or_else(Uuid::new_v4);
        self.sealer.device_token(DeviceToken { account, device, expires: now() + DEVICE_TOKEN_TTL })
    }

    /// Replaces the hash of a right password by one with the current settings. A failure is logged and does not prevent the
    /// log-in.
    async fn rehash(&self, user: &mut User, password: String) {
        let done = async {
            let hash = self.passwords.hash(password).await?;
            Ok::<_, Error>(self.database.set_password(user, &hash, now()).await?.then_some(hash))
        };
        match done.await {
            Ok(Some(hash)) => user.password_hash = hash,
            // Changed meanwhile: adding the login will fail.
            Ok(None) => {}
            Err(error) => tracing::warn!(account = %user.uid, %error, "could not replace outdated password hash"),
        }
    }

    /// Begins a login, without any check.
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

    /// Checks the password of somebody who is logged in, so that a stolen token is not enough to take an account over. Guessing
    /// is throttled as it is for log-ins.
    pub(super) async fn confirm(&self, from: Origin, who: &Identity, password: String) -> Result<User> {
        let throttles = self.throttles();
        let attempt = match throttles.is_exempt(from) {
            true => None,
            false => Some(throttles.attempts.permit(&from).await?),
        };
        let user = self.user(who.account.id).await?;
        let guess = Guess::of_known(&throttles, KnownClient::Login(who.login)).await?;
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
                // Log-ins count this failure too, but failed log-ins do not throttle this check.
                let _ = throttles.failed_logins.take(&(Subject::Account(user.uid), from)).await;
                Err(Error::Forbidden("this is not the account's current password".into()))
            }
        }
    }
}
