//! Reads lines from a prompt or a pipe, and prints lines.

use std::io::{BufRead, IsTerminal, Write};
use std::thread;

use anyhow::{Context, Result};
use rustyline::{DefaultEditor, ExternalPrinter};
use tokio::sync::{mpsc, oneshot};

/// How many lines are read ahead; reading waits when the queue is full.
const MAX_READ_AHEAD_LINES: usize = 16;

pub(super) struct Terminal {
    lines: mpsc::Receiver<String>,
    /// Completes when the reading thread ends.
    reader: oneshot::Receiver<()>,
    output: Output,
}

enum Output {
    Plain,
    /// Prints above the line that is being typed.
    AbovePrompt(Box<dyn ExternalPrinter + Send>),
}

impl Terminal {
    /// Starts to read, with a prompt on a terminal, or plain lines from a pipe. Reading blocks, so it has a thread of its own,
    /// which the process does not wait for when it ends.
    pub(super) fn open() -> Result<Self> {
        let (sender, lines) = mpsc::channel(MAX_READ_AHEAD_LINES);
        let (done, reader) = oneshot::channel();
        let output = if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
            let mut editor = DefaultEditor::new().context("cannot use this terminal")?;
            let printer = editor.create_external_printer().context("cannot use this terminal")?;
            thread::Builder::new().name("prompt".to_owned()).spawn(move || {
                read_prompt(&mut editor, &sender);
                drop(sender);
                let _ = done.send(());
            })?;
            Output::AbovePrompt(Box::new(printer))
        } else {
            thread::Builder::new().name("input".to_owned()).spawn(move || {
                read_pipe(&sender);
                drop(sender);
                let _ = done.send(());
            })?;
            Output::Plain
        };
        Ok(Self { lines, reader, output })
    }

    pub(super) fn is_interactive(&self) -> bool {
        matches!(self.output, Output::AbovePrompt(_))
    }

    /// The next line; `None` at the end of the input.
    pub(super) async fn line(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    pub(super) fn print(&mut self, line: &str) -> Result<()> {
        match &mut self.output {
            Output::AbovePrompt(printer) => printer.print(format!("{line}\n"))?,
            Output::Plain => {
                let mut out = std::io::stdout().lock();
                writeln!(out, "{line}")?;
                out.flush()?;
            }
        }
        Ok(())
    }

    /// Restores the terminal. Only the prompt itself can leave raw mode, so it must end first.
    pub(super) async fn close(mut self, why: &str) {
        self.lines.close();
        let still_reads = self.reader.try_recv() == Err(oneshot::error::TryRecvError::Empty);
        if self.is_interactive() && still_reads {
            let _ = self.print(&format!("! {why}; press Enter to leave"));
            let _ = self.reader.await;
        }
    }
}

fn read_prompt(editor: &mut DefaultEditor, sender: &mpsc::Sender<String>) {
    loop {
        match editor.readline("> ") {
            Ok(line) => {
                if !line.trim().is_empty() {
                    let _ = editor.add_history_entry(&line);
                }
                let quit = is_quit(&line);
                if quit || sender.blocking_send(line).is_err() {
                    return;
                }
            }
            // Ctrl-C, Ctrl-D, or the terminal is gone.
            Err(_) => return,
        }
    }
}

fn read_pipe(sender: &mpsc::Sender<String>) {
    for line in std::io::stdin().lock().lines() {
        // Stops at a line that is not UTF-8: it cannot be sent, and later lines would be out of order.
        let Ok(line) = line else { return };
        if is_quit(&line) || sender.blocking_send(line).is_err() {
            return;
        }
    }
}

/// `/quit` ends the input; earlier lines are still sent.
fn is_quit(line: &str) -> bool {
    line.trim() == "/quit"
}
