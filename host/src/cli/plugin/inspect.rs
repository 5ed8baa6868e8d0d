//! `natterjack plugin inspect`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use serde_json::Value;

use super::bench::{Bench, settings};
use super::{grant_lines, read_component, size};
use crate::cli::write_out;
use crate::plugins::{PluginState, inspect, wit};

/// Show a plugin's hooks and the grants that it needs
///
/// Both are read from the file without running it. Then the plugin is started in the sandbox, as on a server, for its
/// description and its commands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plugin's .wasm file
    file: PathBuf,
    /// Settings that its start needs, as JSON
    #[arg(long, value_name = "JSON", value_parser = settings)]
    settings: Option<Value>,
    /// Print its interfaces in WIT, and nothing else
    #[arg(long)]
    wit: bool,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let (id, bytes) = read_component(&args.file)?;
    let explain = |why| anyhow!("{}: {why}", args.file.display());
    if args.wit {
        write_out(format_args!("{}", wit(&bytes).map_err(explain)?));
        return Ok(ExitCode::SUCCESS);
    }
    let found = inspect(&bytes).map_err(explain)?;
    say!("plugin    {id}");
    say!("file      {}, {}", args.file.display(), size(found.bytes));
    say!("sha256    {}", found.sha256);
    say!("hooks     {}", if found.hooks.is_empty() { "none".to_owned() } else { found.hooks.join(", ") });
    if found.wants.is_empty() {
        say!("grants    none needed");
    } else {
        let words: Vec<&str> = found.wants.iter().map(|grant| grant.as_str()).collect();
        say!("grants    {}: put into config.toml", words.join(", "));
        for line in grant_lines(&id, &found.wants).lines() {
            say!("              {line}");
        }
    }
    if let Some(problem) = found.problem {
        say!("problem   {problem}");
        return Ok(ExitCode::FAILURE);
    }

    let bench = Bench::open(&id, &bytes, args.settings.unwrap_or_default(), found.wants).await?;
    let status = bench.status()?;
    if let Some(name) = &status.name {
        let (version, summary) = (status.version.unwrap_or_default(), status.summary.unwrap_or_default());
        say!("says      {name} {version}: {summary}");
    }
    for command in bench.commands() {
        let slash = command.slash.as_ref().map(|word| format!(", as text /{word}")).unwrap_or_default();
        say!("command   {}: {}{slash}", command.name, command.summary);
        for param in &command.params {
            let optional = if param.required { "" } else { ", optional" };
            say!("              {} ({}{optional}): {}", param.name, param.kind.as_str(), param.summary);
        }
    }
    let runs = status.state == PluginState::Running;
    if let (false, Some((error, _))) = (runs, status.error) {
        say!("problem   {error}");
        say!("          If it needs settings, pass them: --settings '{{…}}'");
    }
    bench.close().await;
    Ok(if runs { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
