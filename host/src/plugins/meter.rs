//! Measures and limits a call's CPU time, independent of other load on the machine.
//!
//! wasmtime's epochs measure wall time, which would be unfair on a busy machine. So when an epoch deadline fires, the
//! thread's CPU clock is read, and the guest continues while it is within its budget.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::time::Instant;
use wasmtime::UpdateDeadline;

use super::fault::Fault;
use super::ticker::Running;

/// Wall time that a call may take, as a multiple of its CPU budget.
const WALL_TIME_FACTOR: u32 = 10;
/// Additional wall time that a call may spend on waiting for other servers.
const MAX_EXCUSED_WAIT: Duration = Duration::from_secs(300);

/// Counts one call's CPU time. Shared by the store, which asks whether to interrupt, and the task that polls the call.
#[derive(Debug)]
pub(super) struct Meter {
    /// Budget of `init` and of calls with an instance of their own.
    call: Duration,
    /// Budget of each call of a filter; none for other calls.
    filter: Option<Duration>,
    /// Whether the instance is still being started.
    starting: AtomicBool,
    /// CPU time in nanoseconds of polls that have ended.
    used: AtomicU64,
    /// The thread's CPU clock at the start of the current poll; 0 while it has not been read.
    since: AtomicU64,
    /// Wall time in nanoseconds of excused waits, past and granted.
    excused: AtomicU64,
}

/// A wait that does not count against the call, until dropped.
pub(super) struct ExcusedWait {
    meter: Arc<Meter>,
    granted: Duration,
    began: Instant,
}

impl Drop for ExcusedWait {
    fn drop(&mut self) {
        let unused = self.granted.saturating_sub(self.began.elapsed());
        self.meter.excused.fetch_sub(nanos(unused), Relaxed);
    }
}

impl Meter {
    /// For a call with an instance of its own, which may wait and yields to other tasks.
    pub(super) fn call(limit: Duration) -> Arc<Self> {
        Self::new(limit, None)
    }

    /// For a filter's instance, whose calls never wait. After starting, each call begins with [`Meter::restart`].
    pub(super) fn filter(starting: Duration, limit: Duration) -> Arc<Self> {
        Self::new(starting, Some(limit))
    }

    fn new(call: Duration, filter: Option<Duration>) -> Arc<Self> {
        let starting = AtomicBool::new(true);
        let (used, since, excused) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { call, filter, starting, used, since, excused })
    }

    fn limit(&self) -> (Duration, &'static str) {
        match self.filter {
            Some(limit) if !self.starting.load(Relaxed) => (limit, "filter_ms"),
            _ => (self.call, "call_ms"),
        }
    }

    /// The fault of a call that was interrupted for exceeding its budget.
    pub(super) fn exceeded(&self) -> Fault {
        let (budget, key) = self.limit();
        Fault::OutOfTime { budget, key }
    }

    /// Begins a new call. The clock is first read at the first tick, since reading it costs as much as a short call; so a long
    /// call may take up to a tick more.
    pub(super) fn restart(&self) {
        self.starting.store(false, Relaxed);
        self.used.store(0, Relaxed);
        self.since.store(0, Relaxed);
    }

    /// Decides at a tick whether the guest continues.
    pub(super) fn tick(&self) -> UpdateDeadline {
        let now = thread_time();
        let since = match self.since.load(Relaxed) {
            0 => {
                self.since.store(now, Relaxed);
                now
            }
            since => since,
        };
        if Duration::from_nanos(self.used.load(Relaxed) + now.saturating_sub(since)) >= self.limit().0 {
            UpdateDeadline::Interrupt
        } else if self.filter.is_none() {
            UpdateDeadline::Yield(1)
        } else {
            UpdateDeadline::Continue(1)
        }
    }

    /// Excuses a wait of at most this long, which does not count against the call.
    pub(super) fn excuse(self: &Arc<Self>, most: Duration) -> ExcusedWait {
        self.excused.fetch_add(nanos(most), Relaxed);
        ExcusedWait { meter: self.clone(), granted: most, began: Instant::now() }
    }

    /// Runs a call that may wait, counting the CPU time of each poll.
    pub(super) async fn run<T>(&self, call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let mut call = pin!(call);
        let counted = std::future::poll_fn(|context| {
            let _running = Running::begin();
            let since = thread_time();
            self.since.store(since, Relaxed);
            let polled = call.as_mut().poll(context);
            self.used.fetch_add(thread_time().saturating_sub(since), Relaxed);
            polled
        });
        let mut counted = pin!(counted);
        let (began, base_limit) = (Instant::now(), self.call * WALL_TIME_FACTOR);
        let mut limit = base_limit;
        loop {
            if let Ok(answer) = tokio::time::timeout_at(began + limit, counted.as_mut()).await {
                return answer;
            }
            let excused = Duration::from_nanos(self.excused.load(Relaxed)).min(MAX_EXCUSED_WAIT);
            if base_limit + excused <= limit {
                return Err(Fault::Waiting(limit));
            }
            limit = base_limit + excused;
        }
    }
}

/// Runs a call that must not wait, by polling it once.
pub(super) fn run_at_once<T>(call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let _running = Running::begin();
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => Err(Fault::WouldWait),
    }
}

/// This thread's CPU time in nanoseconds.
fn thread_time() -> u64 {
    nanos(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burn(time: Duration) {
        let since = thread_time();
        while thread_time() - since < time.as_nanos() as u64 {}
    }

    #[test]
    fn waiting_does_not_count_as_cpu_time() {
        let meter = Meter::filter(Duration::ZERO, Duration::from_millis(20));
        meter.restart();
        meter.tick();
        std::thread::park_timeout(Duration::from_millis(60));
        assert!(matches!(meter.tick(), UpdateDeadline::Continue(1)));
    }

    #[test]
    fn call_over_its_cpu_budget_is_interrupted() {
        let meter = Meter::filter(Duration::ZERO, Duration::from_millis(20));
        meter.restart();
        meter.tick();
        burn(Duration::from_millis(21));
        assert!(matches!(meter.tick(), UpdateDeadline::Interrupt));
        meter.restart();
        assert!(matches!(meter.tick(), UpdateDeadline::Continue(1)));
    }

    #[tokio::test]
    async fn cpu_time_of_all_polls_adds_up() {
        let meter = Meter::call(Duration::from_millis(30));
        meter
            .run(async {
                for _ in 0..4 {
                    burn(Duration::from_millis(8));
                    tokio::task::yield_now().await;
                }
                Ok(())
            })
            .await
            .unwrap();
        assert!(matches!(meter.tick(), UpdateDeadline::Interrupt));
    }

    #[tokio::test]
    async fn call_that_waits_too_long_fails() {
        let meter = Meter::call(Duration::from_millis(1));
        assert!(matches!(meter.run(std::future::pending::<Result<(), _>>()).await, Err(Fault::Waiting(_))));
    }

    #[tokio::test]
    async fn excused_wait_does_not_count_against_the_call() {
        let meter = Meter::call(Duration::from_millis(1));
        let answer = meter.run(async {
            let excused = meter.excuse(Duration::from_secs(30));
            // Ten times the wall time limit of such a call.
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(excused);
            Ok(1)
        });
        assert_eq!(answer.await, Ok(1));
        let unexcused = meter.run(std::future::pending::<Result<(), _>>()).await;
        assert!(matches!(unexcused, Err(Fault::Waiting(_))));
    }

    #[test]
    fn call_that_must_not_wait_fails_if_it_would() {
        assert_eq!(run_at_once(async { Ok(1) }), Ok(1));
        assert_eq!(run_at_once(std::future::pending::<Result<(), _>>()), Err(Fault::WouldWait));
    }
}
