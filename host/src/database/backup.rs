//! A copy of the whole database, taken while it is in use.

use std::io;
use std::path::{Path, PathBuf};

use super::{Database, Pool};

/// Why there is no backup; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{} is there already, and is not overwritten; choose another name", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {}: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the database cannot be copied: {0}")]
    Copy(#[from] sqlx::Error),
    #[error("a PostgreSQL database is copied by PostgreSQL's own pg_dump")]
    Postgres,
}

impl Database {
    /// Copies a SQLite database as it is at this moment into a new file, which only its owner can read. Whole or not at
    /// all; those who write meanwhile do not wait.
    pub async fn back_up(&self, path: &Path) -> Result<(), BackupError> {
        let Pool::Sqlite(pool) = &self.write else { return Err(BackupError::Postgres) };
        let failed = |source| BackupError::Write { path: path.to_owned(), source };
        if path.exists() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let copy = tempfile::Builder::new().prefix(".backup-").tempfile_in(folder).map_err(failed)?;
        // Takes an empty file, which is ours alone, and no other one.
        sqlx::query("VACUUM INTO $1").bind(copy.path().to_string_lossy().as_ref()).execute(pool).await?;
        let written = tokio::fs::File::open(copy.path()).await.map_err(failed)?;
        written.sync_all().await.map_err(failed)?;
        match copy.persist_noclobber(path) {
            Ok(_) => Ok(()),
            Err(lost) if lost.error.kind() == io::ErrorKind::AlreadyExists => Err(BackupError::Exists(path.to_owned())),
            Err(lost) => Err(failed(lost.error)),
        }
    }
}
