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

/// Issuer and audience of this server's tokens.
const ISSUER: &str = crate::name::OUR_ISSUER;
const AUDIENCE: &str = "natterjack";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    /// The account.
    sub: AccountId,
    /// The login it was issued for: revoking that ends the token.
    sid: LoginId,
    jti: Uuid,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// The content of a valid token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bearer {
    pub account: AccountId,
    pub login: LoginId,
    pub expires_at: Timestamp,
}

/// How far an issuer's clock may be ahead of this server's. Applies to `nbf` only: a token ends exactly when it expires.
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

    /// How long an access token is valid.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    pub(super) fn sealer(&self) -> Sealer {
        self.keys.sealer()
    }

    /// Issues an access token.
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

    /// Checks signature, claims and times. The caller must check that the login has not ended.
    pub fn check(&self, token: &str) -> Result<Bearer> {
        let invalid = || Error::Unauthenticated("the token is not valid".into());
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        // The key determines the algorithm, never the token.
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
        // The library's leeway applies to `exp` too; here a token ends exactly when it expires.
        if claims.exp <= now().as_seconds() {
            return Err(expired());
        }
        Ok(Bearer { account: claims.sub, login: claims.sid, expires_at: Timestamp::from_seconds(claims.exp) })
    }
}

pub(super) fn expired() -> Error {
    Error::Unauthenticated("the token has expired; log in again or use the refresh token".into())
}

/// A random refresh token.
pub fn new_refresh_token() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// The stored form of a refresh token. A plain hash is enough, since tokens cannot be guessed.
pub fn refresh_hash(token: &str) -> String {
    hex(&Sha256::digest(token))
}

#[cfg(test)]
mod tests;
