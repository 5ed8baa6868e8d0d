//! `cargo xtask run`.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result};
use xtask::command::{self, announce, cargo};

use crate::plugins;
use crate::workspace::Workspace;

/// Build the plugins and the server, and run `natterjack serve`.
///
/// The server's plugins folder is target/plugins, unless NATTERJACK__PLUGINS__FOLDER names another. Run `cargo xtask plugins` in a
/// second terminal to replace plugins while it runs.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build with optimisation
    #[arg(long)]
    release: bool,
    /// Arguments for `natterjack serve`
    #[arg(last = true, value_name = "SERVE ARGS")]
    serve: Vec<OsString>,
}

const FOLDER_VARIABLE: &str = "NATTERJACK__PLUGINS__FOLDER";

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    plugins::build(workspace, false)?;
    command::run(
        cargo(&["build", "--package=natterjack", "--bin=natterjack"]).args(args.release.then_some("--release")),
    )?;

    let profile = if args.release { "release" } else { "debug" };
    let binary = workspace.target_dir.join(profile).join("natterjack").with_extension(std::env::consts::EXE_EXTENSION);
    let mut serve = Command::new(binary);
    // The folder of the config.toml that it reads.
    serve.arg("serve").args(&args.serve).current_dir(&workspace.root);
    if std::env::var_os(FOLDER_VARIABLE).is_none() {
        serve.env(FOLDER_VARIABLE, workspace.plugin_dir());
    }
    announce(&serve);
    exec_server(&mut serve)
}

/// Replaces this process by the server, so that signals reach it.
#[cfg(unix)]
fn exec_server(serve: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    Err(serve.exec()).context("cannot start the server")
}

#[cfg(not(unix))]
fn exec_server(serve: &mut Command) -> Result<()> {
    let status = serve.status().context("cannot start the server")?;
    std::process::exit(status.code().unwrap_or(1));
}
