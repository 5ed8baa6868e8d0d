//! SDK for plugins of the Natterjack chat server.
//!
//! A plugin is one WebAssembly component. **Its exports are the hooks that the server calls; its imports are the
//! permissions that it asks for.** A complete plugin:
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
//! Its `Cargo.toml` needs `[lib] crate-type = ["cdylib", "rlib"]` and a dependency on this crate. Build it with
//! `cargo build --release --target wasm32-wasip2`, and copy the `.wasm` file into the server's plugins folder.
//! The plugin's id is the file's name without `.wasm`.
//!
//! # Hooks: calls by the host
//!
//! Each hook is a trait, and [`register!`] exports those that it names:
//!
//! | in `register!` | trait | when |
//! | --- | --- | --- |
//! | `message_filter` | [`MessageFilter`] | before a message, or an edit, is stored |
//! | `commands` | [`Commands`] | for a call of one of the plugin's commands |
//! | `room_guard` | [`RoomGuard`] | before somebody without an invitation joins a private room |
//! | `observer` | [`Observer`] | after an event was committed |
//! | `timer` | [`Timer`] | when a timer that it set comes due |
//! | `lifecycle` | [`Lifecycle`] | when an instance is created, with the settings |
//!
//! All hooks except filters run on a new instance for each call, so persistent data belongs in [`storage`]. A filter's
//! instance serves many messages. The [`guide`] is a tutorial.
//!
//! # Imports: calls to the host
//!
//! | module | lets a plugin | grant |
//! | --- | --- | --- |
//! | [`log`], [`clock`], [`random`] | log, read the time, get random bytes | always |
//! | [`directory`] | list the commands of all plugins | always |
//! | [`storage`] | store its own keys and values | `storage` |
//! | [`accounts`] | look up accounts | `accounts` |
//! | [`rooms`] | read rooms and members | `rooms` |
//! | [`rooms_admin`] | change rooms and members | `rooms-admin` |
//! | [`messages`] | read messages, post as its own bot, delete messages | `messages` |
//! | [`passwords`] | hash and verify passwords | `passwords` |
//! | [`push`] | send its own events to connected clients | `push` |
//! | [`timers`] | be called at a later time | `timers` |
//! | [`http`] | send requests to the hosts that the operator lists | `http` |
//!
//! A plugin only imports the modules that it calls. The operator grants them in `config.toml`:
//!
//! ```toml
//! [plugin.no-ads]
//! grants = ["storage"]
//! settings = { longest = 80 }
//! ```
//!
//! Writes are staged, visible to the same call's own reads, and committed together if the call succeeds. Errors
//! propagate by `?`. A panic is logged with its message and location; the caller gets a `plugin_failed` error, and the
//! next call a new instance.
//!
//! # Tests
//!
//! In `cargo test` a [`MockHost`] implements the imports:
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

/// The items that most plugins need: `use natterjack_plugin_sdk::prelude::*;`.
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
