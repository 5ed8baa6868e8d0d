//! Checks the REST API against its OpenAPI document with requests that Schemathesis generates.

use std::process::Command;

use serde_json::json;

use crate::harness::{Account, Server, Setup, root};

/// How many requests are generated per operation, unless the long run sets another number.
const EXAMPLES_PER_OPERATION: &str = "20";

/// The operations that end logins.
const LOG_OUT_PATHS: [&str; 3] = ["/api/auth/logout", "/api/auth/logout-all", "/api/admin/accounts/{id}/logout"];

/// A server whose limits generated requests do not reach, and an administrator.
async fn server() -> (Server, Account) {
    let server = Setup::new()
        .replace("attempts_burst = 30", "attempts_burst = 1000000")
        .variable("NATTERJACK__LIMITS__COMMAND_BURST", "1000000")
        .replace("failed_logins_per_minute = 10", "failed_logins_per_minute = 1000000")
        .start()
        .await;
    let root = server.administrator("root").await;
    (server, root)
}

/// The Schemathesis command for this server.
fn schemathesis(server: &Server) -> tokio::process::Command {
    let install = Command::new(env!("CARGO")).args(["xtask", "schemathesis", "--install"]).current_dir(root()).status();
    assert!(install.unwrap().success(), "Schemathesis is needed and could not be installed; the reason is above");
    // Not its script, which contains the path of its installation: that may have been moved.
    let python = crate::harness::natterjack().ancestors().nth(2).unwrap().join("schemathesis/bin/python");
    let mut run = tokio::process::Command::new(python);
    run.args(["-m", "schemathesis.cli"]);
    run.arg("--config-file").arg(root().join("tests/schemathesis.toml"));
    run.arg("run").arg(server.url("/api/openapi.json")).args(["--no-color", "--phases", "examples,coverage,fuzzing"]);
    match std::env::var("NATTERJACK_SCHEMATHESIS_EXAMPLES") {
        Ok(examples) => run.args(["--max-examples", &examples, "--generation-database", "none"]),
        // The same requests each time, for a deterministic test.
        Err(_) => run.args(["--max-examples", EXAMPLES_PER_OPERATION, "--generation-deterministic"]),
    };
    run.current_dir(server.path()).kill_on_drop(true);
    run
}

async fn finds_nothing(mut run: tokio::process::Command) -> String {
    let output = run.output().await.unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    // It tested the operations, with an account that may use them.
    assert!(said.contains("No issues found") || said.contains("No failures"), "{said}");
    said
}

#[tokio::test]
async fn schemathesis_finds_nothing() {
    let (server, root) = server().await;
    let mut run = schemathesis(&server);
    run.args(["--header", &format!("Authorization: Bearer {}", root.token)]);
    // These would end the login that all other requests use.
    for path in LOG_OUT_PATHS {
        run.args(["--exclude-path", path]);
    }
    finds_nothing(run).await;
    let still = server.get("/api/admin/accounts", Some(&root.token)).await;
    assert_eq!(still.0, 200, "the login held all the while");
}

#[tokio::test]
async fn schemathesis_finds_nothing_in_log_outs_with_a_new_login_for_each() {
    let (server, root) = server().await;
    let mut run = schemathesis(&server);
    for path in LOG_OUT_PATHS {
        run.args(["--include-path", path]);
    }
    run.env("SCHEMATHESIS_HOOKS", "schemathesis_log_outs").env("PYTHONPATH", self::root().join("tests"));
    run.env("PYTHONDONTWRITEBYTECODE", "1").env("LOG_IN_URL", server.url("/api/auth/login"));
    run.env("LOG_IN_BODY", json!({"username": root.name, "password": root.password}).to_string());
    let said = finds_nothing(run).await;
    assert!(said.contains("Selected: 3/"), "{said}");
    assert_eq!(server.get("/api/me", Some(&root.token)).await.0, 401, "every login has been ended");
}

#[tokio::test]
async fn document_page_loads_nothing_from_other_hosts() {
    let server = Setup::bare().start().await;
    for (path, kind) in [("/api/docs", "text/html"), ("/api/docs.js", "text/javascript"), ("/api/docs.css", "text/css")]
    {
        let response = reqwest::get(server.url(path)).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-type").starts_with(kind), "{path}");
        assert!(header("content-security-policy").starts_with("default-src 'none'; script-src 'self'"), "{path}");
        let text = response.text().await.unwrap();
        assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("<script>"), "{path}");
    }
    let (status, document) = server.get("/api/openapi.json", None).await;
    assert_eq!(status, 200);
    assert!(document["paths"]["/api/auth/login"]["post"]["requestBody"].is_object(), "{document}");
}
