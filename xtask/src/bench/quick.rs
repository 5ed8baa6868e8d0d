//! `cargo xtask bench --quick`: compares the instructions on the hot path, here and at another commit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use xtask::command::{self, cargo, output, succeeds};
use xtask::debian;

use crate::workspace::Workspace;

/// Numbers of rounds whose difference gives a part's cost, so that start and end do not count.
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
    println!("differences below half a percent mean nothing: hash maps are seeded randomly");
    Ok(())
}

/// Builds the benchmark `quick`; returns its path.
fn build(root: &Path, target: &Path) -> Result<PathBuf> {
    let mut build = cargo(&["build", "--release", "--locked", "--package=natterjack", "--bench=quick"]);
    build.args(["--message-format=json-render-diagnostics"]).current_dir(root).env("CARGO_TARGET_DIR", target);
    let output_text = output(&mut build)?;
    let messages = output_text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
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
    let output_text = String::from_utf8_lossy(&ran.stderr);
    if !ran.status.success() {
        bail!("{part}: {output_text}");
    }
    collected(&output_text)
        .ok_or_else(|| anyhow!("valgrind did not report how many instructions it counted:\n{output_text}"))
}

fn collected(output_text: &str) -> Option<u64> {
    output_text.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

/// A worktree of another commit, removed when this is dropped.
struct Tree {
    root: PathBuf,
    folder: PathBuf,
}

impl Tree {
    fn at(workspace: &Workspace, commit: &str) -> Result<Self> {
        // Always the same folder, so that only differences are rebuilt.
        let folder = workspace.target_dir.join("bench/quick");
        let tree = Self { root: workspace.root.clone(), folder };
        tree.remove();
        fs::create_dir_all(tree.folder.parent().unwrap_or(&tree.folder))?;
        command::run(git(&tree.root).args(["worktree", "add", "--quiet", "--detach"]).arg(&tree.folder).arg(commit))?;
        Ok(tree)
    }

    /// Removes the worktree, also one that an interrupted run left behind.
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
    fn instruction_count_is_read_from_valgrind_output() {
        let output_text = "==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n==7== I   refs:      1,234,567\n";
        assert_eq!(collected(output_text), Some(1_234_567));
        assert_eq!(collected("nothing"), None);
    }
}
