//! What the REST API's own document promises, it keeps: Schemathesis makes up requests by it, and looks at the answers.

use std::path::Path;
use std::process::Command;

use crate::harness::Setup;

/// How many requests are made up for each operation, unless the long run says otherwise.
const EXAMPLES: &str = "20";

#[tokio::test]
async fn schemathesis_finds_nothing() {
    let server = Setup::new()
        .replace("attempts_burst = 30", "attempts_burst = 1000000")
        .variable("NATTERJACK__LIMITS__COMMAND_BURST", "1000000")
        .replace("failed_logins_per_minute = 10", "failed_logins_per_minute = 1000000")
        .start()
        .await;
    server.sign_up("root").await;
    assert!(server.setup().command(&["user", "admin", "root"]).status().await.unwrap().success());
    let token = server.setup().command(&["user", "token", "root"]).output().await.unwrap().stdout;
    let token = String::from_utf8(token).unwrap();

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let install = Command::new(env!("CARGO")).args(["xtask", "schemathesis", "--install"]).current_dir(root).status();
    assert!(install.unwrap().success(), "Schemathesis is needed and could not be installed; the reason is above");
    let program = crate::harness::natterjack().ancestors().nth(2).unwrap().join("schemathesis/bin/schemathesis");
    let mut run = tokio::process::Command::new(program);
    run.arg("--config-file").arg(root.join("tests/schemathesis.toml")).arg("run").arg(server.url("/api/openapi.json"));
    run.args(["--header", &format!("Authorization: Bearer {}", token.trim()), "--no-color"]);
    run.args(["--phases", "examples,coverage,fuzzing"]);
    // These would end the login that all the others are made with.
    for path in ["/api/auth/logout", "/api/auth/logout-all", "/api/admin/accounts/{id}/logout"] {
        run.args(["--exclude-path", path]);
    }
    match std::env::var("NATTERJACK_SCHEMATHESIS_EXAMPLES") {
        Ok(examples) => run.args(["--max-examples", &examples, "--generation-database", "none"]),
        // The same ones each time: a test that fails now and then helps nobody.
        Err(_) => run.args(["--max-examples", EXAMPLES, "--generation-deterministic"]),
    };
    let output = run.current_dir(server.path()).kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    // It has seen what it was to look at, as somebody who may.
    assert!(said.contains("No issues found") || said.contains("No failures"), "{said}");
    let still = server.get("/api/admin/accounts", Some(token.trim())).await;
    assert_eq!(still.0, 200, "the login held all the while");
}

#[tokio::test]
async fn the_document_can_be_browsed_with_nothing_from_elsewhere() {
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
