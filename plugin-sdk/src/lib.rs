//! Write plugins for the Natterjack chat server.
#![warn(missing_docs)]

mod command;
mod error;
mod filter;
mod guard;
mod json;
mod lifecycle;
#[cfg(not(target_arch = "wasm32"))]
mod mock;
mod register;
mod types;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod wasm;

pub mod accounts;
pub mod clock;
pub mod log;
pub mod passwords;
pub mod random;
pub mod rooms;
pub mod rooms_admin;
pub mod storage;

pub use command::{Args, CommandSpec, Commands, Param, ParamKind, Place};
pub use error::{Error, ErrorCode, Result};
pub use filter::{Draft, MessageFilter, Verdict};
pub use guard::{Admission, Protection, RoomGuard};
pub use lifecycle::{Description, Lifecycle, NoSettings};
#[cfg(not(target_arch = "wasm32"))]
pub use mock::{Caller, MockHost, Write};
pub use serde_json::{Value, json};
pub use types::{
    AccountId, AccountRef, Actor, Context, Credential, GuestRef, Role, RoomId, RoomKind, RoomRef,
    Timestamp, Visibility,
};

#[cfg(not(target_arch = "wasm32"))]
use mock::host;
#[cfg(target_arch = "wasm32")]
use wasm::host;

/// All that most plugins need: `use natterjack_plugin_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::{
        AccountId, AccountRef, Actor, Admission, Args, CommandSpec, Commands, Context, Credential,
        Description, Draft, Error, ErrorCode, Lifecycle, MessageFilter, NoSettings, Param,
        Protection, Result, Role, RoomGuard, RoomId, RoomKind, RoomRef, Value, Verdict, Visibility,
        accounts, clock, json, log, passwords, random, register, rooms, rooms_admin, storage,
    };
    #[cfg(not(target_arch = "wasm32"))]
    pub use crate::{Caller, MockHost, Write};
}

#[doc(hidden)]
pub mod __private {
    pub use crate::register::{Component, Instance, has};
}
