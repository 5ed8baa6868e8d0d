//! Sockets and HTTP: bytes in, frames to the session; frames out, bytes to the socket.

pub mod admission;
mod beyond;
pub mod http;
mod listen;
mod socket;
mod socketio;
mod tls;
mod web;
mod websocket;

pub use self::listen::{Listening, Purpose, bind};
pub use self::tls::{Tls, TlsError};
