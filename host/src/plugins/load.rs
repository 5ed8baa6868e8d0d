//! Loads a plugin: validates and compiles a file's bytes, links the component, and starts it.

mod error;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use uuid::Uuid;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

pub(super) use self::error::LoadError;
use super::bindings::{commands, lifecycle, message_filter, observer, room_guard, timer};
use super::call::clip;
use super::command::{self, CommandInfo};
use super::compile_thread::CompileThread;
use super::compiled::Compiled;
use super::contract::{self, Shape};
use super::engine;
use super::fault::{Fault, misfit};
use super::filter::Filter;
use super::guarded_call::PluginHealth;
use super::guest_log::clean;
use super::imports;
use super::instance::Instance;
use super::meter::Meter;
use super::observer::Interest;
use super::outbound_http::Reach;
use super::plugin::{About, Hooks, Plugin};
use super::specs;
use super::state::State;
use super::trial::{Outcome, Trial};
use crate::clock::now;
use crate::config;
use crate::metrics::Metrics;

/// Larger files are not read. A component that contains a language interpreter has about 20 MB.
pub(super) const MAX_FILE_BYTES: u64 = 32 << 20;

/// A longer name, version or summary of a plugin is cut.
const MAX_ABOUT_CHARS: usize = 200;

/// Larger files have a compile queue of their own.
const LARGE_FILE_BYTES: usize = 1 << 20;
/// Small files that are handled at the same time.
const MAX_CONCURRENT_SMALL_FILES: usize = 2;

/// Compiles, links and starts plugins.
pub(super) struct Loader {
    engine: Engine,
    /// Has the imports that every plugin gets; each plugin gets a copy with its granted imports added.
    linker: Linker<State>,
    small: CompileQueue,
    /// Separate, so that no small file waits for a large one.
    large: CompileQueue,
    /// The cache of compiled components, if any.
    compiled: Option<Compiled>,
    /// Identifies the engine and everything else that its generated code depends on.
    fingerprint: String,
    /// Loads unknown files in a child process first, if set.
    trial: Option<Trial>,
    metrics: Arc<Metrics>,
}

/// A compile thread, and permits for the files that wait for it or are tried.
struct CompileQueue {
    thread: CompileThread,
    permits: Semaphore,
}

impl CompileQueue {
    fn open(at_a_time: usize) -> std::io::Result<Self> {
        Ok(Self { thread: CompileThread::open()?, permits: Semaphore::new(at_a_time) })
    }
}

impl Loader {
    /// Creates a loader for a server.
    pub(super) fn open(
        compiled: Option<Compiled>,
        trial: Option<Trial>,
        metrics: Arc<Metrics>,
    ) -> wasmtime::Result<Self> {
        Self::with(engine::start(compiled.as_ref())?, compiled, trial, metrics)
    }

    /// Creates a loader for a process that loads one plugin and ends.
    pub(super) fn open_small(compiled: Option<Compiled>, metrics: Arc<Metrics>) -> wasmtime::Result<Self> {
        Self::with(engine::start_small(compiled.as_ref())?, compiled, None, metrics)
    }

    fn with(
        engine: Engine,
        compiled: Option<Compiled>,
        trial: Option<Trial>,
        metrics: Arc<Metrics>,
    ) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(&engine);
        imports::link_always(&mut linker)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let fingerprint = format!("{} {:016x}", env!("CARGO_PKG_VERSION"), hasher.finish());
        let (small, large) = (CompileQueue::open(MAX_CONCURRENT_SMALL_FILES)?, CompileQueue::open(1)?);
        Ok(Self { engine, linker, small, large, compiled, fingerprint, trial, metrics })
    }

    /// Whether a file was compiled before, by an engine like this one.
    pub(super) fn has_compiled(&self, sha256: &[u8; 32]) -> bool {
        self.compiled.as_ref().is_some_and(|kept| kept.was_tried(sha256, &self.fingerprint))
    }

    /// Makes a component of a file's bytes. A file that is new to this engine is tried in a child process first.
    pub(super) async fn compile(
        &self,
        id: &Arc<str>,
        bytes: &Bytes,
        settings: &str,
        budget: config::Budget,
    ) -> Result<Component, LoadError> {
        let queue = if bytes.len() > LARGE_FILE_BYTES { &self.large } else { &self.small };
        let _permit = queue.permits.acquire().await.map_err(|_| compiler_panicked())?;
        let sha256 = hash(bytes);
        let known = self.has_compiled(&sha256);
        if !known {
            let file = bytes.clone();
            queue.thread.run(move || check_contents(&file)).await.unwrap_or_else(|| Err(compiler_panicked()))?;
            tracing::info!(plugin = %id, bytes = bytes.len(), "compiling plugin");
            if let Some(trial) = &self.trial {
                match trial.run(id, bytes, settings, budget, self.compiled.as_ref()).await {
                    Outcome::Harmless => {}
                    Outcome::Broken(why) => return Err(LoadError::Broken(why)),
                    Outcome::Crashed(reason) => return Err(LoadError::Quarantined { id: id.clone(), reason }),
                    Outcome::Inconclusive(why) => return Err(LoadError::Untried(why)),
                }
            }
        }
        let component = self.compile_in(queue, bytes.clone()).await?;
        if let (Some(kept), false) = (self.compiled.clone(), known) {
            let fingerprint = self.fingerprint.clone();
            let noted = queue.thread.run(move || kept.seal().and_then(|()| kept.record_tried(&sha256, &fingerprint)));
            if let Some(Err(error)) = noted.await {
                tracing::warn!(%error, "cannot cache compiled plugin, next start compiles it again");
            }
        }
        Ok(component)
    }

    /// Compiles a file without a trial in a child process.
    pub(super) async fn compile_here(&self, bytes: Bytes) -> Result<Component, LoadError> {
        self.compile_in(&self.large, bytes).await
    }

    async fn compile_in(&self, queue: &CompileQueue, bytes: Bytes) -> Result<Component, LoadError> {
        let engine = self.engine.clone();
        let made = queue.thread.run(move || {
            Component::from_binary(&engine, &bytes).map_err(|error| LoadError::Broken(format!("{error:#}")))
        });
        made.await.unwrap_or_else(|| Err(compiler_panicked()))
    }

    /// Links a component with the imports granted in `table`, and starts it.
    pub(super) async fn assemble(
        &self,
        id: &Arc<str>,
        sha256: [u8; 32],
        component: Component,
        table: &config::Plugin,
        budget: config::Budget,
    ) -> Result<Plugin, LoadError> {
        check_shape(&contract::shape(&component, &self.engine), id, &table.grants)?;
        self.assemble_any(id, sha256, component, table, budget).await
    }

    /// Links and starts a component without checking its imports and exports first.
    pub(super) async fn assemble_any(
        &self,
        id: &Arc<str>,
        sha256: [u8; 32],
        component: Component,
        table: &config::Plugin,
        budget: config::Budget,
    ) -> Result<Plugin, LoadError> {
        let pre = link(self.linker.clone(), &component, &table.grants)?;
        let hooks = hooks(&pre)?;
        let plugin = Plugin {
            id: id.clone(),
            sha256,
            loaded_at: now(),
            short_hash: super::plugin::hex(&sha256[..4]),
            health: PluginHealth::new(&self.metrics, id, &hooks.names()),
            hooks,
            component,
            pre,
            settings: table.settings.0.to_string(),
            reach: Reach {
                hosts: table.http_hosts.as_slice().into(),
                allow_private: table.allow_private.as_slice().into(),
            },
            order: table.order,
            budget,
            about: None,
            commands: Vec::new(),
            interest: Interest::default(),
            filter: Filter::new(),
            retry_permit: Semaphore::new(1),
            on_fault: table.on_fault,
        };
        start(plugin).await
    }
}

fn compiler_panicked() -> LoadError {
    LoadError::Broken("the compiler panicked".into())
}

/// Checks a file's hash against the pinned one, if the table pins one.
pub(super) fn check_pin(id: &Arc<str>, sha256: &[u8; 32], table: &config::Plugin) -> Result<(), LoadError> {
    match table.sha256.admits(sha256) {
        true => Ok(()),
        false => Err(LoadError::Pin { id: id.clone(), found: super::plugin::hex(sha256) }),
    }
}

/// Checks a component without compiling it: whether it is valid for the engine, and made for this server.
pub(super) fn check_contents(bytes: &[u8]) -> Result<(), LoadError> {
    engine::validate(bytes).map_err(|invalid| match invalid {
        engine::Invalid::Malformed(why) => LoadError::Broken(why),
        engine::Invalid::Proposal(names) => LoadError::Proposal(names),
    })?;
    let shape = contract::read_shape(bytes).map_err(LoadError::Broken)?;
    check_shape(&shape, &"".into(), config::Grant::ALL)
}

pub(super) fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Checks the file's magic number: rejects files that are no WebAssembly, and core modules.
pub(super) fn check_kind(bytes: &[u8]) -> Result<(), LoadError> {
    match bytes {
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(LoadError::CoreModule),
        [b'\0', b'a', b's', b'm', _, _, _, _, ..] => Ok(()),
        _ => Err(LoadError::NotWasm),
    }
}

fn link(
    mut linker: Linker<State>,
    component: &Component,
    grants: &[config::Grant],
) -> Result<InstancePre<State>, LoadError> {
    let unfit = |error: wasmtime::Error| LoadError::Misfit { why: format!("{error:#}") };
    for grant in grants {
        imports::link_granted(&mut linker, grant.as_str()).map_err(unfit)?;
    }
    linker.instantiate_pre(component).map_err(unfit)
}

/// Checks that this server knows the component's imports and exports, and that its imports are granted.
pub(super) fn check_shape(shape: &Shape, id: &Arc<str>, grants: &[config::Grant]) -> Result<(), LoadError> {
    if let Some(name) = &shape.other_version {
        return Err(LoadError::Version { name: name.clone() });
    }
    if let Some(name) = shape.unknown_exports.first() {
        return Err(LoadError::UnknownExport(name.clone()));
    }
    if !shape.is_called() {
        return Err(LoadError::NoHook);
    }
    if let Some(name) = shape.unknown_imports.first() {
        return Err(LoadError::UnknownImport(name.clone()));
    }
    let granted = |interface: &str| grants.iter().any(|grant| grant.as_str() == interface);
    let missing: Vec<&str> = shape.wants.iter().map(String::as_str).filter(|interface| !granted(interface)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let wanted = grants.iter().map(|grant| grant.as_str()).chain(missing.iter().copied());
    let quoted: Vec<String> = wanted.map(|grant| format!("\"{grant}\"")).collect();
    Err(LoadError::NotGranted { id: id.clone(), missing: missing.join(", "), grants: quoted.join(", ") })
}

fn hooks(pre: &InstancePre<State>) -> Result<Hooks, LoadError> {
    let component = pre.component();
    let exported = contract::shape(component, pre.engine()).hooks;
    let has = |hook: &str| exported.contains(hook);
    let unfit = |error: wasmtime::Error| LoadError::Misfit { why: format!("{error:#}") };
    Ok(Hooks {
        lifecycle: has("lifecycle").then(|| lifecycle::LifecyclePluginIndices::new(pre)).transpose().map_err(unfit)?,
        commands: has("commands").then(|| commands::CommandsPluginIndices::new(pre)).transpose().map_err(unfit)?,
        message_filter: has("message-filter")
            .then(|| message_filter::MessageFilterPluginIndices::new(pre))
            .transpose()
            .map_err(unfit)?,
        room_guard: has("room-guard")
            .then(|| room_guard::RoomGuardPluginIndices::new(pre))
            .transpose()
            .map_err(unfit)?,
        observer: has("observer").then(|| observer::ObserverPluginIndices::new(pre)).transpose().map_err(unfit)?,
        timer: has("timer").then(|| timer::TimerPluginIndices::new(pre)).transpose().map_err(unfit)?,
    })
}

/// Creates a first instance, reads the plugin's description from it, and prepares the filter's first instance.
async fn start(mut plugin: Plugin) -> Result<Plugin, LoadError> {
    let meter = Meter::call(plugin.budget.call);
    let failed = |fault: Fault| match fault {
        Fault::Misfit(why) => LoadError::Misfit { why },
        fault => LoadError::Start(fault.to_string()),
    };
    let description = meter.run(describe(&plugin, &meter)).await.map_err(failed)?;
    plugin.about = description.about;
    plugin.commands = specs::check(description.commands)?.into_iter().map(Arc::new).collect();
    plugin.interest = description.interest;
    if plugin.hooks.message_filter.is_some() {
        plugin.filter.prepare(&plugin).map_err(failed)?;
    }
    Ok(plugin)
}

/// The results of a plugin's functions that are called once.
#[derive(Default)]
struct Description {
    about: Option<About>,
    commands: Vec<CommandInfo>,
    interest: Interest,
}

async fn describe(plugin: &Plugin, meter: &Arc<Meter>) -> Result<Description, Fault> {
    let mut instance = Instance::new(plugin, meter, Uuid::nil()).await?;
    let mut description = Description::default();
    if let Some(indices) = &plugin.hooks.lifecycle {
        let guest = indices.load(&mut instance.store, &instance.exports).map_err(misfit)?;
        let answer = guest.natterjack_plugin_lifecycle().call_describe(&mut instance.store).await;
        let about = instance.answered(answer)?;
        let tidy = |text: String| clip(clean(text.as_bytes()), MAX_ABOUT_CHARS);
        description.about =
            Some(About { name: tidy(about.name), version: tidy(about.version), summary: tidy(about.summary) });
    }
    if let Some(indices) = &plugin.hooks.commands {
        let guest = indices.load(&mut instance.store, &instance.exports).map_err(misfit)?;
        let answer = guest.natterjack_plugin_commands().call_specs(&mut instance.store).await;
        description.commands =
            instance.answered(answer)?.into_iter().map(|spec| command::from_spec(&plugin.id, spec)).collect();
    }
    if let Some(indices) = &plugin.hooks.room_guard {
        // Only checked: a guard that does not fit the contract must fail now and not at the first join.
        indices.load(&mut instance.store, &instance.exports).map_err(misfit)?;
    }
    if let Some(indices) = &plugin.hooks.observer {
        let guest = indices.load(&mut instance.store, &instance.exports).map_err(misfit)?;
        let answer = guest.natterjack_plugin_observer().call_wants(&mut instance.store).await;
        description.interest = Interest::new(&instance.answered(answer)?);
    }
    if let Some(indices) = &plugin.hooks.timer {
        indices.load(&mut instance.store, &instance.exports).map_err(misfit)?;
    }
    Ok(description)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_is_no_component_is_refused_before_compiling() {
        assert_eq!(check_kind(b"#!/bin/sh"), Err(LoadError::NotWasm));
        assert_eq!(check_kind(b""), Err(LoadError::NotWasm));
        assert_eq!(check_kind(b"\0asm\x01\0\0\0"), Err(LoadError::CoreModule));
        assert_eq!(check_kind(b"\0asm\x0d\0\x01\0"), Ok(()));
    }

    #[test]
    fn missing_grant_error_has_the_line_to_add() {
        let shape = Shape {
            wants: ["storage".to_owned(), "rooms".to_owned()].into(),
            hooks: ["commands".to_owned()].into(),
            ..Shape::default()
        };
        let refused = check_shape(&shape, &"word-filter".into(), &[config::Grant::Rooms]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "it imports storage, which is not granted; if you trust it with that, \
             put into config.toml: [plugin.word-filter] grants = [\"rooms\", \"storage\"]"
        );
        assert_eq!(check_shape(&shape, &"p".into(), &[config::Grant::Rooms, config::Grant::Storage]), Ok(()));
    }

    #[test]
    fn component_without_a_hook_is_refused() {
        assert_eq!(
            check_shape(&Shape { hooks: ["lifecycle".to_owned()].into(), ..Shape::default() }, &"p".into(), &[]),
            Err(LoadError::NoHook)
        );
    }
}
