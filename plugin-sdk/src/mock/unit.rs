//! Calls as units of work, as on the server: committed as a whole or not at all.

use super::{MockHost, PLUGIN};
use crate::{Actor, Context, Error, ErrorCode, Payload, Result, Timer, Write};

impl MockHost {
    /// Calls a timer, advancing the clock to its due time.
    ///
    /// # Errors
    /// The plugin's own error; the timer then stays set.
    ///
    /// # Panics
    /// If no timer of this name is set.
    pub fn fire_timer<T: Timer>(&self, plugin: &mut T, name: &str) -> Result<()> {
        let actor = Actor::Plugin(PLUGIN.to_owned());
        let ctx =
            Context { request_id: "test".to_owned(), actor: actor.clone(), role: None, room: None, connection: None };
        let payload = {
            let world = &mut self.state.borrow_mut().world;
            let Some((due, payload)) = world.timers.get(name).cloned() else {
                panic!("no timer {name:?} is set; there are {:?}", world.timers.keys())
            };
            world.now = world.now.max(due);
            payload
        };
        self.unit_of_work(&actor, || {
            self.state.borrow_mut().world.timers.remove(name);
            plugin.on_timer(&ctx, name, Payload::new(payload))
        })
    }

    /// Runs `call` as one unit of work: its writes are kept if it succeeds, and discarded otherwise.
    pub(super) fn unit_of_work<R>(&self, actor: &Actor, call: impl FnOnce() -> Result<R>) -> Result<R> {
        self.install();
        let before = {
            let mut state = self.state.borrow_mut();
            state.writes.clear();
            state.actor = Some(actor.clone());
            state.unit = Some(state.world.last_seqs());
            state.world.clone()
        };
        let outcome = call().and_then(|answer| self.filter_posts().map(|()| answer));
        let mut state = self.state.borrow_mut();
        state.actor = None;
        state.unit = None;
        if outcome.is_err() {
            state.world.restore(before);
        }
        outcome
    }

    /// Applies the filters of other plugins to the call's posts.
    fn filter_posts(&self) -> Result<()> {
        let state = self.state.borrow();
        let rejected = |body: &str| state.rejected.iter().any(|text| body.contains(text));
        match state.writes.iter().any(|write| matches!(write, Write::Post(_, body, _) if rejected(body))) {
            true => Err(Error::new(ErrorCode::Rejected, "a filter of another plugin rejected a post")),
            false => Ok(()),
        }
    }

    /// Runs a hook that may not use waiting imports.
    pub(super) fn without_waiting<R>(&self, hook: &'static str, call: impl FnOnce() -> R) -> R {
        self.install();
        self.state.borrow_mut().waitless = Some(hook);
        let outcome = call();
        self.state.borrow_mut().waitless = None;
        outcome
    }
}
