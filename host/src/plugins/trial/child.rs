//! The child's side: it loads one file as the server would, and says that it has lived through it.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::path::Path;
use std::process::{ExitCode, exit};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Answer, Order};
use crate::config;
use crate::metrics::Metrics;
use crate::plugins::compiled::Compiled;
use crate::plugins::load::Loader;

/// It did not get as far as the file.
pub(super) const NOT_STARTED: i32 = 3;

/// CPU time, over all cores. A 20 MB component takes a tenth of it.
const MAX_CPU_SECONDS: u64 = 600;
/// Memory of its own. A 20 MB component takes a quarter of it.
const MAX_MEMORY_BYTES: u64 = 4 << 30;
/// The kernel ends it before anybody else if memory runs short.
#[cfg(target_os = "linux")]
const OOM_SCORE: &str = "1000";
/// A longer order is nobody's whom this is for.
const MAX_ORDER_BYTES: u64 = 8 << 20;

/// Reads an order and a file from standard input, and loads it.
pub(crate) async fn run() -> ExitCode {
    restrict();
    let (order, file) = match read_input() {
        Ok(input) => input,
        Err(error) => {
            eprintln!("{error}");
            exit(NOT_STARTED);
        }
    };
    end_with_input();
    let forge = match open(order.cache.as_deref()) {
        Ok(forge) => forge,
        Err(error) => {
            eprintln!("{error}");
            exit(NOT_STARTED);
        }
    };
    let broken = load(&forge, order, file).await;
    let mut out = io::stdout();
    let said = serde_json::to_writer(&out, &Answer { broken }).map_err(io::Error::from).and_then(|()| out.flush());
    match said {
        // What is left to tidy up is nobody's concern any more.
        Ok(()) => exit(0),
        Err(_) => exit(NOT_STARTED),
    }
}

/// Bounds what the process may use. Where that is forbidden it goes without: the server's own bounds hold for it, too.
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

fn read_input() -> io::Result<(Order, Bytes)> {
    let mut input = io::stdin().lock();
    let mut line = String::new();
    (&mut input).take(MAX_ORDER_BYTES).read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line)?;
    let mut file = Vec::new();
    (&mut input).take(order.file_bytes as u64).read_to_end(&mut file)?;
    if file.len() != order.file_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((order, file.into()))
}

/// The server keeps the input open for as long as it wants an answer.
fn end_with_input() {
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        exit(NOT_STARTED);
    });
}

fn open(cache: Option<&Path>) -> io::Result<Loader> {
    let compiled = cache.map(Compiled::shared);
    Loader::open_small(compiled, Arc::new(Metrics::default())).map_err(io::Error::other)
}

/// Compiles, links and starts the plugin with all that it could be granted; gives why it cannot be compiled.
async fn load(forge: &Loader, order: Order, file: Bytes) -> Option<String> {
    let id: Arc<str> = order.id.into();
    let component = match forge.compile_here(file.clone()).await {
        Ok(component) => component,
        Err(error) => return Some(error.broken()),
    };
    let settings = serde_json::from_str(&order.settings).map(config::Settings).unwrap_or_default();
    let table = config::Plugin { grants: config::Grant::ALL.to_vec(), settings, ..config::Plugin::default() };
    let budget = config::Budget {
        call: Duration::from_millis(order.call_ms),
        filter: Duration::from_millis(order.filter_ms),
        memory_bytes: order.memory_bytes,
    };
    // Whether it starts is told when the server loads it; here it counts that the process lives on.
    let _ = forge.assemble(&id, [0; 32], component, &table, budget).await;
    None
}
