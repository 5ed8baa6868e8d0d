//! `natterjack plugin`: creates and tests plugins, and manages those of a running server.

mod bench;
mod build;
mod call;
mod change;
mod changes;
mod crate_folder;
mod destination;
mod inspect;
mod new;
mod remote;
mod sdk;
mod test;
mod watch;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

/// Make plugins, try them out, and look after those of a running server.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    New(new::Args),
    Sdk(sdk::Sdk),
    Wit(sdk::Wit),
    Build(build::Args),
    Watch(watch::Args),
    Inspect(inspect::Args),
    Test(test::Args),
    Call(call::Args),
    /// List a running server's plugins (for administrators)
    List(remote::List),
    /// Make a running server read its plugins and their settings again (for administrators)
    Reload(remote::List),
    /// Switch a plugin on in a running server's config.toml, or in its cluster (for administrators)
    Enable(remote::Switch),
    /// Switch a plugin off in a running server's config.toml, or in its cluster (for administrators)
    Disable(remote::Switch),
    Logs(remote::Logs),
    Upload(change::Upload),
    Rollback(change::Rollback),
    /// Make a running server load a quarantined plugin file again (for administrators)
    Retry(change::Retry),
    Rename(change::Rename),
    /// Remove a plugin from a running server's folder, or from its cluster (for administrators)
    Remove(change::Remove),
    Settings(change::Settings),
    /// Started by the server to load an unknown file
    #[command(hide = true)]
    TrialLoad,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    match args.action {
        Action::New(args) => new::run(args).await?,
        Action::Sdk(args) => sdk::sdk(&args)?,
        Action::Wit(args) => sdk::wit(&args)?,
        Action::Build(args) => build::run(args).await?,
        Action::Watch(args) => watch::run(args).await?,
        Action::Inspect(args) => return inspect::run(args).await,
        Action::Test(args) => return test::run(args).await,
        Action::Call(args) => call::run(args).await?,
        Action::List(args) => remote::list(args).await?,
        Action::Reload(args) => remote::reload(args).await?,
        Action::Enable(args) => remote::switch(args, true).await?,
        Action::Disable(args) => remote::switch(args, false).await?,
        Action::Logs(args) => remote::logs(args).await?,
        Action::Upload(args) => change::upload(args).await?,
        Action::Rollback(args) => change::roll_back(args).await?,
        Action::Retry(args) => change::retry(args).await?,
        Action::Rename(args) => change::rename(args).await?,
        Action::Remove(args) => change::remove(args).await?,
        Action::Settings(args) => change::settings(args).await?,
        Action::TrialLoad => return Ok(crate::plugins::run_trial().await),
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a component's file; returns its plugin id, from the file's name, and its bytes.
fn read_component(file: &Path) -> Result<(String, Vec<u8>)> {
    let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    Ok((plugin_id(&stem)?, bytes))
}

/// The plugin id for a name: `Word_Filter` becomes `word-filter`.
fn plugin_id(name: &str) -> Result<String> {
    let id = name.trim().to_lowercase().replace(['_', ' '], "-");
    let word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !id.split('-').all(word) || !id.starts_with(|first: char| first.is_ascii_lowercase()) {
        bail!("`{name}` cannot be a plugin's name; wanted lower-case words joined by dashes, such as `word-filter`");
    }
    Ok(id)
}

/// The lines for `config.toml` that give a plugin these grants.
fn grant_lines(id: &str, grants: &[crate::config::Grant]) -> String {
    let words: Vec<String> = grants.iter().map(|grant| format!("\"{grant}\"")).collect();
    format!("[plugin.{id}]\ngrants = [{}]", words.join(", "))
}

/// A size in bytes, KB or MB, for display.
fn size(bytes: usize) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} KB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugin_id_is_lower_case_words_with_dashes() {
        assert_eq!(plugin_id("word_filter").unwrap(), "word-filter");
        assert_eq!(plugin_id("Dice2").unwrap(), "dice2");
        for bad in ["", "-x", "2dice", "a--b", "a/b", "été", "a."] {
            assert!(plugin_id(bad).is_err(), "{bad}");
        }
    }
}
