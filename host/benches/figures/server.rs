//! Runs the server's binary in a temporary folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

const OUTPUT_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) child: Child,
    log: Lines<BufReader<ChildStderr>>,
    folder: TempDir,
}

impl Server {
    /// Starts a server with these plugins and this configuration, without rate limits.
    pub(crate) async fn start(plugins: &[(&str, &[u8])], config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("plugins")).unwrap();
        for (name, bytes) in plugins {
            std::fs::write(folder.path().join("plugins").join(name), bytes).unwrap();
        }
        let rooms: Vec<String> = (0..super::talk::ROOMS).map(|room| format!("\"r{room}\"")).collect();
        let limits = "commands_per_second = 1000000\ncommand_burst = 1000000";
        let text = format!("[limits]\n{limits}\n[rooms]\npreset = [{}]\n{config}", rooms.join(", "));
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_natterjack"))
            .arg("serve")
            .current_dir(folder.path())
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let Some(line) = timeout(OUTPUT_TIMEOUT, output.next_line()).await.unwrap().unwrap() else {
                let why = log.next_line().await.unwrap().unwrap_or_default();
                panic!("the server does not start: {why}");
            };
            if let Some((_, address)) = line.split_once("http://") {
                break address.trim().to_owned();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = output.next_line().await {} });
        let mut server = Self { address, child, log, folder };
        server.logged("accepting connections").await;
        server
    }

    /// Waits for the next line of the log that contains this text.
    pub(crate) async fn logged(&mut self, text: &str) {
        loop {
            let line = timeout(OUTPUT_TIMEOUT, self.log.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("the log never contained `{text}`")).unwrap().unwrap();
            assert!(!line.contains("plugin not"), "{line}");
            if line.contains(text) {
                return;
            }
        }
    }

    /// Replaces a plugin's file, and waits until the new version is live.
    pub(crate) async fn replace(&mut self, name: &str, bytes: &[u8]) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, bytes).unwrap();
        std::fs::rename(new, self.folder.path().join("plugins").join(name)).unwrap();
        self.logged("plugin replaced").await;
    }

    /// Reads the log until it ends, so that the server is never blocked by a full pipe.
    pub(crate) async fn read_log(&mut self) {
        while let Ok(Some(_)) = self.log.next_line().await {}
    }

    /// Resident memory in KB.
    pub(crate) fn resident_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "../target".into(), PathBuf::from);
    Path::new(env!("CARGO_MANIFEST_DIR")).join(target)
}

fn read(file: &Path, how: &str) -> Vec<u8> {
    std::fs::read(file).unwrap_or_else(|error| panic!("{} cannot be read ({error}): run `{how}` first", file.display()))
}

/// A plugin as `cargo xtask plugins` builds it.
pub(crate) fn built(name: &str) -> Vec<u8> {
    read(&target().join("plugins").join(name), "cargo xtask plugins")
}

/// The tests' hostile plugin.
pub(crate) fn hostile() -> Vec<u8> {
    read(
        &target().join("wasm32-wasip2/plugin/fixture_hostile.wasm"),
        "cargo build --profile plugin --target wasm32-wasip2 -p natterjack-fixture-hostile",
    )
}

/// The same plugin as a new file: a custom section makes it unique.
pub(crate) fn tagged(component: &[u8], turn: u32) -> Vec<u8> {
    [component, &[0, 5, 0], &turn.to_le_bytes()].concat()
}
