//! Access tokens (JWT, each key with its one algorithm), and how refresh tokens are stored.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::keys::{Keys, hex};
use super::sealed::Sealer;
use crate::clock::{Timestamp, now};
use crate::error::{Error, Result};
use crate::protocol::{AccountId, LoginId};

/// Who issues our tokens and whom they are for.
const ISSUER: &str = crate::name::OUR_ISSUER;
const AUDIENCE: &str = "natterjack";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    /// The account.
    sub: AccountId,
    /// The login it came from: revoking that ends the token.
    sid: LoginId,
    jti: Uuid,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// What a good token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bearer {
    pub account: AccountId,
    pub login: LoginId,
    pub expires_at: Timestamp,
}

/// How far the clocks of those who issue tokens may be ahead of ours. It is for `nbf` alone: a token ends when it says so.
pub(super) const NBF_LEEWAY: Duration = Duration::from_secs(60);

/// Signs tokens and checks them.
pub struct Tokens {
    keys: Keys,
    ttl: Duration,
}

impl Tokens {
    pub fn new(keys: Keys, ttl: Duration) -> Self {
        Self { keys, ttl }
    }

    /// How long an access token holds.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    pub(super) fn sealer(&self) -> Sealer {
        self.keys.sealer()
    }

    /// A new access token.
    pub fn issue(&self, account: AccountId, login: LoginId) -> Result<String> {
        let at = now();
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: account,
            sid: login,
            jti: Uuid::new_v4(),
            iat: at.as_seconds(),
            nbf: at.as_seconds(),
            exp: (at + self.ttl).as_seconds(),
        };
        let key = self.keys.signing();
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(key.algorithm) };
        jsonwebtoken::encode(&header, &claims, &key.encoding).map_err(Error::internal)
    }

    /// Checks signature and times. Whether the login still holds is the caller's to ask.
    pub fn check(&self, token: &str) -> Result<Bearer> {
        let invalid = || Error::Unauthenticated("the token is not valid".into());
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        // The key says by which algorithm, never the token.
        let key = self.keys.verifying(header.kid.as_deref()).ok_or_else(invalid)?;
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = NBF_LEEWAY.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => expired(),
                _ => invalid(),
            })?
            .claims;
        // The library's leeway holds for the end too; a token ends when it says so.
        if claims.exp <= now().as_seconds() {
            return Err(expired());
        }
        Ok(Bearer { account: claims.sub, login: claims.sid, expires_at: Timestamp::from_seconds(claims.exp) })
    }
}

pub(super) fn expired() -> Error {
    Error::Unauthenticated("the token has expired; log in again or use the refresh token".into())
}

/// A secret at random.
pub fn new_refresh_token() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// What is stored of a refresh token. Nobody can guess one, so that a plain hash is enough.
pub fn refresh_hash(token: &str) -> String {
    hex(&Sha256::digest(token))
}

#[cfg(test)]
mod tests;
