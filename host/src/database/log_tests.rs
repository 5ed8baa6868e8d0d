//! Tests of the database itself, on SQLite and, where `NATTERJACK_TEST_POSTGRES` names one, on PostgreSQL.

mod costs;
mod log_statements;
mod reindexing;
mod removals;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use super::{Database, Options, each};

/// Where a fresh database can be made: the URL, and the folder that keeps it.
struct Place {
    url: String,
    _folder: tempfile::TempDir,
}

/// An empty place on each engine that there is.
async fn places() -> Vec<Place> {
    let folder = tempfile::tempdir().unwrap();
    let mut places = vec![Place { url: format!("sqlite:{}/test.db", folder.path().display()), _folder: folder }];
    if let Ok(server) = std::env::var("NATTERJACK_TEST_POSTGRES") {
        let name = format!("test_{}", Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        let url = server.replacen("/postgres?", &format!("/{name}?"), 1);
        places.push(Place { url, _folder: tempfile::tempdir().unwrap() });
    }
    places
}

impl Place {
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
