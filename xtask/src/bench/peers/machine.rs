//! Date, machine and versions of a measurement.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xtask::command::output;

use super::ejabberd;
use super::testbed::Testbed;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) cpu: String,
    pub(crate) kernel: String,
    pub(crate) versions: BTreeMap<String, String>,
}

impl Machine {
    pub(crate) fn look(testbed: &Testbed) -> Result<Self> {
        let say =
            |program: &str, args: &[&str]| output(Command::new(program).args(args)).map(|text| text.trim().to_owned());
        let cores = std::thread::available_parallelism()?;
        let cpu = format!("{}, {cores} cores", cpu_model().unwrap_or_else(|| "an unknown processor".to_owned()));
        let mut versions = BTreeMap::new();
        let mut has =
            |name: &str, version: Option<String>| version.map(|version| versions.insert(name.to_owned(), version));
        has("rustc", say("rustc", &["--version"]).ok().and_then(|text| Some(text.split(' ').nth(1)?.to_owned())));
        has("natterjack", commit(testbed));
        has("node", say("node", &["--version"]).ok().map(|text| text.trim_start_matches('v').to_owned()));
        let pinned: Value = serde_json::from_str(&fs::read_to_string(testbed.folder.join("package.json"))?)?;
        for (name, package) in [("ws", "ws"), ("socket.io", "socket.io"), ("Bun", "@oven/bun-linux-x64")] {
            has(name, pinned["dependencies"][package].as_str().map(str::to_owned));
        }
        has("ejabberd", ejabberd::version());
        let lock = fs::read_to_string(testbed.root.join("Cargo.lock"))?;
        has("axum", locked(&lock, "axum"));
        Ok(Self { date: say("date", &["--utc", "+%F"])?, cpu, kernel: say("uname", &["-sr"])?, versions })
    }

    /// A summary in one line.
    pub(crate) fn line(&self) -> String {
        let versions: Vec<String> = self.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        format!("{}, {}, {}; {}", self.date, self.cpu, self.kernel, versions.join(", "))
    }
}

fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The measured commit, as `git describe` names it.
fn commit(testbed: &Testbed) -> Option<String> {
    let mut git = Command::new("git");
    let text = git.args(["describe", "--always", "--dirty"]).current_dir(&testbed.root).output().ok()?;
    Some(String::from_utf8(text.stdout).ok()?.trim().to_owned()).filter(|commit| !commit.is_empty())
}

/// The version of a package in Cargo.lock.
fn locked(lock: &str, package: &str) -> Option<String> {
    let after = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?.1;
    Some(after.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_version_is_found() {
        let lock = "[[package]]\nname = \"axum-core\"\nversion = \"0.5.6\"\n\n[[package]]\nname = \"axum\"\nversion = \"0.8.9\"\n";
        assert_eq!(locked(lock, "axum").as_deref(), Some("0.8.9"));
        assert_eq!(locked(lock, "nothing"), None);
    }
}
