//! Administration of accounts: listing, disabling, logging out.

use serde_json::{Value, json};

use crate::harness::{Account, Server, Setup};

/// A server with an administrator.
async fn with_admin() -> (Server, Account) {
    let server = Setup::bare().start().await;
    let root = server.sign_up("root").await;
    let made = server.setup().command(&["user", "admin", "root"]).output().await.unwrap();
    assert!(made.status.success(), "{made:?}");
    (server, root)
}

fn names(answer: &Value) -> Vec<&str> {
    answer["accounts"].as_array().unwrap().iter().map(|account| account["username"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn accounts_are_listed_and_found_by_part_of_a_name_or_address() {
    let (server, root) = with_admin().await;
    let (ann, _bob) = (server.sign_up("ann").await, server.sign_up("bob%").await);
    let _online = server.log_in(&ann).await;
    let token = Some(root.token.as_str());
    let (status, all) = server.get("/api/admin/accounts", token).await;
    assert_eq!((status, names(&all)), (200, vec!["root", "ann", "bob%"]), "{all}");
    assert_eq!(all["next"], Value::Null);
    let shown = &all["accounts"][1];
    assert_eq!((&shown["id"], &shown["online"], &shown["admin"]), (&json!(ann.id), &json!(true), &json!(false)));
    assert!(shown.get("passwordHash").is_none() && !all.to_string().contains("argon2"), "{all}");
    for (query, found) in [("AN", vec!["ann"]), ("@EXAMPLE.org", vec!["root", "ann", "bob%"]), ("%25", vec!["bob%"])] {
        let (_, answer) = server.get(&format!("/api/admin/accounts?query={query}"), token).await;
        assert_eq!(names(&answer), found, "{query}");
    }
    let after = shown["number"].as_i64().unwrap();
    let (_, rest) = server.get(&format!("/api/admin/accounts?cursor={after}"), token).await;
    assert_eq!(names(&rest), ["bob%"]);
    assert_eq!(server.get("/api/admin/accounts?cursor=x", token).await.0, 400);
}

#[tokio::test]
async fn disabled_account_is_disconnected_until_enabled() {
    let (server, root) = with_admin().await;
    let token = Some(root.token.as_str());
    let ann = server.sign_up("ann").await;
    let mut client = server.log_in(&ann).await;
    let path = |action: &str| format!("/api/admin/accounts/{}/{action}", ann.id);
    let (status, shown) = server.post(&path("disable"), token, &json!({})).await;
    assert!(status == 200 && shown["disabledAt"].is_string(), "{shown}");
    assert_eq!(client.expect_close().await, 4504);
    assert_eq!(server.get("/api/me", Some(&ann.token)).await.0, 401);
    let log_in = json!({"username": "ann", "password": ann.password});
    assert_eq!(server.post("/api/auth/login", None, &log_in).await.0, 403);

    let (status, shown) = server.post(&path("enable"), token, &json!({})).await;
    assert_eq!((status, &shown["disabledAt"]), (200, &Value::Null));
    assert_eq!(server.post("/api/auth/login", None, &log_in).await.0, 200);
    assert_eq!(server.get("/api/me", Some(&ann.token)).await.0, 401, "what was ended stays so");
}

#[tokio::test]
async fn administrator_logs_account_out_everywhere() {
    let (server, root) = with_admin().await;
    let ann = server.sign_up("ann").await;
    let mut client = server.log_in(&ann).await;
    let path = format!("/api/admin/accounts/{}/logout", ann.id);
    assert_eq!(server.post(&path, Some(&root.token), &json!({})).await.0, 200);
    assert_eq!(client.expect_close().await, 4505);
    assert_eq!(server.get("/api/me", Some(&ann.token)).await.0, 401);
    let log_in = json!({"username": "ann", "password": ann.password});
    assert_eq!(server.post("/api/auth/login", None, &log_in).await.0, 200);
}

#[tokio::test]
async fn account_administration_needs_another_administrator() {
    let (server, root) = with_admin().await;
    let ann = server.sign_up("ann").await;
    assert_eq!(server.get("/api/admin/accounts", Some(&ann.token)).await.0, 403);
    assert_eq!(server.get("/api/admin/accounts", None).await.0, 401);
    for action in ["disable", "enable", "logout"] {
        let path = |id: &str| format!("/api/admin/accounts/{id}/{action}");
        assert_eq!(server.post(&path(&root.id), Some(&ann.token), &json!({})).await.0, 403);
        let nobody = server.post(&path("018f0000-0000-7000-8000-000000000000"), Some(&root.token), &json!({})).await;
        assert_eq!((nobody.0, &nobody.1["error"]["code"]), (404, &json!("not_found")));
        let malformed = server.post(&path("ann"), Some(&root.token), &json!({})).await;
        assert_eq!((malformed.0, &malformed.1["error"]["code"]), (400, &json!("bad_request")), "{}", malformed.1);
    }
    let own = server.post(&format!("/api/admin/accounts/{}/disable", root.id), Some(&root.token), &json!({})).await;
    assert_eq!((own.0, &own.1["error"]["code"]), (400, &json!("conflict")));
    assert_eq!(server.get("/api/me", Some(&root.token)).await.0, 200);
}
