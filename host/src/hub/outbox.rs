//! What waits to be written to one connection: bounded by number and by size, and whoever cannot keep up is let go.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::hint::black_box;
use std::io;
use std::os::fd::AsRawFd as _;
use std::pin::pin;
use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use bytes::{Buf as _, Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard};
use rustix::net::SendFlags;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::packet::{self, Packet};
use crate::config;

/// Frames that wait together are written together, up to about so much at a time: what counts is the number of writes.
const PIECE: usize = 64 * 1024;

/// Why a connection is closed, as a WebSocket close code and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    pub code: u16,
    pub reason: String,
}

impl Close {
    // 4000–4499: connect again. 4500–4999: do not.
    pub const TOKEN_EXPIRED: u16 = 4401;
    pub const TOO_SLOW: u16 = 4408;
    pub const FLOODING: u16 = 4429;
    pub const BAD_FIRST_FRAME: u16 = 4500;
    pub const DISABLED: u16 = 4504;
    pub const LOGGED_OUT: u16 = 4505;
    pub const DISCONNECTED: u16 = 4506;
    pub const TOO_MANY: u16 = 4507;
    pub const NORMAL: u16 = 1000;
    /// Stands for a close without a code; never sent.
    pub const NO_STATUS: u16 = 1005;
    pub const GOING_AWAY: u16 = 1012;

    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// One thing to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Text(Packet),
    /// What no dialect sends; the socket itself is tested with it.
    #[cfg(test)]
    Binary(Bytes),
    Ping,
    Pong(Bytes),
    /// The last one.
    Close(Close),
}

impl Frame {
    fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(packet) => packet.into_bytes(),
            #[cfg(test)]
            Self::Binary(payload) => packet::binary(&payload),
            Self::Ping => packet::ping(),
            Self::Pong(payload) => packet::pong(&payload),
            Self::Close(close) => packet::close(close.code, &close.reason),
        }
    }

    fn messages(&self) -> usize {
        match self {
            Self::Text(packet) => packet.messages(),
            _ => 1,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(packet) => packet.bytes().len(),
            #[cfg(test)]
            Self::Binary(payload) => payload.len(),
            Self::Pong(payload) => payload.len(),
            Self::Ping | Self::Close(_) => 0,
        }
    }
}

/// How far writing got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing is left to write.
    All,
    /// The socket takes no more for now.
    Blocked,
    /// The close is written, or the socket is gone.
    Ended,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Frame>,
    /// What of the frames before these the socket has not taken yet.
    rest: Bytes,
    messages: usize,
    bytes: usize,
    /// Nothing comes after what is queued.
    closed: bool,
    /// The code that it was closed with.
    code: Option<u16>,
    /// All has been written that ever will be.
    ended: bool,
    /// The socket took no more: its connection waits for it to.
    blocked: bool,
    /// How many have something to add before it is written.
    corks: usize,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.rest.is_empty()
    }

    fn add(&mut self, frame: Frame) {
        self.messages += frame.messages();
        self.bytes += frame.len();
        if let Frame::Close(close) = &frame {
            self.code = Some(close.code);
        }
        self.frames.push_back(frame);
    }

    /// What waits, as one piece of a bounded size. Copying is cheaper than writing twice.
    fn gather(&mut self) -> Bytes {
        let mut piece = BytesMut::new();
        while let Some(frame) = self.frames.pop_front() {
            self.messages -= frame.messages();
            self.bytes -= frame.len();
            self.ended |= matches!(frame, Frame::Close(_));
            let bytes = frame.into_bytes();
            if piece.is_empty() && (self.frames.is_empty() || bytes.len() >= PIECE) {
                return bytes;
            }
            piece.extend_from_slice(&bytes);
            if piece.len() >= PIECE {
                break;
            }
        }
        piece.freeze()
    }

    /// Writes to the socket what it takes now.
    fn flush(&mut self, socket: &TcpStream) -> Flushed {
        loop {
            if self.rest.is_empty() {
                if self.ended {
                    return self.end();
                }
                if self.frames.is_empty() {
                    return Flushed::All;
                }
                self.rest = self.gather();
            }
            match socket.try_write(&self.rest) {
                Ok(0) => return self.end(),
                Ok(n) => self.rest.advance(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return Flushed::Blocked;
                }
                Err(_) => return self.end(),
            }
        }
    }

    /// Whatever is offered from now on has nowhere to go.
    fn end(&mut self) -> Flushed {
        *self = Self { closed: true, ended: true, code: self.code, corks: self.corks, ..Self::default() };
        Flushed::Ended
    }
}

pub struct Outbox {
    queue: Mutex<Queue>,
    /// Written to at once, by whoever has something for many connections.
    socket: Option<TcpStream>,
    ready: Notify,
    taken: Notify,
    max_messages: usize,
    max_bytes: usize,
}

impl Outbox {
    /// One whose connection takes out what is to be written.
    pub fn new(limits: &config::Limits) -> Self {
        Self {
            queue: Mutex::default(),
            socket: None,
            ready: Notify::new(),
            taken: Notify::new(),
            max_messages: limits.outbox_frames,
            max_bytes: limits.outbox_bytes,
        }
    }

    /// One that writes to a WebSocket's own socket.
    pub fn to_socket(limits: &config::Limits, socket: TcpStream) -> Self {
        Self { socket: Some(socket), ..Self::new(limits) }
    }

    /// The socket that it writes to, if it has one.
    pub fn socket(&self) -> Option<&TcpStream> {
        self.socket.as_ref()
    }

    /// Brings what `enqueue_packet` looks at into the processor's cache. Doing so for several together, they come together.
    pub fn prefetch(&self) {
        black_box((self.queue.is_locked(), self.socket.as_ref().map(TcpStream::as_raw_fd)));
    }

    /// Queues text. A connection that lets too much wait is closed as too slow, and may come back and catch up.
    pub fn enqueue(&self, text: Utf8Bytes) {
        self.push(Frame::Text(Packet::of([&*text])));
    }

    #[cfg(test)]
    pub fn enqueue_bytes(&self, bytes: Bytes) {
        self.push(Frame::Binary(bytes));
    }

    /// Queues what many get, and writes it at once, with all that waits, as far as the socket takes it.
    pub fn enqueue_packet(&self, packet: &Packet) {
        let mut queue = self.queue.lock();
        if queue.closed {
            return;
        }
        if queue.is_empty()
            && !queue.blocked
            && let Some(socket) = &self.socket
        {
            // Not asking tokio whether the socket takes more: it does nearly always, and finding out costs no more than asking.
            match rustix::net::send(socket, packet.bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(n) if n == packet.bytes().len() => return,
                Ok(n) => queue.rest = packet.bytes().slice(n..),
                // Whatever is wrong with the socket its connection finds out.
                Err(_) => queue.add(Frame::Text(packet.clone())),
            }
        } else {
            self.add(&mut queue, Frame::Text(packet.clone()));
        }
        self.write_or_wake(queue);
    }

    /// Queues text once at least half of the queue is free: for much at a time, as fast as the client reads. What is
    /// offered meanwhile may overtake it.
    pub async fn enqueue_when_free(&self, text: Utf8Bytes) {
        loop {
            let mut taken = pin!(self.taken.notified());
            // From here on no taking is missed.
            taken.as_mut().enable();
            {
                let queue = self.queue.lock();
                let free = queue.messages <= self.max_messages / 2 && queue.bytes + text.len() <= self.max_bytes / 2;
                if free || queue.is_empty() || queue.closed {
                    drop(queue);
                    return self.enqueue(text);
                }
            }
            taken.await;
        }
    }

    pub fn ping(&self) {
        self.push(Frame::Ping);
    }

    pub fn pong(&self, payload: Bytes) {
        self.push(Frame::Pong(payload));
    }

    /// Ends the connection after what is queued. The first close is the one that counts.
    pub fn close(&self, close: Close) {
        self.push(Frame::Close(close));
    }

    fn push(&self, frame: Frame) {
        let mut queue = self.queue.lock();
        if queue.closed {
            return;
        }
        self.add(&mut queue, frame);
        if queue.corks == 0 || queue.closed {
            self.wake(queue);
        }
    }

    fn add(&self, queue: &mut Queue, frame: Frame) {
        let fits =
            queue.messages + frame.messages() <= self.max_messages && queue.bytes + frame.len() <= self.max_bytes;
        if let Frame::Close(_) = frame {
            queue.closed = true;
        } else if !fits && !queue.is_empty() {
            // What waits would never arrive in time; the client asks for it again by `since`. What the socket has taken
            // part of goes on to its end, so that the close is understood.
            queue.frames.clear();
            (queue.messages, queue.bytes, queue.closed) = (0, 0, true);
            return queue.add(Frame::Close(Close::new(Close::TOO_SLOW, "too slow: more was waiting than fits")));
        }
        queue.add(frame);
    }

    fn wake(&self, queue: MutexGuard<'_, Queue>) {
        let closed = queue.closed;
        drop(queue);
        self.ready.notify_one();
        if closed {
            self.taken.notify_waiters();
        }
    }

    fn write_or_wake(&self, mut queue: MutexGuard<'_, Queue>) {
        let written = match &self.socket {
            Some(socket) if !queue.blocked => queue.flush(socket) == Flushed::All,
            _ => false,
        };
        if !written {
            self.wake(queue);
        }
    }

    /// Lets what is offered wait for something that follows at once, and write it together with that.
    pub fn cork(self: Arc<Self>) -> Corked {
        self.queue.lock().corks += 1;
        Corked(self)
    }

    pub fn is_closed(&self) -> bool {
        self.queue.lock().closed
    }

    /// How many messages wait, and how many bytes.
    pub fn waiting(&self) -> (usize, usize) {
        let queue = self.queue.lock();
        (queue.messages, queue.bytes + queue.rest.len())
    }

    /// The code that it was closed with, if it was.
    pub fn closed_with(&self) -> Option<u16> {
        self.queue.lock().code
    }

    /// Waits until something is queued.
    pub async fn ready(&self) {
        self.ready.notified().await;
    }

    /// Writes to the socket what it takes. To be called when it takes more again, and when something is queued.
    pub fn flush(&self) -> Flushed {
        let mut queue = self.queue.lock();
        if queue.ended && queue.is_empty() {
            return Flushed::Ended;
        }
        queue.blocked = false;
        let flushed = self.socket.as_ref().map_or(Flushed::Blocked, |socket| queue.flush(socket));
        drop(queue);
        self.taken.notify_waiters();
        flushed
    }

    /// Waits until something is queued and takes all of it.
    pub async fn take(&self, into: &mut VecDeque<Frame>) {
        loop {
            {
                let mut queue = self.queue.lock();
                if !queue.frames.is_empty() {
                    std::mem::swap(&mut queue.frames, into);
                    (queue.messages, queue.bytes) = (0, 0);
                    drop(queue);
                    return self.taken.notify_waiters();
                }
            }
            self.ready().await;
        }
    }

    /// The same as bytes for a WebSocket; true after the last of them.
    pub async fn take_bytes(&self) -> (Bytes, bool) {
        loop {
            {
                let mut queue = self.queue.lock();
                if !queue.frames.is_empty() || queue.ended {
                    let (piece, last) = (queue.gather(), queue.ended);
                    drop(queue);
                    self.taken.notify_waiters();
                    return (piece, last);
                }
            }
            self.ready().await;
        }
    }
}

/// An outbox in which something waits for more to come, until this is dropped.
pub struct Corked(Arc<Outbox>);

impl Drop for Corked {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock();
        queue.corks -= 1;
        if queue.corks == 0 && !queue.is_empty() {
            self.0.write_or_wake(queue);
        }
    }
}
