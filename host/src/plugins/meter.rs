//! What a call may cost: the guest's own CPU time, whatever else the machine is busy with.
//!
//! Epochs are wall time, so a busy machine would make them unjust. When an epoch deadline fires, the thread's own
//! clock is read, and the guest goes on while it has used less than its meter.

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

/// A call that waits for the host may last this many times its CPU budget by the wall clock.
const PATIENCE: u32 = 10;
/// What a call may wait for other servers beyond that. Far more than anybody needs, but not for ever.
const EXCUSED: Duration = Duration::from_secs(300);

/// Counts one call's CPU time. Shared by the store (which asks when to stop) and whoever polls the call.
#[derive(Debug)]
pub(super) struct Meter {
    /// For `init` and for calls that bring an instance of their own.
    call: Duration,
    /// For each call of a filter; none if its instance serves but one call.
    filter: Option<Duration>,
    /// Whether an instance is still being started.
    starting: AtomicBool,
    /// Nanoseconds used in polls that have ended.
    used: AtomicU64,
    /// The thread's clock when the present poll began; 0 while nobody has looked.
    since: AtomicU64,
    /// Nanoseconds that the call has waited, or may yet wait, for what it is not to blame for.
    excused: AtomicU64,
}

/// A wait that a call is not to blame for, until dropped.
pub(super) struct Excused {
    meter: Arc<Meter>,
    granted: Duration,
    began: Instant,
}

impl Drop for Excused {
    fn drop(&mut self) {
        let unused = self.granted.saturating_sub(self.began.elapsed());
        self.meter.excused.fetch_sub(nanos(unused), Relaxed);
    }
}

impl Meter {
    /// For a call that brings an instance of its own, may wait, and makes way for other tasks.
    pub(super) fn call(limit: Duration) -> Arc<Self> {
        Self::new(limit, None)
    }

    /// For a filter, whose instance is polled once and never waits. After starting, each of its calls begins with
    /// [`Meter::restart`].
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

    /// What a call is that was stopped for using up its time.
    pub(super) fn exceeded(&self) -> Fault {
        let (budget, key) = self.limit();
        Fault::OutOfTime { budget, key }
    }

    /// Begins a new call. The clock is first read when the call has outlived a tick, since reading it costs as
    /// much as a short call; so a long one gets up to a tick more.
    pub(super) fn restart(&self) {
        self.starting.store(false, Relaxed);
        self.used.store(0, Relaxed);
        self.since.store(0, Relaxed);
    }

    /// A tick has passed: may the guest go on?
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

    /// The call is about to wait this long at the most, which does not count against it.
    pub(super) fn excuse(self: &Arc<Self>, most: Duration) -> Excused {
        self.excused.fetch_add(nanos(most), Relaxed);
        Excused { meter: self.clone(), granted: most, began: Instant::now() }
    }

    /// Runs a call that may wait, counting each poll.
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
        let (began, patience) = (Instant::now(), self.call * PATIENCE);
        let mut limit = patience;
        loop {
            if let Ok(answer) = tokio::time::timeout_at(began + limit, counted.as_mut()).await {
                return answer;
            }
            let excused = Duration::from_nanos(self.excused.load(Relaxed)).min(EXCUSED);
            if patience + excused <= limit {
                return Err(Fault::Waiting(limit));
            }
            limit = patience + excused;
        }
    }
}

/// Runs a call that must not wait: it is polled once.
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
    fn waiting_costs_a_call_nothing() {
        let meter = Meter::filter(Duration::ZERO, Duration::from_millis(20));
        meter.restart();
        meter.tick();
        std::thread::park_timeout(Duration::from_millis(60));
        assert!(matches!(meter.tick(), UpdateDeadline::Continue(1)));
    }

    #[test]
    fn a_call_that_has_used_its_budget_is_stopped() {
        let meter = Meter::filter(Duration::ZERO, Duration::from_millis(20));
        meter.restart();
        meter.tick();
        burn(Duration::from_millis(21));
        assert!(matches!(meter.tick(), UpdateDeadline::Interrupt));
        meter.restart();
        assert!(matches!(meter.tick(), UpdateDeadline::Continue(1)));
    }

    #[tokio::test]
    async fn every_poll_of_a_call_counts() {
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
    async fn a_call_that_waits_too_long_is_given_up() {
        let meter = Meter::call(Duration::from_millis(1));
        assert!(matches!(meter.run(std::future::pending::<Result<(), _>>()).await, Err(Fault::Waiting(_))));
    }

    #[tokio::test]
    async fn a_wait_that_is_excused_does_not_count_against_a_call() {
        let meter = Meter::call(Duration::from_millis(1));
        let answer = meter.run(async {
            let excused = meter.excuse(Duration::from_secs(30));
            // Ten times the patience with such a call.
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(excused);
            Ok(1)
        });
        assert_eq!(answer.await, Ok(1));
        let unexcused = meter.run(std::future::pending::<Result<(), _>>()).await;
        assert!(matches!(unexcused, Err(Fault::Waiting(_))));
    }

    #[test]
    fn a_call_that_would_wait_is_told_from_one_that_answers() {
        assert_eq!(run_at_once(async { Ok(1) }), Ok(1));
        assert_eq!(run_at_once(std::future::pending::<Result<(), _>>()), Err(Fault::WouldWait));
    }
}
