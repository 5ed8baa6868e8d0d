//! Calls as the server makes them: whole, or not at all.

use super::{MockHost, PLUGIN};
use crate::{Actor, Context, Error, ErrorCode, Payload, Result, Timer, Write};

impl MockHost {
    /// Has a timer come due, and the clock with it.
    ///
    /// # Errors
    /// The plugin's own; the timer stays then.
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

    /// One unit of work: what `call` wrote stays if it succeeded.
    pub(super) fn unit_of_work<R>(&self, actor: &Actor, call: impl FnOnce() -> Result<R>) -> Result<R> {
        self.take_over();
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
            state.world.go_back_to(before);
        }
        outcome
    }

    /// What the filters of other plugins say to what was posted.
    fn filter_posts(&self) -> Result<()> {
        let state = self.state.borrow();
        let rejected = |body: &str| state.rejected.iter().any(|text| body.contains(text));
        match state.writes.iter().any(|write| matches!(write, Write::Post(_, body, _) if rejected(body))) {
            true => Err(Error::new(ErrorCode::Rejected, "a filter of another plugin rejected a post")),
            false => Ok(()),
        }
    }

    /// A hook that no import may hold up.
    pub(super) fn without_waiting<R>(&self, hook: &'static str, call: impl FnOnce() -> R) -> R {
        self.take_over();
        self.state.borrow_mut().waitless = Some(hook);
        let outcome = call();
        self.state.borrow_mut().waitless = None;
        outcome
    }
}
