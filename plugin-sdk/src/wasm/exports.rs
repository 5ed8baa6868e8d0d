//! Implements each generated export trait by the plugin's own trait.

use crate::register::{Component, Instance, with_instance};
use crate::wasm::imports::types as wit;
use crate::wasm::{commands, lifecycle, message_filter, observer, room_guard, timer};
use crate::{
    Admission, Args, Commands, Context, Credential, Lifecycle, MessageFilter, Observer, Payload, RoomGuard, Timer,
};

impl<T: Instance + Lifecycle> lifecycle::Guest for Component<T> {
    fn describe() -> lifecycle::Description {
        super::log_panics();
        T::describe().into()
    }

    fn init(settings: String) -> Result<(), String> {
        super::log_panics();
        let instance = crate::lifecycle::init::<T>(&settings)?;
        T::slot().with_borrow_mut(|slot| *slot = Some(instance));
        Ok(())
    }
}

impl<T: Instance + Commands> commands::Guest for Component<T> {
    fn specs() -> Vec<commands::CommandSpec> {
        super::log_panics();
        with_instance(|plugin: &mut T| plugin.specs().into_iter().map(Into::into).collect())
    }

    fn run(ctx: wit::Context, name: String, args: String) -> Result<String, wit::Error> {
        super::log_panics();
        let reply = with_instance(|plugin: &mut T| plugin.run(&ctx.into(), &name, Args::new(args)))?;
        Ok(reply.to_string())
    }
}

impl<T: Instance + MessageFilter> message_filter::Guest for Component<T> {
    fn on_message(ctx: wit::Context, draft: message_filter::Draft) -> message_filter::Verdict {
        super::log_panics();
        with_instance(|plugin: &mut T| plugin.on_message(&ctx.into(), &draft.into())).into()
    }
}

impl<T: Instance + RoomGuard> room_guard::Guest for Component<T> {
    fn protect(ctx: wit::Context, credentials: Vec<wit::Credential>) -> Result<room_guard::Protection, wit::Error> {
        super::log_panics();
        let credentials: Vec<Credential> = credentials.into_iter().map(Into::into).collect();
        let protection = with_instance(|plugin: &mut T| plugin.protect(&Context::from(ctx), &credentials))?;
        Ok(protection.into())
    }

    fn admit(ctx: wit::Context, credentials: Vec<wit::Credential>) -> room_guard::Admission {
        super::log_panics();
        let credentials: Vec<Credential> = credentials.into_iter().map(Into::into).collect();
        with_instance(|plugin: &mut T| plugin.admit(&Context::from(ctx), &credentials))
            .unwrap_or_else(|error| Admission::deny(error.code.as_str(), error.message))
            .into()
    }
}

impl<T: Instance + Observer> observer::Guest for Component<T> {
    fn wants() -> observer::Interest {
        super::log_panics();
        with_instance(|plugin: &mut T| plugin.interest()).into()
    }

    fn on_event(ctx: wit::Context, event: observer::Event) -> Result<(), wit::Error> {
        super::log_panics();
        Ok(with_instance(|plugin: &mut T| plugin.on_event(&ctx.into(), &event.into()))?)
    }
}

impl<T: Instance + Timer> timer::Guest for Component<T> {
    fn on_timer(ctx: wit::Context, name: String, payload: String) -> Result<(), wit::Error> {
        super::log_panics();
        Ok(with_instance(|plugin: &mut T| plugin.on_timer(&ctx.into(), &name, Payload::new(payload)))?)
    }
}
