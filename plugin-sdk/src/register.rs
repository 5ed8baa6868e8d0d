//! The `register!` macro and the items that it expands to.
#![allow(missing_docs, reason = "public for the macro alone")]

use std::cell::RefCell;
use std::marker::PhantomData;
use std::thread::LocalKey;

/// The storage of a plugin's one instance, and its default constructor.
pub trait Instance: Sized + 'static {
    fn slot() -> &'static LocalKey<RefCell<Option<Self>>>;
    fn make() -> Self;
}

/// Implements the exports for the plugin `T`.
#[derive(Debug)]
pub struct Component<T>(PhantomData<T>);

#[cfg_attr(not(target_arch = "wasm32"), expect(dead_code, reason = "only the host calls plugins this way"))]
pub(crate) fn with_instance<T: Instance, R>(call: impl FnOnce(&mut T) -> R) -> R {
    T::slot().with_borrow_mut(|slot| call(slot.get_or_insert_with(T::make)))
}

/// Registers a type as the plugin of this crate, and exports the named hooks: any of `lifecycle`, `commands`,
/// `message_filter`, `room_guard`, `observer` and `timer`. The type must implement the trait of each.
///
/// With `lifecycle` the instance is created by [`Lifecycle::init`](crate::Lifecycle::init), without it by
/// [`Default`].
///
/// ```
/// use natterjack_plugin_sdk::prelude::*;
///
/// #[derive(Default)]
/// struct Loud;
///
/// impl MessageFilter for Loud {
///     fn on_message(&mut self, _ctx: &Context, draft: &Draft) -> Verdict {
///         Verdict::Rewrite(draft.body.to_uppercase())
///     }
/// }
///
/// register!(Loud: message_filter);
/// ```
///
/// A hook whose trait is missing does not compile:
///
/// ```compile_fail
/// use natterjack_plugin_sdk::prelude::*;
///
/// #[derive(Default)]
/// struct Quiet;
///
/// register!(Quiet: message_filter);
/// ```
#[macro_export]
macro_rules! register {
    ($plugin:ty: $($hook:ident),+ $(,)?) => {
        const _: () = {
            ::std::thread_local! {
                static INSTANCE: ::std::cell::RefCell<::std::option::Option<$plugin>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }

            impl $crate::__private::Instance for $plugin {
                fn slot() -> &'static ::std::thread::LocalKey<::std::cell::RefCell<::std::option::Option<Self>>> {
                    &INSTANCE
                }

                fn make() -> Self {
                    $crate::__make!($($hook)+)
                }
            }

            type Component = $crate::__private::Component<$plugin>;
            $($crate::__export!($hook Component $plugin);)+
        };
    };
}

/// Creates an instance if a call comes before `init`.
#[doc(hidden)]
#[macro_export]
macro_rules! __make {
    () => { ::std::default::Default::default() };
    (lifecycle $($hook:ident)*) => { ::std::panic!("called before `init`") };
    ($other:ident $($hook:ident)*) => { $crate::__make!($($hook)*) };
}

/// Exports one hook. In native builds it only checks that the trait is implemented.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    (lifecycle $component:ident $plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        $crate::wasm::lifecycle::export_lifecycle!($component with_types_in $crate::wasm::lifecycle);
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = $crate::__private::has::lifecycle::<$plugin>;
    };
    (commands $component:ident $plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        $crate::wasm::commands::export_commands!($component with_types_in $crate::wasm::commands);
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = $crate::__private::has::commands::<$plugin>;
    };
    (message_filter $component:ident $plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        $crate::wasm::message_filter::export_message_filter!($component with_types_in $crate::wasm::message_filter);
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = $crate::__private::has::message_filter::<$plugin>;
    };
    (room_guard $component:ident $plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        $crate::wasm::room_guard::export_room_guard!($component with_types_in $crate::wasm::room_guard);
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = $crate::__private::has::room_guard::<$plugin>;
    };
    (observer $component:ident $plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        $crate::wasm::observer::export_observer!($component with_types_in $crate::wasm::observer);
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = $crate::__private::has::observer::<$plugin>;
    };
    (timer $component:ident $plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        $crate::wasm::timer::export_timer!($component with_types_in $crate::wasm::timer);
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = $crate::__private::has::timer::<$plugin>;
    };
    ($other:ident $component:ident $plugin:ty) => {
        ::std::compile_error!(::std::concat!(
            "there is no hook `", ::std::stringify!($other),
            "`; there are `lifecycle`, `commands`, `message_filter`, `room_guard`, `observer` and `timer`"
        ));
    };
}

/// Checks the traits of hooks in native builds, so that `cargo test` finds the same errors as the WebAssembly build.
pub mod has {
    use crate::{Commands, Lifecycle, MessageFilter, Observer, RoomGuard, Timer};

    pub fn lifecycle<T: Lifecycle>() {}
    pub fn commands<T: Commands>() {}
    pub fn message_filter<T: MessageFilter>() {}
    pub fn room_guard<T: RoomGuard>() {}
    pub fn observer<T: Observer>() {}
    pub fn timer<T: Timer>() {}
}
