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

fn soon() -> i64 {
    now().as_seconds() + 60
}

/// Whose a token is, or why it is refused; nothing if it is none of the issuer's.
fn whose(issuer: &ExternalIssuer, claims: &Value) -> String {
    match issuer.check(&token(claims)) {
        Ok(Some(bearer)) => bearer.id.to_string(),
        Ok(None) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_id_is_found_where_tokens_commonly_have_it() {
    let issuer = issuer(|_| {});
    for (claims, id) in [
        (json!({"sub": "a", "id": "b", "exp": soon()}), "a"),
        (json!({"id": "65f0c0ffee", "exp": soon()}), "65f0c0ffee"),
        (json!({"userId": 7, "exp": soon(), "iss": "shop"}), "7"),
        (json!({"_id": "m", "exp": soon()}), "m"),
    ] {
        assert_eq!(whose(&issuer, &claims), id);
    }
}

#[test]
fn the_operator_says_where_else_it_is_and_then_it_is_nowhere_else() {
    let issuer = issuer(|external| external.id_claim = "uid".to_owned());
    assert_eq!(whose(&issuer, &json!({"sub": "a", "uid": "b", "exp": soon()})), "b");
    assert!(whose(&issuer, &json!({"sub": "a", "exp": soon()})).contains("`uid`"));
}

#[test]
fn what_cannot_be_an_id_is_refused() {
    let issuer = issuer(|_| {});
    for id in [json!(""), json!("a b"), json!("a\u{200B}"), json!("x".repeat(129)), json!(1.5), json!({}), json!(null)]
    {
        assert!(whose(&issuer, &json!({"id": id, "exp": soon()})).contains("no id"), "{id}");
    }
    assert!(whose(&issuer, &json!({"exp": soon()})).contains("whose it is"));
}

#[test]
fn a_token_of_somebody_else_or_of_another_time_is_refused() {
    let plain = issuer(|_| {});
    let good = json!({"id": "a", "exp": soon()});
    for not_theirs in [
        signed(Algorithm::HS256, "some other secret of that length …", &good),
        signed(Algorithm::HS384, SECRET, &good),
        token(&json!({"id": "a", "exp": soon(), "iss": "elsewhere"})),
        token(&json!({"id": "a", "exp": soon(), "iss": 7})),
        token(&json!({"id": "a", "exp": soon(), "iss": ["shop", "elsewhere"]})),
        "eyJhbGciOiJub25lIn0.eyJpZCI6ImEiLCJleHAiOjk5OTk5OTk5OTl9.".to_owned(),
        "nonsense".to_owned(),
    ] {
        assert_eq!(plain.check(&not_theirs), Ok(None), "{not_theirs}");
    }
    assert!(whose(&plain, &json!({"id": "a", "exp": now().as_seconds()})).contains("expired"));
    assert!(whose(&plain, &json!({"id": "a"})).contains("`exp`"));
    assert!(whose(&plain, &json!({"id": "a", "exp": soon(), "nbf": soon() + 120})).contains("yet"));
}

#[test]
fn an_audience_is_asked_for_if_it_is_configured_and_else_a_token_has_none() {
    let (plain, strict) = (issuer(|_| {}), issuer(|external| external.audience = "chat".to_owned()));
    let of = |aud: Value| json!({"id": "a", "exp": soon(), "aud": aud});
    assert_eq!(whose(&strict, &of(json!("chat"))), "a");
    assert_eq!(whose(&strict, &of(json!(["mail", "chat"]))), "a");
    for (issuer, claims) in
        [(&strict, of(json!("mail"))), (&strict, json!({"id": "a", "exp": soon()})), (&plain, of(json!("mail")))]
    {
        assert_ne!(whose(issuer, &claims), "a", "{claims}");
    }
}

#[test]
fn without_a_secret_of_its_own_it_signs_with_ours() {
    let mut config = config::Auth { jwt_secret: Secret::new(SECRET), ..config::Auth::default() };
    assert!(ExternalIssuer::new(&config).is_none());
    config.external.issuer = "shop".to_owned();
    let issuer = ExternalIssuer::new(&config).unwrap();
    assert_eq!(whose(&issuer, &json!({"id": "a", "exp": soon()})), "a");
}
