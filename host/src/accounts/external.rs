//! External accounts: tokens of another issuer that shares a secret with this server.
//!
//! External accounts are identified by issuer and id, and are never those of people who log in here.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

use super::token::{NBF_LEEWAY, expired, new_refresh_token, refresh_hash};
use super::{Accounts, Identity};
use crate::clock::{Timestamp, now};
use crate::config;
use crate::error::{Error, Result};
use crate::name::is_misleading;
use crate::protocol::{AccountId, LoginId};

/// The longest id of an external account.
const MAX_ID_CHARS: usize = 128;
/// Claims that may hold the id if none is configured, in this order.
const ID_CLAIMS: [&str; 4] = ["sub", "id", "userId", "_id"];

/// Checks the tokens of another issuer.
pub(super) struct ExternalIssuer {
    name: Arc<str>,
    key: DecodingKey,
    validation: Validation,
    id_claims: Vec<String>,
}

/// The content of a valid token.
#[derive(Debug, PartialEq, Eq)]
struct Bearer {
    id: Arc<str>,
    expires_at: Timestamp,
}

impl ExternalIssuer {
    /// None if no external issuer is configured.
    pub(super) fn new(config: &config::Auth) -> Option<Self> {
        let config::External { issuer, secret, audience, id_claim } = &config.external;
        if issuer.is_empty() {
            return None;
        }
        let secret = if secret.is_empty() { &config.jwt_secret } else { secret };
        // Only one algorithm, so that tokens cannot choose.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = NBF_LEEWAY.as_secs();
        validation.validate_nbf = true;
        // Many such tokens name no issuer; then the secret alone identifies it.
        validation.set_issuer(&[issuer]);
        let mut required = vec!["exp"];
        if !audience.is_empty() {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        let id_claims = match id_claim.as_str() {
            "" => ID_CLAIMS.map(str::to_owned).to_vec(),
            one => vec![one.to_owned()],
        };
        let key = DecodingKey::from_secret(secret.expose().as_bytes());
        Some(Self { name: issuer.as_str().into(), key, validation, id_claims })
    }

    /// Checks a token; None if it is not one of this issuer's.
    fn check(&self, token: &str) -> Result<Option<Bearer>> {
        let claims = match jsonwebtoken::decode::<Map<String, Value>>(token, &self.key, &self.validation) {
            Ok(token) => token.claims,
            Err(error) => {
                return match error.kind() {
                    ErrorKind::ExpiredSignature => Err(expired()),
                    ErrorKind::ImmatureSignature => Err(Error::Unauthenticated("the token is not valid yet".into())),
                    ErrorKind::MissingRequiredClaim(claim) => {
                        Err(Error::Unauthenticated(format!("the token has no `{claim}`")))
                    }
                    ErrorKind::InvalidAudience => {
                        Err(Error::Unauthenticated("the token is for another audience".into()))
                    }
                    _ => Ok(None),
                };
            }
        };
        // The library does not compare claims that it cannot read.
        if claims.get("iss").is_some_and(|iss| iss.as_str() != Some(&self.name)) {
            return Ok(None);
        }
        if self.validation.aud.is_none() && claims.get("aud").is_some_and(|aud| !aud.is_null()) {
            return Err(Error::Unauthenticated("the token is for another audience".into()));
        }
        // The library's leeway applies to `exp` too; here a token ends exactly when it expires.
        let expires_at = claims.get("exp").and_then(Value::as_f64).unwrap_or_default();
        let expires_at = Timestamp::from_seconds(expires_at as i64);
        if expires_at <= now() {
            return Err(expired());
        }
        Ok(Some(Bearer { id: self.id(&claims)?, expires_at }))
    }

    fn id(&self, claims: &Map<String, Value>) -> Result<Arc<str>> {
        let found = self.id_claims.iter().find_map(|name| Some((name, claims.get(name)?)));
        let Some((name, value)) = found else {
            let names = self.id_claims.join("`, `");
            return Err(Error::Unauthenticated(format!("the token does not identify an account: it has no `{names}`")));
        };
        let id = match value {
            Value::String(id) => id.clone(),
            Value::Number(id) if id.is_i64() || id.is_u64() => id.to_string(),
            _ => String::new(),
        };
        let length = id.chars().count();
        if !(1..=MAX_ID_CHARS).contains(&length) || id.chars().any(|c| is_misleading(c) || c.is_whitespace()) {
            return Err(Error::Unauthenticated(format!(
                "the token's `{name}` is not an id; wanted an integer, or a text of 1 to {MAX_ID_CHARS} characters without blanks"
            )));
        }
        Ok(id.into())
    }
}

impl Accounts {
    /// Identifies a token of this server or of the external issuer. Creates an external account when its first token arrives.
    pub async fn identify_anyone(&self, token: &str) -> Result<Identity> {
        let not_ours = match (self.identify(token).await, &self.external) {
            (Err(Error::Unauthenticated(why)), Some(_)) => Error::Unauthenticated(why),
            (done, _) => return done,
        };
        let Some(issuer) = &self.external else { return Err(not_ours) };
        let Some(Bearer { id, expires_at }) = issuer.check(token)? else { return Err(not_ours) };
        let known = match self.database.external_user(&issuer.name, &id).await? {
            Some(known) => known,
            None => self.database.add_external_user(&issuer.name, &id, now()).await?,
        };
        if known.disabled_at.is_some() {
            return Err(Error::Forbidden("this account is disabled".into()));
        }
        let login = match self.database.logins_of(known.id).await?.first() {
            Some(login) => *login,
            // A login without a refresh token, so that it can be revoked.
            None => {
                let unusable_hash = refresh_hash(&new_refresh_token());
                let login = LoginId::new();
                self.database.add_login(login, &known, &unusable_hash, now(), expires_at).await?;
                login
            }
        };
        Ok(Identity { account: known.account(), login, expires_at, external: Some(id) })
    }

    /// The account that a client of `direct` names by its uid or, for external clients, by the issuer's id. Also finds deleted
    /// accounts; None if there is no such account.
    pub async fn named_by(&self, client_is_external: bool, id: &str) -> Result<Option<AccountId>> {
        let issuer = self.external.as_ref().filter(|_| client_is_external);
        if let Some(issuer) = issuer
            && let Some(user) = self.database.external_user(&issuer.name, id).await?
        {
            return Ok(Some(user.uid));
        }
        match (id.parse(), issuer) {
            // Accounts of a former issuer are left out: their external ids may belong to others by now.
            (Ok(id), Some(issuer)) => self.database.account_visible_to(&issuer.name, id).await,
            (Ok(id), None) => Ok(Some(id)),
            (Err(_), _) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
