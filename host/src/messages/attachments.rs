//! Attachments of messages: uploaded files, and pictures by URL. Checks them before a message is stored.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use url::Url;

use super::Messages;
use crate::error::{Error, Result};
use crate::media::{is_shown, remove_metadata, sniff};
use crate::protocol::{AccountId, Attachment, Author, MediaFile, MediaId};

/// How many attachments one message carries.
const MAX_ATTACHMENTS: usize = IMAGE_FIELDS.len();
/// The longest link.
const MAX_LINK_BYTES: usize = 2048;
/// The largest picture within a message, as a `data:` URL.
const MAX_DATA_URL_BYTES: usize = 256 * 1024;
/// The field that errors name, by the attachment's index.
const IMAGE_FIELDS: [&str; 10] = [
    "images[0]",
    "images[1]",
    "images[2]",
    "images[3]",
    "images[4]",
    "images[5]",
    "images[6]",
    "images[7]",
    "images[8]",
    "images[9]",
];

/// An attachment as the client requests it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A file that its author uploaded.
    File(MediaId),
    /// A picture: a link, also a relative one, `/media/…`, or a `data:` URL.
    Image(String),
}

impl Messages {
    /// Checks the requested attachments and gives them as they are stored, files without duplicates.
    pub async fn attachments(&self, wanted: &[Attach], by: &Author) -> Result<Arc<[Attachment]>> {
        if wanted.is_empty() {
            return Ok(Arc::default());
        }
        if wanted.len() > MAX_ATTACHMENTS {
            return Err(match wanted {
                [Attach::Image(_), ..] => Error::TooLarge { what: "images", limit: format!("{MAX_ATTACHMENTS}") },
                _ => Error::TooLarge { what: "attachments", limit: format!("{MAX_ATTACHMENTS} files") },
            });
        }
        let Some((account, _)) = by.account else {
            return Err(Error::Forbidden("only accounts can attach files; log in first".into()));
        };
        let mut attached: Vec<Attachment> = Vec::with_capacity(wanted.len());
        for (one, field) in wanted.iter().zip(IMAGE_FIELDS) {
            match one {
                Attach::File(id) => {
                    let file = self.database.attachable(*id, account).await?.ok_or_else(|| {
                        let why = format!("{id} is not a file that you uploaded; `POST /api/media` gives ids");
                        Error::invalid("attachments", why)
                    })?;
                    let file = Attachment::File(file);
                    if !attached.contains(&file) {
                        attached.push(file);
                    }
                }
                Attach::Image(image) => attached.push(self.image(field, image, account).await?),
            }
        }
        Ok(attached.into())
    }

    async fn image(&self, field: &'static str, image: &str, by: AccountId) -> Result<Attachment> {
        if let Some(id) = image.strip_prefix("/media/") {
            return Ok(Attachment::File(self.uploaded_image(field, id, by).await?));
        }
        match scheme(image).map(str::to_ascii_lowercase).as_deref() {
            Some("data") => return Ok(Attachment::Picture { url: checked_data(field, image)?.into() }),
            Some("https" | "http") | None => check_link(field, image)?,
            Some(_) => {
                return Err(Error::invalid(field, "should be a link, `/media/…`, or `data:image/…;base64,…`"));
            }
        }
        Ok(Attachment::Picture { url: image.into() })
    }

    async fn uploaded_image(&self, field: &'static str, id: &str, by: AccountId) -> Result<MediaFile> {
        let file = match id.parse() {
            Ok(id) => self.database.attachable(id, by).await?,
            Err(_) => None,
        };
        let file = file.ok_or_else(|| {
            Error::invalid(field, "is not a file that you uploaded; `POST /api/media` gives the address as `url`")
        })?;
        if !is_shown(&file.media_type) {
            return Err(Error::invalid(field, format!("is not a picture, but {}", file.media_type)));
        }
        Ok(file)
    }
}

/// The scheme of a URL; a relative one has no colon before its path.
fn scheme(address: &str) -> Option<&str> {
    let end = address.find(['/', '?', '#']).unwrap_or(address.len());
    address[..end].split_once(':').map(|(scheme, _)| scheme)
}

/// Checks a link, which may be relative: clients resolve that against another server. This server follows neither.
fn check_link(field: &'static str, link: &str) -> Result<()> {
    if link.len() > MAX_LINK_BYTES {
        return Err(Error::TooLarge { what: field, limit: format!("{MAX_LINK_BYTES} bytes for a link") });
    }
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | '\\' | '`');
    let parsed = match scheme(link) {
        Some(_) => Url::parse(link),
        None => Url::parse("https://relative.invalid/").and_then(|base| base.join(link)),
    };
    let whole = parsed.is_ok_and(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.host().is_some()
            && url.username().is_empty()
            && url.password().is_none()
    });
    if link.is_empty() || !whole || link.chars().any(bad) {
        return Err(Error::invalid(field, "is not a link; wanted one such as https://example.org/pond.png"));
    }
    Ok(())
}

/// Checks a `data:` URL and removes the picture's metadata. Both its bytes and its declared type have to be a picture's.
fn checked_data(field: &'static str, image: &str) -> Result<String> {
    if image.len() > MAX_DATA_URL_BYTES {
        return Err(Error::TooLarge {
            what: field,
            limit: format!(
                "{MAX_DATA_URL_BYTES} bytes within a message; upload it by `POST /api/media` and send its address"
            ),
        });
    }
    let no_picture = || Error::invalid(field, "should be `data:image/…;base64,…` with a PNG, JPEG, GIF, WebP or AVIF");
    let (head, data) = image.split_once(',').ok_or_else(no_picture)?;
    let kind = head.get("data:".len()..).and_then(|kind| kind.strip_suffix(";base64")).ok_or_else(no_picture)?;
    let kind = if kind == "image/jpg" { "image/jpeg" } else { kind };
    let bytes = BASE64_STANDARD.decode(data).map_err(|_| no_picture())?;
    let real = sniff(&bytes);
    if !is_shown(kind) || !is_shown(real) {
        return Err(no_picture());
    }
    let clean = remove_metadata(real, &bytes);
    Ok(if clean == bytes { image.to_owned() } else { format!("{head},{}", BASE64_STANDARD.encode(&clean)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_url_is_accepted_only_if_its_bytes_are_a_picture() {
        let png = BASE64_STANDARD.encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
        let page = BASE64_STANDARD.encode(b"<!DOCTYPE html><script>alert(1)</script>");
        for good in [format!("data:image/png;base64,{png}"), format!("data:image/jpg;base64,{png}")] {
            assert_eq!(checked_data("images[0]", &good).as_deref(), Ok(&*good));
        }
        for bad in [
            format!("data:image/png;base64,{page}"),
            format!("data:image/svg+xml;base64,{png}"),
            format!("data:text/html;base64,{png}"),
            format!("data:image/png,{png}"),
            "data:image/png;base64,not base64".to_owned(),
            "data:image/png;base64,".to_owned(),
            "data:".to_owned(),
            "data:,".to_owned(),
            "data:é".to_owned(),
        ] {
            assert_eq!(checked_data("images[0]", &bad).map_err(|error| error.code()), Err("invalid"), "{bad}");
        }
        let huge = format!("data:image/png;base64,{png}{}", "A".repeat(MAX_DATA_URL_BYTES));
        assert_eq!(checked_data("images[0]", &huge).map_err(|error| error.code()), Err("too_large"));
    }

    #[test]
    fn links_are_accepted_and_malformed_ones_refused() {
        assert_eq!(check_link("images[0]", "https://example.org/pond.png?size=2#top"), Ok(()));
        for other in
            ["http://example.org/pond.png", "pond.png", "/uploads/pond.png", "../a:b.png", "//cdn.example/p.png"]
        {
            assert_eq!(check_link("images[0]", other), Ok(()), "{other}");
        }
        for bad in [
            "",
            "//ann:secret@example.org/p.png",
            "\\\\example.org\\p.png",
            "pond .png",
            "java\tscript:alert(1)",
            "https://",
            "https:example.org pond",
            "https://ann:secret@example.org/",
            "https://example.org/\"><script>",
            "https://example.org/\n",
        ] {
            assert_eq!(check_link("images[0]", bad).map_err(|error| error.code()), Err("invalid"), "{bad}");
        }
        let long = format!("https://example.org/{}", "a".repeat(MAX_LINK_BYTES));
        assert_eq!(check_link("images[0]", &long).map_err(|error| error.code()), Err("too_large"));
    }
}
