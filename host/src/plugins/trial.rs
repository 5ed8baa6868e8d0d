//! Loads an unknown file in a child process first: a file that crashes it is quarantined instead of crashing the server. The
//! child writes its compiled code to the cache, so nothing is compiled twice.
//!
//! The child is this program with a hidden subcommand. It inherits no environment variables and no files. It exits at the end
//! of its standard input, so it never outlives the server.

mod child;
#[cfg(test)]
mod generated;
mod loader;

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

pub(crate) use self::child::run as run_child;
pub use self::loader::TrialLoader;
use super::compiled::Compiled;
use crate::config;

/// The arguments of the hidden subcommand.
const ARGUMENTS: [&str; 2] = ["plugin", "trial-load"];
/// The one variable that is inherited, since the program may not start without it.
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";
/// Wall time limit, after which the trial is inconclusive: the machine may be slow. The child limits its own CPU time.
const MAX_DURATION: Duration = Duration::from_secs(900);
/// Bytes read of a child's standard output.
const MAX_ANSWER_BYTES: u64 = 64 << 10;
/// Bytes read of a child's standard error.
const MAX_ERROR_BYTES: u64 = 16 << 10;
const MAX_REASON_CHARS: usize = 300;

/// Runs trials: knows how to start the child process.
#[derive(Clone, Debug)]
pub struct Trial {
    program: PathBuf,
    arguments: Vec<String>,
}

/// The request to the child: a line of JSON in front of the file.
#[derive(Debug, Serialize, Deserialize)]
struct TrialRequest {
    id: String,
    file_bytes: usize,
    /// The folder for the compiled code; none if it is not cached.
    cache: Option<PathBuf>,
    settings: String,
    call_ms: u64,
    filter_ms: u64,
    memory_bytes: usize,
}

/// The child's answer, if the file did not crash it.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    /// Why it cannot be compiled, if it cannot.
    broken: Option<String>,
}

/// The outcome of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The file did not crash the child; whether it starts is seen when the server loads it.
    Harmless,
    /// It cannot be compiled.
    Broken(String),
    /// It crashed the child.
    Crashed(String),
    /// The child was killed from outside or could not be started: this says nothing about the file.
    Inconclusive(String),
}

impl Trial {
    /// Uses the running program as the child, even if its file was replaced meanwhile.
    pub fn with_this_program() -> Self {
        let own = PathBuf::from("/proc/self/exe");
        let program = if own.exists() { own } else { std::env::current_exe().unwrap_or(own) };
        Self { program, arguments: ARGUMENTS.map(str::to_owned).to_vec() }
    }

    /// Uses a shell with these commands as the child.
    #[cfg(test)]
    pub(super) fn with_shell(commands: &str) -> Self {
        Self { program: "/bin/sh".into(), arguments: vec!["-c".to_owned(), commands.to_owned()] }
    }

    /// Loads a file in a child process and returns the outcome.
    pub(super) async fn run(
        &self,
        id: &str,
        file: &Bytes,
        settings: &str,
        budget: config::Budget,
        cache: Option<&Compiled>,
    ) -> Outcome {
        let request = TrialRequest {
            id: id.to_owned(),
            file_bytes: file.len(),
            cache: cache.map(|cache| cache.folder().to_owned()),
            settings: settings.to_owned(),
            call_ms: millis(budget.call),
            filter_ms: millis(budget.filter),
            memory_bytes: budget.memory_bytes,
        };
        let child = match self.start() {
            Ok(child) => child,
            Err(error) => {
                return Outcome::Inconclusive(format!("no process for its first load can be started: {error}"));
            }
        };
        match tokio::time::timeout(MAX_DURATION, supervise(child, &request, file)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::Inconclusive(format!("the process of its first load was lost: {error}")),
            Err(_) => Outcome::Inconclusive(format!(
                "its first load was not over after {}",
                humantime::format_duration(MAX_DURATION)
            )),
        }
    }

    fn start(&self) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().current_dir("/");
        if let Some(path) = std::env::var_os(LIBRARY_PATH) {
            command.env(LIBRARY_PATH, path);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()
    }
}

/// Sends the file to the child and waits for the outcome. The child's input stays open until it exits.
async fn supervise(mut child: Child, request: &TrialRequest, file: &[u8]) -> std::io::Result<Outcome> {
    let (mut input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let hand_over = async {
        let Some(input) = &mut input else { return };
        let mut line = serde_json::to_vec(request).unwrap_or_default();
        line.push(b'\n');
        // Writing fails if the child died: its exit status has the reason.
        if input.write_all(&line).await.is_ok() && input.write_all(file).await.is_ok() {
            let _ = input.flush().await;
        }
    };
    let ((), answer, errors) = tokio::join!(hand_over, read(output, MAX_ANSWER_BYTES), read(errors, MAX_ERROR_BYTES));
    let status = child.wait().await?;
    drop(input);
    Ok(outcome_of(status, &answer, &errors))
}

/// Reads up to `most` bytes and discards the rest.
async fn read(stream: Option<impl AsyncRead + Unpin>, most: u64) -> Vec<u8> {
    let mut output = Vec::new();
    if let Some(mut stream) = stream {
        let _ = (&mut stream).take(most).read_to_end(&mut output).await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    }
    output
}

fn outcome_of(status: ExitStatus, answer: &[u8], errors: &[u8]) -> Outcome {
    if status.success() {
        return match serde_json::from_slice(answer) {
            Ok(Answer { broken: None }) => Outcome::Harmless,
            Ok(Answer { broken: Some(why) }) => Outcome::Broken(why),
            Err(_) => Outcome::Inconclusive("the process of its first load gave no answer".into()),
        };
    }
    let how = match status.signal() {
        Some(number) => match Signal::try_from(number) {
            Ok(signal) if is_crash_signal(signal) => format!("ended by {signal}"),
            Ok(signal) => {
                return Outcome::Inconclusive(format!("the process of its first load was ended by {signal}"));
            }
            Err(_) => format!("ended by signal {number}"),
        },
        None if status.code() == Some(child::NOT_STARTED) => {
            return Outcome::Inconclusive(format!(
                "the process of its first load did not begin: {}",
                crash_message(errors)
            ));
        }
        None => format!("{status}"),
    };
    let message = crash_message(errors);
    Outcome::Crashed(if message.is_empty() { how } else { format!("{how}: {message}") })
}

/// Whether the signal is caused by what the process runs. SIGKILL is not: it may come from an operator, or from the kernel
/// when memory is short.
fn is_crash_signal(signal: Signal) -> bool {
    use Signal::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ};
    [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ].contains(&signal)
}

/// The first meaningful line on standard error, which is usually the cause.
fn crash_message(errors: &[u8]) -> String {
    let text = super::guest_log::clean_lines(errors);
    let is_meaningful = |line: &&str| !line.starts_with("thread '") && !line.starts_with("note: ") && !line.is_empty();
    let line = text.lines().map(str::trim).find(is_meaningful).unwrap_or_default();
    super::call::clip(line.to_owned(), MAX_REASON_CHARS)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended_by(signal: Signal) -> ExitStatus {
        ExitStatus::from_raw(signal as i32)
    }

    fn exited(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    #[test]
    fn crash_of_the_child_is_reported_with_its_message() {
        let errors =
            b"\nthread 'main' panicked at src/a.rs:1:2:\ninternal error: entered unreachable code\nnote: run with\n";
        let Outcome::Crashed(how) = outcome_of(ended_by(Signal::SIGABRT), b"", errors) else { panic!("a crash") };
        assert_eq!(how, "ended by SIGABRT: internal error: entered unreachable code");
        assert!(matches!(outcome_of(exited(101), b"", b""), Outcome::Crashed(_)));
        for signal in [Signal::SIGSEGV, Signal::SIGILL, Signal::SIGXCPU] {
            assert!(matches!(outcome_of(ended_by(signal), b"", b""), Outcome::Crashed(_)), "{signal}");
        }
    }

    #[test]
    fn child_killed_from_outside_is_inconclusive() {
        for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
            assert!(matches!(outcome_of(ended_by(signal), b"", b""), Outcome::Inconclusive(_)), "{signal}");
        }
        assert!(matches!(outcome_of(exited(0), b"", b""), Outcome::Inconclusive(_)));
        assert!(matches!(outcome_of(exited(child::NOT_STARTED), b"", b"no space"), Outcome::Inconclusive(_)));
    }

    #[test]
    fn answer_of_the_child_is_the_outcome() {
        assert_eq!(outcome_of(exited(0), br#"{"broken":null}"#, b""), Outcome::Harmless);
        assert_eq!(outcome_of(exited(0), br#"{"broken":"why"}"#, b"noise"), Outcome::Broken("why".into()));
    }

    #[tokio::test]
    async fn program_that_cannot_be_started_is_inconclusive() {
        let trial = Trial { program: "/nowhere/natterjack".into(), arguments: Vec::new() };
        let budget = config::Plugins::default().budget(&config::PluginLimits::default());
        let outcome = trial.run("p", &Bytes::from_static(b"x"), "{}", budget, None).await;
        assert!(matches!(outcome, Outcome::Inconclusive(_)), "{outcome:?}");
    }
}
