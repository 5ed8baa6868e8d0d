//! The command line: one file a subcommand.

/// Prints a line, where `println!` would panic if nobody reads on.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::write_out(format_args!("{}\n", format_args!($($text)*))) };
}

mod address;
mod backup;
mod bench;
mod chat;
mod check;
mod cluster;
mod completions;
mod man;
mod migrate;
mod plugin;
mod serve;
mod user;

use std::fmt;
use std::io::{self, Write as _};
use std::process::{ExitCode, exit};

use clap::{Parser, Subcommand};

/// A chat server whose commands, guards and filters are WebAssembly plugins that can be replaced while people talk.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Args),
    /// Look whether a server could start: configuration, certificate, keys, database, plugins
    Check(check::Args),
    /// Bring the database up to date
    Migrate(migrate::Args),
    /// Copy the database while it is in use
    Backup(backup::Args),
    /// See the nodes of a cluster
    Cluster(cluster::Args),
    /// Load a server as many clients would, and measure it
    Bench(bench::Args),
    /// Talk in a room from the terminal
    Chat(chat::Args),
    /// Make plugins, try them out, and look after those of a running server
    Plugin(plugin::Args),
    /// Manage accounts
    User(user::Args),
    /// Print completions for a shell
    Completions(completions::Args),
    /// Print the manual page
    Man(man::Args),
}

/// What went wrong is on standard error; the configuration's faults end with 2, everything else with 1.
pub fn run(arguments: Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("natterjack: cannot start its threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = match arguments.command {
        Command::Serve(args) => runtime.block_on(serve::run(args)),
        Command::Check(args) => runtime.block_on(check::run(args)),
        Command::Migrate(args) => runtime.block_on(migrate::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Backup(args) => runtime.block_on(backup::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Cluster(args) => runtime.block_on(cluster::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Bench(args) => runtime.block_on(bench::run(args)),
        Command::Chat(args) => runtime.block_on(chat::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Plugin(args) => runtime.block_on(plugin::run(args)),
        Command::User(args) => runtime.block_on(user::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Completions(args) => {
            completions::run(&args);
            Ok(ExitCode::SUCCESS)
        }
        Command::Man(args) => man::run(&args).map(|()| ExitCode::SUCCESS),
    };
    // A thread that reads the terminal cannot be interrupted; nothing is owed to it.
    runtime.shutdown_background();
    ended.unwrap_or_else(|error| {
        eprintln!("natterjack: {}", with_causes(&error));
        ExitCode::FAILURE
    })
}

/// Whoever reads may have heard enough, as `| head` has: then there is nothing left to do.
fn write_out(text: fmt::Arguments<'_>) {
    if let Err(error) = io::stdout().write_fmt(text) {
        if error.kind() == io::ErrorKind::BrokenPipe {
            exit(0);
        }
        eprintln!("natterjack: cannot write to standard output: {error}");
        exit(1);
    }
}

/// Some errors say themselves what caused them.
fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(&format!(": {cause}"));
        }
    }
    text
}
