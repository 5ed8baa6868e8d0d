//! The thread that increments an engine's epoch while a guest runs.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::{self, Thread};
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::Engine;

/// Interval at which a running guest can be interrupted; the resolution of every budget.
const TICK_INTERVAL: Duration = Duration::from_millis(1);
/// Ticks without a running guest after which the thread parks.
const IDLE_TICKS_BEFORE_PARKING: u32 = 3;
/// While parked, it checks at this interval whether its engine still exists.
const ENGINE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Number of guests that run now, in all engines of the process.
static RUNNING: AtomicUsize = AtomicUsize::new(0);
/// Number of tickers that are parked or about to park.
static PARKED: AtomicUsize = AtomicUsize::new(0);
static TICKERS: Mutex<Vec<Thread>> = Mutex::new(Vec::new());

/// Marks a guest as running until dropped.
pub(super) struct Running(());

impl Running {
    pub(super) fn begin() -> Self {
        RUNNING.fetch_add(1, SeqCst);
        // Either this sees the parked ticker, or the ticker sees the running guest.
        if PARKED.load(SeqCst) > 0 {
            TICKERS.lock().iter().for_each(Thread::unpark);
        }
        Self(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, SeqCst);
    }
}

/// Starts the ticker of an engine. It is an OS thread, because a task would starve under the very guest that it should stop;
/// it holds the engine weakly, so it ends when the engine is dropped.
pub(super) fn start(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    let ticker = thread::Builder::new().name("plugin-ticker".into()).spawn(move || {
        let mut idle_ticks = 0;
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            idle_ticks = if RUNNING.load(SeqCst) == 0 { idle_ticks + 1 } else { 0 };
            if idle_ticks < IDLE_TICKS_BEFORE_PARKING {
                thread::park_timeout(TICK_INTERVAL);
                continue;
            }
            PARKED.fetch_add(1, SeqCst);
            if RUNNING.load(SeqCst) == 0 {
                thread::park_timeout(ENGINE_CHECK_INTERVAL);
            }
            PARKED.fetch_sub(1, SeqCst);
            idle_ticks = 0;
        }
        TICKERS.lock().retain(|ticker| ticker.id() != thread::current().id());
    })?;
    TICKERS.lock().push(ticker.thread().clone());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use wasmtime::{Config, Module, Store, Trap, UpdateDeadline};

    use super::*;

    /// `(module (func (export "run") (loop (br 0))))`
    const LOOP: &[u8] =
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07\x07\x01\x03run\0\0\x0a\x09\x01\x07\0\x03\x40\x0c\0\x0b\x0b";

    #[test]
    fn guest_is_interrupted_after_the_ticker_was_parked() {
        let mut config = Config::new();
        let engine = Engine::new(config.epoch_interruption(true)).unwrap();
        start(&engine).unwrap();
        let module = Module::new(&engine, LOOP).unwrap();
        for _ in 0..2 {
            // Parked, unless another test has a guest running.
            let deadline = Instant::now() + Duration::from_secs(2);
            while PARKED.load(SeqCst) == 0 && Instant::now() < deadline {
                thread::yield_now();
            }
            let mut store = Store::new(&engine, ());
            store.set_epoch_deadline(1);
            let mut ticks = 0;
            store.epoch_deadline_callback(move |_| {
                ticks += 1;
                Ok(if ticks < 3 { UpdateDeadline::Continue(1) } else { UpdateDeadline::Interrupt })
            });
            let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();
            let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
            let _running = Running::begin();
            assert_eq!(run.call(&mut store, ()).unwrap_err().downcast::<Trap>().unwrap(), Trap::Interrupt);
        }
    }
}
