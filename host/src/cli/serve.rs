//! `natterjack serve`: runs the server until a signal stops it.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

use super::write_out;
use crate::config::{self, Config};
use crate::log::Log;
use crate::plugins::{PluginState, PluginStatus};
use crate::server::{self, ListenerKind, Server};

/// The exit code for a configuration that cannot be used.
const BAD_CONFIG: u8 = 2;

/// Run the server.
///
/// Without --config, config.toml in the current folder is read if it is there; every key has a default. Each key can be set
/// from the environment as NATTERJACK__SECTION__KEY, and PORT, DATABASE_URL, JWT_SECRET and CORS_ORIGIN work too.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the configuration in force, with secrets hidden, and start nothing
    #[arg(long)]
    print_config: bool,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let config = match Config::load(args.config.as_deref(), config::environment()) {
        Ok(config) => config,
        Err(faults) => {
            eprintln!("{faults}");
            return Ok(ExitCode::from(BAD_CONFIG));
        }
    };
    if args.print_config {
        write_out(format_args!("{}", config.redacted()));
        return Ok(ExitCode::SUCCESS);
    }
    let log = Arc::new(Log::start(&config.log).context("log.level")?);
    // Each connection needs a file descriptor.
    server::raise_file_limit();
    let file = args.config.or_else(config::default_file);

    // Registered before the server starts, so that an early signal is not lost.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let server = Server::start(&config, file.as_deref(), log).await?;
    print(&welcome(&server, &config, file.as_deref()));

    let mut database_lost = pin!(server.database_lost());
    let asked = loop {
        tokio::select! {
            _ = interrupt.recv() => break true,
            _ = terminate.recv() => break true,
            _ = hangup.recv() => server.reload(),
            () = database_lost.as_mut() => break false,
        }
    };
    print("Stopping; once more stops at once.\n");
    tokio::select! {
        orderly = server.shut_down() => Ok(if orderly && asked { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        _ = interrupt.recv() => Ok(ExitCode::FAILURE),
        _ = terminate.recv() => Ok(ExitCode::FAILURE),
    }
}

/// Prints to standard output, ignoring errors: the server keeps running without a reader.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// The start-up summary: addresses, files, plugins and how to try the server.
fn welcome(server: &Server, config: &Config, file: Option<&Path>) -> String {
    use std::fmt::Write as _;
    let mut text = format!("Natterjack {}\n", env!("CARGO_PKG_VERSION"));
    // Writing to a String cannot fail.
    for (address, kind) in server.addresses() {
        let _ = match kind {
            ListenerKind::Any => writeln!(text, "  listening   http://{address}"),
            ListenerKind::Tls => writeln!(text, "  listening   https://{address}"),
            ListenerKind::One(dialect) => writeln!(text, "  listening   ws://{address} ({})", dialect.name()),
            ListenerKind::Metrics => writeln!(text, "  listening   http://{address}/metrics"),
        };
    }
    match file {
        Some(file) => {
            let _ = writeln!(text, "  config      {}", file.display());
        }
        None => {
            text.push_str(
                "  config      none: every key has its default, until there is a config.toml here (or --config FILE)\n",
            );
        }
    }
    let _ = writeln!(text, "  data        {}", config.server.data_dir.display());
    if let Some(key) = server.new_key() {
        let _ =
            writeln!(text, "  signing key made on this first start: {} (keep it; only you can read it)", key.display());
    }
    let plugins = server.plugins();
    if plugins.is_empty() {
        let _ = writeln!(
            text,
            "  plugins     none in {}: put .wasm files there (from a checkout: cargo xtask plugins)",
            config.plugins.folder.display()
        );
    }
    for plugin in &plugins {
        let _ = writeln!(text, "{}", plugin_lines(plugin));
    }
    if let Some((address, _)) = server.addresses().first() {
        let program = program();
        let _ = write!(
            text,
            "Open http://{address} in a browser, or try it in two other terminals:\n  {program} chat {address} --name ann\n  {program} chat {address} --name bob\n"
        );
    }
    text
}

/// The command that runs this program from the current folder.
fn program() -> String {
    let installed = || "natterjack".to_owned();
    let Ok(program) = std::env::current_exe() else { return installed() };
    let below = std::env::current_dir().ok().and_then(|here| program.strip_prefix(here).ok().map(Path::to_owned));
    below.map_or_else(installed, |path| path.display().to_string())
}

fn plugin_lines(plugin: &PluginStatus) -> String {
    let mut text = format!(
        "  plugin      {} {} [{}]",
        plugin.id,
        plugin.version.as_deref().unwrap_or_default(),
        plugin.hooks.join(", ")
    );
    if !plugin.commands.is_empty() {
        text.push_str(&format!("\n              commands: {}", plugin.commands.join(", ")));
    }
    match (&plugin.error, plugin.state) {
        (Some((error, _)), _) => text.push_str(&format!("\n              NOT loaded: {error}")),
        (None, PluginState::Disabled) => text.push_str("\n              disabled in the configuration"),
        (None, _) => {}
    }
    text
}
