//! One client: how it connects, and what it makes of a message's text.

use anyhow::{Context as _, Result, anyhow, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use url::Url;

/// Large enough for a batch; the default is zero-filled with each read.
const READ_BUFFER: usize = 16 * 1024;

pub(super) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    speech: Speech,
}

enum Speech {
    /// In this room, by name or uid.
    Native {
        room: String,
    },
    Plain,
    SocketIo,
}

/// How a native client says who it is.
pub(super) enum Who<'a> {
    Guest(&'a str),
    Token(&'a str),
}

/// What came.
pub(super) enum Heard {
    Text(String),
    /// The connection is over, and why.
    Closed(String),
}

impl Client {
    /// Connected, in no room yet.
    pub(super) async fn native(url: &Url, who: Who<'_>) -> Result<Self> {
        let mut client = Self { socket: connect(url).await?, speech: Speech::Native { room: String::new() } };
        let proof = match who {
            Who::Guest(name) => json!({"guest": name}),
            Who::Token(token) => json!({"token": token}),
        };
        client.call("connect", proof).await?;
        Ok(client)
    }

    pub(super) async fn plain(url: &Url) -> Result<Self> {
        Ok(Self { socket: connect(url).await?, speech: Speech::Plain })
    }

    pub(super) async fn socket_io(url: &Url) -> Result<Self> {
        let mut url = url.clone();
        url.set_path("/socket.io/");
        url.set_query(Some("EIO=4&transport=websocket"));
        let mut client = Self { socket: connect(&url).await?, speech: Speech::SocketIo };
        client.send_text("40".to_owned()).await?;
        loop {
            match client.hear().await {
                Heard::Text(text) if text.starts_with("40") => return Ok(client),
                Heard::Text(_) => {}
                Heard::Closed(why) => bail!("closed at once: {why}"),
            }
        }
    }

    /// Asks and waits for the answer; what comes before it is passed over.
    pub(super) async fn call(&mut self, op: &str, args: Value) -> Result<Value> {
        self.send_text(json!({"id": 0, "op": op, "args": args}).to_string()).await?;
        loop {
            let mut frame: Value = match self.hear().await {
                Heard::Text(text) => serde_json::from_str(&text).context("the server's answer is no JSON")?,
                Heard::Closed(why) => bail!("{op}: the server closed the connection: {why}"),
            };
            if frame["id"] == 0 {
                if let Some(message) = frame["error"]["message"].as_str() {
                    bail!("{op}: {message}");
                }
                return Ok(frame["ok"].take());
            }
        }
    }

    /// Listens to a room from after `since`, if that is given, and talks there from now on.
    pub(super) async fn join(&mut self, name: &str, since: Option<u64>) -> Result<Value> {
        let joined = self.call("room.join", json!({"room": name, "since": since})).await?;
        let uid = joined["room"]["uid"].as_str().ok_or_else(|| anyhow!("a joined room has no uid"))?;
        self.speech = Speech::Native { room: uid.to_owned() };
        Ok(joined)
    }

    /// Sends a message. `id` comes back with its acknowledgement, where there is one.
    pub(super) async fn post(&mut self, id: u32, text: &str) -> Result<()> {
        let frame = match &self.speech {
            Speech::Native { room } => {
                json!({"id": id, "op": "message.post", "args": {"room": room, "body": text}}).to_string()
            }
            Speech::Plain => text.to_owned(),
            Speech::SocketIo => format!("42{}", json!(["message", text])),
        };
        self.send_text(frame).await
    }

    async fn send_text(&mut self, text: String) -> Result<()> {
        Ok(self.socket.send(Message::text(text)).await?)
    }

    /// The next text; pings are answered on the way.
    pub(super) async fn hear(&mut self) -> Heard {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => match self.speech {
                    // Engine.IO's own ping.
                    Speech::SocketIo if text == "2" => {
                        if let Err(error) = self.send_text("3".to_owned()).await {
                            return Heard::Closed(error.to_string());
                        }
                    }
                    _ => return Heard::Text(text.as_str().to_owned()),
                },
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Heard::Closed(format!("{} ({})", frame.reason, u16::from(frame.code)));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Heard::Closed(error.to_string()),
                None => return Heard::Closed("the connection ended".to_owned()),
            }
        }
    }
}

async fn connect(url: &Url) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let (socket, _) = connect_async_with_config(url.as_str(), Some(config), true)
        .await
        .with_context(|| format!("cannot connect to {url}"))?;
    Ok(socket)
}
