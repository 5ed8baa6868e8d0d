//! The real host: bindings generated from `wit/`, and what goes to and fro between them and the public types.

mod convert;
mod exports;
pub(crate) mod host;

/// Imports, generated once for all the worlds below.
pub mod imports {
    wit_bindgen::generate!({ world: "imports", path: "wit", default_bindings_module: "natterjack_plugin_sdk::wasm::imports" });
    pub use natterjack::plugin::*;
}

// One world per hook: a component exports only those whose macro `register!` calls.

pub mod lifecycle {
    wit_bindgen::generate!({
        world: "lifecycle-plugin",
        path: "wit",
        pub_export_macro: true,
        export_macro_name: "export_lifecycle",
        default_bindings_module: "natterjack_plugin_sdk::wasm::lifecycle",
    });
    pub use exports::natterjack::plugin::lifecycle::*;
}

pub mod commands {
    wit_bindgen::generate!({
        world: "commands-plugin",
        path: "wit",
        with: { "natterjack:plugin/types@0.1.0": crate::wasm::imports::types },
        pub_export_macro: true,
        export_macro_name: "export_commands",
        default_bindings_module: "natterjack_plugin_sdk::wasm::commands",
    });
    pub use exports::natterjack::plugin::commands::*;
}

pub mod message_filter {
    wit_bindgen::generate!({
        world: "message-filter-plugin",
        path: "wit",
        with: { "natterjack:plugin/types@0.1.0": crate::wasm::imports::types },
        pub_export_macro: true,
        export_macro_name: "export_message_filter",
        default_bindings_module: "natterjack_plugin_sdk::wasm::message_filter",
    });
    pub use exports::natterjack::plugin::message_filter::*;
}

pub mod room_guard {
    wit_bindgen::generate!({
        world: "room-guard-plugin",
        path: "wit",
        with: { "natterjack:plugin/types@0.1.0": crate::wasm::imports::types },
        pub_export_macro: true,
        export_macro_name: "export_room_guard",
        default_bindings_module: "natterjack_plugin_sdk::wasm::room_guard",
    });
    pub use exports::natterjack::plugin::room_guard::*;
}

pub mod observer {
    wit_bindgen::generate!({
        world: "observer-plugin",
        path: "wit",
        with: { "natterjack:plugin/types@0.1.0": crate::wasm::imports::types },
        pub_export_macro: true,
        export_macro_name: "export_observer",
        default_bindings_module: "natterjack_plugin_sdk::wasm::observer",
    });
    pub use exports::natterjack::plugin::observer::*;
}

pub mod timer {
    wit_bindgen::generate!({
        world: "timer-plugin",
        path: "wit",
        with: { "natterjack:plugin/types@0.1.0": crate::wasm::imports::types },
        pub_export_macro: true,
        export_macro_name: "export_timer",
        default_bindings_module: "natterjack_plugin_sdk::wasm::timer",
    });
    pub use exports::natterjack::plugin::timer::*;
}

/// Installs a panic hook that logs the panic's message and location before the trap.
fn log_panics() {
    static HOOKED: std::sync::Once = std::sync::Once::new();
    HOOKED.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let message = panic.payload_as_str().unwrap_or("no message");
            match panic.location() {
                Some(place) => crate::log::error(format_args!("panicked at {place}: {message}")),
                None => crate::log::error(format_args!("panicked: {message}")),
            }
        }));
    });
}
