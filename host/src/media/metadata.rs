//! Removes metadata from pictures (EXIF, XMP, IPTC, comments, appended data), which reveals where, when, by whom and with what they
//! were taken. Colour profiles and the orientation stay, so that pictures look the same. Works on a stream, so that no upload is
//! held in memory as a whole; bytes that it does not understand are passed on unchanged.

mod exif;
mod gif;
#[cfg(test)]
mod tests;

use bytes::{Buf as _, BytesMut};

use self::exif::{crc32, minimal_tiff, orientation};

/// The most bytes of a chunk with EXIF data that are searched for the orientation.
const MAX_EXIF_BYTES: usize = 64 * 1024;
const PNG_SIGNATURE_BYTES: usize = 8;
/// Ancillary chunks of PNG that a picture needs to look the same. All others are removed; critical ones stay.
const PNG_KEPT: [&[u8; 4]; 17] = [
    b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI", b"mDCv", b"cLLi", b"sBIT", b"bKGD",
    b"hIST", b"pHYs", b"acTL", b"fcTL", b"fdAT",
];
const WEBP_KEPT: [&[u8; 4]; 7] = [b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];
/// Bytes of JFIF's segment before its thumbnail, and of Adobe's whole segment.
const JFIF_BYTES: usize = 14;
const ADOBE_BYTES: usize = 12;
/// Flag in `VP8X`: there is XMP data.
const WEBP_XMP_FLAG: u8 = 0x04;
/// Bytes of `VP8X` up to and including its flags: a chunk's header and one byte.
const WEBP_FLAGS_END: usize = 9;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the beginning of the file.
    Start,
    /// Before a marker of JPEG, a chunk of PNG or WebP, or a block of GIF.
    Part,
    /// Within the entropy-coded data of JPEG.
    Scan,
    /// The next bytes, this many, are copied, removed, or replaced by zeros.
    Copy(u64),
    Skip(u64),
    Zero(u64),
    /// Before a sub-block of a GIF that is copied or removed.
    SubBlocks {
        kept: bool,
    },
    /// The picture has ended: what follows is removed.
    End,
    /// Not a known picture format: everything is copied.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Jpeg,
    Png,
    WebP,
    Gif,
}

/// Reads a picture piece by piece and writes it without its metadata.
#[derive(Debug)]
pub(super) struct MetadataRemover {
    format: Format,
    state: State,
    pending: BytesMut,
    /// Whether the current chunk is the last one of a PNG.
    is_last: bool,
    has_orientation: bool,
    /// Remaining bytes of a WebP.
    left: u64,
}

/// Returns a whole picture without its metadata.
pub fn remove_metadata(media_type: &str, picture: &[u8]) -> BytesMut {
    let (mut remover, mut out) = (MetadataRemover::new(media_type), BytesMut::with_capacity(picture.len()));
    remover.push(picture, &mut out);
    remover.finish(&mut out);
    out
}

impl MetadataRemover {
    /// Creates a filter for a file of this type; formats other than JPEG, PNG, WebP and GIF are copied.
    pub(super) fn new(media_type: &str) -> Self {
        let (format, state) = match media_type {
            "image/jpeg" => (Format::Jpeg, State::Start),
            "image/png" => (Format::Png, State::Start),
            "image/webp" => (Format::WebP, State::Start),
            "image/gif" => (Format::Gif, State::Start),
            _ => (Format::Jpeg, State::Other),
        };
        Self { format, state, pending: BytesMut::new(), is_last: false, has_orientation: false, left: 0 }
    }

    /// Processes the next bytes of the file; appends output to `out`, which may lag behind.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut BytesMut) {
        self.pending.extend_from_slice(bytes);
        while self.step(out) {}
    }

    /// Ends the file: copies the pending bytes, unless they are metadata.
    pub(super) fn finish(&mut self, out: &mut BytesMut) {
        let is_metadata = match (self.state, self.format) {
            (State::Part, Format::Jpeg) => self.pending.get(1).is_some_and(|marker| !is_kept_segment(*marker, &[])),
            (State::Part, Format::Png) => self.chunk_name(4).is_some_and(|name| !is_kept_png(name)),
            (State::Part, Format::WebP) => self.chunk_name(0).is_some_and(|name| !WEBP_KEPT.contains(&name)),
            (State::Part, Format::Gif) => self.pending.first() == Some(&gif::EXTENSION),
            (State::SubBlocks { kept }, _) => !kept,
            (State::End, _) => true,
            _ => false,
        };
        if !is_metadata {
            out.extend_from_slice(&self.pending);
        }
        self.pending.clear();
    }

    fn chunk_name(&self, at: usize) -> Option<&[u8; 4]> {
        self.pending.get(at..at + 4)?.try_into().ok()
    }

    /// Processes one part; false if more bytes are needed.
    fn step(&mut self, out: &mut BytesMut) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        match (self.state, self.format) {
            (State::Other, _) => self.copy(self.pending.len(), out),
            (State::End, _) => {
                self.pending.clear();
                return false;
            }
            (State::Copy(left), _) => {
                return self.pass(left, out, |taken, out| out.extend_from_slice(taken), State::Copy);
            }
            (State::Skip(left), _) => return self.pass(left, out, |_, _| (), State::Skip),
            (State::Zero(left), _) => {
                return self.pass(left, out, |taken, out| out.resize(out.len() + taken.len(), 0), State::Zero);
            }
            (State::Start, Format::Jpeg) => return self.start(2, out),
            (State::Start, Format::Png) => return self.start(PNG_SIGNATURE_BYTES, out),
            (State::Start, Format::WebP) => return self.start_webp(out),
            (State::Start, Format::Gif) => return self.start_gif(out),
            (State::Scan, _) => return self.scan(out),
            (State::Part, Format::Jpeg) => return self.segment(out),
            (State::Part, Format::Png) => return self.png_chunk(out),
            (State::Part, Format::WebP) => return self.webp_chunk(out),
            (State::Part, Format::Gif) => return self.gif_block(out),
            (State::SubBlocks { kept }, _) => return self.sub_block(kept, out),
        }
        true
    }

    fn copy(&mut self, bytes: usize, out: &mut BytesMut) {
        out.extend_from_slice(&self.pending.split_to(bytes.min(self.pending.len())));
    }

    fn start(&mut self, bytes: usize, out: &mut BytesMut) -> bool {
        let complete = self.pending.len() >= bytes;
        if complete {
            self.copy(bytes, out);
            self.state = State::Part;
        }
        complete
    }

    fn pass(
        &mut self,
        left: u64,
        out: &mut BytesMut,
        take: impl FnOnce(&[u8], &mut BytesMut),
        state: impl FnOnce(u64) -> State,
    ) -> bool {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(self.pending.len());
        take(&self.pending[..now], out);
        self.pending.advance(now);
        self.state = match left - now as u64 {
            0 if self.is_last => State::End,
            0 if self.format == Format::WebP && self.left == 0 => State::End,
            0 => State::Part,
            left => state(left),
        };
        true
    }

    /// Copies entropy-coded data up to the next marker.
    fn scan(&mut self, out: &mut BytesMut) -> bool {
        let Some(at) = self.pending.iter().position(|byte| *byte == 0xff) else {
            self.copy(self.pending.len(), out);
            return false;
        };
        self.copy(at, out);
        match self.pending.get(1) {
            None => return false,
            // A stuffed byte, or a restart marker.
            Some(0x00 | 0xd0..=0xd7) => self.copy(2, out),
            Some(0xff) => self.copy(1, out),
            Some(_) => self.state = State::Part,
        }
        true
    }

    /// Processes a marker of JPEG with its segment.
    fn segment(&mut self, out: &mut BytesMut) -> bool {
        let marker = match self.pending[..] {
            [0xff] => return false,
            [0xff, marker, ..] if marker != 0xff && marker != 0 => marker,
            // Not a marker: decoders skip such bytes.
            _ => {
                self.pending.advance(1);
                return true;
            }
        };
        match marker {
            0x01 | 0xd0..=0xd8 => {
                self.copy(2, out);
                return true;
            }
            0xd9 => {
                self.copy(2, out);
                self.state = State::End;
                return true;
            }
            _ => {}
        }
        let [_, _, high, low, ..] = self.pending[..] else { return false };
        let length = usize::from(u16::from_be_bytes([high, low])).max(2) + 2;
        if self.pending.len() < length {
            return false;
        }
        let segment = self.pending.split_to(length);
        if let Some(short) = without_thumbnail(marker, &segment[4..]) {
            out.extend_from_slice(&[0xff, marker]);
            out.extend_from_slice(&(short.len() as u16 + 2).to_be_bytes());
            out.extend_from_slice(&short);
        } else if is_kept_segment(marker, &segment[4..]) {
            out.extend_from_slice(&segment);
        } else if let Some(tiff) = segment[4..].strip_prefix(b"Exif\0\0")
            && let (Some(turned), false) = (orientation(tiff), self.has_orientation)
        {
            self.has_orientation = true;
            let tiff = minimal_tiff(turned);
            out.extend_from_slice(&[0xff, 0xe1, 0, 8 + tiff.len() as u8]);
            out.extend_from_slice(b"Exif\0\0");
            out.extend_from_slice(&tiff);
        }
        if marker == 0xda {
            self.state = State::Scan;
        }
        true
    }

    fn png_chunk(&mut self, out: &mut BytesMut) -> bool {
        let (Some(length), Some(name)) = (self.pending.first_chunk::<4>(), self.chunk_name(4)) else { return false };
        let (length, name) = (u32::from_be_bytes(*length), *name);
        // Including the checksum.
        let rest = u64::from(length) + 4;
        if name == *b"eXIf" && length as usize <= MAX_EXIF_BYTES && !self.has_orientation {
            if self.pending.len() < 8 + length as usize {
                return false;
            }
            if let Some(turned) = orientation(&self.pending[8..8 + length as usize]) {
                self.has_orientation = true;
                let chunk = [&b"eXIf"[..], &minimal_tiff(turned)].concat();
                out.extend_from_slice(&(chunk.len() as u32 - 4).to_be_bytes());
                out.extend_from_slice(&chunk);
                out.extend_from_slice(&crc32(&chunk).to_be_bytes());
            }
        }
        self.is_last = name == *b"IEND";
        if is_kept_png(&name) {
            self.copy(8, out);
            self.state = State::Copy(rest);
        } else {
            self.pending.advance(8);
            self.state = State::Skip(rest);
        }
        true
    }

    fn start_webp(&mut self, out: &mut BytesMut) -> bool {
        let Some(size) = self.pending.get(4..8).filter(|_| self.pending.len() >= 12) else { return false };
        let size = u32::from_le_bytes([size[0], size[1], size[2], size[3]]);
        // The size includes the form's name, which is read already.
        self.left = u64::from(size).saturating_sub(4);
        self.copy(12, out);
        self.state = if self.left == 0 { State::End } else { State::Part };
        true
    }

    /// Processes a chunk of WebP. The file's size is in its header, so metadata is overwritten instead of removed.
    fn webp_chunk(&mut self, out: &mut BytesMut) -> bool {
        let (Some(name), Some(length)) = (self.chunk_name(0), self.pending.get(4..8)) else { return false };
        let (name, length) = (*name, u32::from_le_bytes([length[0], length[1], length[2], length[3]]));
        let padded = u64::from(length) + u64::from(length % 2);
        let exif = usize::try_from(padded).unwrap_or(usize::MAX).min(MAX_EXIF_BYTES);
        match &name {
            b"VP8X" if length > 0 => {
                if self.pending.len() < WEBP_FLAGS_END {
                    return false;
                }
                self.pending[WEBP_FLAGS_END - 1] &= !WEBP_XMP_FLAG;
                self.copy(8, out);
                self.state = State::Copy(padded);
            }
            b"EXIF" => {
                if self.pending.len() < 8 + exif {
                    return false;
                }
                self.copy(8, out);
                let data = self.pending.split_to(exif);
                let tiff = data.strip_prefix(b"Exif\0\0").unwrap_or(&data);
                let mut instead = minimal_tiff(orientation(tiff).unwrap_or(1)).to_vec();
                instead.resize(instead.len().max(exif), 0);
                instead.truncate(exif);
                out.extend_from_slice(&instead);
                self.state = State::Zero(padded - exif as u64);
            }
            name if WEBP_KEPT.contains(&name) => {
                self.copy(8, out);
                self.state = State::Copy(padded);
            }
            _ => {
                out.extend_from_slice(b"JUNK");
                self.pending.advance(4);
                self.copy(4, out);
                self.state = State::Zero(padded);
            }
        }
        self.left = self.left.saturating_sub(8 + padded);
        // An empty chunk has no content to wait for.
        if matches!(self.state, State::Copy(0) | State::Zero(0)) {
            self.state = if self.left == 0 { State::End } else { State::Part };
        }
        true
    }
}

/// Whether a segment of JPEG belongs to the picture: of the application segments only JFIF, colour profiles and Adobe's colours do.
fn is_kept_segment(marker: u8, content: &[u8]) -> bool {
    match marker {
        0xe2 => content.starts_with(b"ICC_PROFILE\0"),
        0xe0..=0xef | 0xfe => false,
        _ => true,
    }
}

/// The application segments that decoders use, reduced to what they use: JFIF without its thumbnail, and Adobe's colours.
/// Other segments of the same markers (JFXX is another thumbnail) are removed.
fn without_thumbnail(marker: u8, content: &[u8]) -> Option<Vec<u8>> {
    match marker {
        0xe0 if content.starts_with(b"JFIF\0") => {
            let mut short = content[..content.len().min(JFIF_BYTES)].to_vec();
            // The size of the thumbnail.
            short.iter_mut().skip(JFIF_BYTES - 2).for_each(|byte| *byte = 0);
            Some(short)
        }
        0xee if content.starts_with(b"Adobe") => Some(content[..content.len().min(ADOBE_BYTES)].to_vec()),
        _ => None,
    }
}

fn is_kept_png(name: &[u8; 4]) -> bool {
    name[0].is_ascii_uppercase() || PNG_KEPT.contains(&name)
}
