//! The one thread where components are compiled, so that no async thread ever is.

use std::panic::{self, AssertUnwindSafe};
use std::thread;

use tokio::sync::{mpsc, oneshot};

/// Jobs that may wait; whoever has one more waits to hand it in.
const JOBS: usize = 4;

/// How far compiling stands back: at 10 it gets about a tenth of a core that others want.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs one after another; ends with its last owner.
pub(super) struct CompileThread {
    jobs: mpsc::Sender<Job>,
}

impl CompileThread {
    pub(super) fn open() -> std::io::Result<Self> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(JOBS);
        thread::Builder::new().name("plugin-compiler".into()).spawn(move || {
            step_back();
            while let Some(job) = waiting.blocking_recv() {
                // The compiler may panic on a component that nobody ever thought of; the next one deserves a thread.
                let _ = panic::catch_unwind(AssertUnwindSafe(job));
            }
        })?;
        Ok(Self { jobs })
    }

    /// What `work` gives; none if it panicked.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Nobody left to tell is no reason not to have done it.
            let _ = done.send(work());
        });
        self.jobs.send(job).await.ok()?;
        result.await.ok()
    }
}

/// Lets those who talk go first: compiling takes all the cores that there are. The compiler's other threads come from this one
/// and inherit its place.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::warn!(%error, "compiling plugins goes on at the server's own priority");
    }
}
