//! Filters the blocks of a GIF: removes comments and application data (XMP above all), keeps the pictures and the loop count.

use bytes::{Buf as _, BytesMut};

use super::{MetadataRemover, State};

const HEADER_BYTES: usize = 13;
const DESCRIPTOR_BYTES: usize = 10;
const IMAGE: u8 = 0x2c;
pub(super) const EXTENSION: u8 = 0x21;
const TRAILER: u8 = 0x3b;
const PLAIN_TEXT: u8 = 0x01;
const GRAPHIC_CONTROL: u8 = 0xf9;
const APPLICATION: u8 = 0xff;
/// Applications whose extension contains the loop count of an animation.
const LOOPING_APPLICATIONS: [&[u8]; 2] = [b"NETSCAPE2.0", b"ANIMEXTS1.0"];

/// Bytes of the colour table that these flags announce.
fn color_table_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

impl MetadataRemover {
    /// Processes the header with the global colour table.
    pub(super) fn start_gif(&mut self, out: &mut BytesMut) -> bool {
        let Some(flags) = self.pending.get(10) else { return false };
        let length = HEADER_BYTES + color_table_bytes(*flags);
        let complete = self.pending.len() >= length;
        if complete {
            self.copy(length, out);
            self.state = State::Part;
        }
        complete
    }

    pub(super) fn gif_block(&mut self, out: &mut BytesMut) -> bool {
        match self.pending[..] {
            [TRAILER, ..] => {
                self.copy(1, out);
                self.state = State::End;
            }
            [IMAGE, ..] => {
                let Some(flags) = self.pending.get(DESCRIPTOR_BYTES - 1) else { return false };
                // Plus the byte before the picture's data.
                let length = DESCRIPTOR_BYTES + color_table_bytes(*flags) + 1;
                if self.pending.len() < length {
                    return false;
                }
                self.copy(length, out);
                self.state = State::SubBlocks { kept: true };
            }
            [EXTENSION, APPLICATION, length, ..] => {
                let Some(name) = self.pending.get(3..3 + usize::from(length)) else { return false };
                self.extension(LOOPING_APPLICATIONS.contains(&name), out);
            }
            [EXTENSION] | [EXTENSION, APPLICATION] => return false,
            [EXTENSION, label, ..] => self.extension(matches!(label, GRAPHIC_CONTROL | PLAIN_TEXT), out),
            // Not a block that decoders read.
            _ => self.state = State::Other,
        }
        true
    }

    fn extension(&mut self, kept: bool, out: &mut BytesMut) {
        if kept {
            self.copy(2, out);
        } else {
            self.pending.advance(2);
        }
        self.state = State::SubBlocks { kept };
    }

    /// Processes a sub-block of up to 255 bytes after its length; an empty one is the last.
    pub(super) fn sub_block(&mut self, kept: bool, out: &mut BytesMut) -> bool {
        let length = usize::from(self.pending[0]) + 1;
        if self.pending.len() < length {
            return false;
        }
        if kept {
            self.copy(length, out);
        } else {
            self.pending.advance(length);
        }
        if length == 1 {
            self.state = State::Part;
        }
        true
    }
}
