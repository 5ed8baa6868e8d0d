//! Tests of the database itself, on SQLite and, where `NATTERJACK_TEST_POSTGRES` names one, on PostgreSQL.

mod costs;
mod log_statements;
mod reindexing;
mod removals;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use super::{Database, Options, each};

/// A database that does not exist yet, or is empty: its URL, and the folder that holds it.
struct TestDatabase {
    url: String,
    _folder: tempfile::TempDir,
}

/// An empty database on each available engine.
async fn test_databases() -> Vec<TestDatabase> {
    let folder = tempfile::tempdir().unwrap();
    let mut test_databases =
        vec![TestDatabase { url: format!("sqlite:{}/test.db", folder.path().display()), _folder: folder }];
    if let Ok(server) = std::env::var("NATTERJACK_TEST_POSTGRES") {
        let name = format!("test_{}", Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        let url = server.replacen("/postgres?", &format!("/{name}?"), 1);
        test_databases.push(TestDatabase { url, _folder: tempfile::tempdir().unwrap() });
    }
    test_databases
}

impl TestDatabase {
    fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    fn options(&self, readers: u32) -> Options {
        Options { url: self.url.clone(), full_sync: false, readers }
    }
}

impl Database {
    async fn run(&self, sql: &str) {
        each!(Pool: &self.write, pool => sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.map(|_| ()))
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}
