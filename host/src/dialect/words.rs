//! Translates the core's error texts about rooms for dialects that call rooms groups.

use crate::error::Error;
use crate::error::rooms::{BANNED, FULL, MUTED_UNTIL, NO_ROOM, NO_ROOM_CREATION, NOT_A_MEMBER, PRIVATE};

/// An error about a room, in terms of groups. `join` says how to join one.
pub fn of_groups(error: &Error, join: &str) -> Error {
    match error {
        Error::Forbidden(why) if why == NOT_A_MEMBER => Error::Forbidden(format!("you are not in this group; {join}")),
        Error::Forbidden(why) if why == BANNED => Error::Forbidden("you are banned from this group".into()),
        Error::Forbidden(why) if why == PRIVATE => {
            Error::Forbidden("this group is private: a member has to invite you".into())
        }
        Error::Forbidden(why) => match why.strip_prefix(MUTED_UNTIL) {
            Some(until) => Error::Forbidden(format!("you are muted in this group until {until}")),
            None => error.clone(),
        },
        Error::NotFound(why) if why == NO_ROOM => Error::NotFound("there is no such group".into()),
        Error::Conflict(why) if why == FULL => Error::Conflict("the group is full".into()),
        Error::Unavailable(why) if why == NO_ROOM_CREATION => {
            Error::Unavailable("groups cannot be made on this server".into())
        }
        _ => error.clone(),
    }
}
