//! A thread that compiles components, so that compiling never blocks an async thread.

use std::panic::{self, AssertUnwindSafe};
use std::thread;

use tokio::sync::{mpsc, oneshot};

/// Jobs that may wait; a caller with one more waits for a slot.
const MAX_QUEUED_JOBS: usize = 4;

/// Nice value of the compiling threads: at 10 they get about a tenth of a contended core.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs one after another. The thread ends when this is dropped.
pub(super) struct CompileThread {
    jobs: mpsc::Sender<Job>,
}

impl CompileThread {
    pub(super) fn open() -> std::io::Result<Self> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(MAX_QUEUED_JOBS);
        thread::Builder::new().name("plugin-compiler".into()).spawn(move || {
            lower_priority();
            while let Some(job) = waiting.blocking_recv() {
                // The compiler may panic on an unusual component; the thread must survive for the next one.
                let _ = panic::catch_unwind(AssertUnwindSafe(job));
            }
        })?;
        Ok(Self { jobs })
    }

    /// Runs `work` on the thread and returns its result; none if it panicked.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            // The receiver may be gone: the job is done anyway.
            let _ = done.send(work());
        });
        self.jobs.send(job).await.ok()?;
        result.await.ok()
    }
}

/// Lowers this thread's priority, since compiling uses all cores. The compiler's other threads are spawned from this one
/// and inherit it.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::warn!(%error, "cannot lower priority of plugin compiler");
    }
}
