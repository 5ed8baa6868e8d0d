//! Listeners, TLS, HTTP, WebSocket and Socket.IO: turns bytes into frames for a session, and frames into bytes.

pub mod admission;
mod beyond;
pub mod http;
mod listen;
mod socket;
mod socketio;
mod tls;
mod web;
mod websocket;

pub use self::listen::{ListenerContext, Purpose, bind};
pub use self::tls::{Tls, TlsError};
