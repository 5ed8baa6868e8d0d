//! What a plugin may ask the host for, one file an interface. What is not granted is not linked.

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

/// Interfaces that every plugin has.
const ALWAYS: &[(&str, Link)] =
    &[("log", link!(log)), ("clock", link!(clock)), ("random", link!(random)), ("directory", link!(directory))];

/// Interfaces that the operator grants, by the word for `grants` in `config.toml`.
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

/// Adds what every plugin has: an empty WASI, and the interfaces that harm nobody.
pub(super) fn link_always(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    ALWAYS.iter().try_for_each(|(_, link)| link(linker))
}

/// Adds one interface that was granted.
pub(super) fn link_granted(linker: &mut Linker<State>, grant: &str) -> wasmtime::Result<()> {
    match GRANTED.iter().find(|(name, _)| *name == grant) {
        Some((_, link)) => link(linker),
        None => Ok(()),
    }
}

/// Whether every plugin has this interface.
pub(super) fn is_always(interface: &str) -> bool {
    ALWAYS.iter().any(|(name, _)| *name == interface)
}

/// The words that `grants` may hold.
pub(super) fn grants() -> impl Iterator<Item = &'static str> {
    GRANTED.iter().map(|(name, _)| *name)
}

/// An id as guests write it.
fn id<T: std::str::FromStr>(what: &'static str, text: &str) -> Result<T, wire::Error> {
    text.parse()
        .map_err(|_| Error::invalid(what, format!("`{}` is no id", text.chars().take(64).collect::<String>())).into())
}
