//! `cargo xtask fuzz`.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use xtask::command::{self, cargo, succeeds};

use crate::workspace::Workspace;

/// Show the decoders of frames, and the loader of plugins, whatever finds new ways through them
///
/// cargo-fuzz is installed if it is missing. What it has found out is kept under target/fuzz; a frame that breaks a decoder is
/// left in fuzz/artifacts, and belongs into fuzz/corpus, where the tests take it from. The loader (target `loading`) is shown
/// generated modules and components. The first time much has to be built.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long, for each
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Which: files of fuzz/fuzz_targets [default: all]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if !succeeds(&mut cargo(&["fuzz", "--version"])) {
        eprintln!("cargo-fuzz is not installed; installing it (about a minute)");
        let mut install = cargo(&["install", "cargo-fuzz", "--version=^0.13", "--locked", "--debug"]);
        command::run(install.env("CARGO_PROFILE_DEV_DEBUG", "0").env_remove("CARGO_TARGET_DIR"))?;
    }
    let folder = workspace.root.join("fuzz");
    let all = targets(&folder)?;
    if let Some(unknown) = args.targets.iter().find(|target| !all.contains(target)) {
        bail!("there is no fuzz target {unknown}; there are {}", all.join(", "));
    }
    // The versions that the server is built with.
    fs::copy(workspace.root.join("Cargo.lock"), folder.join("Cargo.lock")).context("cannot copy Cargo.lock")?;
    let chosen = if args.targets.is_empty() { &all } else { &args.targets };
    chosen.iter().try_for_each(|target| fuzz(workspace, target, args.seconds))
}

fn targets(folder: &std::path::Path) -> Result<Vec<String>> {
    let files = fs::read_dir(folder.join("fuzz_targets")).context("fuzz/fuzz_targets cannot be read")?;
    let mut names: Vec<String> =
        files.flatten().filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

fn fuzz(workspace: &Workspace, target: &str, seconds: u32) -> Result<()> {
    let built = workspace.target_dir.join("fuzz");
    let (found, given) = (built.join("corpus").join(target), workspace.root.join("fuzz/corpus").join(target));
    fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
    // There is no unsafe code that a sanitizer would watch; without one the toolchain's own standard library will do.
    let mut fuzz: Command = cargo(&["fuzz", "run", "--sanitizer=none", "--target-dir"]);
    fuzz.arg(&built).arg(target).arg(&found);
    // What is generated from bytes has no corpus: it means something else with each version of the generator.
    if given.exists() {
        fuzz.arg(&given);
    }
    fuzz.arg("--").arg(format!("-max_total_time={seconds}")).args(["-max_len=70000", "-timeout=5"]);
    // cargo-fuzz wants flags of the nightly compiler, which the stable one has, too.
    command::run(fuzz.env("RUSTC_BOOTSTRAP", "1").current_dir(&workspace.root))
}
