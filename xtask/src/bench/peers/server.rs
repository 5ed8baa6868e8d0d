//! A running server that is measured.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A server process, which is stopped when this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Its URL for `natterjack bench`.
    pub(crate) url: String,
}

impl Server {
    /// Starts a server and waits until it prints `listening HOST:PORT`, or the same as a URL.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let errors = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let stdout = child.stdout.take();
        let (sender, receiver) = mpsc::sync_channel(1);
        // Reads to the end, so that the server never blocks on a full pipe.
        std::thread::spawn(move || {
            for line in stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines()).map_while(Result::ok) {
                if let Some(address) = address(&line) {
                    let _ = sender.try_send(address.to_owned());
                }
            }
        });
        // From here on it is stopped on any error.
        let mut server = Self { child, url: String::new() };
        match receiver.recv_timeout(START_TIMEOUT) {
            Ok(address) => server.url = address,
            Err(_) => bail!("the server did not print its address; its log is {}", log.display()),
        }
        Ok(server)
    }

    /// Starts a server that listens at a given address and prints nothing.
    pub(crate) fn start_at(command: &mut Command, log: &Path, address: &str, url: String) -> Result<Self> {
        let errors = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(errors.try_clone()?).stderr(errors);
        let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let mut server = Self { child, url };
        let began = std::time::Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            if began.elapsed() > START_TIMEOUT || server.child.try_wait()?.is_some() {
                bail!("the server does not listen at {address}; its log is {}", log.display());
            }
            #[expect(clippy::disallowed_methods, reason = "nothing else goes on in this thread")]
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(line: &str) -> Option<&str> {
    let rest = line.trim().strip_prefix("listening")?.trim();
    let rest = rest.strip_prefix("http://").unwrap_or(rest);
    rest.contains(':').then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_parsed_from_the_listening_line() {
        assert_eq!(address("listening 127.0.0.1:4711"), Some("127.0.0.1:4711"));
        assert_eq!(address("  listening   http://127.0.0.1:4711"), Some("127.0.0.1:4711"));
        assert_eq!(address("Natterjack 0.1.0"), None);
    }

    #[test]
    fn server_stops_when_dropped_and_a_silent_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new("sh");
        let server = Server::start(command.args(["-c", "echo listening 127.0.0.1:1; exec sleep 1000"]), &log).unwrap();
        assert_eq!(server.url, "127.0.0.1:1");
        let process = format!("/proc/{}", server.id());
        assert!(Path::new(&process).exists());
        drop(server);
        assert!(!Path::new(&process).exists());
        assert!(Server::start(Command::new("sh").args(["-c", "exit 1"]), &log).is_err());
    }
}
