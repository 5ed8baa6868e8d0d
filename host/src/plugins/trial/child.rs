//! The child process of a trial: loads one file as the server would, and reports that it survived.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::path::Path;
use std::process::{ExitCode, exit};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Answer, TrialRequest};
use crate::config;
use crate::metrics::Metrics;
use crate::plugins::compiled::Compiled;
use crate::plugins::load::Loader;

/// Exit code of a child that failed before it loaded the file.
pub(super) const NOT_STARTED: i32 = 3;

/// CPU time limit over all cores. A 20 MB component takes a tenth of it.
const MAX_CPU_SECONDS: u64 = 600;
/// Limit of the data segment. A 20 MB component takes a quarter of it.
const MAX_MEMORY_BYTES: u64 = 4 << 30;
/// OOM score, so that the kernel kills this process first if memory runs short.
#[cfg(target_os = "linux")]
const OOM_SCORE: &str = "1000";
/// Length limit of the request line.
const MAX_REQUEST_BYTES: u64 = 8 << 20;

/// Reads a request and a file from standard input, loads the file, and writes the answer to standard output.
pub(crate) async fn run() -> ExitCode {
    restrict();
    let (request, file) = match read_input() {
        Ok(input) => input,
        Err(error) => {
            eprintln!("{error}");
            exit(NOT_STARTED);
        }
    };
    exit_at_end_of_input();
    let loader = match open(request.cache.as_deref()) {
        Ok(loader) => loader,
        Err(error) => {
            eprintln!("{error}");
            exit(NOT_STARTED);
        }
    };
    let broken = load(&loader, request, file).await;
    let mut out = io::stdout();
    let written = serde_json::to_writer(&out, &Answer { broken }).map_err(io::Error::from).and_then(|()| out.flush());
    match written {
        // Exits at once: there is nothing to clean up.
        Ok(()) => exit(0),
        Err(_) => exit(NOT_STARTED),
    }
}

/// Limits the process's resources. Failures are ignored, since the server's own limits apply to the child, too.
fn restrict() {
    for (resource, most) in [(Resource::Core, 0), (Resource::Cpu, MAX_CPU_SECONDS), (Resource::Data, MAX_MEMORY_BYTES)]
    {
        let hard = getrlimit(resource).maximum;
        let most = hard.map_or(most, |hard| hard.min(most));
        let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: hard });
    }
    #[cfg(target_os = "linux")]
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
}

fn read_input() -> io::Result<(TrialRequest, Bytes)> {
    let mut input = io::stdin().lock();
    let mut line = String::new();
    (&mut input).take(MAX_REQUEST_BYTES).read_line(&mut line)?;
    let request: TrialRequest = serde_json::from_str(&line)?;
    let mut file = Vec::new();
    (&mut input).take(request.file_bytes as u64).read_to_end(&mut file)?;
    if file.len() != request.file_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((request, file.into()))
}

/// Exits at the end of the input: the server keeps it open for as long as it waits for the answer.
fn exit_at_end_of_input() {
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        exit(NOT_STARTED);
    });
}

fn open(cache: Option<&Path>) -> io::Result<Loader> {
    let compiled = cache.map(Compiled::shared);
    Loader::open_small(compiled, Arc::new(Metrics::default())).map_err(io::Error::other)
}

/// Compiles, links and starts the plugin with all grants. Returns the reason if it cannot be compiled.
async fn load(loader: &Loader, request: TrialRequest, file: Bytes) -> Option<String> {
    let id: Arc<str> = request.id.into();
    let component = match loader.compile_here(file.clone()).await {
        Ok(component) => component,
        Err(error) => return Some(error.broken()),
    };
    let settings = serde_json::from_str(&request.settings).map(config::Settings).unwrap_or_default();
    let table = config::Plugin { grants: config::Grant::ALL.to_vec(), settings, ..config::Plugin::default() };
    let budget = config::Budget {
        call: Duration::from_millis(request.call_ms),
        filter: Duration::from_millis(request.filter_ms),
        memory_bytes: request.memory_bytes,
    };
    // The result is ignored: whether it starts is seen when the server loads it; here only a crash matters.
    let _ = loader.assemble(&id, [0; 32], component, &table, budget).await;
    None
}
