//! People who log in elsewhere: tokens of another issuer that shares a secret with this server.
//!
//! Their accounts are rows of their own, known by issuer and id, and never those of people who log in here.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

use super::token::{NBF_LEEWAY, expired, new_refresh_token, refresh_hash};
use super::{Accounts, Identity};
use crate::clock::{Timestamp, now};
use crate::config;
use crate::error::{Error, Result};
use crate::name::misleads;
use crate::protocol::{AccountId, LoginId};

/// The longest id.
const MAX_ID_CHARS: usize = 128;
/// Where tokens commonly have it, if the operator does not say.
const ID_CLAIMS: [&str; 4] = ["sub", "id", "userId", "_id"];

/// Checks another issuer's tokens.
pub(super) struct ExternalIssuer {
    name: Arc<str>,
    key: DecodingKey,
    validation: Validation,
    id_claims: Vec<String>,
}

/// What a good token says.
#[derive(Debug, PartialEq, Eq)]
struct Bearer {
    id: Arc<str>,
    expires_at: Timestamp,
}

impl ExternalIssuer {
    /// None if there is none.
    pub(super) fn new(config: &config::Auth) -> Option<Self> {
        let config::External { issuer, secret, audience, id_claim } = &config.external;
        if issuer.is_empty() {
            return None;
        }
        let secret = if secret.is_empty() { &config.jwt_secret } else { secret };
        // Of several algorithms a token could choose: here there is one.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = NBF_LEEWAY.as_secs();
        validation.validate_nbf = true;
        // Many such tokens name no issuer: then it is the secret that does.
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

    /// None if it is none of this issuer's tokens.
    fn check(&self, token: &str) -> Result<Option<Bearer>> {
        let claims = match jsonwebtoken::decode::<Map<String, Value>>(token, &self.key, &self.validation) {
            Ok(token) => token.claims,
            Err(error) => {
                return match error.kind() {
                    ErrorKind::ExpiredSignature => Err(expired()),
                    ErrorKind::ImmatureSignature => Err(Error::Unauthenticated("the token is not good yet".into())),
                    ErrorKind::MissingRequiredClaim(claim) => {
                        Err(Error::Unauthenticated(format!("the token has no `{claim}`")))
                    }
                    ErrorKind::InvalidAudience => Err(Error::Unauthenticated("the token is for somebody else".into())),
                    _ => Ok(None),
                };
            }
        };
        // What the library cannot read it does not compare.
        if claims.get("iss").is_some_and(|iss| iss.as_str() != Some(&self.name)) {
            return Ok(None);
        }
        if self.validation.aud.is_none() && claims.get("aud").is_some_and(|aud| !aud.is_null()) {
            return Err(Error::Unauthenticated("the token is for somebody else".into()));
        }
        // Its leeway holds for the end too; a token ends when it says so.
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
            return Err(Error::Unauthenticated(format!("the token does not say whose it is: it has no `{names}`")));
        };
        let id = match value {
            Value::String(id) => id.clone(),
            Value::Number(id) if id.is_i64() || id.is_u64() => id.to_string(),
            _ => String::new(),
        };
        let length = id.chars().count();
        if !(1..=MAX_ID_CHARS).contains(&length) || id.chars().any(|c| misleads(c) || c.is_whitespace()) {
            return Err(Error::Unauthenticated(format!(
                "the token's `{name}` is no id; wanted an integer, or a text of 1 to {MAX_ID_CHARS} characters without blanks"
            )));
        }
        Ok(id.into())
    }
}

impl Accounts {
    /// Who a token belongs to that may be one of the other issuer's. Its account is made at first sight.
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
            // One that no refresh token belongs to: it is there to be ended.
            None => {
                let nobodys = refresh_hash(&new_refresh_token());
                let login = LoginId::new();
                self.database.add_login(login, &known, &nobodys, now(), expires_at).await?;
                login
            }
        };
        Ok(Identity { account: known.account(), login, expires_at, external: Some(id) })
    }

    /// The account that a client of `direct` names: by its uid, or by the other issuer's id where that is what the client
    /// knows, also if it is deleted; none if nobody is called so.
    pub async fn named_by(&self, client_is_external: bool, id: &str) -> Result<Option<AccountId>> {
        let issuer = self.external.as_ref().filter(|_| client_is_external);
        if let Some(issuer) = issuer
            && let Some(user) = self.database.external_user(&issuer.name, id).await?
        {
            return Ok(Some(user.uid));
        }
        match (id.parse(), issuer) {
            // Those of an issuer of before are known by ids that may be somebody else's by now.
            (Ok(id), Some(issuer)) => self.database.known_to(&issuer.name, id).await,
            (Ok(id), None) => Ok(Some(id)),
            (Err(_), _) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
