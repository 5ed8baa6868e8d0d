//! What a plugin says: its `log` lines, its stdout and its stderr, under its name in the server's log.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use tracing::Level;
use uuid::Uuid;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// A longer line is cut.
const LINE_BYTES: usize = 4 << 10;
/// More lines in one call are counted and dropped.
const LINES_A_CALL: u32 = 100;
/// What a guest may write to a stream in one go.
const WRITE_BYTES: usize = 64 << 10;

/// What Rust's standard library adds to a panic's message. A guest has no variables, so it is of no use to anybody.
const BACKTRACE_NOTE: &[u8] = b"note: run with `RUST_BACKTRACE=";

/// One instance's lines; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct GuestLog {
    plugin: Arc<str>,
    call: Arc<Mutex<Lines>>,
}

/// The present call's share.
#[derive(Debug, Default)]
struct Lines {
    request: Uuid,
    written: u32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// The last line at level `error`, or the first on stderr: where a guest says why it gives up.
    complaint: Option<String>,
}

impl GuestLog {
    pub(super) fn new(plugin: Arc<str>) -> Self {
        Self { plugin, call: Arc::default() }
    }

    /// Begins a call: what is said from now on belongs to `request`.
    pub(super) fn begin(&self, request: Uuid) {
        let mut lines = self.call.lock();
        lines.request = request;
        lines.written = 0;
        lines.complaint = None;
    }

    /// Ends a call: lines that were not ended are shown, and what was dropped is owned up to. Gives what
    /// the guest complained of.
    pub(super) fn end(&self) -> Option<String> {
        let mut lines = self.call.lock();
        for stream in [Stream::Out, Stream::Error] {
            let rest = std::mem::take(stream.buffer(&mut lines));
            if !rest.is_empty() {
                self.line(&mut lines, stream.level(), &rest);
            }
        }
        if let Some(dropped) = lines.written.checked_sub(LINES_A_CALL).filter(|dropped| *dropped > 0) {
            tracing::warn!(target: "plugin", plugin = %self.plugin, request = %lines.request, dropped, "too many lines in one call");
            lines.written = 0;
        }
        lines.complaint.take()
    }

    /// One line through the `log` import.
    pub(super) fn write(&self, level: Level, text: &str) {
        let mut lines = self.call.lock();
        if level == Level::ERROR {
            lines.complaint = Some(clean(text.as_bytes()));
        }
        emit_counted(&self.plugin, &mut lines, level, text.as_bytes());
    }

    fn line(&self, lines: &mut Lines, level: Level, line: &[u8]) {
        if level == Level::WARN && line.starts_with(BACKTRACE_NOTE) {
            return;
        }
        if level == Level::WARN && lines.complaint.is_none() {
            lines.complaint = Some(clean(line)).filter(|line| !line.is_empty());
        }
        emit_counted(&self.plugin, lines, level, line);
    }

    fn stream(&self, stream: Stream, bytes: &[u8]) {
        let mut lines = self.call.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let buffer = stream.buffer(&mut lines);
            let room = (LINE_BYTES + 1).saturating_sub(buffer.len());
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            buffer.extend_from_slice(&text[..text.len().min(room)]);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(buffer);
                self.line(&mut lines, stream.level(), &line);
            }
        }
    }
}

fn emit_counted(plugin: &str, lines: &mut Lines, level: Level, line: &[u8]) {
    lines.written = lines.written.saturating_add(1);
    if lines.written <= LINES_A_CALL {
        emit(plugin, lines.request, level, &clean(line));
    }
}

fn emit(plugin: &str, request: Uuid, level: Level, line: &str) {
    macro_rules! at {
        ($level:expr) => {
            tracing::event!(target: "plugin", $level, plugin = %plugin, request = %request, "{line}")
        };
    }
    match level {
        Level::TRACE => at!(Level::TRACE),
        Level::DEBUG => at!(Level::DEBUG),
        Level::INFO => at!(Level::INFO),
        Level::WARN => at!(Level::WARN),
        Level::ERROR => at!(Level::ERROR),
    }
}

/// Text for a log that people read in terminals: no control characters, nothing that turns the writing
/// direction, and no longer than a line may be.
pub(super) fn clean(line: &[u8]) -> String {
    let cut = line.len() > LINE_BYTES;
    let text = String::from_utf8_lossy(&line[..line.len().min(LINE_BYTES)]);
    let mut text: String = text
        .trim_end()
        .chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => '\u{fffd}',
            c => c,
        })
        .collect();
    if cut {
        text.push('…');
    }
    text
}

/// The same of a few lines that a process wrote.
pub(super) fn clean_lines(text: &[u8]) -> String {
    let lines = text.split(|byte| *byte == b'\n').map(clean);
    lines.collect::<Vec<_>>().join("\n")
}

/// Which of a guest's two streams.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Out,
    Error,
}

impl Stream {
    fn level(self) -> Level {
        match self {
            Self::Out => Level::INFO,
            Self::Error => Level::WARN,
        }
    }

    fn buffer(self, lines: &mut Lines) -> &mut Vec<u8> {
        match self {
            Self::Out => &mut lines.stdout,
            Self::Error => &mut lines.stderr,
        }
    }
}

/// A stream of one instance, as WASI wants it. Never waits, so that a filter may print.
#[derive(Clone, Debug)]
pub(super) struct Output {
    pub(super) guest_log: GuestLog,
    pub(super) stream: Stream,
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.guest_log.stream(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.guest_log.stream(self.stream, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_the_log_has_no_control_characters() {
        assert_eq!(clean(b"red \x1b[31m\tbell\x07\r\n"), "red \u{fffd}[31m bell\u{fffd}");
        assert_eq!(clean("a\u{202e}b".as_bytes()), "a\u{fffd}b");
    }

    #[test]
    fn a_long_line_is_cut() {
        let line = clean(&vec![b'x'; LINE_BYTES + 1]);
        assert_eq!(line.chars().count(), LINE_BYTES + 1);
        assert!(line.ends_with('…'));
    }

    #[test]
    fn the_first_line_on_stderr_is_kept_even_if_it_comes_in_pieces() {
        let guest_log = GuestLog::new("p".into());
        guest_log.begin(Uuid::nil());
        guest_log.stream(Stream::Out, b"hello\n");
        guest_log.stream(Stream::Error, b"panicked at ");
        guest_log.stream(Stream::Error, b"src/lib.rs\nnote: run with");
        assert_eq!(guest_log.end().as_deref(), Some("panicked at src/lib.rs"));
    }

    #[test]
    fn note_on_backtraces_is_not_logged_and_not_counted() {
        let guest_log = GuestLog::new("p".into());
        guest_log.begin(Uuid::nil());
        let note = b"note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        guest_log.stream(Stream::Error, note);
        guest_log.stream(Stream::Error, &note[..note.len() - 1]);
        assert_eq!(guest_log.end(), None);
        assert_eq!(guest_log.call.lock().written, 0);
        guest_log.stream(Stream::Out, note);
        assert_eq!(guest_log.call.lock().written, 1, "on standard output it is what the guest has to say");
    }

    #[test]
    fn an_error_that_was_logged_says_more_than_stderr() {
        let guest_log = GuestLog::new("p".into());
        guest_log.begin(Uuid::nil());
        guest_log.stream(Stream::Error, b"note: run with\n");
        guest_log.write(Level::ERROR, "panicked at src/lib.rs");
        guest_log.write(Level::WARN, "bye");
        assert_eq!(guest_log.end().as_deref(), Some("panicked at src/lib.rs"));
    }

    #[test]
    fn too_many_lines_are_dropped_and_a_new_call_starts_afresh() {
        let guest_log = GuestLog::new("p".into());
        guest_log.begin(Uuid::nil());
        for _ in 0..LINES_A_CALL + 5 {
            guest_log.write(Level::INFO, "again");
        }
        assert_eq!(guest_log.call.lock().written, LINES_A_CALL + 5);
        guest_log.begin(Uuid::nil());
        assert_eq!(guest_log.call.lock().written, 0);
    }

    #[test]
    fn a_guest_that_never_ends_its_line_costs_no_memory() {
        let guest_log = GuestLog::new("p".into());
        for _ in 0..100 {
            guest_log.stream(Stream::Out, &[b'x'; WRITE_BYTES]);
        }
        assert_eq!(guest_log.call.lock().stdout.len(), LINE_BYTES + 1);
    }
}
