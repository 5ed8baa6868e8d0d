//! `natterjack check`: finds faults that would keep a server from starting, without starting it.

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::accounts::keys::Keys;
use crate::cluster;
use crate::config::{self, Config};
use crate::database::Database;
use crate::plugins::PluginState;
use crate::server;
use crate::transport::Tls;

/// Check whether a server could start: configuration, certificate, keys, database, plugins.
///
/// Changes nothing; pending migrations, which the start would apply, are not a fault. Each part is reported as `ok` or `FAULT`; with a fault the exit code is 1.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server's configuration file
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Prints findings and counts faults.
#[derive(Default)]
struct Findings {
    faults: usize,
}

impl Findings {
    fn report(&mut self, part: &str, found: Result<String, impl Display>) {
        match found {
            Ok(what) => say!("ok     {part:<9} {what}"),
            Err(fault) => {
                self.faults += 1;
                say!("FAULT  {part:<9} {}", fault.to_string().replace('\n', "\n                 "));
            }
        }
    }
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let mut findings = Findings::default();
    match Config::load(args.config.as_deref(), config::environment()) {
        Ok(config) => {
            let file = args.config.or_else(config::default_file);
            let file = file.map_or("none: every key at its default".to_owned(), |file| file.display().to_string());
            findings.report("config", Ok::<_, String>(file));
            if !config.tls.certificate_file.is_empty() {
                findings.report("tls", Tls::open(&config.tls).map(|_| config.tls.certificate_file.clone()));
            }
            server::raise_file_limit();
            if let Err(error) = server::check_file_limit(&config) {
                findings.report("files", Err(error));
            }
            findings.report("keys", keys(&config));
            findings.report("database", database(&config).await);
            if !config.cluster.nats.is_empty() {
                findings.report("cluster", cluster::reach(&config.cluster).await);
            }
            plugins(&config, &mut findings).await;
        }
        Err(faults) => findings.report("config", Err(faults)),
    }
    Ok(if findings.faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn keys(config: &Config) -> Result<String, String> {
    match Keys::look(&config.auth, &config.server.data_dir) {
        Ok(true) => Ok("tokens can be signed".to_owned()),
        Ok(false) => Ok("none yet: the first start makes one".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

async fn database(config: &Config) -> Result<String, String> {
    let options = server::database_options(config);
    let url = options.shown_url();
    if options.file().is_some_and(|file| !file.exists()) {
        return Ok(format!("{url}: none yet, the first start makes it"));
    }
    let database = Database::open_as_it_is(&options).await.map_err(|error| error.to_string())?;
    let missing = database.missing().await;
    database.close().await;
    match missing.map_err(|error| error.to_string())?.as_slice() {
        [] => Ok(format!("{url}: up to date")),
        missing => {
            let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
            Ok(format!("{url}: the start, or `natterjack migrate`, applies {}", names.join(", ")))
        }
    }
}

async fn plugins(config: &Config, findings: &mut Findings) {
    let folder = config.plugins.folder.display();
    if !config.plugins.folder.exists() {
        return findings
            .report("plugins", Ok::<_, String>(format!("{folder}: no such folder, the first start makes it")));
    }
    let statuses = match server::try_plugins(config).await {
        Ok(statuses) => statuses,
        Err(error) => return findings.report("plugins", Err(error)),
    };
    if statuses.is_empty() {
        findings.report("plugins", Ok::<_, String>(format!("{folder}: none")));
    }
    for status in statuses {
        let version = status.version.as_deref().unwrap_or_default();
        let found = match (&status.error, status.state) {
            (Some((error, _)), _) => Err(format!("{}: {error}", status.id)),
            (None, PluginState::Disabled) => Ok(format!("{} is disabled", status.id)),
            (None, _) => Ok(format!("{} {version}", status.id)),
        };
        findings.report("plugin", found);
    }
}
