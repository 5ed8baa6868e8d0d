//! Runs migrations.

use std::collections::HashSet;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::SqliteConnectOptions;

use super::{Database, OpenError, Options, Pool, each, shown};

pub(super) static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");
pub(super) static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");

/// A numbered change of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    pub number: i64,
    pub name: String,
}

impl std::fmt::Display for Migration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04} {}", self.number, self.name)
    }
}

impl Options {
    /// The path of a SQLite database.
    pub fn file(&self) -> Option<PathBuf> {
        let sqlite = self.url.starts_with("sqlite:").then(|| SqliteConnectOptions::from_str(&self.url).ok());
        sqlite.flatten().map(|options| options.get_filename().to_owned())
    }

    /// The URL with its password hidden.
    pub fn shown_url(&self) -> String {
        shown(&self.url)
    }

    /// The URL with its password removed.
    pub fn url_without_password(&self) -> String {
        let Ok(mut url) = url::Url::parse(&self.url) else { return self.shown_url() };
        // Fails only for URLs that cannot have a password.
        let _ = url.set_password(None);
        url.to_string()
    }

    /// All migrations of this kind of database.
    pub fn migrations(&self) -> Vec<Migration> {
        listed(if self.url.starts_with("sqlite:") { &SQLITE } else { &POSTGRES })
    }
}

fn listed(migrator: &Migrator) -> Vec<Migration> {
    let ups = migrator.iter().filter(|migration| !migration.migration_type.is_down_migration());
    ups.map(|one| Migration { number: one.version, name: one.description.replace('_', " ") }).collect()
}

impl Database {
    fn migrator(&self) -> &'static Migrator {
        match &self.write {
            Pool::Sqlite(_) => &SQLITE,
            Pool::Postgres(_) => &POSTGRES,
        }
    }

    /// Runs the pending migrations.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        let migrator = self.migrator();
        let result = match &self.write {
            Pool::Sqlite(pool) => migrator.run(pool).await,
            Pool::Postgres(pool) => migrator.run(pool.unguarded()).await,
        };
        result.map_err(|error| match error {
            MigrateError::VersionMissing(found) => newer(found, migrator),
            other => OpenError::Migrate(other),
        })?;
        self.complete_all_names().await.map_err(OpenError::Names)
    }

    /// Computes the keys of names, which SQL cannot; resumes where an interrupted start stopped.
    async fn complete_all_names(&self) -> crate::error::Result<()> {
        let names = self.complete_names().await?;
        if names > 0 {
            let (accounts, rooms) = self.name_conflicts().await?;
            tracing::info!(names, "computed name keys");
            if !accounts.is_empty() || !rooms.is_empty() {
                tracing::warn!(
                    accounts = accounts.len(),
                    rooms = rooms.len(),
                    "name conflicts found, list them with `natterjack user conflicts`"
                );
            }
        }
        Ok(())
    }

    /// Migrations that have not run yet.
    pub async fn missing(&self) -> Result<Vec<Migration>, OpenError> {
        let failed = |error| OpenError::Migrate(MigrateError::Execute(error));
        let any = match &self.read {
            Pool::Sqlite(_) => "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations')",
            Pool::Postgres(_) => "SELECT to_regclass('_sqlx_migrations') IS NOT NULL",
        };
        let any: bool =
            each!(Pool: &self.read, pool => sqlx::query_scalar(any).fetch_one(pool).await).map_err(failed)?;
        let all = listed(self.migrator());
        if !any {
            return Ok(all);
        }
        let done: Vec<i64> = each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version",
        )
        .fetch_all(pool)
        .await)
        .map_err(failed)?;
        if let Some(unknown) = done.iter().find(|number| all.iter().all(|known| known.number != **number)) {
            return Err(newer(*unknown, self.migrator()));
        }
        let done: HashSet<i64> = done.into_iter().collect();
        Ok(all.into_iter().filter(|migration| !done.contains(&migration.number)).collect())
    }
}

fn newer(found: i64, migrator: &Migrator) -> OpenError {
    OpenError::Newer { found, known: migrator.iter().map(|m| m.version).max().unwrap_or(0) }
}
