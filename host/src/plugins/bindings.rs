//! Rust bindings generated from `plugin-sdk/wit`: one world for the imports, one for each export, all sharing one set of types.
//!
//! Imports that may wait are async; `log`, `clock`, `random` and `directory` never wait and are synchronous.

#![allow(unreachable_pub, reason = "the generated code is public; this module is not")]

pub(super) use self::imports::natterjack::plugin as host;
pub(super) use self::imports::natterjack::plugin::types as wire;

mod imports {
    wasmtime::component::bindgen!({
        path: "../plugin-sdk/wit",
        world: "natterjack:plugin/imports",
        imports: {
            "natterjack:plugin/storage": async,
            "natterjack:plugin/accounts": async,
            "natterjack:plugin/rooms": async,
            "natterjack:plugin/rooms-admin": async,
            "natterjack:plugin/messages": async,
            "natterjack:plugin/passwords": async,
            "natterjack:plugin/push": async,
            "natterjack:plugin/timers": async,
            "natterjack:plugin/http": async,
        },
    });
}

/// Generates the host's side of one export's world.
macro_rules! export_world {
    ($module:ident, $world:literal $(, types: $types:literal)?) => {
        pub(super) mod $module {
            wasmtime::component::bindgen!({
                path: "../plugin-sdk/wit",
                world: $world,
                exports: { default: async },
                with: { $($types: crate::plugins::bindings::imports::natterjack::plugin::types)? },
            });
        }
    };
}
export_world!(lifecycle, "natterjack:plugin/lifecycle-plugin");
export_world!(commands, "natterjack:plugin/commands-plugin", types: "natterjack:plugin/types");
export_world!(message_filter, "natterjack:plugin/message-filter-plugin", types: "natterjack:plugin/types");
export_world!(room_guard, "natterjack:plugin/room-guard-plugin", types: "natterjack:plugin/types");
export_world!(observer, "natterjack:plugin/observer-plugin", types: "natterjack:plugin/types");
export_world!(timer, "natterjack:plugin/timer-plugin", types: "natterjack:plugin/types");
