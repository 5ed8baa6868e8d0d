//! The interfaces that plugins import, one file per interface. Interfaces that are not granted are not linked.

mod accounts;
mod clock;
mod directory;
mod http;
mod log;
mod messages;
mod passwords;
mod push;
mod random;
mod rooms;
mod rooms_admin;
mod storage;
mod timers;

use wasmtime::component::{HasSelf, Linker};

use super::bindings::{host, wire};
use super::state::State;
use crate::error::Error;

type Link = fn(&mut Linker<State>) -> wasmtime::Result<()>;

macro_rules! link {
    ($module:ident) => {
        |linker| host::$module::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
    };
}

/// Interfaces that every plugin may import.
const ALWAYS: &[(&str, Link)] =
    &[("log", link!(log)), ("clock", link!(clock)), ("random", link!(random)), ("directory", link!(directory))];

/// Interfaces that need a grant, by their name in `grants` in `config.toml`.
const GRANTED: &[(&str, Link)] = &[
    ("storage", link!(storage)),
    ("accounts", link!(accounts)),
    ("rooms", link!(rooms)),
    ("rooms-admin", link!(rooms_admin)),
    ("messages", link!(messages)),
    ("passwords", link!(passwords)),
    ("push", link!(push)),
    ("timers", link!(timers)),
    ("http", link!(http)),
];

/// Links what every plugin may import: a WASI without access to anything, and the harmless interfaces.
pub(super) fn link_always(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    ALWAYS.iter().try_for_each(|(_, link)| link(linker))
}

/// Links one granted interface.
pub(super) fn link_granted(linker: &mut Linker<State>, grant: &str) -> wasmtime::Result<()> {
    match GRANTED.iter().find(|(name, _)| *name == grant) {
        Some((_, link)) => link(linker),
        None => Ok(()),
    }
}

/// Whether every plugin may import this interface.
pub(super) fn is_always(interface: &str) -> bool {
    ALWAYS.iter().any(|(name, _)| *name == interface)
}

/// The names that `grants` may contain.
pub(super) fn grants() -> impl Iterator<Item = &'static str> {
    GRANTED.iter().map(|(name, _)| *name)
}

/// Parses an id that a guest passed.
fn id<T: std::str::FromStr>(what: &'static str, text: &str) -> Result<T, wire::Error> {
    text.parse().map_err(|_| {
        Error::invalid(what, format!("`{}` is not an id", text.chars().take(64).collect::<String>())).into()
    })
}
