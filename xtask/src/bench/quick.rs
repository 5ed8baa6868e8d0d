//! `cargo xtask bench --quick`: the hot path by the instructions that it takes, here and at another commit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use xtask::command::{self, cargo, output, succeeds};
use xtask::debian;

use crate::workspace::Workspace;

/// What comes before and after does not count: a part's cost is what it takes more of with more rounds.
const ROUNDS: [u64; 2] = [50, 250];

pub(crate) fn run(workspace: &Workspace, against: &str) -> Result<()> {
    if !succeeds(Command::new("valgrind").arg("--version")) {
        debian::install(&["valgrind"], "valgrind is needed (Debian: apt-get install valgrind)")?;
    }
    let commit =
        output(git(&workspace.root).args(["rev-parse", "--short", "--verify", &format!("{against}^{{commit}}")]))
            .with_context(|| format!("--against {against}: there is no such commit"))?;
    let now = build(&workspace.root, &workspace.target_dir)?;
    let tree = Tree::at(workspace, commit.trim())?;
    let before = build(&tree.folder, &workspace.target_dir)
        .with_context(|| format!("{} cannot be compared with", commit.trim()))?;
    println!("{:<45} {:>12} {:>12}", "instructions each time", commit.trim(), "here");
    let (parts, known) = (output(&mut Command::new(&now))?, output(&mut Command::new(&before))?);
    for part in parts.lines() {
        let here = instructions(&now, part)?;
        if !known.lines().any(|other| other == part) {
            println!("{part:<45} {:>12} {here:>12}", "new");
            continue;
        }
        let there = instructions(&before, part)?;
        let change = (here as f64 / there as f64 - 1.0) * 100.0;
        println!("{part:<45} {there:>12} {here:>12}  {change:+.1} %");
    }
    println!("differences below half a percent mean nothing: maps are hashed otherwise each time");
    Ok(())
}

/// The program that goes the way; where it is among what cargo built.
fn build(root: &Path, target: &Path) -> Result<PathBuf> {
    let mut build = cargo(&["build", "--release", "--locked", "--package=natterjack", "--bench=quick"]);
    build.args(["--message-format=json-render-diagnostics"]).current_dir(root).env("CARGO_TARGET_DIR", target);
    let said = output(&mut build)?;
    let messages = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| message["target"]["name"] == "quick")
        .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
        .ok_or_else(|| anyhow!("cargo built no benchmark `quick`"))
}

fn instructions(program: &Path, part: &str) -> Result<u64> {
    let [few, many] = ROUNDS.map(|rounds| counted(program, part, rounds));
    Ok(many?.saturating_sub(few?) / (ROUNDS[1] - ROUNDS[0]))
}

fn counted(program: &Path, part: &str, rounds: u64) -> Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([part, &rounds.to_string()]);
    let ran = valgrind.output().context("valgrind cannot be started")?;
    let said = String::from_utf8_lossy(&ran.stderr);
    if !ran.status.success() {
        bail!("{part}: {said}");
    }
    collected(&said).ok_or_else(|| anyhow!("valgrind does not say how many instructions it counted:\n{said}"))
}

fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

/// Another commit's files, until dropped.
struct Tree {
    root: PathBuf,
    folder: PathBuf,
}

impl Tree {
    fn at(workspace: &Workspace, commit: &str) -> Result<Self> {
        // Always the same place, so that it is built anew only where it differs.
        let folder = workspace.target_dir.join("bench/quick");
        let tree = Self { root: workspace.root.clone(), folder };
        tree.remove();
        fs::create_dir_all(tree.folder.parent().unwrap_or(&tree.folder))?;
        command::run(git(&tree.root).args(["worktree", "add", "--quiet", "--detach"]).arg(&tree.folder).arg(commit))?;
        Ok(tree)
    }

    /// Also what an earlier run left that was stopped in the middle.
    fn remove(&self) {
        let _ = git(&self.root).args(["worktree", "remove", "--force"]).arg(&self.folder).output();
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.remove();
    }
}

fn git(root: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(root);
    git
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_valgrind_counted_is_read() {
        let said = "==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n==7== I   refs:      1,234,567\n";
        assert_eq!(collected(said), Some(1_234_567));
        assert_eq!(collected("nothing"), None);
    }
}
