//! `natterjack plugin upload | rollback | retry | rename | remove | settings`: changes a running server's plugins by its admin API.

use std::path::PathBuf;

use anyhow::{Result, bail};
use reqwest::Method;
use serde_json::{Map, Value};

use super::remote::Server;
use super::{plugin_id, read_component};

/// Upload a plugin to a running server, replacing the version there (for administrators)
///
/// The server starts it first. If that fails, the command shows the reason, and the previous version keeps running.
#[derive(Debug, clap::Args)]
pub(super) struct Upload {
    /// The plugin's .wasm file
    file: PathBuf,
    /// The plugin's id on the server [default: from the file's name]
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    server: Server,
}

/// Make a running server go back to the previous version of a plugin (for administrators)
#[derive(Debug, clap::Args)]
pub(super) struct Rollback {
    /// The plugin: its file's name without .wasm
    id: String,
    /// The SHA-256 of the version to go back to; `natterjack plugin list --json` lists the kept versions
    #[arg(long, value_name = "SHA256")]
    to: Option<String>,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
pub(super) struct Retry {
    /// The plugin, or the first digits of the file's SHA-256; `natterjack plugin list` shows both
    #[arg(value_name = "ID|SHA256")]
    which: String,
    #[command(flatten)]
    server: Server,
}

/// Rename a plugin of a running server, with its storage, timers and settings (for administrators)
///
/// Its file, its table in config.toml and its stored data are renamed, too. The new name must not be in use.
#[derive(Debug, clap::Args)]
pub(super) struct Rename {
    /// The plugin: its file's name without .wasm
    id: String,
    /// The new name
    to: String,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
pub(super) struct Remove {
    /// The plugin: its file's name without .wasm
    id: String,
    #[command(flatten)]
    server: Server,
}

/// Print a plugin's settings in a running server, or change them (for administrators)
///
/// Changes are written to the server's config.toml; in a cluster they apply to all nodes. The plugin is started with them
/// first. If that fails, the command shows the reason, and nothing is changed.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// The plugin: its file's name without .wasm
    id: String,
    /// Set a setting; the value is JSON, or text if it is not valid JSON
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, Value)>,
    /// Remove a setting
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn upload(args: Upload) -> Result<()> {
    let (file_id, bytes) = read_component(&args.file)?;
    let id = args.id.as_deref().map(plugin_id).transpose()?.unwrap_or(file_id);
    let plugin = args.server.open()?.send(Method::PUT, &["plugins", &id], &[], bytes).await?;
    print_status(&plugin);
    Ok(())
}

pub(super) async fn roll_back(args: Rollback) -> Result<()> {
    let query: Vec<_> = args.to.into_iter().map(|to| ("to", to)).collect();
    let plugin = args.server.open()?.ask(Method::POST, &["plugins", &args.id, "rollback"], &query).await?;
    print_status(&plugin);
    Ok(())
}

pub(super) async fn retry(args: Retry) -> Result<()> {
    let answer = args.server.open()?.ask(Method::POST, &["plugins", &args.which, "retry"], &[]).await?;
    let which = args.which.to_ascii_lowercase();
    let quarantined_again = answer["quarantinedFiles"].as_array().into_iter().flatten().find(|file| {
        file["plugin"] == *which || file["sha256"].as_str().is_some_and(|sha256| sha256.starts_with(&which))
    });
    if let Some(file) = quarantined_again {
        bail!("it is quarantined again: {}", file["reason"].as_str().unwrap_or_default());
    }
    say!("{} is no longer quarantined", args.which);
    Ok(())
}

pub(super) async fn rename(args: Rename) -> Result<()> {
    let to = plugin_id(&args.to)?;
    let query = [("to", to)];
    print_status(&args.server.open()?.ask(Method::POST, &["plugins", &args.id, "rename"], &query).await?);
    Ok(())
}

pub(super) async fn remove(args: Remove) -> Result<()> {
    args.server.open()?.ask(Method::DELETE, &["plugins", &args.id], &[]).await?;
    say!("{} is removed", args.id);
    Ok(())
}

pub(super) async fn settings(args: Settings) -> Result<()> {
    let server = args.server.open()?;
    let path = ["plugins", &args.id, "settings"];
    let mut answer = server.ask(Method::GET, &path, &[]).await?;
    let settings = answer["settings"].take();
    if args.set.is_empty() && args.unset.is_empty() {
        say!("{settings:#}");
        return Ok(());
    }
    let Value::Object(mut settings) = settings else { bail!("the server's answer has no settings") };
    for key in &args.unset {
        if settings.remove(key).is_none() {
            bail!("there is no setting `{key}`; there are {}", keys(&settings));
        }
    }
    settings.extend(args.set);
    let plugin = server.send(Method::PUT, &path, &[], Value::Object(settings).to_string()).await?;
    print_status(&plugin);
    Ok(())
}

fn keys(settings: &Map<String, Value>) -> String {
    match settings.is_empty() {
        true => "none".to_owned(),
        false => settings.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
    }
}

fn print_status(plugin: &Value) {
    let text = |key: &str| plugin[key].as_str().unwrap_or_default();
    say!("{} {} is {} ({})", text("id"), text("version"), text("state"), text("sha256"));
}

/// Parses `words=["darn"]` or `action=mask`: a value that is not JSON is text.
fn setting(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("wanted KEY=VALUE")?;
    Ok((key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}
