//! A private PostgreSQL server for the tests: in a temporary folder, with only a Unix socket, removed afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::command;
use crate::debian::{self, is_root};

/// Debian's folder of PostgreSQL's programs, by version.
const DEBIAN_FOLDER: &str = "/usr/lib/postgresql";
const USER: &str = "natterjack";

/// Number of servers that this process has started, to tell their folders apart.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// A private server; dropping it stops it and removes its data.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
}

impl Postgres {
    /// Starts a server. Installs PostgreSQL first if it is missing and can be installed here.
    pub fn start() -> Result<Self> {
        let programs = match programs() {
            Some(programs) => programs,
            None => {
                install()?;
                programs().context("PostgreSQL was installed, but its `initdb` cannot be found")?
            }
        };
        // A short name, since the length of a socket's path is limited.
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("natterjack-pg-{}-{number}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let postgres = Self { programs, folder };
        if is_root() {
            command::run(Command::new("chown").arg("postgres").arg(&postgres.folder))?;
        }
        let data = postgres.data();
        postgres.run("initdb", &format!("-D {} -A trust -U {USER} -E UTF8 --no-sync", data.display()))?;
        postgres.start_again()?;
        Ok(postgres)
    }

    /// Starts the server again on its existing data.
    pub fn start_again(&self) -> Result<()> {
        let (socket, log) = (self.folder.display(), self.folder.join("log"));
        // These data need not survive a crash of the machine, so that nothing is flushed to disk.
        let options = format!("-k {socket} -c listen_addresses= -c fsync=off -c max_connections=500");
        self.run("pg_ctl", &format!("-D {} -w -l {} -o '{options}' start", self.data().display(), log.display()))
    }

    /// Stops the server at once, as a crash would, without notifying clients or writing a checkpoint.
    pub fn crash(&self) -> Result<()> {
        self.run("pg_ctl", &format!("-D {} -m immediate stop", self.data().display()))
    }

    /// Suspends all processes of the server, like a machine that hangs: it does not answer, and connections stay open.
    pub fn freeze(&self) -> Result<()> {
        // The parent first, since it starts others.
        let pid = self.pid()?;
        signal("STOP", &[pid])?;
        signal("STOP", &children(pid)?)
    }

    /// Resumes the suspended processes.
    pub fn thaw(&self) -> Result<()> {
        let pid = self.pid()?;
        signal("CONT", &children(pid)?)?;
        signal("CONT", &[pid])
    }

    fn pid(&self) -> Result<u32> {
        let file = self.data().join("postmaster.pid");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        text.lines()
            .next()
            .and_then(|pid| pid.trim().parse().ok())
            .context("postmaster.pid does not begin with a process id")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The URL of the server's default database; tests create their own beside it.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@localhost/postgres?host={}", self.folder.display())
    }

    /// Runs one of PostgreSQL's programs, as another user than root, which it refuses.
    fn run(&self, program: &str, args: &str) -> Result<()> {
        let line = format!("{} {args}", self.programs.join(program).display());
        let mut command = if is_root() { Command::new("su") } else { Command::new("sh") };
        if is_root() {
            command.args(["postgres", "-s", "/bin/sh"]);
        }
        // The output matters only on failure.
        command.args(["-c", &format!("{line} > {}/{program}.out 2>&1", self.folder.display())]);
        command::run(command.current_dir(&self.folder)).with_context(|| {
            let output = fs::read_to_string(self.folder.join(format!("{program}.out"))).unwrap_or_default();
            format!("PostgreSQL's {program} wrote:\n{output}")
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A test may have failed while the server was frozen.
        let _ = self.thaw();
        if let Err(error) = self.crash() {
            eprintln!("xtask: the tests' PostgreSQL could not be stopped: {error:#}");
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("xtask: {} could not be removed: {error}", self.folder.display());
        }
    }
}

/// Child processes of a process.
fn children(of: u32) -> Result<Vec<u32>> {
    let text = fs::read_to_string(format!("/proc/{of}/task/{of}/children"))?;
    Ok(text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

fn signal(name: &str, processes: &[u32]) -> Result<()> {
    for pid in processes {
        // Skips processes that have just ended.
        if Path::new(&format!("/proc/{pid}")).exists() {
            command::run(Command::new("kill").args([format!("-{name}"), pid.to_string()]))?;
        }
    }
    Ok(())
}

/// The folder of `initdb` and `pg_ctl`: Debian's newest version, or one on the path.
fn programs() -> Option<PathBuf> {
    let versions =
        fs::read_dir(DEBIAN_FOLDER).ok().into_iter().flatten().flatten().map(|version| version.path().join("bin"));
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
