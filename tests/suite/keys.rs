//! Token signing keys: which are refused, and how they are rotated.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::harness::{Server, Setup};

const OLD: &str = "an old signing key that only this test knows";

/// An Ed25519 private key as `openssl genpkey` writes it: 32 bytes after a fixed header.
fn private_key_pem() -> String {
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend([uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()].concat());
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der))
}

async fn fails_to_start(setup: &Setup) -> String {
    let output = setup.command(&["serve"]).output().await.unwrap();
    assert!(!output.status.success());
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[tokio::test]
async fn weak_secrets_prevent_the_start() {
    for (secret, told) in [("too short to sign with", "22 bytes"), ("your-secret-key", "well-known")] {
        let said = fails_to_start(&Setup::bare().variable("JWT_SECRET", secret)).await;
        assert!(said.contains("jwt_secret") && said.contains(told) && !said.contains(secret), "{said}");
    }
    let setup = Setup::bare();
    let weak = "[[auth.keys]]\nkid = \"new\"\nsecret = \"changeme\"\nsign = true\n";
    std::fs::write(setup.path().join("config.toml"), weak).unwrap();
    let said = fails_to_start(&setup).await;
    assert!(said.contains("config.toml") && said.contains("well-known"), "{said}");
}

#[tokio::test]
async fn unusable_key_is_named_in_the_error() {
    for (keys, told) in [
        ("kid = \"a\"\nalgorithm = \"EdDSA\"", "private_key_file"),
        ("kid = \"a\"", "HS256 has `secret`"),
        ("algorithm = \"EdDSA\"\nprivate_key_file = \"a.pem\"", "has no kid"),
        ("kid = \"a\"\nalgorithm = \"RS256\"", "RS256"),
        ("kid = \"a\"\nalgorithm = \"EdDSA\"\npublic_key_file = \"a.pem\"\nsign = true", "cannot sign"),
        ("kid = \"a\"\nalgorithm = \"EdDSA\"\nprivate_key_file = \"nowhere.pem\"\nsign = true", "nowhere.pem"),
    ] {
        let setup = Setup::bare();
        std::fs::write(setup.path().join("config.toml"), format!("[[auth.keys]]\n{keys}\n")).unwrap();
        let said = fails_to_start(&setup).await;
        assert!(said.contains(told), "{keys}: {said}");
    }
}

#[tokio::test]
async fn key_rotation_keeps_old_tokens_valid() {
    let mut server = Setup::bare().variable("JWT_SECRET", OLD).start().await;
    let before = server.sign_up("ann").await;
    std::fs::write(server.path().join("ed25519.pem"), private_key_pem()).unwrap();
    server.write_config(|text| {
        let key = "[[auth.keys]]\nkid = \"2026-11\"\nalgorithm = \"EdDSA\"\nprivate_key_file = \"ed25519.pem\"\nsign = true\n";
        format!("{}\n{key}", text.replace("keys = []", ""))
    });
    server.stop().await;
    server.start_again().await;
    let after = server.sign_up("bob").await;
    let header = jsonwebtoken::decode_header(&after.token).unwrap();
    assert_eq!((header.alg, header.kid.as_deref()), (Algorithm::EdDSA, Some("2026-11")));
    for account in [&before, &after] {
        assert_eq!(server.get("/api/me", Some(&account.token)).await.0, 200);
        server.log_in(account).await;
    }
    assert_eq!(refresh(&server, &before.refresh_token).await, Algorithm::EdDSA);
}

async fn refresh(server: &Server, token: &str) -> Algorithm {
    let (status, answer) = server.post("/api/auth/refresh", None, &json!({"refreshToken": token})).await;
    assert_eq!(status, 200, "{answer}");
    jsonwebtoken::decode_header(answer["token"].as_str().unwrap()).unwrap().alg
}
