//! `natterjack plugin list | reload | enable | disable | logs`: manages a running server's plugins by its admin API.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Body, Method, StatusCode, Url};
use serde_json::Value;
use tokio::time::sleep;

/// Timeout of requests, which may include compiling a plugin.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);
/// Interval at which new log lines are fetched.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The server's URL and an administrator's token.
#[derive(Debug, clap::Args)]
pub(super) struct Server {
    /// The server's URL
    #[arg(long, env = "NATTERJACK_URL", default_value = "http://127.0.0.1:5000")]
    url: String,
    /// An administrator's access token (`natterjack user token NAME` prints one)
    #[arg(long, env = "NATTERJACK_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    server: Server,
    /// Print the server's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Switch {
    /// The plugin: its file's name without .wasm
    id: String,
    #[command(flatten)]
    server: Server,
}

/// Print the latest log lines of a plugin, and the server's about it (for administrators)
#[derive(Debug, clap::Args)]
pub(super) struct Logs {
    /// The plugin: its file's name without .wasm
    id: String,
    #[command(flatten)]
    server: Server,
    /// Number of lines
    #[arg(long, short = 'n', default_value_t = 100)]
    lines: usize,
    /// Keep printing new lines until interrupted
    #[arg(long, short)]
    follow: bool,
}

pub(super) async fn list(args: List) -> Result<()> {
    let answer = args.server.open()?.ask(Method::GET, &["plugins"], &[]).await?;
    show(&answer, args.json);
    Ok(())
}

pub(super) async fn reload(args: List) -> Result<()> {
    let answer = args.server.open()?.ask(Method::POST, &["plugins", "reload"], &[]).await?;
    show(&answer, args.json);
    Ok(())
}

pub(super) async fn switch(args: Switch, on: bool) -> Result<()> {
    let what = if on { "enable" } else { "disable" };
    let plugin = args.server.open()?.ask(Method::POST, &["plugins", &args.id, what], &[]).await?;
    if let (true, Some(error)) = (on, plugin["error"].as_str()) {
        bail!("{} is enabled, but its file does not run: {error}", args.id);
    }
    say!("{} is {}", args.id, plugin["state"].as_str().unwrap_or("of unknown state"));
    Ok(())
}

pub(super) async fn logs(args: Logs) -> Result<()> {
    let server = args.server.open()?;
    let mut after = 0;
    let mut most = args.lines;
    loop {
        let query = [("lines", most.to_string()), ("after", after.to_string())];
        let answer = server.ask(Method::GET, &["plugins", &args.id, "logs"], &query).await?;
        for line in answer["lines"].as_array().into_iter().flatten() {
            let text = |key: &str| line[key].as_str().unwrap_or_default();
            say!("{} {:>5} {}", text("at"), text("level"), text("text"));
            after = line["seq"].as_u64().unwrap_or(after);
        }
        if !args.follow {
            return Ok(());
        }
        most = usize::MAX;
        sleep(POLL_INTERVAL).await;
    }
}

fn show(answer: &Value, json: bool) {
    if json {
        say!("{answer:#}");
        return;
    }
    let plugins = answer["plugins"].as_array().map_or(&[][..], Vec::as_slice);
    if plugins.is_empty() {
        say!("there are no plugins");
    }
    for plugin in plugins {
        let text = |key: &str| plugin[key].as_str().unwrap_or_default();
        let words = |list: &Value| {
            let words = list.as_array().into_iter().flatten().filter_map(Value::as_str);
            words.collect::<Vec<_>>().join(", ")
        };
        say!("{:<20} {:<9} {:<8} {}", text("id"), text("state"), text("version"), text("summary"));
        let grants = &plugin["grants"];
        let rows = [
            ("hooks", words(&plugin["hooks"])),
            ("commands", words(&plugin["commands"])),
            ("uses", words(&grants["asked"])),
            ("granted", words(&grants["given"])),
            ("error", text("error").to_owned()),
        ];
        for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
            say!("    {name:<9} {value}");
        }
    }
    for file in answer["quarantinedFiles"].as_array().into_iter().flatten() {
        let text = |key: &str| file[key].as_str().unwrap_or_default();
        say!(
            "quarantined file {}, installed as {} at {}: {}",
            text("sha256"),
            text("plugin"),
            text("at"),
            text("reason")
        );
        say!("    natterjack plugin retry {} loads it again", &text("sha256").get(..12).unwrap_or_default());
    }
}

/// A client of the server's admin API.
pub(super) struct Link {
    client: reqwest::Client,
    base: Url,
    token: String,
}

impl Server {
    pub(super) fn at(url: String, token: Option<String>) -> Self {
        Self { url, token }
    }

    pub(super) fn open(self) -> Result<Link> {
        let Some(token) = self.token else {
            bail!(
                "no token: wanted --token, or NATTERJACK_TOKEN, with an administrator's access token; \
                 `natterjack user token NAME`, run in the server's folder, prints one"
            );
        };
        let whole = if self.url.contains("://") { self.url } else { format!("http://{}", self.url) };
        let base = Url::parse(&whole).with_context(|| format!("{whole} is not a URL; wanted http://HOST:PORT"))?;
        if base.scheme() != "http" {
            bail!(
                "{base}: these commands support plain HTTP only; run them on the server's machine, or through a tunnel to it"
            );
        }
        let client = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).build()?;
        Ok(Link { client, base, token })
    }
}

impl Link {
    pub(super) async fn ask(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> Result<Value> {
        self.send(method, path, query, Body::default()).await
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: impl Into<Body>,
    ) -> Result<Value> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "admin"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let sent = self.client.request(method, url).bearer_auth(&self.token).body(body).send().await;
        let response =
            sent.with_context(|| format!("cannot reach {}; is the server running there? (--url)", self.base))?;
        let status = response.status();
        let answer: Value =
            response.json().await.with_context(|| format!("{} is not a Natterjack server ({status})", self.base))?;
        if status == StatusCode::OK {
            return Ok(answer);
        }
        match answer["error"]["message"].as_str() {
            Some(message) => bail!("the server says: {message}"),
            None => bail!("the server answered {status}"),
        }
    }
}
