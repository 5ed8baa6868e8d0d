//! One running copy of a plugin in a store of its own.

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

/// What a guest may hand to the host in one go.
const HOST_CALL_BYTES: usize = 1 << 20;
/// What a guest may hold of the host's things (streams, pollables).
const HANDLES: usize = 1000;

/// A trap or a dropped call leaves it unfit for another: then it has to be dropped.
pub(super) struct Instance {
    pub(super) store: Store<State>,
    pub(super) exports: component::Instance,
    meter: Arc<Meter>,
}

impl Instance {
    /// Makes one and calls its `init`. The time counts against `meter`, by which this has to be run.
    pub(super) async fn new(plugin: &Plugin, meter: &Arc<Meter>, request: Uuid) -> Result<Self, Fault> {
        let mut store = Store::new(plugin.pre.engine(), State::new(plugin, meter));
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(HOST_CALL_BYTES);
        store.set_max_component_handles(HANDLES);
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

    /// Begins a call on an instance that has served others before.
    pub(super) fn restart(&mut self, request: Uuid) {
        self.meter.restart();
        self.store.set_epoch_deadline(1);
        self.store.data().guest_log.begin(request);
    }

    /// Lets the imports answer for the call to come, with this unit of work.
    pub(super) fn enter(&mut self, unit: Box<UnitOfWork>) {
        self.store.data_mut().unit = Some(unit);
    }

    /// Gives the unit of work back.
    pub(super) fn leave(mut self) -> Result<Box<UnitOfWork>, Fault> {
        self.store.data_mut().unit.take().ok_or_else(|| Fault::NoInstance("its unit of work is gone".into()))
    }

    /// What a call answered, or why it did not.
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
