//! Rotates refresh tokens. A token carries its login and its generation. So a repeated request (its answer was lost, or two tabs
//! asked) gets the same successor, and any other reuse is detected, however old the token.

use std::time::Duration;

use super::sealed::RefreshToken;
use super::throttle::Origin;
use super::token::refresh_hash;
use super::{Accounts, Login};
use crate::clock::{Timestamp, now};
use crate::database::{LoginRow, Rotation};
use crate::error::{Error, Result};

/// How long a replaced token still yields the same successor, even if that was used.
const REPEAT_WINDOW: Duration = Duration::from_secs(30);
/// The most rotations within that time that are remembered.
const MAX_REMEMBERED_ROTATIONS: usize = 16;
/// How often a rotation is tried while concurrent requests rotate first.
const MAX_TRIES: usize = 8;

/// How a presented refresh token relates to its login.
#[derive(Debug, PartialEq, Eq)]
enum TokenUse {
    /// The current token.
    Current,
    /// A token whose successor, given here, is recent or was not used.
    Repeated(String),
    /// Any other reuse.
    Stolen,
}

impl Accounts {
    /// Exchanges a refresh token for a new pair of tokens. A token that was exchanged before yields the same successor if the
    /// request counts as repeated; otherwise it counts as stolen, and its login ends.
    pub async fn refresh(&self, from: Origin, refresh_token: &str) -> Result<Login> {
        let throttles = self.throttles();
        let attempt = match throttles.is_exempt(from) {
            true => None,
            false => Some(throttles.refreshes.permit(&from).await?),
        };
        let done = self.exchange(refresh_token).await;
        // Only failures count.
        if !matches!(done, Err(Error::Unauthenticated(_)))
            && let Some(attempt) = attempt
        {
            attempt.give_back().await;
        }
        done
    }

    async fn exchange(&self, token: &str) -> Result<Login> {
        let hash = refresh_hash(token);
        let sealed = self.sealer.open_refresh_token(token);
        for first in (0..MAX_TRIES).map(|n| n == 0) {
            let row = match sealed {
                Some(sealed) => self.database.login(sealed.login).await?,
                // A token of an older version, or one sealed with a key that was removed.
                None => self.database.login_by_refresh(&hash).await?,
            };
            let row = row.filter(|row| row.revoked_at.is_none() && Timestamp(row.expires_at) > now());
            let row = row.ok_or_else(invalid)?;
            if first {
                self.throttles().rotations.take(&row.uid).await?;
            }
            let next = match self.use_of(&row, &hash, sealed) {
                TokenUse::Repeated(next) => next,
                TokenUse::Current => match self.rotate(&row).await? {
                    Some(next) => next,
                    // A concurrent request rotated first: this one is now a repetition.
                    None => continue,
                },
                TokenUse::Stolen => {
                    tracing::warn!(login = %row.uid, account = %row.account, "refresh token reused, revoking login");
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

    fn use_of(&self, row: &LoginRow, hash: &str, sealed: Option<RefreshToken>) -> TokenUse {
        if row.refresh_hash == hash {
            return TokenUse::Current;
        }
        let current = generation(row);
        if row.previous_hash.as_deref() == Some(hash) {
            // The successor is unused. It can be made again unless a node of an older version made it.
            let successor = RefreshToken { login: row.uid, generation: current };
            let mut made = self.sealer.refresh_tokens(successor);
            if let Some(next) = made.find(|next| refresh_hash(next) == row.refresh_hash) {
                return TokenUse::Repeated(next);
            }
        }
        let Some(RefreshToken { login, generation }) = sealed else { return TokenUse::Stolen };
        let replaced_by = generation.saturating_add(1);
        // The latest rotation was handled above.
        let back = current.checked_sub(replaced_by).filter(|back| *back > 0);
        let ago = back.and_then(|back| row.rotations.split(',').nth(back as usize));
        match ago.and_then(|at| at.parse().ok()) {
            Some(at) if Timestamp(at) + REPEAT_WINDOW > now() => {
                TokenUse::Repeated(self.sealer.refresh_token(RefreshToken { login, generation: replaced_by }))
            }
            _ => TokenUse::Stolen,
        }
    }

    /// Rotates the login's token; None if a concurrent request did so first.
    async fn rotate(&self, row: &LoginRow) -> Result<Option<String>> {
        let at = now();
        let next = RefreshToken { login: row.uid, generation: generation(row).saturating_add(1) };
        let token = self.sealer.refresh_token(next);
        let recent = |text: &&str| text.parse().is_ok_and(|then| Timestamp(then) + REPEAT_WINDOW > at);
        let latest = at.0.to_string();
        let rotations: Vec<&str> = [latest.as_str()]
            .into_iter()
            .chain(row.rotations.split(',').take_while(recent))
            .take(MAX_REMEMBERED_ROTATIONS)
            .collect();
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
