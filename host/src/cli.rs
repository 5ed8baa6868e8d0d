//! The command line: one module per subcommand.

/// Prints a line to standard output; unlike `println!` it does not panic on a closed pipe.
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
    /// Check whether a server could start: configuration, certificate, keys, database, plugins
    Check(check::Args),
    /// Bring the database up to date
    Migrate(migrate::Args),
    /// Copy the database while it is in use
    Backup(backup::Args),
    /// See the nodes of a cluster
    Cluster(cluster::Args),
    /// Load a server with many clients, and measure it
    Bench(bench::Args),
    /// Talk in a room from the terminal
    Chat(chat::Args),
    /// Create and test plugins, and manage those of a running server
    Plugin(plugin::Args),
    /// Manage accounts
    User(user::Args),
    /// Print completions for a shell
    Completions(completions::Args),
    /// Print the manual page
    Man(man::Args),
}

/// Runs a subcommand. Errors are printed to standard error; the exit code is 2 for faults of the configuration, else 1.
pub fn run(arguments: Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("natterjack: cannot start the async runtime: {error}");
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
    // Not a regular shutdown: a thread that is reading the terminal cannot be interrupted.
    runtime.shutdown_background();
    ended.unwrap_or_else(|error| {
        eprintln!("natterjack: {}", with_causes(&error));
        ExitCode::FAILURE
    })
}

/// Writes to standard output; exits with 0 if the reader closed the pipe, as `| head` does.
fn write_out(text: fmt::Arguments<'_>) {
    if let Err(error) = io::stdout().write_fmt(text) {
        if error.kind() == io::ErrorKind::BrokenPipe {
            exit(0);
        }
        eprintln!("natterjack: cannot write to standard output: {error}");
        exit(1);
    }
}

/// The error with its causes, except those that its text already contains.
fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(&format!(": {cause}"));
        }
    }
    text
}
