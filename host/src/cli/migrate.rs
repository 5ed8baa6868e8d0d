//! `natterjack migrate`: migrates the database to this version's schema.

use std::path::PathBuf;

use anyhow::Result;

use crate::config::{self, Config};
use crate::database::Database;
use crate::server;

/// Bring the database up to date.
///
/// A server does the same when it starts; this command does it in advance, and lists the migrations. Take a backup first:
/// migrations cannot be reverted.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server's configuration file
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only list what would be done
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let config = Config::load(args.config.as_deref(), config::environment())?;
    let options = server::database_options(&config);
    let missing = match options.file() {
        Some(file) if !file.exists() => options.migrations(),
        _ => {
            let database = Database::open_as_it_is(&options).await?;
            let missing = database.missing().await;
            database.close().await;
            missing?
        }
    };
    let url = options.shown_url();
    if missing.is_empty() {
        say!("{url} is up to date");
        return Ok(());
    }
    if !args.dry_run {
        Database::open(&options).await?.close().await;
    }
    for migration in &missing {
        say!("{} {migration}", if args.dry_run { "to apply:" } else { "applied" });
    }
    say!("{url} {}", if args.dry_run { "was left as it is" } else { "is up to date now" });
    Ok(())
}
