//! One client: how it connects, and what it makes of a message's text.

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

/// Large enough for a batch; the default is zero-filled with each read.
const READ_BUFFER: usize = 16 * 1024;
/// How long a server may take to let somebody in.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Client {
    socket: WebSocketStream<TcpStream>,
    speech: Speech,
}

enum Speech {
    /// In this room, by name or uid.
    Native {
        room: String,
    },
    Plain,
    SocketIo,
    Xmpp {
        room: String,
    },
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

    /// `proof` goes with the connection's first packet.
    pub(super) async fn socket_io(url: &Url, proof: &str) -> Result<Self> {
        let mut url = url.clone();
        url.set_path("/socket.io/");
        url.set_query(Some("EIO=4&transport=websocket"));
        let mut client = Self::connect(&url, None, Speech::SocketIo).await?;
        client.ask(format!("40{proof}"), "40{").await?;
        Ok(client)
    }

    /// Logged in, in no room yet.
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
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let (socket, _) = client_async_with_config(request, socket, Some(config)).await.with_context(cannot)?;
        Ok(Self { socket, speech })
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

    /// Says something in another protocol, and waits for what has this in it.
    pub(super) async fn ask(&mut self, question: String, answer: &str) -> Result<()> {
        self.send_text(question).await?;
        self.wait_for(answer).await
    }

    /// Waits for what has this in it; what comes before it is passed over.
    pub(super) async fn wait_for(&mut self, answer: &str) -> Result<()> {
        let mut last = String::new();
        let heard = timeout(PATIENCE, async {
            loop {
                match self.hear().await {
                    Heard::Text(text) if text.contains(answer) => return Ok(()),
                    Heard::Text(text) => last = text,
                    Heard::Closed(why) => bail!("the server closed the connection instead of saying `{answer}`: {why}"),
                }
            }
        });
        heard.await.unwrap_or_else(|_| bail!("the server never said `{answer}`; last it said `{last}`"))
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
            Speech::Xmpp { room } => xmpp::message(room, text),
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
