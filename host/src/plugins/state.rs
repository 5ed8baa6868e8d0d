//! The data of one store: the guest's limits, its log, and the unit of work of the current call.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::bindings::wire;
use super::guest_log::{GuestLog, Output, Stream};
use super::limits::Limits;
use super::meter::Meter;
use super::outbound_http::Reach;
use super::plugin::Plugin;
use super::unit::UnitOfWork;
use crate::error::Error;

/// One instance's store data.
pub(super) struct State {
    pub(super) plugin: Arc<str>,
    pub(super) limits: Limits,
    pub(super) guest_log: GuestLog,
    /// Set only during a call that may wait: not in `init`, not in a filter.
    pub(super) unit: Option<Box<UnitOfWork>>,
    pub(super) meter: Arc<Meter>,
    /// Whether the plugin exports `timer`.
    pub(super) has_timer: bool,
    pub(super) reach: Reach,
    /// Created on the guest's first use of WASI: most calls never use it.
    wasi: Option<WasiCtx>,
    table: ResourceTable,
}

impl State {
    pub(super) fn new(plugin: &Plugin, meter: &Arc<Meter>) -> Self {
        let guest_log = GuestLog::new(plugin.id.clone());
        Self {
            plugin: plugin.id.clone(),
            limits: Limits::new(plugin.budget.memory_bytes),
            guest_log,
            unit: None,
            meter: meter.clone(),
            has_timer: plugin.hooks.timer.is_some(),
            reach: plugin.reach.clone(),
            wasi: None,
            table: ResourceTable::new(),
        }
    }

    /// The call's unit of work and the plugin's id.
    ///
    /// # Errors
    /// `unavailable` in filters and in `init`, which have no unit of work.
    pub(super) fn unit(&mut self) -> Result<(&mut UnitOfWork, &Arc<str>), wire::Error> {
        match &mut self.unit {
            Some(unit) => Ok((unit, &self.plugin)),
            None => {
                Err(Error::Unavailable("filters and `init` can only log, read the clock and get random bytes".into())
                    .into())
            }
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: self.wasi.get_or_insert_with(|| wasi(&self.guest_log)), table: &mut self.table }
    }
}

/// A WASI context with nothing but stdout and stderr, which go to the log.
fn wasi(guest_log: &GuestLog) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.stdout(Output { guest_log: guest_log.clone(), stream: Stream::Out })
        .stderr(Output { guest_log: guest_log.clone(), stream: Stream::Error })
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    wasi.build()
}
