//! The operator's commands `migrate`, `backup` and `check`.

use crate::harness::{Plugin, Server, Setup, database};

/// Whether the command succeeded, and its output.
async fn run(setup: &Setup, args: &[&str]) -> (bool, String) {
    let output = setup.command(args).output().await.unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[tokio::test]
async fn migrate_lists_pending_and_applied_migrations() {
    let setup = Setup::bare().prepare().await;
    let (done, said) = run(&setup, &["migrate", "--dry-run"]).await;
    assert!(done && said.contains("to apply: 0001 start") && said.contains("to apply: 0002 accounts"), "{said}");
    assert!(!setup.path().join("data/natterjack.db").exists());
    let (done, said) = run(&setup, &["migrate"]).await;
    assert!(done && said.contains("applied 0001 start") && said.contains("up to date now"), "{said}");
    for args in [&["migrate", "--dry-run"][..], &["migrate"]] {
        let (done, said) = run(&setup, args).await;
        assert!(done && said.contains("is up to date\n") && !said.contains("0001"), "{said}");
    }
    let server = Server::on(setup).await;
    server.sign_up("ann").await;
}

#[tokio::test]
async fn database_of_a_newer_program_is_not_migrated() {
    let setup = Setup::bare().prepare().await;
    assert!(run(&setup, &["migrate"]).await.0);
    database::execute(&setup.database_url(), "UPDATE _sqlx_migrations SET version = 9999 WHERE version = 2").await;
    for command in ["migrate", "check", "serve"] {
        let (done, said) = run(&setup, &[command]).await;
        assert!(!done && said.contains("newer than this program") && said.contains("9999"), "{command}: {said}");
    }
}

#[tokio::test]
async fn backup_of_a_busy_database_is_consistent_and_overwrites_nothing() {
    let server = Setup::bare().start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    ann.post("lobby", "to be kept").await.unwrap();
    let (done, said) = run(server.setup(), &["backup", "copy.db"]).await;
    let copy = server.path().join("copy.db");
    if database::postgres().is_some() {
        assert!(!done && said.contains("pg_dump --format=custom --file='copy.db' --dbname='postgres://"), "{said}");
        assert!(!copy.exists());
        return;
    }
    assert!(done && said.contains("copy.db"), "{said}");
    let url = format!("sqlite:{}", copy.display());
    let kept = database::text(&url, "SELECT body FROM entries WHERE kind = 'message.posted'").await;
    assert_eq!(kept, "to be kept");
    assert_eq!(database::text(&url, "PRAGMA integrity_check").await, "ok");
    let mode = std::os::unix::fs::PermissionsExt::mode(&copy.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "it holds password hashes");

    std::fs::write(&copy, "something else").unwrap();
    let (done, said) = run(server.setup(), &["backup", "copy.db"]).await;
    assert!(!done && said.contains("exists already"), "{said}");
    assert_eq!(std::fs::read(&copy).unwrap(), b"something else");
    let (done, said) = run(server.setup(), &["backup", "nowhere/copy.db"]).await;
    assert!(!done && said.contains("nowhere/copy.db"), "{said}");
}

#[tokio::test]
async fn backup_command_hides_the_password() {
    let setup = Setup::bare().variable("DATABASE_URL", "postgres://ann:hidden-from-all@db.example/chat");
    let (done, said) = run(&setup, &["backup", "it's.dump"]).await;
    assert!(!done && !said.contains("hidden-from-all"), "{said}");
    assert!(said.contains(r"--file='it'\''s.dump' --dbname='postgres://ann@db.example/chat'"), "{said}");
}

#[tokio::test]
async fn check_passes_before_the_first_start_and_while_running() {
    let setup = Setup::bare().prepare().await;
    if database::postgres().is_none() {
        let (done, said) = run(&setup, &["check"]).await;
        assert!(done && !said.contains("FAULT"), "{said}");
        assert!(!setup.path().join("data").exists(), "nothing was made");
    }
    setup.install(Plugin::WordFilter, "word-filter.wasm");
    let server = Server::on(setup).await;
    let (done, said) = run(server.setup(), &["check"]).await;
    assert!(done && !said.contains("FAULT"), "{said}");
    for part in ["ok     config", "ok     keys", "ok     database", "ok     plugin    word-filter"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test]
async fn check_reports_every_fault_and_fails() {
    let setup = Setup::bare().prepare().await;
    assert!(run(&setup, &["migrate"]).await.0);
    database::execute(&setup.database_url(), "UPDATE _sqlx_migrations SET version = 9999 WHERE version = 2").await;
    std::fs::create_dir_all(setup.path().join("data")).unwrap();
    std::fs::write(setup.path().join("data/jwt.key"), "short").unwrap();
    setup.install_bytes("broken.wasm", b"no component");
    let (done, said) = run(&setup, &["check"]).await;
    assert!(!done, "{said}");
    for part in ["ok     config", "FAULT  keys", "FAULT  database", "9999", "FAULT  plugin    broken"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    std::fs::write(setup.path().join("config.toml"), "[auth]\nguests = 3\n").unwrap();
    let (done, said) = run(&setup, &["check"]).await;
    assert!(!done && said.contains("FAULT  config") && said.contains("auth.guests"), "{said}");
    let gone = Setup::bare().variable("DATABASE_URL", "postgres://ann:hidden-from-all@127.0.0.1:9/chat");
    let (done, said) = run(&gone, &["check"]).await;
    assert!(!done && said.contains("FAULT  database") && !said.contains("hidden-from-all"), "{said}");
    assert!(said.contains("Connection refused"), "{said}");
}

#[tokio::test]
async fn check_accepts_pending_migrations() {
    let setup = Setup::bare().prepare().await;
    assert!(run(&setup, &["migrate"]).await.0);
    database::execute(&setup.database_url(), "DELETE FROM _sqlx_migrations").await;
    let (done, said) = run(&setup, &["check"]).await;
    assert!(done && said.contains("ok     database") && said.contains("0001 start, 0002 accounts"), "{said}");
}

#[tokio::test]
async fn check_reports_unusable_certificate() {
    let setup = Setup::bare()
        .variable("NATTERJACK__TLS__CERTIFICATE_FILE", "cert.pem")
        .variable("NATTERJACK__TLS__KEY_FILE", "key.pem")
        .prepare()
        .await;
    std::fs::write(setup.path().join("cert.pem"), "none").unwrap();
    let (done, said) = run(&setup, &["check"]).await;
    assert!(!done && said.contains("FAULT  tls       cert.pem: contains no certificate"), "{said}");
}
