//! What is said in each dialect, word for word: every example of its page, and every error. A change of any of it shows up here
//! (`cargo insta review`, or `INSTA_UPDATE=always`, takes it over).

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

/// A conversation that is written down: who sent what, and what they were sent. What differs each time has a name in it.
struct Transcript {
    lines: Vec<String>,
    clients: Vec<(&'static str, Client)>,
    /// What is to be seen in place of an id, a time, a token.
    names: HashMap<String, String>,
    varying: Regex,
    /// What comes at times of its own and is not written down.
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

    /// From now on this client is known by that name.
    fn meet(&mut self, name: &'static str, client: Client) {
        self.clients.push((name, client));
    }

    /// This text is different each time, and called so.
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

    /// Sends it; what comes of it is asked for by `hears`.
    async fn says(&mut self, name: &str, frame: impl ToString) {
        let frame = frame.to_string();
        self.write(name, '→', &frame);
        self.client(name).send_text(frame).await;
    }

    /// Writes down the next frame of each of these; gives the last.
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

    /// Sends it and writes down the one frame that comes of it.
    async fn asks(&mut self, name: &str, frame: impl ToString) -> Value {
        self.says(name, frame).await;
        self.hear(&[name]).await
    }

    /// Closes its connection.
    async fn part(&mut self, name: &str) {
        self.lines.push(format!("{name} closes"));
        let place = self.clients.iter().position(|(known, _)| *known == name).expect("a client that was met");
        self.clients.remove(place).1.close().await;
    }

    /// The server closes its connection.
    async fn closed(&mut self, name: &str) {
        let place = self.clients.iter().position(|(known, _)| *known == name).expect("a client that was met");
        let code = self.clients.remove(place).1.expect_close().await;
        self.lines.push(format!("{name} is closed with {code}"));
    }

    /// The end: nobody has been sent anything that is not written down, as a last question to each shows.
    async fn end(mut self, last: impl Fn(&str) -> Value) -> String {
        self.note("Nothing else was sent to anybody");
        for name in self.clients.iter().map(|(name, _)| *name).collect::<Vec<_>>() {
            self.asks(name, last(name)).await;
        }
        std::mem::take(&mut self.lines).join("\n").trim_start().to_owned()
    }
}

impl Drop for Transcript {
    /// How far it came, for whoever has to find out why it went no further.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.lines.join("\n"));
        }
    }
}

/// More is said at once than people do.
async fn server() -> Server {
    Setup::new().replace("command_burst = 200", "command_burst = 1000").start().await
}
