//! A private PostgreSQL for the tests: in a temporary folder, reached by its socket only, gone afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::command;
use crate::debian::{self, is_root};

/// Where Debian keeps the programs, by version.
const DEBIAN: &str = "/usr/lib/postgresql";
const USER: &str = "natterjack";

/// How many this process has started, which tells their folders apart.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// A PostgreSQL of one's own; it ends, and its data go, when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
}

impl Postgres {
    /// Starts one; installs PostgreSQL's programs first if they are missing and that can be done here.
    pub fn start() -> Result<Self> {
        let programs = match programs() {
            Some(programs) => programs,
            None => {
                install()?;
                programs().context("PostgreSQL was installed, but its `initdb` is nowhere to be found")?
            }
        };
        // Short: the path of a socket has little room.
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("natterjack-pg-{}-{number}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let postgres = Self { programs, folder };
        if is_root() {
            command::run(Command::new("chown").arg("postgres").arg(&postgres.folder))?;
        }
        let data = postgres.data();
        postgres.run("initdb", &format!("-D {} -A trust -U {USER} -E UTF8 --no-sync", data.display()))?;
        postgres.start_again()?;
        Ok(postgres)
    }

    /// Starts it on the data that it has.
    pub fn start_again(&self) -> Result<()> {
        let (socket, log) = (self.folder.display(), self.folder.join("log"));
        // Nobody minds losing this one with the machine: no waiting for the disk.
        let options = format!("-k {socket} -c listen_addresses= -c fsync=off -c max_connections=500");
        self.run("pg_ctl", &format!("-D {} -w -l {} -o '{options}' start", self.data().display(), log.display()))
    }

    /// Ends it at once, as a crash would: nothing is said to its clients, and nothing is written down first.
    pub fn crash(&self) -> Result<()> {
        self.run("pg_ctl", &format!("-D {} -m immediate stop", self.data().display()))
    }

    /// Stops all of its processes where they are, as a machine that hangs would: nothing is answered, and no connection ends.
    pub fn freeze(&self) -> Result<()> {
        // First the one that starts the others.
        let pid = self.pid()?;
        signal("STOP", &[pid])?;
        signal("STOP", &children(pid)?)
    }

    /// Lets them go on.
    pub fn thaw(&self) -> Result<()> {
        let pid = self.pid()?;
        signal("CONT", &children(pid)?)?;
        signal("CONT", &[pid])
    }

    fn pid(&self) -> Result<u32> {
        let file = self.data().join("postmaster.pid");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        text.lines().next().and_then(|pid| pid.trim().parse().ok()).context("it does not begin with a process's id")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The URL of its first database; tests make their own beside it.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@localhost/postgres?host={}", self.folder.display())
    }

    /// Runs one of its programs; PostgreSQL refuses to be root.
    fn run(&self, program: &str, args: &str) -> Result<()> {
        let line = format!("{} {args}", self.programs.join(program).display());
        let mut command = if is_root() { Command::new("su") } else { Command::new("sh") };
        if is_root() {
            command.args(["postgres", "-s", "/bin/sh"]);
        }
        // It writes much that only matters when it fails, and then to its log.
        command.args(["-c", &format!("{line} > {}/{program}.out 2>&1", self.folder.display())]);
        command::run(command.current_dir(&self.folder)).with_context(|| {
            let said = fs::read_to_string(self.folder.join(format!("{program}.out"))).unwrap_or_default();
            format!("PostgreSQL's {program} said:\n{said}")
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A test may have failed while it was frozen.
        let _ = self.thaw();
        if let Err(error) = self.crash() {
            eprintln!("xtask: the tests' PostgreSQL could not be stopped: {error:#}");
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("xtask: {} could not be removed: {error}", self.folder.display());
        }
    }
}

/// Those that a process has started.
fn children(of: u32) -> Result<Vec<u32>> {
    let text = fs::read_to_string(format!("/proc/{of}/task/{of}/children"))?;
    Ok(text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

fn signal(name: &str, processes: &[u32]) -> Result<()> {
    for pid in processes {
        // One that has just ended is as good as stopped.
        if Path::new(&format!("/proc/{pid}")).exists() {
            command::run(Command::new("kill").args([format!("-{name}"), pid.to_string()]))?;
        }
    }
    Ok(())
}

/// The folder of `initdb` and `pg_ctl`: the newest of Debian's, or on the path.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).ok().into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let has_both = |folder: &Path| folder.join("initdb").exists() && folder.join("pg_ctl").exists();
    let mut found: Vec<PathBuf> = versions.filter(|folder| has_both(folder)).collect();
    found.sort();
    found.pop().or_else(|| on_path.unwrap_or_default().into_iter().find(|folder| has_both(folder)))
}

fn install() -> Result<()> {
    debian::install(
        &["postgresql"],
        "the tests need PostgreSQL's programs (`initdb`, `pg_ctl`): install PostgreSQL 15 or later, it need not run",
    )
}
