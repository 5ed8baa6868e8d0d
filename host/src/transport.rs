//! Sockets and HTTP: bytes in, frames to the session; frames out, bytes to the socket.

pub mod http;
mod listen;
mod socketio;
mod web;
mod websocket;

pub use self::listen::serve;
