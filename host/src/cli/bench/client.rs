//! One client of a scenario, for each protocol.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::Url;

use super::{source, xmpp};

/// Large enough for a batch; the larger default would be zero-filled with each read.
const READ_BUFFER_BYTES: usize = 16 * 1024;
/// How long a server may take to answer while a client connects.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) struct Client {
    socket: WebSocketStream<TcpStream>,
    speech: Speech,
}

enum Speech {
    /// With the current room's name or uid.
    Native {
        room: String,
    },
    Plain,
    SocketIo,
    Xmpp {
        room: String,
    },
}

/// The identity of a native client.
pub(super) enum Who<'a> {
    Guest(&'a str),
    Token(&'a str),
}

/// A received text, or the end of the connection.
pub(super) enum Heard {
    Text(String),
    /// The reason why the connection ended.
    Closed(String),
}

impl Client {
    /// Connects without joining a room.
    pub(super) async fn native(url: &Url, who: Who<'_>) -> Result<Self> {
        let mut client = Self::connect(url, None, Speech::Native { room: String::new() }).await?;
        let proof = match who {
            Who::Guest(name) => json!({"guest": name}),
            Who::Token(token) => json!({"token": token}),
        };
        client.call("connect", proof).await?;
        Ok(client)
    }

    pub(super) async fn plain(url: &Url) -> Result<Self> {
        Self::connect(url, None, Speech::Plain).await
    }

    /// The same with a header of the upgrade request.
    pub(super) async fn plain_with(url: &Url, header: (HeaderName, HeaderValue)) -> Result<Self> {
        Self::connect(url, Some(header), Speech::Plain).await
    }

    /// Connects with `proof` in the CONNECT packet.
    pub(super) async fn socket_io(url: &Url, proof: &str) -> Result<Self> {
        let mut url = url.clone();
        url.set_path("/socket.io/");
        url.set_query(Some("EIO=4&transport=websocket"));
        let mut client = Self::connect(&url, None, Speech::SocketIo).await?;
        client.ask(format!("40{proof}"), "40{").await?;
        Ok(client)
    }

    /// Logs in without joining a room.
    pub(super) async fn xmpp(url: &Url) -> Result<Self> {
        let mut client = Self::connect(url, Some(xmpp::subprotocol()), Speech::Xmpp { room: String::new() }).await?;
        for (question, answer) in xmpp::login() {
            client.ask(question, answer).await?;
        }
        Ok(client)
    }

    pub(super) async fn xmpp_in(url: &Url, room: &str, name: &str) -> Result<Self> {
        let mut client = Self::xmpp(url).await?;
        let (question, answer) = xmpp::enter(room, name);
        client.ask(question, answer).await?;
        client.speech = Speech::Xmpp { room: room.to_owned() };
        Ok(client)
    }

    async fn connect(url: &Url, header: Option<(HeaderName, HeaderValue)>, speech: Speech) -> Result<Self> {
        let cannot = || format!("cannot connect to {url}");
        let mut request = url.as_str().into_client_request().with_context(cannot)?;
        request.headers_mut().extend(header.map(|(name, value)| (Some(name), value)));
        let socket = source::connect(url).await.with_context(cannot)?;
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
        let (socket, _) = client_async_with_config(request, socket, Some(config)).await.with_context(cannot)?;
        Ok(Self { socket, speech })
    }

    /// Sends a command and waits for its answer; skips frames before it.
    pub(super) async fn call(&mut self, op: &str, args: Value) -> Result<Value> {
        self.send_text(json!({"id": 0, "op": op, "args": args}).to_string()).await?;
        loop {
            let mut frame: Value = match self.hear().await {
                Heard::Text(text) => serde_json::from_str(&text).context("the server's answer is not JSON")?,
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

    /// Sends a text in another protocol, and waits for a frame that contains `answer`.
    pub(super) async fn ask(&mut self, question: String, answer: &str) -> Result<()> {
        self.send_text(question).await?;
        self.wait_for(answer).await
    }

    /// Waits for a frame that contains this text; skips frames before it.
    pub(super) async fn wait_for(&mut self, answer: &str) -> Result<()> {
        let mut last = String::new();
        let heard = timeout(ANSWER_TIMEOUT, async {
            loop {
                match self.hear().await {
                    Heard::Text(text) if text.contains(answer) => return Ok(()),
                    Heard::Text(text) => last = text,
                    Heard::Closed(why) => {
                        bail!("the server closed the connection instead of sending `{answer}`: {why}")
                    }
                }
            }
        });
        heard.await.unwrap_or_else(|_| bail!("the server did not send `{answer}` in time; it last sent `{last}`"))
    }

    /// Joins a room, from after `since` if that is given; further posts go there.
    pub(super) async fn join(&mut self, name: &str, since: Option<u64>) -> Result<Value> {
        let joined = self.call("room.join", json!({"room": name, "since": since})).await?;
        let uid = joined["room"]["uid"].as_str().ok_or_else(|| anyhow!("a joined room has no uid"))?;
        self.speech = Speech::Native { room: uid.to_owned() };
        Ok(joined)
    }

    /// Sends a message. Its acknowledgement has this `id`, in protocols that have one.
    pub(super) async fn post(&mut self, id: u32, text: &str) -> Result<()> {
        let frame = match &self.speech {
            Speech::Native { room } => {
                json!({"id": id, "op": "message.post", "args": {"room": room, "body": text}}).to_string()
            }
            Speech::Plain => text.to_owned(),
            Speech::SocketIo => format!("42{}", json!(["message", text])),
            Speech::Xmpp { room } => xmpp::message(room, text),
        };
        self.send_text(frame).await
    }

    async fn send_text(&mut self, text: String) -> Result<()> {
        Ok(self.socket.send(Message::text(text)).await?)
    }

    /// Waits for the next text; answers pings.
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
