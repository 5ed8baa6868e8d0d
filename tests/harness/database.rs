//! Which database a test's server has: SQLite, or a fresh one on the PostgreSQL that `cargo xtask test` started.

use sqlx::{Connection as _, PgConnection, SqliteConnection};
use uuid::Uuid;

/// The PostgreSQL to use, if this run is on PostgreSQL.
pub(crate) fn postgres() -> Option<String> {
    std::env::var("NATTERJACK_TEST_POSTGRES").ok()
}

/// Makes a database of a test's own; gives its URL.
pub(crate) async fn create(server: &str) -> String {
    let name = format!("test_{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect(server).await.expect("the tests' PostgreSQL answers");
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut connection).await.expect("the database is made");
    server.replacen("/postgres?", &format!("/{name}?"), 1)
}

/// What a tool of the operator's would see: the rows of a query with one column of text.
pub(crate) async fn texts(url: &str, sql: &'static str) -> Vec<String> {
    if url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(url).await.expect("the database opens");
        sqlx::query_scalar(sql).fetch_all(&mut connection).await.expect("the query runs")
    } else {
        let mut connection = PgConnection::connect(url).await.expect("the database answers");
        sqlx::query_scalar(sql).fetch_all(&mut connection).await.expect("the query runs")
    }
}

/// Changes something behind the server's back.
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

/// The one text that a query gives.
pub(crate) async fn text(url: &str, sql: &'static str) -> String {
    if url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(url).await.expect("the database opens");
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a text")
    } else {
        let mut connection = PgConnection::connect(url).await.expect("the database answers");
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a text")
    }
}
