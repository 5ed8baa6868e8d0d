//! WebSocket frames of text messages, encoded once for all connections that receive them.

use super::Close;
use axum::extract::ws::Utf8Bytes;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

// The first byte of a frame: FIN bit and opcode (RFC 6455, 5.2).
const TEXT: u8 = 0x81;
#[cfg(test)]
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

/// The longest header of a server's frame.
const MAX_HEADER_BYTES: usize = 10;
/// The longest payload of a control frame.
const MAX_CONTROL_BYTES: usize = 125;

/// Consecutive text frames. A server's frames are not masked, so the bytes are the same for all receivers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    bytes: Bytes,
    messages: usize,
}

impl Packet {
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str, IntoIter: Clone>) -> Self {
        let texts = texts.into_iter();
        let mut bytes = BytesMut::with_capacity(texts.clone().map(|text| MAX_HEADER_BYTES + text.len()).sum());
        let mut messages = 0;
        for text in texts {
            put_frame(&mut bytes, TEXT, text.as_bytes());
            messages += 1;
        }
        Self { bytes: bytes.freeze(), messages }
    }

    pub fn messages(&self) -> usize {
        self.messages
    }

    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The messages without frames, for a transport that frames them differently.
    pub fn texts(self) -> impl Iterator<Item = Utf8Bytes> {
        let mut left = self.bytes;
        std::iter::from_fn(move || {
            if left.is_empty() {
                return None;
            }
            left.advance(1);
            let len = match left.get_u8() {
                126 => usize::from(left.get_u16()),
                127 => usize::try_from(left.get_u64()).ok()?,
                short => usize::from(short),
            };
            Utf8Bytes::try_from(left.split_to(len)).ok()
        })
    }
}

#[cfg(test)]
pub(super) fn binary(payload: &[u8]) -> Bytes {
    frame(BINARY, payload)
}

pub(super) fn ping() -> Bytes {
    Bytes::from_static(&[PING, 0])
}

pub(super) fn pong(payload: &[u8]) -> Bytes {
    frame(PONG, payload)
}

/// A close frame. A reason that is too long is truncated; [`Close::NO_STATUS`] gives an empty payload.
pub(super) fn close(code: u16, reason: &str) -> Bytes {
    if code == Close::NO_STATUS {
        return frame(CLOSE, &[]);
    }
    let mut end = reason.len().min(MAX_CONTROL_BYTES - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    frame(CLOSE, &payload)
}

fn frame(kind: u8, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(MAX_HEADER_BYTES + payload.len());
    put_frame(&mut bytes, kind, payload);
    bytes.freeze()
}

fn put_frame(bytes: &mut BytesMut, kind: u8, payload: &[u8]) {
    bytes.put_u8(kind);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ ..=125), _) => bytes.put_u8(len),
        (_, Ok(len)) => {
            bytes.put_u8(126);
            bytes.put_u16(len);
        }
        _ => {
            bytes.put_u8(127);
            bytes.put_u64(payload.len() as u64);
        }
    }
    bytes.put_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_any_length_round_trip() {
        let texts = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000].map(|len| "ä".repeat(len / 2) + &"x".repeat(len % 2));
        let packet = Packet::of(texts.iter().map(|text| &**text));
        assert_eq!(packet.messages(), texts.len());
        assert_eq!(packet.texts().map(|text| text.to_string()).collect::<Vec<_>>(), texts);
    }

    #[test]
    fn frames_match_the_examples_of_rfc_6455() {
        // RFC 6455, 5.7.
        assert_eq!(Packet::of(["Hello"]).bytes()[..], [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        assert_eq!(pong(b"Hello")[..], [0x8a, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        assert_eq!(Packet::of([&*"x".repeat(256)]).bytes()[..4], [0x81, 0x7e, 0x01, 0x00]);
        assert_eq!(close(1000, "")[..], [0x88, 0x02, 0x03, 0xe8]);
    }

    #[test]
    fn long_close_reason_is_truncated_between_characters() {
        let bytes = close(1012, &"ä".repeat(100));
        assert_eq!(usize::from(bytes[1]), bytes.len() - 2);
        assert!(bytes.len() <= MAX_CONTROL_BYTES + 2 && std::str::from_utf8(&bytes[4..]).is_ok());
    }
}
