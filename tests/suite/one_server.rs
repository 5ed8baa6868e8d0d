//! A database is used by one server or by one cluster only.

use std::os::unix::fs::symlink;

use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;
use xtask::postgres::Postgres;

use crate::harness::{Nats, PATIENCE, Server, Setup, database};

/// The output of a server that refuses to start.
async fn refused(setup: &Setup) -> String {
    let output = timeout(PATIENCE, setup.command(&["serve"]).output()).await.expect("it ends").unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

fn says_why(said: &str, holder: &Server) -> bool {
    said.contains("in use by another server") && said.contains(&format!("process {}", holder.id()))
}

#[tokio::test]
async fn second_server_on_a_sqlite_file_is_refused_and_commands_still_work() {
    let first = Setup::bare().on_database("sqlite:data/natterjack.db").start().await;
    let data = first.path().join("data");
    let folders = tempfile::tempdir().unwrap();
    symlink(&data, folders.path().join("folder")).unwrap();
    symlink(data.join("natterjack.db"), folders.path().join("file.db")).unwrap();
    for name in ["folder/natterjack.db", "file.db", "./folder/.//natterjack.db"] {
        let url = format!("sqlite:{}", folders.path().join(name).display());
        let said = refused(&Setup::bare().on_database(&url).prepare().await).await;
        assert!(says_why(&said, &first), "{name}: {said}");
    }
    for args in [&["user", "list"][..], &["check"], &["backup", "copy.db"], &["user", "add", "ann", "--password-stdin"]]
    {
        let mut command = first.setup().command(args);
        command.stdin(std::process::Stdio::null());
        let output = command.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("in use by another server"), "{args:?}: {said}");
        assert!(output.status.success() || args[0] == "user", "{args:?}: {said}");
    }
    // The copy is a database of its own.
    let copy = Setup::bare().on_database(&format!("sqlite:{}", first.path().join("copy.db").display()));
    drop(copy.start().await);
}

#[tokio::test]
async fn server_starts_right_after_a_killed_one() {
    let mut server = Setup::bare().start().await;
    for _ in 0..2 {
        server.kill().await;
        server.start_again().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_server_on_a_postgresql_database_is_refused_outside_a_cluster() {
    if database::postgres().is_some() {
        return;
    }
    let postgres = Postgres::start().expect("PostgreSQL's programs are there");
    let nats = Nats::start().await;
    let (url, other) = (database::create(&postgres.url()).await, database::create(&postgres.url()).await);
    let alone = || Setup::bare().on_database(&url);
    let node =
        |name| alone().variable("NATTERJACK__CLUSTER__NATS", &nats.url()).variable("NATTERJACK__CLUSTER__NODE", name);

    let mut first = alone().start().await;
    let said = refused(&alone().prepare().await).await;
    assert!(says_why(&said, &first) && said.contains("cluster.nats"), "{said}");
    let said = refused(&node("a").prepare().await).await;
    assert!(says_why(&said, &first) && said.contains("cluster.nats"), "{said}");
    // Another database of the same PostgreSQL is another matter.
    drop(Setup::bare().on_database(&other).start().await);
    assert!(first.stop().await.success());

    let (a, _b) = (node("a").start().await, node("b").start().await);
    let said = refused(&alone().prepare().await).await;
    assert!(says_why(&said, &a), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_regains_its_lock_or_stops_if_another_has_it() {
    if database::postgres().is_some() {
        return;
    }
    let postgres = Postgres::start().expect("PostgreSQL's programs are there");
    let url = database::create(&postgres.url()).await;
    let mut server = Setup::bare().on_database(&url).start().await;
    let end_lock = "SELECT pg_terminate_backend(pid)::TEXT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 \
        AND granted";
    let holders = "SELECT pid::TEXT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted";
    let before = database::texts(&url, holders).await;
    assert_eq!(before.len(), 1);
    database::texts(&url, end_lock).await;
    while matches!(database::texts(&url, holders).await, now if now.is_empty() || now == before) {}
    assert_eq!(server.get("/readyz", None).await.0, 200);

    // A waiting connection gets the lock before the server itself.
    let mut thief = PgConnection::connect(&url).await.unwrap();
    let (key, object) = (i32::from_be_bytes(*b"natj"), 1);
    let stolen = tokio::spawn(async move {
        sqlx::query("SELECT pg_advisory_lock($1, $2)").bind(key).bind(object).execute(&mut thief).await.unwrap();
        thief
    });
    let waiting = "SELECT pid::TEXT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND NOT granted";
    while database::texts(&url, waiting).await.is_empty() {}
    database::texts(&url, end_lock).await;
    let _thief = stolen.await.unwrap();
    server.expect_output("another server took over the database").await;
    assert_eq!(server.ended().await.code(), Some(1));
}
