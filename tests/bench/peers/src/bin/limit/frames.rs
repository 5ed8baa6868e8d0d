//! The subset of RFC 6455 that text messages need.

use std::io;

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
/// The maximum length of a message or request.
const MAX_BYTES: usize = 1 << 20;

pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) key: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    Text(&'a [u8]),
    Ping(&'a [u8]),
    Close,
    Other,
}

/// Parses the request at the start of the bytes; returns it with its length, or `None` if it is incomplete.
pub(crate) fn request(bytes: &[u8]) -> io::Result<Option<(Request, usize)>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if bytes.len() > MAX_BYTES { Err(invalid("an endless request")) } else { Ok(None) };
    };
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| invalid("a request that is no text"))?;
    let mut lines = text.split("\r\n");
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).ok_or_else(|| invalid("no path"))?;
    let key = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .ok_or_else(|| invalid("no Sec-WebSocket-Key"))?;
    Ok(Some((Request { path: path.to_owned(), key: key.1.trim().to_owned() }, end + 4)))
}

/// The answer to an upgrade request.
pub(crate) fn upgrade(key: &str) -> String {
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// Parses and unmasks in place the frame at the start of the bytes; returns it with its length, or `None` if it is incomplete.
pub(crate) fn frame(bytes: &mut [u8]) -> io::Result<Option<(Frame<'_>, usize)>> {
    let [first, second, ..] = *bytes else { return Ok(None) };
    if first & FIN == 0 || second & MASKED == 0 {
        return Err(invalid("wanted whole messages, masked"));
    }
    let (length, head) = match second & !MASKED {
        126 => match bytes.get(2..4) {
            Some(length) => (usize::from(u16::from_be_bytes([length[0], length[1]])), 4),
            None => return Ok(None),
        },
        127 => return Err(invalid("a message longer than 64 KiB")),
        length => (usize::from(length), 2),
    };
    let end = head + 4 + length;
    let Some(rest) = bytes.get_mut(head..end) else { return Ok(None) };
    let (mask, payload) = rest.split_at_mut(4);
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    let frame = match first & !FIN {
        TEXT => Frame::Text(payload),
        PING => Frame::Ping(payload),
        CLOSE => Frame::Close,
        _ => Frame::Other,
    };
    Ok(Some((frame, end)))
}

/// Appends a server's text frame.
pub(crate) fn write_text(to: &mut Vec<u8>, text: &[u8]) {
    to.push(FIN | TEXT);
    match u8::try_from(text.len()) {
        Ok(length @ 0..126) => to.push(length),
        _ => {
            to.push(126);
            // No frame that is read here is longer.
            to.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    to.extend_from_slice(text);
}

pub(crate) fn pong(payload: &[u8]) -> Vec<u8> {
    // A control frame's payload is at most 125 bytes.
    let payload = &payload[..payload.len().min(125)];
    [&[FIN | PONG, payload.len() as u8], payload].concat()
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_is_parsed_once_complete() {
        for length in [0, 5, 125, 126, 3000] {
            let text = vec![b'x'; length];
            let mut plain = Vec::new();
            write_text(&mut plain, &text);
            let head = plain.len() - length;
            let mut masked = [&plain[..head], &[7, 7, 7, 7]].concat();
            masked[1] |= MASKED;
            masked.extend(text.iter().map(|byte| byte ^ 7));
            let whole = masked.len();
            assert_eq!(frame(&mut masked[..whole - 1]).unwrap(), None);
            assert_eq!(frame(&mut masked).unwrap(), Some((Frame::Text(&text), whole)));
        }
    }

    #[test]
    fn request_is_parsed_once_complete() {
        let bytes = b"GET /pond HTTP/1.1\r\nHost: x\r\nsec-websocket-KEY: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nrest";
        assert!(request(&bytes[..40]).unwrap().is_none());
        let (request, length) = request(bytes).unwrap().unwrap();
        assert_eq!((request.path.as_str(), &bytes[length..]), ("/pond", &b"rest"[..]));
        assert!(upgrade(&request.key).contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }
}
