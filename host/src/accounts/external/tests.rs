use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

use super::*;
use crate::config::Secret;

const SECRET: &str = "what the shop and this server share";

fn issuer(change: impl FnOnce(&mut config::External)) -> ExternalIssuer {
    let mut config = config::Auth::default();
    config.external.issuer = "shop".to_owned();
    config.external.secret = Secret::new(SECRET);
    change(&mut config.external);
    ExternalIssuer::new(&config).unwrap()
}

fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn token(claims: &Value) -> String {
    signed(Algorithm::HS256, SECRET, claims)
}

fn in_a_minute() -> i64 {
    now().as_seconds() + 60
}

/// The id in a token, or why it is refused; empty if the token is not one of the issuer's.
fn id_or_error(issuer: &ExternalIssuer, claims: &Value) -> String {
    match issuer.check(&token(claims)) {
        Ok(Some(bearer)) => bearer.id.to_string(),
        Ok(None) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_id_is_found_in_any_of_the_common_claims() {
    let issuer = issuer(|_| {});
    for (claims, id) in [
        (json!({"sub": "a", "id": "b", "exp": in_a_minute()}), "a"),
        (json!({"id": "65f0c0ffee", "exp": in_a_minute()}), "65f0c0ffee"),
        (json!({"userId": 7, "exp": in_a_minute(), "iss": "shop"}), "7"),
        (json!({"_id": "m", "exp": in_a_minute()}), "m"),
    ] {
        assert_eq!(id_or_error(&issuer, &claims), id);
    }
}

#[test]
fn a_configured_id_claim_is_the_only_one_used() {
    let issuer = issuer(|external| external.id_claim = "uid".to_owned());
    assert_eq!(id_or_error(&issuer, &json!({"sub": "a", "uid": "b", "exp": in_a_minute()})), "b");
    assert!(id_or_error(&issuer, &json!({"sub": "a", "exp": in_a_minute()})).contains("`uid`"));
}

#[test]
fn a_claim_that_cannot_be_an_id_is_refused() {
    let issuer = issuer(|_| {});
    for id in [json!(""), json!("a b"), json!("a\u{200B}"), json!("x".repeat(129)), json!(1.5), json!({}), json!(null)]
    {
        assert!(id_or_error(&issuer, &json!({"id": id, "exp": in_a_minute()})).contains("is not an id"), "{id}");
    }
    assert!(id_or_error(&issuer, &json!({"exp": in_a_minute()})).contains("does not identify an account"));
}

#[test]
fn a_token_of_another_issuer_or_outside_its_time_is_refused() {
    let plain = issuer(|_| {});
    let good = json!({"id": "a", "exp": in_a_minute()});
    for not_theirs in [
        signed(Algorithm::HS256, "some other secret of that length …", &good),
        signed(Algorithm::HS384, SECRET, &good),
        token(&json!({"id": "a", "exp": in_a_minute(), "iss": "elsewhere"})),
        token(&json!({"id": "a", "exp": in_a_minute(), "iss": 7})),
        token(&json!({"id": "a", "exp": in_a_minute(), "iss": ["shop", "elsewhere"]})),
        "eyJhbGciOiJub25lIn0.eyJpZCI6ImEiLCJleHAiOjk5OTk5OTk5OTl9.".to_owned(),
        "nonsense".to_owned(),
    ] {
        assert_eq!(plain.check(&not_theirs), Ok(None), "{not_theirs}");
    }
    assert!(id_or_error(&plain, &json!({"id": "a", "exp": now().as_seconds()})).contains("expired"));
    assert!(id_or_error(&plain, &json!({"id": "a"})).contains("`exp`"));
    assert!(id_or_error(&plain, &json!({"id": "a", "exp": in_a_minute(), "nbf": in_a_minute() + 120})).contains("yet"));
}

#[test]
fn an_audience_is_required_if_configured_and_refused_otherwise() {
    let (plain, strict) = (issuer(|_| {}), issuer(|external| external.audience = "chat".to_owned()));
    let of = |aud: Value| json!({"id": "a", "exp": in_a_minute(), "aud": aud});
    assert_eq!(id_or_error(&strict, &of(json!("chat"))), "a");
    assert_eq!(id_or_error(&strict, &of(json!(["mail", "chat"]))), "a");
    for (issuer, claims) in
        [(&strict, of(json!("mail"))), (&strict, json!({"id": "a", "exp": in_a_minute()})), (&plain, of(json!("mail")))]
    {
        assert_ne!(id_or_error(issuer, &claims), "a", "{claims}");
    }
}

#[test]
fn an_issuer_without_a_secret_uses_jwt_secret() {
    let mut config = config::Auth { jwt_secret: Secret::new(SECRET), ..config::Auth::default() };
    assert!(ExternalIssuer::new(&config).is_none());
    config.external.issuer = "shop".to_owned();
    let issuer = ExternalIssuer::new(&config).unwrap();
    assert_eq!(id_or_error(&issuer, &json!({"id": "a", "exp": in_a_minute()})), "a");
}
