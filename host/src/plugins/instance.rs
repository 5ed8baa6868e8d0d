//! An instance of a plugin in a store of its own.

use std::sync::Arc;

use uuid::Uuid;
use wasmtime::Store;
use wasmtime::component;

use super::fault::{Fault, explain, misfit};
use super::guest_log::clean;
use super::meter::Meter;
use super::plugin::Plugin;
use super::state::State;
use super::unit::UnitOfWork;

/// Data that a guest may pass to the host in one call of an import.
const MAX_HOST_CALL_BYTES: usize = 1 << 20;
/// Host resources (streams, pollables) that a guest may hold.
const MAX_HANDLES: usize = 1000;

/// An instance of a plugin. It must be dropped after a trap or a cancelled call.
pub(super) struct Instance {
    pub(super) store: Store<State>,
    pub(super) exports: component::Instance,
    meter: Arc<Meter>,
}

impl Instance {
    /// Creates an instance and calls its `init`. The time counts against `meter`, which must also run this future.
    pub(super) async fn new(plugin: &Plugin, meter: &Arc<Meter>, request: Uuid) -> Result<Self, Fault> {
        let mut store = Store::new(plugin.pre.engine(), State::new(plugin, meter));
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(MAX_HOST_CALL_BYTES);
        store.set_max_component_handles(MAX_HANDLES);
        store.set_epoch_deadline(1);
        let ticking = meter.clone();
        store.epoch_deadline_callback(move |_| Ok(ticking.tick()));
        store.data().guest_log.begin(request);
        let exports = match plugin.pre.instantiate_async(&mut store).await {
            Ok(exports) => exports,
            Err(error) if error.is::<wasmtime::Trap>() || store.data().limits.refused() => {
                return Err(explain(&error, store.data(), meter));
            }
            Err(error) => return Err(Fault::NoInstance(error.root_cause().to_string())),
        };
        let mut instance = Self { store, exports, meter: meter.clone() };
        instance.init(plugin).await?;
        Ok(instance)
    }

    async fn init(&mut self, plugin: &Plugin) -> Result<(), Fault> {
        let Some(lifecycle) = &plugin.hooks.lifecycle else { return Ok(()) };
        let guest = lifecycle.load(&mut self.store, &self.exports).map_err(misfit)?;
        let answer = guest.natterjack_plugin_lifecycle().call_init(&mut self.store, &plugin.settings).await;
        self.answered(answer)?.map_err(|refused| Fault::Init(clean(refused.as_bytes())))
    }

    /// Prepares the instance for a further call.
    pub(super) fn restart(&mut self, request: Uuid) {
        self.meter.restart();
        self.store.set_epoch_deadline(1);
        self.store.data().guest_log.begin(request);
    }

    /// Sets the unit of work that the imports use in the next call.
    pub(super) fn enter(&mut self, unit: Box<UnitOfWork>) {
        self.store.data_mut().unit = Some(unit);
    }

    /// Returns the unit of work.
    pub(super) fn leave(mut self) -> Result<Box<UnitOfWork>, Fault> {
        self.store.data_mut().unit.take().ok_or_else(|| Fault::NoInstance("its unit of work is gone".into()))
    }

    /// Ends a call: returns the guest's answer, or the fault behind a trap.
    pub(super) fn answered<T>(&self, answer: wasmtime::Result<T>) -> Result<T, Fault> {
        match answer {
            Ok(answer) => {
                self.store.data().guest_log.end();
                Ok(answer)
            }
            Err(error) => {
                tracing::debug!(target: "plugin", plugin = %self.store.data().plugin, "{error:?}");
                Err(explain(&error, self.store.data(), &self.meter))
            }
        }
    }
}
