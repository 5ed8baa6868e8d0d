//! Cost of plugins for chatting clients: starts the real server, posts over real sockets, and prints tables.
//!
//! `cargo bench -p natterjack --bench figures -- replace`, and so for `memory` and `hostile`; without a name, all of them. They
//! need the built plugins: `cargo xtask plugins`, and for `hostile` the fixture of that name. See docs/figures.md.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a benchmark that cannot go on stops")]

mod hostile;
mod memory;
mod replace;
mod server;
mod table;
mod talk;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs benchmarks without this flag.
    if !args.iter().any(|arg| arg == "--bench") {
        return;
    }
    let wanted: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with("--")).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.contains(&name);
    if let Some(unknown) = wanted.iter().find(|name| !["replace", "memory", "hostile"].contains(name)) {
        panic!("there is no figure `{unknown}`; there are replace, memory and hostile");
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if runs("replace") {
        runtime.block_on(replace::run());
    }
    if runs("memory") {
        runtime.block_on(memory::run());
    }
    if runs("hostile") {
        runtime.block_on(hostile::run());
    }
}
