//! One connection of the peer `limit`.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use rustix::event::epoll::EventFlags;

use super::frames::{self, Frame};

/// A member with more unsent bytes is closed.
const MAX_UNSENT_BYTES: usize = 4 << 20;

pub(crate) struct Member {
    pub(crate) socket: TcpStream,
    /// Whether the connection is upgraded.
    pub(crate) room: Option<usize>,
    upgraded: bool,
    /// Bytes of an incomplete frame.
    unread: Vec<u8>,
    /// Bytes that the socket did not accept yet.
    waiting: Vec<u8>,
    watched_for_room: bool,
}

/// The result of a read.
#[derive(Default)]
pub(crate) struct Heard {
    /// The path of the upgrade.
    pub(crate) entered: Option<String>,
    /// Frames for everybody.
    pub(crate) said: Vec<u8>,
}

impl Member {
    pub(crate) fn new(socket: TcpStream) -> Self {
        let (unread, waiting) = (Vec::new(), Vec::new());
        Self { socket, room: None, upgraded: false, unread, waiting, watched_for_room: false }
    }

    /// Reads from the socket; the end of the stream is an error.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.socket.read(buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            other => other,
        }
    }

    pub(crate) fn hear(&mut self, bytes: &[u8]) -> io::Result<Heard> {
        let mut heard = Heard::default();
        let mut unread = std::mem::take(&mut self.unread);
        unread.extend_from_slice(bytes);
        let mut from = 0;
        if !self.upgraded {
            let Some((request, length)) = frames::request(&unread)? else {
                self.unread = unread;
                return Ok(heard);
            };
            self.send(frames::upgrade(&request.key).as_bytes())?;
            (self.upgraded, from) = (true, length);
            heard.entered = Some(request.path);
        }
        while let Some((frame, length)) = frames::frame(&mut unread[from..])? {
            match frame {
                Frame::Text(text) => frames::write_text(&mut heard.said, text),
                Frame::Ping(payload) => {
                    let pong = frames::pong(payload);
                    self.send(&pong)?;
                }
                Frame::Other => {}
                Frame::Close => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
            from += length;
        }
        if from < unread.len() {
            unread.drain(..from);
            self.unread = unread;
        }
        Ok(heard)
    }

    /// Sends bytes with one `send`, after pending ones.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = if self.waiting.is_empty() { write(&mut self.socket, bytes)? } else { 0 };
        self.waiting.extend_from_slice(&bytes[written..]);
        if self.waiting.len() > MAX_UNSENT_BYTES {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    pub(crate) fn write_waiting(&mut self, ready: EventFlags) -> io::Result<()> {
        if ready.contains(EventFlags::OUT) && !self.waiting.is_empty() {
            let written = write(&mut self.socket, &self.waiting)?;
            self.waiting.drain(..written);
        }
        Ok(())
    }

    /// The events that epoll should watch, if they changed.
    pub(crate) fn wants_other_events(&mut self) -> Option<EventFlags> {
        let wants_room = !self.waiting.is_empty();
        if wants_room == self.watched_for_room {
            return None;
        }
        self.watched_for_room = wants_room;
        Some(if wants_room { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN })
    }
}

fn write(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match socket.write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
