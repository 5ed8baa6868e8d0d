//! `natterjack completions`: prints shell completions.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Arguments, write_out};

/// Print what a shell needs to complete this program's commands and options
///
/// For bash: natterjack completions bash > /usr/share/bash-completion/completions/natterjack; for zsh: a file _natterjack in a
/// folder of $fpath; for fish: ~/.config/fish/completions/natterjack.fish.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args) {
    let mut command = Arguments::command();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "natterjack", &mut script);
    write_out(format_args!("{}", String::from_utf8_lossy(&script)));
}
