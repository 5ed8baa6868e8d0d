//! Databases of tests: SQLite, or a new one on the PostgreSQL that `cargo xtask test` started.

use std::path::Path;
use std::str::FromStr as _;

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use uuid::Uuid;

/// The URL of the PostgreSQL to use, if this run is on PostgreSQL.
pub(crate) fn postgres() -> Option<String> {
    std::env::var("NATTERJACK_TEST_POSTGRES").ok()
}

/// Creates a database for a test; returns its URL.
pub(crate) async fn create(server: &str) -> String {
    let name = format!("test_{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect(server).await.expect("the tests' PostgreSQL answers");
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut connection).await.expect("the database is made");
    server.replacen("/postgres?", &format!("/{name}?"), 1)
}

/// Runs a query with one column of text, directly on the database.
pub(crate) async fn texts(url: &str, sql: &'static str) -> Vec<String> {
    if url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(url).await.expect("the database opens");
        sqlx::query_scalar(sql).fetch_all(&mut connection).await.expect("the query runs")
    } else {
        let mut connection = PgConnection::connect(url).await.expect("the database answers");
        sqlx::query_scalar(sql).fetch_all(&mut connection).await.expect("the query runs")
    }
}

/// Runs a statement directly on the database.
pub(crate) async fn execute(url: &str, sql: &'static str) {
    if url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(url).await.expect("the database opens");
        sqlx::query(sql).execute(&mut connection).await.expect("the statement runs");
        connection.close().await.expect("the database closes");
    } else {
        let mut connection = PgConnection::connect(url).await.expect("the database answers");
        sqlx::query(sql).execute(&mut connection).await.expect("the statement runs");
    }
}

/// Creates a database with the schema of this migration, and with these rows.
pub(crate) async fn create_at(url: &str, migration: i64, rows: &'static str) {
    let engine = if url.starts_with("sqlite:") { "sqlite" } else { "postgres" };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(engine);
    let all = Migrator::new(folder).await.expect("the migrations are read");
    let old = Migrator::with_migrations(all.iter().filter(|one| one.version <= migration).cloned().collect());
    if engine == "sqlite" {
        let options = SqliteConnectOptions::from_str(url).expect("a URL").create_if_missing(true);
        std::fs::create_dir_all(options.get_filename().parent().expect("a folder")).expect("the folder is made");
        let mut connection = SqliteConnection::connect_with(&options).await.expect("the database opens");
        old.run(&mut connection).await.expect("the migrations run");
        sqlx::raw_sql(rows).execute(&mut connection).await.expect("the rows are added");
        connection.close().await.expect("the database closes");
    } else {
        let mut connection = PgConnection::connect(url).await.expect("the database answers");
        old.run(&mut connection).await.expect("the migrations run");
        sqlx::raw_sql(rows).execute(&mut connection).await.expect("the rows are added");
    }
}

/// A stored entry of a room's log.
#[derive(sqlx::FromRow)]
pub(crate) struct StoredEntry {
    #[sqlx(try_from = "i64")]
    pub(crate) seq: u64,
    pub(crate) kind: String,
    /// The author of a post; `None` for a guest.
    pub(crate) author: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) body: Option<String>,
    /// JSON of entries that are not posts.
    pub(crate) data: Option<String>,
}

/// A room's whole log, by the room's uid.
pub(crate) async fn entries(url: &str, room: &str) -> Vec<StoredEntry> {
    let sql = "SELECT e.seq, e.kind, u.username AS author, e.key, e.body, e.data FROM entries e \
        JOIN rooms r ON r.id = e.room_id LEFT JOIN users u ON u.id = e.author_id WHERE r.uid = $1 ORDER BY e.seq";
    let entries = if url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(url).await.expect("the database opens");
        sqlx::query_as(sql).bind(room).fetch_all(&mut connection).await
    } else {
        let mut connection = PgConnection::connect(url).await.expect("the database answers");
        sqlx::query_as(sql).bind(room).fetch_all(&mut connection).await
    };
    entries.expect("the log is read")
}

/// The stored number of the room's last entry.
pub(crate) async fn last_seq(url: &str, room: &str) -> u64 {
    let sql = "SELECT last_seq FROM rooms WHERE uid = $1";
    let last: Result<i64, _> = if url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(url).await.expect("the database opens");
        sqlx::query_scalar(sql).bind(room).fetch_one(&mut connection).await
    } else {
        let mut connection = PgConnection::connect(url).await.expect("the database answers");
        sqlx::query_scalar(sql).bind(room).fetch_one(&mut connection).await
    };
    last.expect("the room is there").unsigned_abs()
}

/// Runs a query that returns one text.
pub(crate) async fn text(url: &str, sql: &'static str) -> String {
    if url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(url).await.expect("the database opens");
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a text")
    } else {
        let mut connection = PgConnection::connect(url).await.expect("the database answers");
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a text")
    }
}
