//! What a call may cost: the guest's own CPU time, whatever else the machine is busy with.
//!
//! Epochs are wall time, so a busy machine would make them unjust. When an epoch deadline fires, the thread's own
//! clock is read, and the guest goes on while it has used less than its budget.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use wasmtime::UpdateDeadline;

/// A call that waits for the host may last this many times its CPU budget by the wall clock.
const PATIENCE: u32 = 10;

/// Counts one call's CPU time. Shared by the store (which asks when to stop) and whoever polls the call.
#[derive(Debug)]
pub(super) struct Budget {
    limit: Duration,
    /// Nanoseconds used in polls that have ended.
    used: AtomicU64,
    /// The thread's clock when the present poll began; 0 while nobody has looked.
    since: AtomicU64,
    /// Whether the guest makes way for other tasks at each tick.
    yields: bool,
}

impl Budget {
    /// For a call on an async thread that makes way for others.
    pub(super) fn shared(limit: Duration) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicU64::new(0), since: AtomicU64::new(0), yields: true })
    }

    /// For calls that are polled once and never wait; begun anew by [`Budget::restart`].
    pub(super) fn at_once(limit: Duration) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicU64::new(0), since: AtomicU64::new(0), yields: false })
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Begins a new call. The clock is first read when the call has outlived a tick, since reading it costs as
    /// much as a short call; so a long one gets up to a tick more.
    pub(super) fn restart(&self) {
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
        if Duration::from_nanos(self.used.load(Relaxed) + now.saturating_sub(since)) >= self.limit {
            UpdateDeadline::Interrupt
        } else if self.yields {
            UpdateDeadline::Yield(1)
        } else {
            UpdateDeadline::Continue(1)
        }
    }

    /// Runs a call that may wait, counting each poll. None if it lasted too long by the wall clock.
    pub(super) async fn run<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        let mut call = pin!(call);
        let counted = std::future::poll_fn(|context| {
            let since = thread_time();
            self.since.store(since, Relaxed);
            let polled = call.as_mut().poll(context);
            self.used.fetch_add(thread_time().saturating_sub(since), Relaxed);
            polled
        });
        tokio::time::timeout(self.limit * PATIENCE, counted).await.ok()
    }
}

/// Runs a call that must not wait: polled once. None if it would wait.
pub(super) fn run_at_once<T>(call: impl Future<Output = T>) -> Option<T> {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// This thread's CPU time in nanoseconds.
fn thread_time() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from);
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
        let budget = Budget::at_once(Duration::from_millis(20));
        budget.tick();
        std::thread::park_timeout(Duration::from_millis(60));
        assert!(matches!(budget.tick(), UpdateDeadline::Continue(1)));
    }

    #[test]
    fn a_call_that_has_used_its_budget_is_stopped() {
        let budget = Budget::at_once(Duration::from_millis(20));
        budget.tick();
        burn(Duration::from_millis(21));
        assert!(matches!(budget.tick(), UpdateDeadline::Interrupt));
        budget.restart();
        assert!(matches!(budget.tick(), UpdateDeadline::Continue(1)));
    }

    #[tokio::test]
    async fn every_poll_of_a_call_counts() {
        let budget = Budget::shared(Duration::from_millis(30));
        budget
            .run(async {
                for _ in 0..4 {
                    burn(Duration::from_millis(8));
                    tokio::task::yield_now().await;
                }
            })
            .await;
        assert!(matches!(budget.tick(), UpdateDeadline::Interrupt));
    }

    #[tokio::test]
    async fn a_call_that_waits_too_long_is_given_up() {
        let budget = Budget::shared(Duration::from_millis(5));
        assert_eq!(budget.run(std::future::pending::<()>()).await, None);
    }

    #[test]
    fn a_call_that_would_wait_is_told_from_one_that_answers() {
        assert_eq!(run_at_once(async { 1 }), Some(1));
        assert_eq!(run_at_once(std::future::pending::<()>()), None);
    }
}
