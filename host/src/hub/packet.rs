//! Messages as they go over a WebSocket: framed once, however many connections they go to.

use super::Close;
use axum::extract::ws::Utf8Bytes;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

// The first byte of a frame: it is its message's last, and of this kind (RFC 6455, 5.2).
const TEXT: u8 = 0x81;
#[cfg(test)]
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

/// The longest head of a frame.
const HEAD: usize = 10;
/// The longest payload of a control frame.
const CONTROL: usize = 125;

/// Text messages in a row. What a server sends is not masked, so the bytes are the same for all who get them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    bytes: Bytes,
    messages: usize,
}

impl Packet {
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str, IntoIter: Clone>) -> Self {
        let texts = texts.into_iter();
        let mut bytes = BytesMut::with_capacity(texts.clone().map(|text| HEAD + text.len()).sum());
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

    /// The messages by themselves, for a transport that frames them otherwise.
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

/// The reason is cut where it would not fit; without a status there is nothing to say.
pub(super) fn close(code: u16, reason: &str) -> Bytes {
    if code == Close::NO_STATUS {
        return frame(CLOSE, &[]);
    }
    let mut end = reason.len().min(CONTROL - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    frame(CLOSE, &payload)
}

fn frame(kind: u8, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(HEAD + payload.len());
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
    fn what_is_framed_is_found_again_whatever_its_length() {
        let texts = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000].map(|len| "ä".repeat(len / 2) + &"x".repeat(len % 2));
        let packet = Packet::of(texts.iter().map(|text| &**text));
        assert_eq!(packet.messages(), texts.len());
        assert_eq!(packet.texts().map(|text| text.to_string()).collect::<Vec<_>>(), texts);
    }

    #[test]
    fn frames_are_as_the_standard_has_them() {
        // RFC 6455, 5.7.
        assert_eq!(Packet::of(["Hello"]).bytes()[..], [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        assert_eq!(pong(b"Hello")[..], [0x8a, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        assert_eq!(Packet::of([&*"x".repeat(256)]).bytes()[..4], [0x81, 0x7e, 0x01, 0x00]);
        assert_eq!(close(1000, "")[..], [0x88, 0x02, 0x03, 0xe8]);
    }

    #[test]
    fn the_reason_of_a_close_is_cut_between_characters() {
        let bytes = close(1012, &"ä".repeat(100));
        assert_eq!(usize::from(bytes[1]), bytes.len() - 2);
        assert!(bytes.len() <= CONTROL + 2 && std::str::from_utf8(&bytes[4..]).is_ok());
    }
}
