//! The `natterjack` program.

use std::process::ExitCode;

use clap::Parser as _;
use natterjack::cli::Arguments;

fn main() -> ExitCode {
    natterjack::cli::run(Arguments::parse())
}
