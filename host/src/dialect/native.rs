//! The native protocol `natterjack.v1`: one JSON object per text frame, `{"id", "op", "args"}` in, `{"id", "ok" | "error"}` and
//! `{"event"}` out.

mod decode;
mod encode;

pub use self::decode::{CORE_OPS, Request, decode};
pub use self::encode::{
    Greeting, PROTOCOL, encode_error, encode_event, encode_reply, file_json, message_json, room_json,
};
