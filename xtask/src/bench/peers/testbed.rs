//! Prepares the machine for measurements: builds and installs programs, and assigns a core each to the server and the load.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use xtask::command::{self, cargo, succeeds};
use xtask::debian;

use super::contender::Contender;
use super::ejabberd;
use super::workloads::Workload;
use crate::plugins;
use crate::workspace::Workspace;

/// Open files that the largest workload needs.
const MAX_OPEN_FILES: u64 = 100_000;

pub(crate) struct Testbed {
    pub(crate) root: PathBuf,
    /// The folder in which servers run, with npm's packages and logs.
    pub(crate) folder: PathBuf,
    pub(crate) natterjack: PathBuf,
    pub(crate) plugins: PathBuf,
    /// The folder of the peers that are built from this repository.
    pub(crate) peers: PathBuf,
    server_core: usize,
    load_core: usize,
    missing: Vec<(Contender, String)>,
}

impl Testbed {
    pub(crate) fn prepare(workspace: &Workspace, server: Option<&Path>, workloads: &[&Workload]) -> Result<Self> {
        let (server_core, load_core) = cores()?;
        if !succeeds(Command::new("taskset").arg("--version")) {
            bail!("`taskset` is needed to keep server and load apart (Debian: apt-get install util-linux)");
        }
        raise_file_limit();
        let wanted: Vec<Contender> = workloads.iter().flat_map(|work| work.runs).map(|run| run.contender).collect();
        plugins::build(workspace, true)?;
        let natterjack = match server {
            Some(path) => fs::canonicalize(path).with_context(|| format!("--server {}", path.display()))?,
            None => {
                command::run(&mut cargo(&["build", "--release", "--locked", "--package=natterjack"]))?;
                workspace.target_dir.join("release/natterjack")
            }
        };
        command::run(&mut cargo(&["build", "--release", "--locked", "--package=natterjack-peers"]))?;
        let mut testbed = Self {
            root: workspace.root.clone(),
            folder: workspace.target_dir.join("bench/peers"),
            natterjack,
            plugins: workspace.plugin_dir(),
            peers: workspace.target_dir.join("release"),
            server_core,
            load_core,
            missing: Vec::new(),
        };
        fs::create_dir_all(&testbed.folder).with_context(|| format!("cannot create {}", testbed.folder.display()))?;
        let scripts = ["ws.mjs", "socket-io.mjs", "bun.mjs", "ejabberd.yml", "one_row.py"];
        for file in scripts.into_iter().chain(["package.json", "package-lock.json"]) {
            let from = testbed.root.join("tests/bench/peers").join(file);
            fs::copy(&from, testbed.folder.join(file)).with_context(|| format!("cannot copy {}", from.display()))?;
        }
        // If one cannot be installed, the others are compared all the same.
        for (needing, installed) in [
            (&[Contender::Ws, Contender::SocketIo, Contender::Bun][..], Self::install_npm as fn(&Self) -> Result<()>),
            (&[Contender::Bun][..], Self::try_bun),
            (&[Contender::Ejabberd][..], |_| install_ejabberd()),
        ] {
            if !needing.iter().any(|contender| wanted.contains(contender)) {
                continue;
            }
            if let Err(error) = installed(&testbed) {
                eprintln!("xtask: left out: {needing:?}: {error:#}");
                testbed.missing.extend(needing.iter().map(|contender| (*contender, format!("{error:#}"))));
            }
        }
        Ok(testbed)
    }

    /// Why a server cannot be measured here, if so.
    pub(crate) fn missing(&self, contender: Contender) -> Option<&str> {
        self.missing.iter().find(|(missing, _)| *missing == contender).map(|(_, why)| &**why)
    }

    pub(crate) fn on_server_core(&self, program: impl AsRef<OsStr>) -> Command {
        on_core(self.server_core, program.as_ref())
    }

    pub(crate) fn on_load_core(&self, program: impl AsRef<OsStr>) -> Command {
        on_core(self.load_core, program.as_ref())
    }

    /// The full server with its data in this folder: all plugins and the shipped configuration, with raised limits per address.
    pub(crate) fn natterjack_at(&self, data: &Path) -> Command {
        let mut command = self.on_server_core(&self.natterjack);
        command.arg("serve").arg("--config").arg(self.root.join("config.toml")).current_dir(&self.folder);
        command.env("PORT", "0").env("NATTERJACK__SERVER__DATA_DIR", data);
        command.env("NATTERJACK__PLUGINS__FOLDER", &self.plugins);
        for limit in [
            "COMMAND_BURST",
            "COMMANDS_PER_SECOND",
            "ATTEMPTS_BURST",
            "ATTEMPTS_PER_MINUTE",
            "GUEST_ROOMS_PER_ADDRESS",
            "GUEST_ROOMS",
            "CREATIONS_PER_ADDRESS_PER_HOUR",
        ] {
            command.env(format!("NATTERJACK__LIMITS__{limit}"), "1000000");
        }
        command
    }

    pub(crate) fn bun(&self) -> PathBuf {
        self.folder.join("node_modules/@oven/bun-linux-x64/bin/bun")
    }

    fn install_npm(&self) -> Result<()> {
        if !["node", "npm"].iter().all(|program| succeeds(Command::new(program).arg("--version"))) {
            debian::install(&["nodejs", "npm"], "Node.js 20 or later with npm is needed: install both")?;
        }
        let wanted = fs::read_to_string(self.folder.join("package-lock.json"))?;
        let stamp = self.folder.join("node.stamp");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&self.folder);
        command::run(&mut npm).context("packages from npm's registry could not be installed")?;
        fs::write(&stamp, wanted).context("cannot record what is installed")
    }

    fn try_bun(&self) -> Result<()> {
        if !succeeds(Command::new(self.bun()).arg("--version")) {
            bail!("{} does not run on this machine", self.bun().display());
        }
        Ok(())
    }
}

fn on_core(core: usize, program: &OsStr) -> Command {
    let mut command = Command::new("taskset");
    // taskset execs the program, so that the process id stays the same.
    command.arg("--cpu-list").arg(core.to_string()).arg(program);
    command
}

/// The cores for the server and the load: the last and the first that this process may use.
fn cores() -> Result<(usize, usize)> {
    let ours = rustix::thread::sched_getaffinity(None).context("cannot tell which cores may be used")?;
    let mut cores = (0..rustix::thread::CpuSet::MAX_CPU).filter(|core| ours.is_set(*core));
    match (cores.next(), cores.next_back()) {
        (Some(first), Some(last)) => Ok((last, first)),
        _ => bail!("this takes two cores: one for the server, one for the load"),
    }
}

/// Open files that are not clients' connections.
const OTHER_FILES: u64 = 500;

/// Raises the limit of open files as far as allowed; workloads that need more are skipped.
fn raise_file_limit() {
    let before = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: Some(MAX_OPEN_FILES),
        maximum: Some(before.maximum.map_or(MAX_OPEN_FILES, |most| most.max(MAX_OPEN_FILES))),
    };
    if setrlimit(Resource::Nofile, wanted).is_err() {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum });
    }
}

/// The reason why a load needs more open files than allowed, if so: server and load need one each per connection.
pub(crate) fn files_missing(load: &str) -> Option<String> {
    let words: Vec<&str> = load.split_whitespace().collect();
    let given = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at + 1)?.parse::<u64>().ok()
    };
    let rooms = given("--rooms").unwrap_or(0) * given("--members").unwrap_or(1);
    let wanted = given("--clients").unwrap_or(0) + given("--idle").unwrap_or(0) + rooms + OTHER_FILES;
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    (wanted > allowed).then(|| format!("it takes {wanted} open files, and only {allowed} are allowed (ulimit -n)"))
}

fn install_ejabberd() -> Result<()> {
    if ejabberd::is_installed() {
        return Ok(());
    }
    debian::install(&["ejabberd"], "ejabberd is not installed (Debian: apt-get install ejabberd; it need not run)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_with_more_connections_than_open_files_is_refused() {
        assert_eq!(files_missing("fanout --clients 10"), None);
        let reason = files_missing("rooms --rooms 200000 --members 1000 --idle 20000 --rate 2").unwrap();
        assert!(reason.starts_with("it takes 200020500 open files"), "{reason}");
    }
}
