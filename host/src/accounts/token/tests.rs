use std::path::Path;

use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::*;
use crate::config::{self, AuthKey, KeyAlgorithm, Secret};

const SECRET: &str = "a key of at least thirty-two bytes";
const MINUTE: Duration = Duration::from_secs(60);

fn tokens() -> Tokens {
    Tokens::new(Keys::of_secret(SECRET.as_bytes()), MINUTE)
}

fn of(keys: Vec<AuthKey>) -> Tokens {
    let config = config::Auth { jwt_secret: Secret::new(SECRET), keys, ..config::Auth::default() };
    Tokens::new(Keys::load(&config, Path::new("nowhere")).unwrap().0, MINUTE)
}

/// A new Ed25519 key in two files.
fn key_pair(folder: &Path) -> AuthKey {
    let key = ed25519_dalek::SigningKey::from_bytes(&rand::random());
    let (private, public) = (folder.join("private.pem"), folder.join("public.pem"));
    std::fs::write(&private, key.to_pkcs8_pem(LineEnding::LF).unwrap().as_bytes()).unwrap();
    std::fs::write(&public, key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap()).unwrap();
    AuthKey {
        kid: "ed".into(),
        algorithm: KeyAlgorithm::EdDsa,
        private_key_file: Some(private),
        public_key_file: Some(public),
        ..AuthKey::default()
    }
}

fn signing(pair: &AuthKey) -> AuthKey {
    AuthKey { public_key_file: None, sign: true, ..pair.clone() }
}

fn verifying(pair: &AuthKey) -> AuthKey {
    AuthKey { private_key_file: None, ..pair.clone() }
}

fn issue(tokens: &Tokens) -> String {
    tokens.issue(AccountId::new(), LoginId::new()).unwrap()
}

fn claims() -> Value {
    let at = now().as_seconds();
    let id = Uuid::now_v7();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": id, "sid": id, "jti": id, "iat": at, "nbf": at, "exp": at + 60,
    })
}

/// A token with the given claims and header, signed with the secret.
fn forged(claims: &Value, header: &Header) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn refused(tokens: &Tokens, token: &str) -> bool {
    matches!(tokens.check(token), Err(Error::Unauthenticated(_)))
}

#[test]
fn a_token_identifies_its_account_and_login() {
    let (account, login) = (AccountId::new(), LoginId::new());
    let bearer = tokens().check(&tokens().issue(account, login).unwrap()).unwrap();
    assert_eq!((bearer.account, bearer.login), (account, login));
    assert!(bearer.expires_at > now());
}

#[test]
fn an_expired_token_is_refused_as_expired() {
    let over = Tokens::new(Keys::of_secret(SECRET.as_bytes()), Duration::ZERO);
    let error = tokens().check(&issue(&over)).unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
}

#[test]
fn a_token_with_a_wrong_or_missing_claim_is_refused() {
    let plain = Header::new(Algorithm::HS256);
    assert!(tokens().check(&forged(&claims(), &plain)).is_ok());
    let later = now().as_seconds() + 120;
    for (claim, value) in [
        ("iss", json!("somebody")),
        ("aud", json!("somebody")),
        ("aud", json!([])),
        ("nbf", json!(later)),
        ("exp", json!(later - 121)),
        ("sub", json!("ann")),
    ] {
        let mut changed = claims();
        changed[claim] = value.clone();
        assert!(refused(&tokens(), &forged(&changed, &plain)), "{claim}: {value}");
    }
    for claim in ["iss", "aud", "sub", "sid", "jti", "exp", "nbf"] {
        let mut without = claims();
        without.as_object_mut().unwrap().remove(claim);
        assert!(refused(&tokens(), &forged(&without, &plain)), "without {claim}");
    }
}

#[test]
fn another_key_another_algorithm_or_no_signature_is_refused() {
    let other = Tokens::new(Keys::of_secret(b"another key of thirty-two bytes or more"), MINUTE);
    assert!(refused(&other, &issue(&tokens())));
    assert!(refused(&tokens(), &forged(&claims(), &Header::new(Algorithm::HS512))));
    let payload = issue(&tokens()).split('.').nth(1).unwrap().to_owned();
    for header in [r#"{"alg":"none","typ":"JWT"}"#, r#"{"alg":"None"}"#, "{}"] {
        let unsigned = format!("{}.{payload}.", BASE64_URL_SAFE_NO_PAD.encode(header));
        assert!(refused(&tokens(), &unsigned), "{header}");
    }
}

#[test]
fn a_token_with_an_unknown_kid_is_refused() {
    let header = Header { kid: Some("unknown".into()), ..Header::new(Algorithm::HS256) };
    assert!(refused(&tokens(), &forged(&claims(), &header)));
}

#[test]
fn a_token_signed_with_a_public_key_as_secret_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pair = key_pair(folder.path());
    let pem = std::fs::read(pair.public_key_file.as_ref().unwrap()).unwrap();
    let private = ed25519_dalek::pkcs8::DecodePrivateKey::read_pkcs8_pem_file(pair.private_key_file.as_ref().unwrap());
    let private: ed25519_dalek::SigningKey = private.unwrap();
    let tokens = of(vec![signing(&pair)]);
    let header = Header { kid: Some("ed".into()), ..Header::new(Algorithm::HS256) };
    for public in [pem.as_slice(), private.verifying_key().as_bytes()] {
        let token = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(public)).unwrap();
        assert!(refused(&tokens, &token));
    }
}

#[test]
fn tokens_of_the_old_key_stay_valid_after_a_key_change() {
    let folder = tempfile::tempdir().unwrap();
    let pair = key_pair(folder.path());
    let (before, after, elsewhere) = (tokens(), of(vec![signing(&pair)]), of(vec![verifying(&pair)]));
    let (old, new) = (issue(&before), issue(&after));
    assert_eq!(jsonwebtoken::decode_header(&new).unwrap().alg, Algorithm::EdDSA);
    assert!(after.check(&old).is_ok() && after.check(&new).is_ok());
    assert!(elsewhere.check(&new).is_ok(), "the public half is enough to check");
    assert!(refused(&before, &new));
    assert_eq!(jsonwebtoken::decode_header(issue(&elsewhere)).unwrap().alg, Algorithm::HS256);
}

#[test]
fn leeway_applies_to_nbf_and_not_to_exp() {
    let plain = Header::new(Algorithm::HS256);
    let at = now().as_seconds();
    let with = |claim: &str, value: i64| {
        let mut changed = claims();
        changed[claim] = json!(value);
        forged(&changed, &plain)
    };
    assert!(tokens().check(&with("nbf", at + 50)).is_ok());
    assert!(refused(&tokens(), &with("nbf", at + 70)));
    assert!(refused(&tokens(), &with("exp", at - 1)));
}
