//! Stores and reads uploaded files, which messages can have as attachments.

mod metadata;

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};

use self::metadata::MetadataRemover;
pub use self::metadata::remove_metadata;
use crate::clock::now;
use crate::config::{self, Reloadable};
use crate::database::{Database, Share, Upload};
use crate::error::{Error, Result};
use crate::protocol::{AccountId, MediaFile, MediaId};

/// Bytes of a file that are stored, or read, at a time.
const PART_BYTES: usize = 256 * 1024;
const MAX_NAME_BYTES: usize = 200;
/// Type of files whose bytes are not recognised.
const UNKNOWN_TYPE: &str = "application/octet-stream";

pub struct Media {
    database: Database,
    config: Reloadable<config::Media>,
}

impl Media {
    pub fn new(database: Database, config: Reloadable<config::Media>) -> Self {
        Self { database, config }
    }

    /// The size of the largest allowed file, in bytes.
    pub fn max_bytes(&self) -> usize {
        self.config.get().max_bytes
    }

    /// The error for a file that is too large.
    pub fn too_large(&self) -> Error {
        Error::TooLarge { what: "the file", limit: format!("{} bytes", self.config.get().max_bytes) }
    }

    /// Fails if a file of this announced size is too large.
    pub fn check_size(&self, announced: u64) -> Result<()> {
        if announced > self.config.get().max_bytes as u64 { Err(self.too_large()) } else { Ok(()) }
    }

    /// Stores a file as it arrives. Its type is determined from its bytes, not by the sender.
    pub async fn store<E>(
        &self,
        by: AccountId,
        name: Option<&str>,
        bytes: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<MediaFile> {
        let name = clean_name(name.unwrap_or_default());
        let config = self.config.latest();
        let share = Share { bytes: config.account_bytes as u64, files: config.account_files };
        let upload = self.database.begin_upload(by, &name, share, now()).await?;
        let stored = self.store_parts(upload, bytes).await;
        if stored.is_err() {
            // If this fails too, the file is removed later, with other unused files.
            let _ = self.database.drop_upload(upload).await;
        }
        stored
    }

    async fn store_parts<E>(&self, upload: Upload, bytes: impl Stream<Item = Result<Bytes, E>>) -> Result<MediaFile> {
        let mut bytes = std::pin::pin!(bytes);
        let (mut received, mut cleaned, mut size, mut part) = (BytesMut::new(), BytesMut::new(), 0, 0);
        // Set once enough bytes have arrived to recognise the type.
        let mut known: Option<(&'static str, MetadataRemover)> = None;
        loop {
            let more = bytes.next().await;
            let ended = more.is_none();
            if let Some(chunk) = more {
                let chunk =
                    chunk.map_err(|_| Error::BadRequest("the upload is incomplete; nothing was stored".into()))?;
                size += chunk.len();
                if size > self.config.get().max_bytes {
                    return Err(self.too_large());
                }
                received.extend_from_slice(&chunk);
            }
            if known.is_none() && (received.len() >= PART_BYTES || (ended && !received.is_empty())) {
                let media_type = sniff(&received);
                known = Some((media_type, MetadataRemover::new(media_type)));
            }
            if let Some((_, remover)) = &mut known {
                remover.push(&received.split(), &mut cleaned);
                if ended {
                    remover.finish(&mut cleaned);
                }
            }
            while cleaned.len() >= PART_BYTES || (ended && !cleaned.is_empty()) {
                let bytes = cleaned.split_to(cleaned.len().min(PART_BYTES));
                self.database.add_part(upload, part, &bytes).await?;
                part += 1;
            }
            if ended {
                break;
            }
        }
        let Some((media_type, _)) = known else {
            return Err(Error::invalid("body", "should hold the file's bytes, and is empty"));
        };
        self.database.finish_upload(upload, media_type).await
    }

    /// A file and a reader of its contents.
    pub async fn open(&self, id: MediaId) -> Result<(MediaFile, Contents)> {
        let (number, file) = self.database.media(id).await?.ok_or_else(|| Error::not_found("file"))?;
        Ok((file, Contents { database: self.database.clone(), number }))
    }
}

/// Reads the contents of a file.
pub struct Contents {
    database: Database,
    number: i64,
}

impl Contents {
    /// The bytes of this range, in pieces.
    pub fn read(self, range: Range<u64>) -> impl Stream<Item = Result<Bytes>> + use<> {
        stream::try_unfold(range, move |left| {
            let database = self.database.clone();
            async move {
                if left.is_empty() {
                    return Ok(None);
                }
                // Every part but the last has this size.
                let (part, skipped) = (left.start / PART_BYTES as u64, (left.start % PART_BYTES as u64) as usize);
                let part = u32::try_from(part).map_err(Error::internal)?;
                let Some(bytes) = database.media_part(self.number, part).await?.map(Bytes::from) else {
                    return Ok(None);
                };
                let wanted = usize::try_from(left.end - left.start).unwrap_or(usize::MAX);
                let piece = bytes.slice(skipped.min(bytes.len())..skipped.saturating_add(wanted).min(bytes.len()));
                if piece.is_empty() {
                    return Ok(None);
                }
                Ok(Some((piece.clone(), left.start + piece.len() as u64..left.end)))
            }
        })
    }
}

/// Whether browsers may show a file of this type: pictures are harmless, everything else is downloaded.
pub fn is_shown(media_type: &str) -> bool {
    matches!(media_type, "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "image/avif")
}

/// The media type of a file that begins with these bytes.
pub fn sniff(start: &[u8]) -> &'static str {
    match infer::get(start) {
        Some(kind) => kind.mime_type(),
        None if is_text(start) => "text/plain",
        None => UNKNOWN_TYPE,
    }
}

/// Whether these bytes begin a text. They may end in the middle of a character.
fn is_text(start: &[u8]) -> bool {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

/// A file name without folders and without characters that could break a header or a terminal.
fn clean_name(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut name: String = crate::text::without_refused(last);
    while name.len() > MAX_NAME_BYTES {
        name.pop();
    }
    let name = name.trim();
    if name.is_empty() || name.chars().all(|c| c == '.') { "file".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_type_is_detected_from_bytes() {
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "image/png");
        assert_eq!(sniff("grüß dich".as_bytes()), "text/plain");
        assert_eq!(sniff(&"ü".as_bytes()[..1]), "text/plain", "cut within a character");
        assert_eq!(sniff(b"\xff\x00\x01"), UNKNOWN_TYPE);
        assert!(!is_shown(sniff(b"<!DOCTYPE html><script>")), "a page is downloaded, not shown");
        assert!(!is_shown(sniff(b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>")), "it may hold a script");
    }

    #[test]
    fn file_names_are_stripped_of_folders_and_control_characters() {
        assert_eq!(clean_name("../../etc/passwd"), "passwd");
        assert_eq!(clean_name("C:\\cat.png"), "cat.png");
        assert_eq!(clean_name("a\r\nSet-Cookie: b"), "aSet-Cookie: b");
        assert_eq!(clean_name(".."), "file");
        assert_eq!(clean_name(&"ü".repeat(300)).len(), MAX_NAME_BYTES);
    }
}
