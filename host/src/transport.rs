//! Sockets and HTTP: bytes in, frames to the session; frames out, bytes to the socket.

pub mod admission;
pub mod http;
mod listen;
mod socket;
mod socketio;
mod tls;
mod web;
mod websocket;

pub use self::listen::{Listening, bind};
pub use self::tls::{Tls, TlsError};
