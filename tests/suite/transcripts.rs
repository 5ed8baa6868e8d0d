//! Snapshots of complete conversations in each dialect: every documented example and every error. Accept changes with
//! `cargo insta review` or `INSTA_UPDATE=always`.

mod direct;
mod go;
mod groups;
mod native;
mod rooms;
mod sessions;

use std::collections::HashMap;

use insta::assert_snapshot;
use regex::Regex;
use serde_json::{Value, json};

use crate::harness::{Client, Server, Setup};

/// Records a conversation: the frames that clients send and receive. Values that differ in each run are replaced by names.
struct Transcript {
    lines: Vec<String>,
    clients: Vec<(&'static str, Client)>,
    /// Replacements for ids, times and tokens.
    names: HashMap<String, String>,
    varying: Regex,
    /// Frames that arrive at arbitrary times and are not recorded.
    skips: fn(&Value) -> bool,
}

impl Transcript {
    fn new() -> Self {
        let patterns = [
            ("token", r"eyJ[\w-]+\.[\w-]+\.[\w-]+"),
            ("uuid", "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
            ("time", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"),
            ("guest", "guest-[0-9a-f]{4}"),
            ("long", "x{100,}"),
        ];
        let varying = patterns.map(|(name, pattern)| format!("(?<{name}>{pattern})")).join("|");
        let varying = Regex::new(&varying).unwrap();
        Self { lines: Vec::new(), clients: Vec::new(), names: HashMap::new(), varying, skips: |_| false }
    }

    fn note(&mut self, what: &str) {
        self.lines.push(format!("\n# {what}"));
    }

    /// Registers a client under a name.
    fn meet(&mut self, name: &'static str, client: Client) {
        self.clients.push((name, client));
    }

    /// Replaces a text, which differs in each run, by a name.
    fn call(&mut self, text: &str, name: &str) {
        self.names.insert(text.to_owned(), format!("<{name}>"));
    }

    fn client(&mut self, name: &str) -> &mut Client {
        &mut self.clients.iter_mut().find(|(known, _)| *known == name).expect("a client that was met").1
    }

    fn write(&mut self, name: &str, arrow: char, frame: &str) {
        let mut text = String::new();
        let mut written = 0;
        let frame = self.names.iter().fold(frame.to_owned(), |frame, (text, name)| frame.replace(text, name));
        for found in self.varying.captures_iter(&frame) {
            let whole = found.get(0).unwrap();
            text.push_str(&frame[written..whole.start()]);
            written = whole.end();
            let kind = self.varying.capture_names().flatten().find(|kind| found.name(kind).is_some()).unwrap();
            text.push_str(&match kind {
                // Which is which matters.
                "uuid" => {
                    let next = self.names.values().filter(|name| name.starts_with("<uuid")).count() + 1;
                    let name = self.names.entry(whole.as_str().to_owned()).or_insert_with(|| format!("<uuid {next}>"));
                    name.clone()
                }
                other => format!("<{other}>"),
            });
        }
        text.push_str(&frame[written..]);
        self.lines.push(format!("{name} {arrow} {text}"));
    }

    /// Sends and records a frame.
    async fn says(&mut self, name: &str, frame: impl ToString) {
        let frame = frame.to_string();
        self.write(name, '→', &frame);
        self.client(name).send_text(frame).await;
    }

    /// Records the next frame of each of these clients; returns the last one.
    async fn hear(&mut self, names: &[&str]) -> Value {
        let mut last = Value::Null;
        for name in names {
            let skips = self.skips;
            last = self.client(name).next_frame().await;
            while skips(&last) {
                last = self.client(name).next_frame().await;
            }
            let frame = last.to_string();
            self.write(name, '←', &frame);
        }
        last
    }

    /// Sends a frame, and records it and its one answer.
    async fn asks(&mut self, name: &str, frame: impl ToString) -> Value {
        self.says(name, frame).await;
        self.hear(&[name]).await
    }

    /// Closes a client's connection.
    async fn part(&mut self, name: &str) {
        self.lines.push(format!("{name} closes"));
        let place = self.clients.iter().position(|(known, _)| *known == name).expect("a client that was met");
        self.clients.remove(place).1.close().await;
    }

    /// Waits until the server closes a client's connection, and records it.
    async fn closed(&mut self, name: &str) {
        let place = self.clients.iter().position(|(known, _)| *known == name).expect("a client that was met");
        let code = self.clients.remove(place).1.expect_close().await;
        self.lines.push(format!("{name} is closed with {code}"));
    }

    /// Ends the transcript. Asks each client's connection a last question, to check that no unrecorded frame was sent.
    async fn end(mut self, last: impl Fn(&str) -> Value) -> String {
        self.note("Nothing else was sent to anybody");
        for name in self.clients.iter().map(|(name, _)| *name).collect::<Vec<_>>() {
            self.asks(name, last(name)).await;
        }
        std::mem::take(&mut self.lines).join("\n").trim_start().to_owned()
    }
}

impl Drop for Transcript {
    /// Prints the transcript so far if the test fails.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.lines.join("\n"));
        }
    }
}

/// A server without rate limits.
async fn server() -> Server {
    Setup::new().replace("command_burst = 200", "command_burst = 1000").start().await
}
