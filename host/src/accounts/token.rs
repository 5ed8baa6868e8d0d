//! Access tokens (JWT, one pinned algorithm) and refresh tokens (random, kept only as a hash).

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::clock::{Timestamp, now};
use crate::error::{Error, Result};
use crate::protocol::{AccountId, LoginId};

/// Who issues our tokens and whom they are for.
const ISSUER: &str = "natterjack";
const AUDIENCE: &str = "natterjack";
const ALGORITHM: Algorithm = Algorithm::HS256;
const KEY_FILE: &str = "jwt.key";
const KEY_BYTES: usize = 48;

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

/// Signs tokens and checks them.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    kid: String,
    ttl: Duration,
}

impl Tokens {
    pub fn new(secret: &[u8], ttl: Duration) -> Self {
        let kid = hex(&Sha256::digest(secret)[..4]);
        Self { encoding: EncodingKey::from_secret(secret), decoding: DecodingKey::from_secret(secret), kid, ttl }
    }

    /// How long an access token holds.
    pub fn ttl(&self) -> Duration {
        self.ttl
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
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(ALGORITHM) };
        jsonwebtoken::encode(&header, &claims, &self.encoding).map_err(Error::internal)
    }

    /// Checks signature and times. Whether the login still holds is the caller's to ask.
    pub fn check(&self, token: &str) -> Result<Bearer> {
        let mut validation = Validation::new(ALGORITHM);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => expired(),
                _ => Error::Unauthenticated("the token is not valid".into()),
            })?
            .claims;
        // The library lets the last second pass; a token ends when it says so.
        if claims.exp <= now().as_seconds() {
            return Err(expired());
        }
        Ok(Bearer { account: claims.sub, login: claims.sid, expires_at: Timestamp::from_seconds(claims.exp) })
    }
}

fn expired() -> Error {
    Error::Unauthenticated("the token has expired; log in again or use the refresh token".into())
}

/// A new refresh token.
pub fn new_refresh_token() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// What is stored of a refresh token. It is random, so that a plain hash is enough.
pub fn refresh_hash(token: &str) -> String {
    hex(&Sha256::digest(token))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The signing key kept in `folder`, made if there is none; its path, if it was made just now.
pub fn load_or_make_key(folder: &Path) -> std::io::Result<(Vec<u8>, Option<PathBuf>)> {
    let path = folder.join(KEY_FILE);
    let explain = |e: std::io::Error| std::io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let key = text.trim();
            if key.len() < 32 {
                let what = "holds no signing key of 32 characters or more; restore it, or remove it to have a new one made \
                    (every token ends then)";
                return Err(explain(std::io::Error::new(std::io::ErrorKind::InvalidData, what)));
            }
            Ok((key.as_bytes().to_vec(), None))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir_all(folder).map_err(explain)?;
            let key = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; KEY_BYTES]>());
            // Whole or not at all: written beside it first, so that a crash leaves no half a key behind.
            let mut file = tempfile::Builder::new()
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .tempfile_in(folder)
                .map_err(explain)?;
            file.write_all(key.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(explain)?;
            match file.persist_noclobber(&path) {
                Ok(_) => Ok((key.into_bytes(), Some(path))),
                // Another start was faster: its key is the one.
                Err(lost) if lost.error.kind() == std::io::ErrorKind::AlreadyExists => load_or_make_key(folder),
                Err(lost) => Err(explain(lost.error)),
            }
        }
        Err(error) => Err(explain(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const SECRET: &[u8] = b"a key of at least thirty-two bytes";

    #[test]
    fn a_token_says_whose_it_is() {
        let tokens = Tokens::new(SECRET, Duration::from_secs(60));
        let (account, login) = (AccountId::new(), LoginId::new());
        let token = tokens.issue(account, login).unwrap();
        let bearer = tokens.check(&token).unwrap();
        assert_eq!((bearer.account, bearer.login), (account, login));
        assert!(bearer.expires_at > now());
    }

    #[test]
    fn an_expired_token_says_so() {
        let token = Tokens::new(SECRET, Duration::ZERO).issue(AccountId::new(), LoginId::new()).unwrap();
        let error = Tokens::new(SECRET, Duration::ZERO).check(&token).unwrap_err();
        assert!(error.to_string().contains("expired"), "{error}");
    }

    #[test]
    fn another_key_or_no_signature_is_refused() {
        let token = Tokens::new(SECRET, Duration::from_secs(60)).issue(AccountId::new(), LoginId::new()).unwrap();
        let other = Tokens::new(b"another key of thirty-two bytes or more", Duration::from_secs(60));
        assert_eq!(other.check(&token).unwrap_err().code(), "unauthenticated");

        let payload = token.split('.').nth(1).unwrap();
        let unsigned = format!("{}.{payload}.", BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#));
        assert_eq!(
            Tokens::new(SECRET, Duration::from_secs(60)).check(&unsigned).unwrap_err().code(),
            "unauthenticated"
        );
    }

    #[test]
    fn the_signing_key_is_made_once_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let (key, made) = load_or_make_key(folder.path()).unwrap();
        let path = made.unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load_or_make_key(folder.path()).unwrap(), (key, None));
    }

    #[test]
    fn a_damaged_signing_key_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(KEY_FILE), "short").unwrap();
        assert!(load_or_make_key(folder.path()).unwrap_err().to_string().contains("jwt.key"));
    }
}
