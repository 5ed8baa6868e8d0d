//! One server: its folder, its process, what it printed.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{PATIENCE, Plugin, compiled, database, natterjack};

/// What a server is started with.
pub(crate) struct Setup {
    folder: TempDir,
    config: String,
    variables: Vec<(String, String)>,
    /// A shell's commands before the program takes its place.
    before: &'static str,
    /// It is to compile its plugins itself.
    cold: bool,
}

impl Setup {
    /// All shipped plugins with the shipped configuration, and hashing that costs a test nothing.
    pub(crate) fn new() -> Self {
        let setup = Self::bare();
        for plugin in Plugin::SHIPPED {
            setup.install(plugin, plugin.file_name());
        }
        setup
    }

    /// No plugins.
    pub(crate) fn bare() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("plugins")).expect("a plugin folder");
        let shipped =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../config.toml")).expect("config.toml");
        let variables =
            [("NATTERJACK__AUTH__HASH_MEMORY_KIB", "8"), ("NATTERJACK__AUTH__HASH_ITERATIONS", "1"), ("PORT", "0")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { folder, config: shipped, variables, before: "", cold: false }
    }

    /// Replaces part of the shipped configuration.
    pub(crate) fn replace(mut self, from: &str, to: &str) -> Self {
        assert!(self.config.contains(from), "the shipped config.toml has no `{from}`");
        self.config = self.config.replace(from, to);
        self
    }

    /// Adds to the shipped configuration.
    pub(crate) fn configure(mut self, text: &str) -> Self {
        self.config.push('\n');
        self.config.push_str(text);
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// On this database, whatever the others run on.
    pub(crate) fn on_database(self, url: &str) -> Self {
        self.variable("DATABASE_URL", url)
    }

    /// Has a shell do something before it becomes the program.
    pub(crate) fn before(self, commands: &'static str) -> Self {
        Self { before: commands, ..self }
    }

    /// Has it compile its plugins itself: the others find them compiled already.
    pub(crate) fn cold(self) -> Self {
        Self { cold: true, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The server's database, for looking into it from outside.
    pub(crate) fn database_url(&self) -> String {
        self.chosen_database().map_or_else(|| self.sqlite_url(), str::to_owned)
    }

    /// Where its SQLite file is, if that is what it runs on.
    pub(crate) fn sqlite_url(&self) -> String {
        format!("sqlite:{}", self.path().join("data/natterjack.db").display())
    }

    fn chosen_database(&self) -> Option<&str> {
        self.variables.iter().find(|(name, _)| name == "DATABASE_URL").map(|(_, url)| &**url)
    }

    /// Puts a plugin into the folder under this file name.
    pub(crate) fn install(&self, plugin: Plugin, file_name: &str) {
        let bytes = std::fs::read(plugin.path()).expect("a built plugin");
        install_bytes(self.path(), file_name, &bytes);
    }

    pub(crate) fn install_bytes(&self, file_name: &str, bytes: &[u8]) {
        install_bytes(self.path(), file_name, bytes);
    }

    pub(crate) fn remove(&self, plugin: Plugin) {
        std::fs::remove_file(self.path().join("plugins").join(plugin.file_name())).expect("an installed plugin");
    }

    /// The program with these arguments, in this folder.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(natterjack());
        if !self.before.is_empty() {
            command = Command::new("sh");
            command.args(["-c", &format!("{}; exec \"$0\" \"$@\"", self.before)]).arg(natterjack());
        }
        command.args(args).current_dir(self.path()).kill_on_drop(true);
        // What steers the tests is nothing of the program's.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NATTERJACK_")) {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Writes the configuration and makes an empty database, for a command that needs no server.
    pub(crate) async fn prepare(mut self) -> Self {
        std::fs::write(self.path().join("config.toml"), &self.config).expect("config.toml is written");
        if let (Some(server), None) = (database::postgres(), self.chosen_database()) {
            let url = database::create(&server).await;
            self.variables.push(("DATABASE_URL".to_owned(), url));
        }
        self
    }

    pub(crate) async fn start(self) -> Server {
        let setup = self.prepare().await;
        Server::on(setup).await
    }
}

fn install_bytes(folder: &Path, file_name: &str, bytes: &[u8]) {
    // As an installer does it: beside, then into its place.
    let new = folder.join("plugins").join(format!(".{file_name}.new"));
    std::fs::write(&new, bytes).expect("the new file is written");
    std::fs::rename(&new, folder.join("plugins").join(file_name)).expect("the new file takes its place");
}

struct Running {
    child: Child,
    output: watch::Receiver<Vec<String>>,
    address: String,
}

impl Running {
    async fn start(setup: &Setup) -> Self {
        let mut child = setup
            .command(&["serve"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server's binary runs");
        let (lines, output) = watch::channel(Vec::new());
        let lines = Arc::new(lines);
        tokio::spawn(collect(child.stdout.take().expect("piped"), lines.clone()));
        tokio::spawn(collect(child.stderr.take().expect("piped"), lines));
        let mut running = Self { child, output, address: String::new() };
        let line = running.expect_output("http://").await;
        running.address = line.split("http://").nth(1).expect("an address").trim().to_owned();
        // The last lines of the welcome and of the log, which come by different pipes: everything is said.
        running.expect_output("--name bob").await;
        running.expect_output("accepting connections").await;
        running
    }

    /// The first line, printed or logged, that holds `text`.
    async fn expect_output(&mut self, text: &str) -> String {
        let found = |lines: &Vec<String>| lines.iter().find(|line| line.contains(text)).cloned();
        let said = timeout(PATIENCE, self.output.wait_for(|lines| found(lines).is_some())).await;
        let line = said.ok().and_then(Result::ok).and_then(|lines| found(&lines));
        line.unwrap_or_else(|| panic!("the server never said `{text}`; it said:\n{}", self.output.borrow().join("\n")))
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id().expect("it runs")).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("the signal is sent");
    }

    async fn wait(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.expect("the server ends").expect("its status is known")
    }
}

async fn collect(stream: impl AsyncRead + Unpin, into: Arc<watch::Sender<Vec<String>>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        into.send_modify(|seen| seen.push(line));
    }
}

/// A running server; dropping it ends the process.
pub(crate) struct Server {
    setup: Setup,
    running: Running,
}

impl Drop for Server {
    /// Whatever a test does, it is never the server's own fault that something went wrong.
    fn drop(&mut self) {
        let lines = self.running.output.borrow();
        let panicked = |line: &str| line.starts_with("thread '") && line.contains("panicked at");
        let fault = lines.iter().find(|line| line.contains("internal error") || panicked(line));
        if let (Some(fault), false) = (fault, std::thread::panicking()) {
            panic!("the server answered with an internal error: {fault}");
        }
    }
}

impl Server {
    /// A server on what was prepared.
    pub(crate) async fn on(setup: Setup) -> Self {
        if !setup.cold {
            compiled::copy_to(setup.path()).await;
        }
        let running = Running::start(&setup).await;
        Self { setup, running }
    }

    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    pub(crate) fn address(&self) -> &str {
        &self.running.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.address)
    }

    pub(crate) fn path(&self) -> &Path {
        self.setup.path()
    }

    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Waits until the server has printed or logged a line that holds `text`.
    pub(crate) async fn expect_output(&mut self, text: &str) -> String {
        self.running.expect_output(text).await
    }

    /// All that it has printed or logged.
    pub(crate) fn output(&self) -> Vec<String> {
        self.running.output.borrow().clone()
    }

    /// The latest line that holds `text`.
    pub(crate) fn last_output(&self, text: &str) -> Option<String> {
        self.running.output.borrow().iter().rfind(|line| line.contains(text)).cloned()
    }

    /// What this makes of the first line that it wants.
    pub(crate) fn find_output<T>(&self, wanted: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.running.output.borrow().iter().find_map(|line| wanted(line))
    }

    /// How many lines were said so far.
    pub(crate) fn mark(&self) -> usize {
        self.running.output.borrow().len()
    }

    /// Waits for a line after `mark` that is as wanted.
    pub(crate) async fn expect_after(&mut self, mark: usize, what: &str, wanted: impl Fn(&str) -> bool) {
        let said = |lines: &Vec<String>| lines.iter().skip(mark).any(|line| wanted(line));
        let waited = timeout(PATIENCE, self.running.output.wait_for(said)).await.is_ok();
        let lines = self.running.output.borrow();
        assert!(waited, "the server did not say {what}; it said:\n{}", lines[mark.min(lines.len())..].join("\n"));
    }

    /// How many lines that hold `text` were said so far.
    pub(crate) fn count_output(&self, text: &str) -> usize {
        self.running.output.borrow().iter().filter(|line| line.contains(text)).count()
    }

    /// Waits until `text` was said more often than `before`.
    pub(crate) async fn expect_more_output(&mut self, text: &str, before: usize) {
        let more = |lines: &Vec<String>| lines.iter().filter(|line| line.contains(text)).count() > before;
        let waited = timeout(PATIENCE, self.running.output.wait_for(more)).await.is_ok();
        assert!(waited, "the server did not say `{text}` again; it said:\n{}", self.running.output.borrow().join("\n"));
    }

    /// Changes `config.toml` while the server runs.
    pub(crate) fn write_config(&self, change: impl FnOnce(String) -> String) {
        let path = self.path().join("config.toml");
        let text = std::fs::read_to_string(&path).expect("config.toml");
        std::fs::write(&path, change(text)).expect("config.toml is written");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Asks it to stop, as a service manager does.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.running.signal(Signal::SIGTERM);
        self.running.wait().await
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.running.wait().await
    }

    /// Ends it without warning, as a power cut would.
    pub(crate) async fn kill(&mut self) {
        self.running.signal(Signal::SIGKILL);
        self.running.wait().await;
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.running.child.id().expect("it runs")
    }

    /// Starts it again on the same folder.
    pub(crate) async fn start_again(&mut self) {
        self.running = Running::start(&self.setup).await;
    }

    /// Starts it again where its clients look for it.
    pub(crate) async fn start_again_on(&mut self, port: &str) {
        self.setup.variables.push(("PORT".to_owned(), port.to_owned()));
        self.start_again().await;
    }

    /// `natterjack plugin …` against this server: whether it succeeded, and all that it said.
    pub(crate) async fn plugin_tool(&self, token: &str, args: &[&str]) -> (bool, String) {
        let mut command = self.setup().command(&[&["plugin"], args].concat());
        command.env("NATTERJACK_URL", self.address()).env("NATTERJACK_TOKEN", token);
        let output = command.output().await.expect("the program runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).expect("text"))
    }
}
