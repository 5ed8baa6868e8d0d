//! The outbox of one connection: a queue of frames to write, bounded by number and by size. A connection whose outbox is full is
//! closed as too slow.

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

/// Waiting frames are written together, up to about this many bytes: the number of writes dominates the cost.
const MAX_WRITE_BYTES: usize = 64 * 1024;

/// Why a connection is closed, as a WebSocket close code and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    pub code: u16,
    pub reason: String,
}

impl Close {
    // 4000–4499: the client should reconnect. 4500–4999: it should not.
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

/// A WebSocket frame to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Text(Packet),
    /// Not sent by any dialect; used to test the socket.
    #[cfg(test)]
    Binary(Bytes),
    Ping,
    Pong(Bytes),
    /// The last frame.
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
    /// The part of earlier frames that the socket has not taken yet.
    rest: Bytes,
    messages: usize,
    bytes: usize,
    /// No frame is accepted any more.
    closed: bool,
    /// The close code.
    code: Option<u16>,
    /// The last frame was taken, or the socket failed.
    ended: bool,
    /// The socket is full: its connection's task waits until it is writable.
    blocked: bool,
    /// Number of [`Corked`] guards.
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

    /// Takes waiting frames as one buffer of bounded size. Copying is cheaper than writing twice.
    fn gather(&mut self) -> Bytes {
        let mut piece = BytesMut::new();
        while let Some(frame) = self.frames.pop_front() {
            self.messages -= frame.messages();
            self.bytes -= frame.len();
            self.ended |= matches!(frame, Frame::Close(_));
            let bytes = frame.into_bytes();
            if piece.is_empty() && (self.frames.is_empty() || bytes.len() >= MAX_WRITE_BYTES) {
                return bytes;
            }
            piece.extend_from_slice(&bytes);
            if piece.len() >= MAX_WRITE_BYTES {
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

    /// Drops the queue and everything enqueued from now on.
    fn end(&mut self) -> Flushed {
        *self = Self { closed: true, ended: true, code: self.code, corks: self.corks, ..Self::default() };
        Flushed::Ended
    }
}

/// The queue of frames for one connection. With a socket, broadcasts are written directly; without one, the connection's task
/// takes the frames.
pub struct Outbox {
    queue: Mutex<Queue>,
    /// Broadcasts are written to it directly.
    socket: Option<TcpStream>,
    ready: Notify,
    taken: Notify,
    max_messages: usize,
    max_bytes: usize,
}

impl Outbox {
    /// An outbox whose connection takes the frames and writes them itself.
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

    /// An outbox that writes to a WebSocket's socket directly.
    pub fn to_socket(limits: &config::Limits, socket: TcpStream) -> Self {
        Self { socket: Some(socket), ..Self::new(limits) }
    }

    /// The socket that it writes to, if it has one.
    pub fn socket(&self) -> Option<&TcpStream> {
        self.socket.as_ref()
    }

    /// Loads what `enqueue_packet` reads into the processor's cache. Prefetching several outboxes in a row overlaps the misses.
    pub fn prefetch(&self) {
        black_box((self.queue.is_locked(), self.socket.as_ref().map(TcpStream::as_raw_fd)));
    }

    /// Queues text. If it does not fit, the connection is closed as too slow; the client may reconnect and catch up.
    pub fn enqueue(&self, text: Utf8Bytes) {
        self.push(Frame::Text(Packet::of([&*text])));
    }

    #[cfg(test)]
    pub fn enqueue_bytes(&self, bytes: Bytes) {
        self.push(Frame::Binary(bytes));
    }

    /// Queues a packet of a broadcast and writes it immediately, after all that waits, as far as the socket takes it.
    pub fn enqueue_packet(&self, packet: &Packet) {
        let mut queue = self.queue.lock();
        if queue.closed {
            return;
        }
        if queue.is_empty()
            && !queue.blocked
            && let Some(socket) = &self.socket
        {
            // Bypasses tokio's readiness: the socket is nearly always writable, and trying costs no more than asking.
            match rustix::net::send(socket, packet.bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(n) if n == packet.bytes().len() => return,
                Ok(n) => queue.rest = packet.bytes().slice(n..),
                // The connection's task handles errors of the socket.
                Err(_) => queue.add(Frame::Text(packet.clone())),
            }
        } else {
            self.add(&mut queue, Frame::Text(packet.clone()));
        }
        self.write_or_wake(queue);
    }

    /// Queues text once at least half of the queue is free: for bulk data, paced by the client. Frames enqueued meanwhile may
    /// overtake it.
    pub async fn enqueue_when_free(&self, text: Utf8Bytes) {
        loop {
            let mut taken = pin!(self.taken.notified());
            // From here on no notification is missed.
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
            // Waiting frames are dropped; the client asks for them again by `since`. A frame that is partly written is
            // completed, so that the client understands the close.
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

    /// Holds back writing until the guard is dropped or a broadcast follows, so that both go out in one write, like `TCP_CORK`.
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

    /// The close code, if the outbox is closed.
    pub fn closed_with(&self) -> Option<u16> {
        self.queue.lock().code
    }

    /// Waits until something is queued.
    pub async fn ready(&self) {
        self.ready.notified().await;
    }

    /// Writes to the socket what it takes. To be called when the socket is writable again, and when something is queued.
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

    /// Waits until something is queued and takes it as bytes for a WebSocket; true with the last ones.
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

/// Guard of [`Outbox::cork`]; writes what waits when the last one is dropped.
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
