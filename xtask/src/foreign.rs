//! `cargo xtask foreign`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use xtask::command::{self, succeeds};
use xtask::debian;

use crate::workspace::Workspace;

/// Install the WebSocket and Socket.IO clients, and the browser, that the tests drive the server and its pages with
///
/// Libraries go under target/foreign, in the versions that tests/foreign pins. Node.js and Chromium are installed as Debian
/// packages if they are missing and that is possible. Installed libraries are kept until their versions change.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(workspace: &Workspace, _: &Args) -> Result<()> {
    install(workspace)
}

/// Installs everything where the tests expect it.
pub(crate) fn install(workspace: &Workspace) -> Result<()> {
    programs()?;
    let (pinned, folder) = (workspace.root.join("tests/foreign"), workspace.target_dir.join("foreign"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    node(&pinned, &folder)?;
    python(&pinned, &folder)
}

fn programs() -> Result<()> {
    let runs = |program: &&str| succeeds(Command::new(program).arg("--version"));
    if !["node", "npm"].iter().all(runs) {
        let otherwise = "the tests with other people's clients need Node.js 20 or later with npm: install both";
        debian::install(&["nodejs", "npm"], otherwise)?;
    }
    if !["chromium", "chromedriver"].iter().all(runs) {
        let otherwise = "the tests in a browser need `chromium` and its `chromedriver`: install both (Debian: apt-get install \
             chromium chromium-driver)";
        debian::install(&["chromium", "chromium-driver"], otherwise)?;
    }
    Ok(())
}

/// Installs `ws` and `socket.io-client`.
fn node(pinned: &Path, folder: &Path) -> Result<()> {
    let stamp = folder.join("node.stamp");
    let wanted = read(&pinned.join("package-lock.json"))?;
    if matches_stamp(&stamp, &wanted) && folder.join("node_modules/ws").is_dir() {
        return Ok(());
    }
    for file in ["package.json", "package-lock.json"] {
        fs::copy(pinned.join(file), folder.join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
    command::run(&mut npm).context(
        "the tests with other people's clients need packages from npm's registry, which could not be installed",
    )?;
    fs::write(&stamp, wanted).context("cannot record what is installed")
}

/// Installs `websockets`, `python-socketio`, `kosoku`, and parsers of metrics, Dockerfiles and compose files.
fn python(pinned: &Path, folder: &Path) -> Result<()> {
    let stamp = folder.join("python.stamp");
    let wanted = read(&pinned.join("requirements.txt"))?;
    let (home, python) = (folder.join("python"), folder.join("python/bin/python"));
    // After an upgrade of Python its virtual environments no longer work.
    let usable =
        || succeeds(Command::new(&python).args(["-c", "import kosoku, prometheus_client, socketio, websockets"]));
    if matches_stamp(&stamp, &wanted) && usable() {
        return Ok(());
    }
    command::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home)).context(
        "the tests with other people's clients need Python 3 with its venv module (Debian: apt-get install python3-venv)",
    )?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    command::run(pip.arg(pinned.join("requirements.txt"))).context(
        "the tests with other people's clients need packages from the Python package index, which could not be installed",
    )?;
    fs::write(&stamp, wanted).context("cannot record what is installed")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Whether the wanted versions are those that were installed last.
fn matches_stamp(stamp: &Path, wanted: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|installed| installed == wanted)
}
