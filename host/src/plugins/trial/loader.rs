//! Loads unknown files in the current process, for fuzzing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};

use crate::config;
use crate::metrics::Metrics;
use crate::plugins::engine;
use crate::plugins::load::Loader;

/// CPU budget of a start, since a generated component often loops for ever.
const CALL_BUDGET: Duration = Duration::from_millis(10);
const MEMORY_BYTES: usize = 16 << 20;

/// Loads files as a trial does, without checks of their imports and exports: validates, compiles, links and starts them.
pub struct TrialLoader {
    runtime: Runtime,
    loader: Loader,
}

/// The last loading stage that a file reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not valid for the engine.
    Invalid,
    /// Valid, but the compiler refused it.
    Refused,
    /// Compiled, but did not start.
    Compiled,
    Started,
}

impl TrialLoader {
    /// Creates an engine.
    ///
    /// # Errors
    /// Says why no engine or runtime can be created.
    pub fn new() -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        let loader = Loader::open_small(None, Arc::new(Metrics::default())).map_err(|error| format!("{error:#}"))?;
        Ok(Self { runtime, loader })
    }

    /// Loads a file and returns how far it came.
    pub fn load(&self, file: &[u8]) -> Stage {
        if engine::validate(file).is_err() {
            return Stage::Invalid;
        }
        let table = config::Plugin { grants: config::Grant::ALL.to_vec(), ..config::Plugin::default() };
        let budget = config::Budget { call: CALL_BUDGET, filter: CALL_BUDGET, memory_bytes: MEMORY_BYTES };
        self.runtime.block_on(async {
            let Ok(component) = self.loader.compile_here(Bytes::copy_from_slice(file)).await else {
                return Stage::Refused;
            };
            match self.loader.assemble_any(&"generated".into(), [0; 32], component, &table, budget).await {
                Ok(_) => Stage::Started,
                Err(_) => Stage::Compiled,
            }
        })
    }
}
