//! The thread that makes an engine's time pass, as long as a guest is running.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::{self, Thread};
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::Engine;

/// How often a running guest can be looked at; the grain of every budget.
const TICK: Duration = Duration::from_millis(1);
/// After so many ticks without a guest the thread rests.
const QUIET: u32 = 3;
/// It looks so often whether its engine is still there.
const REST: Duration = Duration::from_secs(1);

/// Guests that run now, in any engine of the process.
static RUNNING: AtomicUsize = AtomicUsize::new(0);
/// Tickers that rest, or are about to.
static RESTING: AtomicUsize = AtomicUsize::new(0);
static TICKERS: Mutex<Vec<Thread>> = Mutex::new(Vec::new());

/// A guest runs until this is dropped.
pub(super) struct Running(());

impl Running {
    pub(super) fn begin() -> Self {
        RUNNING.fetch_add(1, SeqCst);
        // Either this sees the ticker resting, or that one sees the guest running.
        if RESTING.load(SeqCst) > 0 {
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

/// An OS thread, because a task would starve under the very guest that it should stop; with a weak hold on
/// the engine, so that it ends when the engine does.
pub(super) fn start(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    let ticker = thread::Builder::new().name("plugin-ticker".into()).spawn(move || {
        let mut quiet = 0;
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            quiet = if RUNNING.load(SeqCst) == 0 { quiet + 1 } else { 0 };
            if quiet < QUIET {
                thread::park_timeout(TICK);
                continue;
            }
            RESTING.fetch_add(1, SeqCst);
            if RUNNING.load(SeqCst) == 0 {
                thread::park_timeout(REST);
            }
            RESTING.fetch_sub(1, SeqCst);
            quiet = 0;
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
    fn a_guest_is_stopped_however_long_none_was_running() {
        let mut config = Config::new();
        let engine = Engine::new(config.epoch_interruption(true)).unwrap();
        start(&engine).unwrap();
        let module = Module::new(&engine, LOOP).unwrap();
        for _ in 0..2 {
            // Resting, unless another test has something running.
            let patience = Instant::now() + Duration::from_secs(2);
            while RESTING.load(SeqCst) == 0 && Instant::now() < patience {
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
