//! `cargo xtask fuzz`.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use xtask::command::{self, cargo, succeeds};

use crate::workspace::Workspace;

/// Fuzz the decoders of frames and the loader of plugins
///
/// Installs cargo-fuzz if it is missing. The corpus it builds up is kept under target/fuzz. A frame that breaks a decoder is
/// left in fuzz/artifacts; add it to fuzz/corpus, from which the tests read frames. The loader (target `loading`) gets
/// generated modules and components. The first run takes long, since much has to be built.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long to run each target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// The targets: names of files in fuzz/fuzz_targets [default: all]
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
    // Uses the versions of dependencies that the server is built with.
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
    fs::create_dir_all(&found).with_context(|| format!("cannot create {}", found.display()))?;
    // There is no unsafe code for a sanitizer to watch; without one, the toolchain's own standard library can be used.
    let mut fuzz: Command = cargo(&["fuzz", "run", "--sanitizer=none", "--target-dir"]);
    fuzz.arg(&built).arg(target).arg(&found);
    // Targets that generate their input from bytes have no corpus: its meaning changes with each version of the generator.
    if given.exists() {
        fuzz.arg(&given);
    }
    fuzz.arg("--").arg(format!("-max_total_time={seconds}")).args(["-max_len=70000", "-timeout=5"]);
    // cargo-fuzz uses flags of the nightly compiler; this variable enables them in the stable one.
    command::run(fuzz.env("RUSTC_BOOTSTRAP", "1").current_dir(&workspace.root))
}
