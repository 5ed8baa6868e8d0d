//! Loading an unknown file in a process of its own first: a file that takes a process down takes that one down, and is
//! quarantined. What that process compiled is in the cache afterwards, so nothing is compiled twice.
//!
//! The child is this program, told to by a hidden subcommand. It inherits no variables and no files. It ends when its
//! standard input does, so it never outlives the server.

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

/// The arguments that make the program a child of this kind.
const ARGUMENTS: [&str; 2] = ["plugin", "trial-load"];
/// Inherited, since the program may not start without it.
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";
/// By the wall clock, which says as much about the machine as about the file. The bound on CPU time is the child's own.
const MAX_DURATION: Duration = Duration::from_secs(900);
/// What a child may say.
const MAX_ANSWER_BYTES: u64 = 64 << 10;
const MAX_ERROR_BYTES: u64 = 16 << 10;
const MAX_REASON_CHARS: usize = 300;

/// How to start a child.
#[derive(Clone, Debug)]
pub struct Trial {
    program: PathBuf,
    arguments: Vec<String>,
}

/// What the child gets in front of the file, as a line of JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: String,
    file_bytes: usize,
    /// Where the compiled code goes; none if it is not kept.
    cache: Option<PathBuf>,
    settings: String,
    call_ms: u64,
    filter_ms: u64,
    memory_bytes: usize,
}

/// What the child says of a file that did it no harm.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    /// Why it cannot be compiled, if it cannot.
    broken: Option<String>,
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The file harms nobody; whether it runs is seen when it is loaded.
    Harmless,
    /// It cannot be compiled.
    Broken(String),
    /// It took the child down.
    Crashed(String),
    /// Somebody or something else ended the child, or it could not be started: this says nothing about the file.
    Inconclusive(String),
}

impl Trial {
    /// Starts the very program that runs, even if its file was replaced meanwhile.
    pub fn with_this_program() -> Self {
        let own = PathBuf::from("/proc/self/exe");
        let program = if own.exists() { own } else { std::env::current_exe().unwrap_or(own) };
        Self { program, arguments: ARGUMENTS.map(str::to_owned).to_vec() }
    }

    /// A shell's commands in the place of the program.
    #[cfg(test)]
    pub(super) fn with_shell(commands: &str) -> Self {
        Self { program: "/bin/sh".into(), arguments: vec!["-c".to_owned(), commands.to_owned()] }
    }

    /// Loads a file in a child.
    pub(super) async fn run(
        &self,
        id: &str,
        file: &Bytes,
        settings: &str,
        budget: config::Budget,
        cache: Option<&Compiled>,
    ) -> Outcome {
        let order = Order {
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
        match tokio::time::timeout(MAX_DURATION, supervise(child, &order, file)).await {
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

/// Hands the file over and waits for what comes of it. The child's input stays open until it ends.
async fn supervise(mut child: Child, order: &Order, file: &[u8]) -> std::io::Result<Outcome> {
    let (mut input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let hand_over = async {
        let Some(input) = &mut input else { return };
        let mut line = serde_json::to_vec(order).unwrap_or_default();
        line.push(b'\n');
        // A child that died takes nothing more: its end says why.
        if input.write_all(&line).await.is_ok() && input.write_all(file).await.is_ok() {
            let _ = input.flush().await;
        }
    };
    let ((), answer, errors) = tokio::join!(hand_over, read(output, MAX_ANSWER_BYTES), read(errors, MAX_ERROR_BYTES));
    let status = child.wait().await?;
    drop(input);
    Ok(judge(status, &answer, &errors))
}

/// Reads up to a bound, and the rest into nothing.
async fn read(stream: Option<impl AsyncRead + Unpin>, most: u64) -> Vec<u8> {
    let mut said = Vec::new();
    if let Some(mut stream) = stream {
        let _ = (&mut stream).take(most).read_to_end(&mut said).await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    }
    said
}

fn judge(status: ExitStatus, answer: &[u8], errors: &[u8]) -> Outcome {
    if status.success() {
        return match serde_json::from_slice(answer) {
            Ok(Answer { broken: None }) => Outcome::Harmless,
            Ok(Answer { broken: Some(why) }) => Outcome::Broken(why),
            Err(_) => Outcome::Inconclusive("the process of its first load gave no answer".into()),
        };
    }
    let how = match status.signal() {
        Some(number) => match Signal::try_from(number) {
            Ok(signal) if is_own_doing(signal) => format!("ended by {signal}"),
            Ok(signal) => {
                return Outcome::Inconclusive(format!("the process of its first load was ended by {signal}"));
            }
            Err(_) => format!("ended by signal {number}"),
        },
        None if status.code() == Some(child::NOT_STARTED) => {
            return Outcome::Inconclusive(format!(
                "the process of its first load did not begin: {}",
                last_words(errors)
            ));
        }
        None => format!("{status}"),
    };
    let words = last_words(errors);
    Outcome::Crashed(if words.is_empty() { how } else { format!("{how}: {words}") })
}

/// Whether a process does this to itself by what it runs. SIGKILL may be an operator's, or the kernel's for want of memory
/// on this machine at this moment; neither is proof against the file.
fn is_own_doing(signal: Signal) -> bool {
    use Signal::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ};
    [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ].contains(&signal)
}

/// The first line that says something: later ones are about what followed from it.
fn last_words(errors: &[u8]) -> String {
    let text = super::guest_log::clean_lines(errors);
    let says = |line: &&str| !line.starts_with("thread '") && !line.starts_with("note: ") && !line.is_empty();
    let line = text.lines().map(str::trim).find(says).unwrap_or_default();
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
    fn crash_of_the_child_is_the_files_doing_and_its_words_are_kept() {
        let errors =
            b"\nthread 'main' panicked at src/a.rs:1:2:\ninternal error: entered unreachable code\nnote: run with\n";
        let Outcome::Crashed(how) = judge(ended_by(Signal::SIGABRT), b"", errors) else { panic!("a crash") };
        assert_eq!(how, "ended by SIGABRT: internal error: entered unreachable code");
        assert!(matches!(judge(exited(101), b"", b""), Outcome::Crashed(_)));
        for signal in [Signal::SIGSEGV, Signal::SIGILL, Signal::SIGXCPU] {
            assert!(matches!(judge(ended_by(signal), b"", b""), Outcome::Crashed(_)), "{signal}");
        }
    }

    #[test]
    fn child_that_was_ended_from_outside_says_nothing_about_the_file() {
        for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
            assert!(matches!(judge(ended_by(signal), b"", b""), Outcome::Inconclusive(_)), "{signal}");
        }
        assert!(matches!(judge(exited(0), b"", b""), Outcome::Inconclusive(_)));
        assert!(matches!(judge(exited(child::NOT_STARTED), b"", b"no space"), Outcome::Inconclusive(_)));
    }

    #[test]
    fn answer_of_the_child_is_taken_over() {
        assert_eq!(judge(exited(0), br#"{"broken":null}"#, b""), Outcome::Harmless);
        assert_eq!(judge(exited(0), br#"{"broken":"why"}"#, b"noise"), Outcome::Broken("why".into()));
    }

    #[tokio::test]
    async fn program_that_cannot_be_started_is_no_verdict_on_the_file() {
        let trial = Trial { program: "/nowhere/natterjack".into(), arguments: Vec::new() };
        let budget = config::Plugins::default().budget(&config::PluginLimits::default());
        let outcome = trial.run("p", &Bytes::from_static(b"x"), "{}", budget, None).await;
        assert!(matches!(outcome, Outcome::Inconclusive(_)), "{outcome:?}");
    }
}
