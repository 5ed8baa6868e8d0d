//! Copies the whole database while it is in use.

use std::io;
use std::path::{Path, PathBuf};

use super::{Database, Pool};

/// Why a backup failed; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{} exists already, and is not overwritten; choose another name", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {}: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the database cannot be copied: {0}")]
    Copy(#[from] sqlx::Error),
    #[error("this is a PostgreSQL database; back it up with pg_dump")]
    Postgres,
}

impl Database {
    /// Copies a SQLite database as of this moment into a new file, which only its owner can read. The file is either complete
    /// or not there; other processes can write meanwhile.
    pub async fn back_up(&self, path: &Path) -> Result<(), BackupError> {
        let Pool::Sqlite(pool) = &self.write else { return Err(BackupError::Postgres) };
        let failed = |source| BackupError::Write { path: path.to_owned(), source };
        if path.exists() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let copy = tempfile::Builder::new().prefix(".backup-").tempfile_in(folder).map_err(failed)?;
        // `VACUUM INTO` accepts an existing file only if it is empty; this one is private.
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
