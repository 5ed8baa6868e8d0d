//! Writes a plugin's `log` lines, stdout and stderr to the server's log, under its name.

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

/// A longer line is truncated.
const MAX_LINE_BYTES: usize = 4 << 10;
/// Lines per call; further ones are counted and dropped.
const MAX_LINES_PER_CALL: u32 = 100;
/// Bytes that a guest may write to a stream at once.
const MAX_WRITE_BYTES: usize = 64 << 10;

/// A note that Rust's standard library adds to a panic's message. It is useless here: a guest has no environment variables.
const BACKTRACE_NOTE: &[u8] = b"note: run with `RUST_BACKTRACE=";

/// The log of one instance; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct GuestLog {
    plugin: Arc<str>,
    call: Arc<Mutex<Lines>>,
}

/// The lines of the current call.
#[derive(Debug, Default)]
struct Lines {
    request: Uuid,
    written: u32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// The last line at level `error`, or else the first on stderr: usually the reason for a trap.
    error_line: Option<String>,
}

impl GuestLog {
    pub(super) fn new(plugin: Arc<str>) -> Self {
        Self { plugin, call: Arc::default() }
    }

    /// Begins a call: further lines belong to `request`.
    pub(super) fn begin(&self, request: Uuid) {
        let mut lines = self.call.lock();
        lines.request = request;
        lines.written = 0;
        lines.error_line = None;
    }

    /// Ends a call: flushes incomplete lines and logs the number of dropped ones. Returns the line that may be the reason for
    /// a trap.
    pub(super) fn end(&self) -> Option<String> {
        let mut lines = self.call.lock();
        for stream in [Stream::Out, Stream::Error] {
            let rest = std::mem::take(stream.buffer(&mut lines));
            if !rest.is_empty() {
                self.line(&mut lines, stream.level(), &rest);
            }
        }
        if let Some(dropped) = lines.written.checked_sub(MAX_LINES_PER_CALL).filter(|dropped| *dropped > 0) {
            tracing::warn!(target: "plugin", plugin = %self.plugin, request = %lines.request, dropped, "too many log lines in one call");
            lines.written = 0;
        }
        lines.error_line.take()
    }

    /// Writes one line of the `log` import.
    pub(super) fn write(&self, level: Level, text: &str) {
        let mut lines = self.call.lock();
        if level == Level::ERROR {
            lines.error_line = Some(clean(text.as_bytes()));
        }
        emit_counted(&self.plugin, &mut lines, level, text.as_bytes());
    }

    fn line(&self, lines: &mut Lines, level: Level, line: &[u8]) {
        if level == Level::WARN && line.starts_with(BACKTRACE_NOTE) {
            return;
        }
        if level == Level::WARN && lines.error_line.is_none() {
            lines.error_line = Some(clean(line)).filter(|line| !line.is_empty());
        }
        emit_counted(&self.plugin, lines, level, line);
    }

    fn stream(&self, stream: Stream, bytes: &[u8]) {
        let mut lines = self.call.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let buffer = stream.buffer(&mut lines);
            let room = (MAX_LINE_BYTES + 1).saturating_sub(buffer.len());
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
    if lines.written <= MAX_LINES_PER_CALL {
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

/// Sanitises a line for terminals: replaces control characters and marks that change the text direction, and truncates it.
pub(super) fn clean(line: &[u8]) -> String {
    let cut = line.len() > MAX_LINE_BYTES;
    let text = String::from_utf8_lossy(&line[..line.len().min(MAX_LINE_BYTES)]);
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

/// Sanitises several lines of a process's output.
pub(super) fn clean_lines(text: &[u8]) -> String {
    let lines = text.split(|byte| *byte == b'\n').map(clean);
    lines.collect::<Vec<_>>().join("\n")
}

/// One of a guest's two output streams.
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

/// A WASI output stream of one instance. It never waits, so that a filter may print.
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
        Ok(MAX_WRITE_BYTES)
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
    fn control_characters_are_replaced() {
        assert_eq!(clean(b"red \x1b[31m\tbell\x07\r\n"), "red \u{fffd}[31m bell\u{fffd}");
        assert_eq!(clean("a\u{202e}b".as_bytes()), "a\u{fffd}b");
    }

    #[test]
    fn long_line_is_truncated() {
        let line = clean(&vec![b'x'; MAX_LINE_BYTES + 1]);
        assert_eq!(line.chars().count(), MAX_LINE_BYTES + 1);
        assert!(line.ends_with('…'));
    }

    #[test]
    fn first_line_on_stderr_is_returned_even_if_written_in_pieces() {
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
        assert_eq!(guest_log.call.lock().written, 1, "on standard output it is an ordinary line");
    }

    #[test]
    fn logged_error_is_preferred_to_stderr() {
        let guest_log = GuestLog::new("p".into());
        guest_log.begin(Uuid::nil());
        guest_log.stream(Stream::Error, b"note: run with\n");
        guest_log.write(Level::ERROR, "panicked at src/lib.rs");
        guest_log.write(Level::WARN, "bye");
        assert_eq!(guest_log.end().as_deref(), Some("panicked at src/lib.rs"));
    }

    #[test]
    fn lines_over_the_limit_are_dropped_and_the_count_is_reset_per_call() {
        let guest_log = GuestLog::new("p".into());
        guest_log.begin(Uuid::nil());
        for _ in 0..MAX_LINES_PER_CALL + 5 {
            guest_log.write(Level::INFO, "again");
        }
        assert_eq!(guest_log.call.lock().written, MAX_LINES_PER_CALL + 5);
        guest_log.begin(Uuid::nil());
        assert_eq!(guest_log.call.lock().written, 0);
    }

    #[test]
    fn line_without_an_end_is_bounded() {
        let guest_log = GuestLog::new("p".into());
        for _ in 0..100 {
            guest_log.stream(Stream::Out, &[b'x'; MAX_WRITE_BYTES]);
        }
        assert_eq!(guest_log.call.lock().stdout.len(), MAX_LINE_BYTES + 1);
    }
}
