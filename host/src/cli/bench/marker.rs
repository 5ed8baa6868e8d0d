//! The marker in the text of a measured message: its sender, its number, and when it was due.

use std::time::Duration;

/// The start of a marker, which can be found in any frame that contains the text.
const TAG: &str = "nj:";
const HEAD: usize = TAG.len() + 8 + 1 + 8 + 1 + 16 + 1;
/// Filler of words, so that word filters have work to do.
const WORDS: &str =
    "what a fine evening at the pond said one toad to another while the moon rose over the reeds and all was calm ";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    /// The index of the sending client.
    pub(super) sender: u32,
    /// 0, 1, 2 … for each sender.
    pub(super) number: u32,
    /// When it was due, since the start of the run.
    pub(super) due: Duration,
}

impl Marker {
    /// A message's text, of about this many characters.
    pub(super) fn text(self, size: usize) -> String {
        let Self { sender, number, due } = self;
        let nanos = u64::try_from(due.as_nanos()).unwrap_or(u64::MAX);
        let mut text = format!("{TAG}{sender:08x}-{number:08x}-{nanos:016x} ");
        text.extend(WORDS.chars().cycle().take(size.saturating_sub(HEAD)));
        text
    }

    /// The marker of a frame that carries one.
    pub(super) fn find(frame: &str) -> Option<Self> {
        let from = frame.find(TAG)? + TAG.len();
        let mut parts = frame.get(from..from + HEAD - TAG.len() - 1)?.split('-');
        let mut part = || u64::from_str_radix(parts.next()?, 16).ok();
        let (sender, number, nanos) = (part()?, part()?, part()?);
        Some(Self {
            sender: u32::try_from(sender).ok()?,
            number: u32::try_from(number).ok()?,
            due: Duration::from_nanos(nanos),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marker_is_found_in_any_frame_with_the_text() {
        let marker = Marker { sender: 7, number: 4_000_000, due: Duration::from_micros(1_234_567) };
        for size in [0, 120] {
            let frame = serde_json::json!({"event": "message.posted", "data": {"body": marker.text(size)}}).to_string();
            assert_eq!(Marker::find(&frame), Some(marker));
        }
        assert_eq!(marker.text(120).len(), 120);
        assert_eq!(Marker::find("nj:nothing"), None);
    }
}
