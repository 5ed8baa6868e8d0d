//! `natterjack plugin upload | rollback | remove | settings`: changing a running server's plugins, through its admin API.

use std::path::PathBuf;

use anyhow::{Result, bail};
use reqwest::Method;
use serde_json::{Map, Value};

use super::remote::Server;
use super::{plugin_id, read_component};

/// Put a plugin into a running server's folder, in the place of the version before (for administrators)
///
/// The server starts it first; if it refuses it, it says why, and the version before goes on.
#[derive(Debug, clap::Args)]
pub(super) struct Upload {
    /// The plugin's .wasm file
    file: PathBuf,
    /// What the plugin is called there [default: as its file is]
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    server: Server,
}

/// Have a running server go back to the version of a plugin that ran before (for administrators)
#[derive(Debug, clap::Args)]
pub(super) struct Rollback {
    /// The plugin: its file's name without .wasm
    id: String,
    /// The SHA-256 of a certain version; `natterjack plugin list --json` shows those that are kept
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

/// Call a plugin of a running server otherwise, with its storage, timers and settings (for administrators)
///
/// Its file, its table in config.toml and all that it has stored go with it. Nothing may be there by the new name.
#[derive(Debug, clap::Args)]
pub(super) struct Rename {
    /// The plugin: its file's name without .wasm
    id: String,
    /// What it is called from then on
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
/// Changes go into the server's config.toml; of a cluster, they hold on all nodes. The plugin is started with them first; if it refuses them, it says why, and
/// nothing is changed.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// The plugin: its file's name without .wasm
    id: String,
    /// Set one of them; the value is JSON, or text
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, Value)>,
    /// Take one of them away
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn upload(args: Upload) -> Result<()> {
    let (file_id, bytes) = read_component(&args.file)?;
    let id = args.id.as_deref().map(plugin_id).transpose()?.unwrap_or(file_id);
    let plugin = args.server.open()?.send(Method::PUT, &["plugins", &id], &[], bytes).await?;
    tell(&plugin);
    Ok(())
}

pub(super) async fn roll_back(args: Rollback) -> Result<()> {
    let query: Vec<_> = args.to.into_iter().map(|to| ("to", to)).collect();
    let plugin = args.server.open()?.ask(Method::POST, &["plugins", &args.id, "rollback"], &query).await?;
    tell(&plugin);
    Ok(())
}

pub(super) async fn retry(args: Retry) -> Result<()> {
    let answer = args.server.open()?.ask(Method::POST, &["plugins", &args.which, "retry"], &[]).await?;
    let which = args.which.to_ascii_lowercase();
    let for_subscribers = answer["quarantinedFiles"].as_array().into_iter().flatten().find(|file| {
        file["plugin"] == *which || file["sha256"].as_str().is_some_and(|sha256| sha256.starts_with(&which))
    });
    if let Some(file) = for_subscribers {
        bail!("it is quarantined again: {}", file["reason"].as_str().unwrap_or_default());
    }
    say!("{} is no longer quarantined", args.which);
    Ok(())
}

pub(super) async fn rename(args: Rename) -> Result<()> {
    let to = plugin_id(&args.to)?;
    let query = [("to", to)];
    tell(&args.server.open()?.ask(Method::POST, &["plugins", &args.id, "rename"], &query).await?);
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
    tell(&plugin);
    Ok(())
}

fn keys(settings: &Map<String, Value>) -> String {
    match settings.is_empty() {
        true => "none".to_owned(),
        false => settings.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
    }
}

fn tell(plugin: &Value) {
    let text = |key: &str| plugin[key].as_str().unwrap_or_default();
    say!("{} {} is {} ({})", text("id"), text("version"), text("state"), text("sha256"));
}

/// `words=["darn"]`, or `action=mask`: what is no JSON is text.
fn setting(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("wanted KEY=VALUE")?;
    Ok((key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}
