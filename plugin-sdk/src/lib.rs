//! Write plugins for the Natterjack chat server.
//!
//! A plugin is one WebAssembly component. **What it exports is what it subscribes to; what it imports is what
//! it asks to be allowed.** This is a whole one:
//!
//! ```
//! use natterjack_plugin_sdk::prelude::*;
//!
//! #[derive(Default)]
//! struct NoAds;
//!
//! impl MessageFilter for NoAds {
//!     fn on_message(&mut self, _ctx: &Context, draft: &Draft) -> Verdict {
//!         if draft.body.contains("casino") { Verdict::reject("spam", "no ads here") } else { Verdict::Allow }
//!     }
//! }
//!
//! register!(NoAds: message_filter);
//! ```
//!
//! In its `Cargo.toml` stand `[lib] crate-type = ["cdylib", "rlib"]` and this crate; it is built with
//! `cargo build --release --target wasm32-wasip2`, and the `.wasm` file goes into the server's plugins folder.
//! The file's stem is the plugin's id.
//!
//! # Hooks: what the host asks
//!
//! A trait for each, opted into by name in [`register!`]:
//!
//! | in `register!` | trait | when |
//! | --- | --- | --- |
//! | `message_filter` | [`MessageFilter`] | before a message, or an edit, is stored |
//! | `commands` | [`Commands`] | for a command that the plugin offers |
//! | `room_guard` | [`RoomGuard`] | before a stranger joins a private room |
//! | `observer` | [`Observer`] | after something has happened |
//! | `timer` | [`Timer`] | when a timer that it set comes due |
//! | `lifecycle` | [`Lifecycle`] | when an instance is made: settings |
//!
//! All but filters run on a fresh instance each time, so what must last goes to [`storage`]. A filter's instance
//! lives on. [`guide`] leads from nothing to a plugin that runs.
//!
//! # Imports: what the plugin asks
//!
//! | module | lets a plugin | grant |
//! | --- | --- | --- |
//! | [`log`], [`clock`], [`random`] | log, tell the time, roll dice | always |
//! | [`directory`] | list the commands of all plugins | always |
//! | [`storage`] | keep its own keys and values | `storage` |
//! | [`accounts`] | look people up | `accounts` |
//! | [`rooms`] | read rooms and members | `rooms` |
//! | [`rooms_admin`] | change rooms and members | `rooms-admin` |
//! | [`messages`] | read what was said, post as its own bot, delete | `messages` |
//! | [`passwords`] | have the host hash and verify | `passwords` |
//! | [`push`] | send an event of its own to those who are connected | `push` |
//! | [`timers`] | be woken later | `timers` |
//! | [`http`] | call out to the hosts that the operator lists | `http` |
//!
//! Only those that are called are imported. The operator grants them in `config.toml`:
//!
//! ```toml
//! [plugin.no-ads]
//! grants = ["storage"]
//! settings = { longest = 80 }
//! ```
//!
//! Writes are staged, seen by the same call's own reads, and applied together if the call succeeds. Errors
//! travel by `?`. A panic is written to the plugin's log with its message and place; the caller gets one clear
//! error, and the next call a new instance.
//!
//! # Tests
//!
//! In a plain `cargo test` a [`MockHost`] answers the imports:
//!
//! ```
//! # use natterjack_plugin_sdk::prelude::*;
//! # #[derive(Default)]
//! # struct NoAds;
//! # impl MessageFilter for NoAds {
//! #     fn on_message(&mut self, _ctx: &Context, draft: &Draft) -> Verdict {
//! #         if draft.body.contains("casino") { Verdict::reject("spam", "no ads here") } else { Verdict::Allow }
//! #     }
//! # }
//! let chat = MockHost::new().room("lobby").member("bob", Role::Member);
//! let verdict = chat.by("bob").at("lobby").post(&mut NoAds, "come to the casino");
//! assert_eq!(verdict, Verdict::reject("spam", "no ads here"));
//! ```
#![warn(missing_docs)]

mod command;
mod error;
mod filter;
mod guard;
mod json;
mod lifecycle;
#[cfg(not(target_arch = "wasm32"))]
mod mock;
mod observer;
mod register;
mod timer;
mod types;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod wasm;

pub mod accounts;
pub mod clock;
pub mod directory;
pub mod http;
pub mod log;
pub mod messages;
pub mod passwords;
pub mod push;
pub mod random;
pub mod rooms;
pub mod rooms_admin;
pub mod storage;
pub mod timers;

pub use command::{Args, CommandSpec, Commands, Param, ParamKind, Place};
pub use error::{Error, ErrorCode, Result};
pub use filter::{Draft, MessageFilter, Verdict};
pub use guard::{Admission, Protection, RoomGuard};
pub use lifecycle::{Description, Lifecycle, NoSettings};
pub use messages::{Author, Message};
#[cfg(not(target_arch = "wasm32"))]
pub use mock::{Caller, MockHost, Write};
pub use observer::{DepartureReason, Event, EventKind, Interest, Observer};
pub use serde_json::{Value, json};
pub use timer::{Payload, Timer};
pub use types::{
    AccountId, AccountRef, Actor, ConnectionId, Context, Credential, GuestRef, Role, RoomId, RoomKind, RoomRef,
    Timestamp, Visibility,
};

#[cfg(not(target_arch = "wasm32"))]
use mock::host;
#[cfg(target_arch = "wasm32")]
use wasm::host;

/// All that most plugins need: `use natterjack_plugin_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::{
        AccountId, AccountRef, Actor, Admission, Args, Author, CommandSpec, Commands, Context, Credential, Description,
        Draft, Error, ErrorCode, Event, EventKind, Interest, Lifecycle, Message, MessageFilter, NoSettings, Observer,
        Param, Payload, Protection, Result, Role, RoomGuard, RoomId, RoomKind, RoomRef, Timer, Value, Verdict,
        Visibility, accounts, clock, directory, http, json, log, messages, passwords, push, random, register, rooms,
        rooms_admin, storage, timers,
    };
    #[cfg(not(target_arch = "wasm32"))]
    pub use crate::{Caller, MockHost, Write};
}

#[doc(hidden)]
pub mod __private {
    pub use crate::register::{Component, Instance, has};
}

#[doc = include_str!("../GUIDE.md")]
#[allow(clippy::test_attr_in_doctest, reason = "the guide's tests are run as those of the example that it shows")]
pub mod guide {}
