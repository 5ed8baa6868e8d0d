//! The project's development tasks, which need nothing but Rust: `cargo xtask --help`.
#![allow(clippy::print_stdout, reason = "a command line tool")]

mod bench;
mod check;
mod foreign;
mod fuzz;
mod plugins;
mod run;
mod schemathesis;
mod test;
mod torture;
mod wasm_target;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use self::workspace::Workspace;

/// Natterjack's development tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
enum Task {
    Run(run::Args),
    Plugins(plugins::Args),
    Test(test::Args),
    Torture(torture::Args),
    Bench(bench::Args),
    Check(check::Args),
    Schemathesis(schemathesis::Args),
    Foreign(foreign::Args),
    Fuzz(fuzz::Args),
}

fn main() -> ExitCode {
    let task = Task::parse();
    let outcome = Workspace::find().and_then(|workspace| match task {
        Task::Run(args) => run::run(&workspace, &args),
        Task::Plugins(args) => plugins::run(&workspace, &args),
        Task::Test(args) => test::run(&workspace, &args),
        Task::Torture(args) => torture::run(&workspace, &args),
        Task::Bench(args) => bench::run(&workspace, &args),
        Task::Check(args) => check::run(&workspace, &args),
        Task::Schemathesis(args) => schemathesis::run(&workspace, &args),
        Task::Foreign(args) => foreign::run(&workspace, &args),
        Task::Fuzz(args) => fuzz::run(&workspace, &args),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
