//! `natterjack backup`: copies the database to a file.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::config::{self, Config};
use crate::database::{BackupError, Database};
use crate::server;

/// Copy the database while it is in use.
///
/// For SQLite, the copy is a consistent database; to restore it, stop the server and replace natterjack.db with it. An existing
/// file is not overwritten. For PostgreSQL, this prints the pg_dump command to run. The copy does not contain the signing key,
/// jwt.key in the data folder: keep that too.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to create
    file: PathBuf,
    /// The server's configuration file
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let config = Config::load(args.config.as_deref(), config::environment())?;
    let options = server::database_options(&config);
    let file = args.file.display().to_string();
    if options.file().is_none() {
        let command = format!(
            "pg_dump --format=custom --file={} --dbname={}",
            quoted(&file),
            quoted(&options.url_without_password())
        );
        bail!("{}; run:\n  {command}\n(its password comes from PGPASSWORD or ~/.pgpass)", BackupError::Postgres);
    }
    if let Some(file) = options.file().filter(|file| !file.exists()) {
        bail!(
            "there is no database {}; run this in the server's folder, or pass the server's --config",
            file.display()
        );
    }
    let database = Database::open_as_it_is(&options).await?;
    let done = database.back_up(&args.file).await;
    database.close().await;
    done?;
    let bytes = std::fs::metadata(&args.file)?.len();
    say!("{} is in {file} ({bytes} bytes)", options.shown_url());
    Ok(())
}

/// Quotes a text as one word of a shell command.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
