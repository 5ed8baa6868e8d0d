//! Trading refresh tokens. A token knows its login and how often it was replaced, so that a request that is repeated (its answer
//! was lost, or two tabs asked) gets the same successor, and any other reuse is known for what it is, however old.

use std::time::Duration;

use super::sealed::RefreshToken;
use super::throttle::Origin;
use super::token::refresh_hash;
use super::{Accounts, Login};
use crate::clock::{Timestamp, now};
use crate::database::{LoginRow, Rotation};
use crate::error::{Error, Result};

/// How long a token that was replaced gives the same successor, even if that was used.
const REPEATED_WITHIN: Duration = Duration::from_secs(30);
/// How many rotations of that time are remembered.
const REMEMBERED: usize = 16;
/// How often a rotation is tried that others overtake.
const TRIES: usize = 8;

/// What a refresh token is to its login.
#[derive(Debug, PartialEq, Eq)]
enum Use {
    /// The present one.
    Current,
    /// One that was replaced by this one just now, or by one that was not used.
    Repeated(String),
    Stolen,
}

impl Accounts {
    /// Trades a refresh token for a new pair. One that was traded before is repeated, or was stolen: then its login ends.
    pub async fn refresh(&self, from: Origin, refresh_token: &str) -> Result<Login> {
        let throttles = self.throttles();
        let attempt = match throttles.exempts(from) {
            true => None,
            false => Some(throttles.refreshes.permit(&from).await?),
        };
        let done = self.trade(refresh_token).await;
        // Only failures count.
        if !matches!(done, Err(Error::Unauthenticated(_)))
            && let Some(attempt) = attempt
        {
            attempt.give_back().await;
        }
        done
    }

    async fn trade(&self, token: &str) -> Result<Login> {
        let hash = refresh_hash(token);
        let sealed = self.sealer.open_refresh_token(token);
        for first in (0..TRIES).map(|n| n == 0) {
            let row = match sealed {
                Some(sealed) => self.database.login(sealed.login).await?,
                // One of an older version, or sealed with a key that is no more.
                None => self.database.login_by_refresh(&hash).await?,
            };
            let row = row.filter(|row| row.revoked_at.is_none() && Timestamp(row.expires_at) > now());
            let row = row.ok_or_else(invalid)?;
            if first {
                self.throttles().rotations.take(&row.uid).await?;
            }
            let next = match self.use_of(&row, &hash, sealed) {
                Use::Repeated(next) => next,
                Use::Current => match self.rotate(&row).await? {
                    Some(next) => next,
                    // Somebody else was first: this has become a repetition.
                    None => continue,
                },
                Use::Stolen => {
                    tracing::warn!(login = %row.uid, account = %row.account, "a refresh token was reused: its login ends");
                    self.revoke(row.uid).await?;
                    return Err(invalid());
                }
            };
            return match self.database.user(row.account).await?.filter(|user| user.disabled_at.is_none()) {
                Some(user) => self.issue(user, row.uid, next),
                None => {
                    self.revoke(row.uid).await?;
                    Err(invalid())
                }
            };
        }
        Err(Error::Contended)
    }

    fn use_of(&self, row: &LoginRow, hash: &str, sealed: Option<RefreshToken>) -> Use {
        if row.refresh_hash == hash {
            return Use::Current;
        }
        let current = generation(row);
        if row.previous_hash.as_deref() == Some(hash) {
            // Unused, and to be made again: a node of an older version made it otherwise.
            let successor = RefreshToken { login: row.uid, generation: current };
            let mut made = self.sealer.refresh_tokens(successor);
            if let Some(next) = made.find(|next| refresh_hash(next) == row.refresh_hash) {
                return Use::Repeated(next);
            }
        }
        let Some(RefreshToken { login, generation }) = sealed else { return Use::Stolen };
        let replaced_by = generation.saturating_add(1);
        // The latest rotation was looked at above.
        let back = current.checked_sub(replaced_by).filter(|back| *back > 0);
        let ago = back.and_then(|back| row.rotations.split(',').nth(back as usize));
        match ago.and_then(|at| at.parse().ok()) {
            Some(at) if Timestamp(at) + REPEATED_WITHIN > now() => {
                Use::Repeated(self.sealer.refresh_token(RefreshToken { login, generation: replaced_by }))
            }
            _ => Use::Stolen,
        }
    }

    /// None if somebody else was first.
    async fn rotate(&self, row: &LoginRow) -> Result<Option<String>> {
        let at = now();
        let next = RefreshToken { login: row.uid, generation: generation(row).saturating_add(1) };
        let token = self.sealer.refresh_token(next);
        let recent = |text: &&str| text.parse().is_ok_and(|then| Timestamp(then) + REPEATED_WITHIN > at);
        let latest = at.0.to_string();
        let rotations: Vec<&str> =
            [latest.as_str()].into_iter().chain(row.rotations.split(',').take_while(recent)).take(REMEMBERED).collect();
        let rotation = Rotation {
            old_hash: &row.refresh_hash,
            new_hash: &refresh_hash(&token),
            generation: next.generation.into(),
            rotations: &rotations.join(","),
            expires: at + self.config.get().refresh_ttl,
        };
        Ok(self.database.rotate_refresh(row.uid, &rotation).await?.then_some(token))
    }
}

fn generation(row: &LoginRow) -> u32 {
    u32::try_from(row.generation).unwrap_or(u32::MAX)
}

fn invalid() -> Error {
    Error::Unauthenticated("the refresh token is not valid; log in again".into())
}
