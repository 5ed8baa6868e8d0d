//! A client of the native protocol.

use std::collections::VecDeque;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::PATIENCE;

/// The `error` of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure(pub(crate) Value);

impl Failure {
    pub(crate) fn code(&self) -> &str {
        self.0["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.0["message"].as_str().unwrap_or_default()
    }
}

pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: u64,
    /// Frames that arrived while another one was awaited.
    waiting: VecDeque<Value>,
}

impl Client {
    pub(crate) async fn open(url: &str) -> Self {
        Self::open_with(url, &[]).await.expect("the server takes the connection")
    }

    /// Opens a connection with extra headers; the error is the status of the refusal.
    pub(crate) async fn open_with(url: &str, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let mut request = url.into_client_request().expect("a URL");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header value"));
        }
        match timeout(PATIENCE, connect_async(request)).await.expect("the server answers") {
            Ok((socket, _)) => Ok(Self { socket, next_id: 0, waiting: VecDeque::new() }),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no connection: {error}"),
        }
    }

    /// Opens a connection; `None` if the server does not answer.
    pub(crate) async fn try_open(url: &str) -> Option<Self> {
        let (socket, _) = connect_async(url).await.ok()?;
        Some(Self { socket, next_id: 0, waiting: VecDeque::new() })
    }

    /// Sends a command; `None` if the connection is lost.
    pub(crate) async fn try_send(&mut self, op: &str, args: Value) -> Option<u64> {
        self.next_id += 1;
        let frame = json!({"id": self.next_id, "op": op, "args": args}).to_string();
        self.socket.send(Message::text(frame)).await.ok()?;
        Some(self.next_id)
    }

    /// The next frame, without a timeout; `None` if the connection is lost.
    pub(crate) async fn try_frame(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await?.ok()? {
                Message::Text(text) => return serde_json::from_str(&text).ok(),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    pub(crate) async fn send_raw(&mut self, message: Message) {
        self.socket.send(message).await.expect("the frame is sent");
    }

    pub(crate) async fn send_text(&mut self, text: impl Into<String>) {
        self.send_raw(Message::text(text.into())).await;
    }

    /// Sends a command and does not wait for its answer.
    pub(crate) async fn send(&mut self, op: &str, args: Value) -> u64 {
        self.next_id += 1;
        self.send_text(json!({"id": self.next_id, "op": op, "args": args}).to_string()).await;
        self.next_id
    }

    /// Sends a command and waits for its answer.
    pub(crate) async fn call(&mut self, op: &str, args: Value) -> Result<Value, Failure> {
        let id = self.send(op, args).await;
        self.answer(id).await
    }

    pub(crate) async fn answer(&mut self, id: u64) -> Result<Value, Failure> {
        let mut frame = self.expect(&format!("the answer to {id}"), |frame| frame["id"] == id).await;
        match frame.get_mut("ok") {
            Some(ok) => Ok(ok.take()),
            None => Err(Failure(frame["error"].take())),
        }
    }

    /// The next event of this name.
    pub(crate) async fn expect_event(&mut self, name: &str) -> Value {
        self.expect(name, |frame| frame["event"] == name).await
    }

    /// The next frame whose `type` this is.
    pub(crate) async fn expect_type(&mut self, name: &str) -> Value {
        self.expect(name, |frame| frame["type"] == name).await
    }

    /// The next frame with a `code` that answers a frame of this `type`.
    pub(crate) async fn expect_answer(&mut self, to: &str) -> Value {
        self.expect(to, |frame| frame["type"] == to && frame["code"].is_u64()).await
    }

    /// The body of the next message.
    pub(crate) async fn expect_message(&mut self) -> String {
        let event = self.expect_event("message.posted").await;
        event["data"]["body"].as_str().expect("a body").to_owned()
    }

    /// The next frame, whatever it is.
    pub(crate) async fn next_frame(&mut self) -> Value {
        self.expect("any frame", |_| true).await
    }

    async fn expect(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(found) = self.waiting.iter().position(&wanted) {
            return self.waiting.remove(found).expect("found");
        }
        loop {
            match timeout(PATIENCE, self.socket.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => {
                    let frame: Value = serde_json::from_str(&text).expect("frames are JSON");
                    if wanted(&frame) {
                        return frame;
                    }
                    self.waiting.push_back(frame);
                }
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
                Ok(other) => panic!("waited for {what}, the socket said {other:?}"),
                Err(_) => panic!("waited for {what} in vain; there was {:?}", self.waiting),
            }
        }
    }

    /// Sends a ping and waits for the pong; returns how many other frames arrived before it.
    pub(crate) async fn ping(&mut self, payload: &'static str) -> usize {
        self.send_raw(Message::Ping(payload.into())).await;
        let before = self.waiting.len();
        loop {
            match timeout(PATIENCE, self.socket.next()).await {
                Ok(Some(Ok(Message::Pong(echoed)))) if echoed == payload => return self.waiting.len() - before,
                Ok(Some(Ok(Message::Text(text)))) => {
                    self.waiting.push_back(serde_json::from_str(&text).expect("frames are JSON"));
                }
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
                other => panic!("waited for a pong, the socket said {other:?}"),
            }
        }
    }

    /// Closes the connection with a close frame.
    pub(crate) async fn close(mut self) {
        self.socket.close(None).await.expect("the close is sent");
    }

    /// Reads until the server closes; returns the code.
    pub(crate) async fn expect_close(&mut self) -> u16 {
        self.expect_close_with_reason().await.0
    }

    /// The same with the reason.
    pub(crate) async fn expect_close_with_reason(&mut self) -> (u16, String) {
        loop {
            match timeout(PATIENCE, self.socket.next()).await {
                Ok(Some(Ok(Message::Close(Some(frame))))) => return (frame.code.into(), frame.reason.to_string()),
                Ok(Some(Ok(_))) => {}
                Ok(other) => panic!("waited for a close, the socket said {other:?}"),
                Err(_) => panic!("waited for a close in vain"),
            }
        }
    }

    /// Reads until the server closes; returns all frames, and the code.
    pub(crate) async fn read_to_close(&mut self) -> (Vec<Value>, u16) {
        let mut frames: Vec<Value> = self.heard();
        loop {
            match timeout(PATIENCE, self.socket.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => frames.push(serde_json::from_str(&text).expect("frames are JSON")),
                Ok(Some(Ok(Message::Close(Some(frame))))) => return (frames, frame.code.into()),
                Ok(Some(Ok(_))) => {}
                Ok(other) => panic!("waited for a close, the socket said {other:?}"),
                Err(_) => panic!("waited for a close in vain"),
            }
        }
    }

    /// Takes the frames that arrived while another one was awaited.
    pub(crate) fn heard(&mut self) -> Vec<Value> {
        self.waiting.drain(..).collect()
    }

    /// Sends one more command; returns all frames that arrived before its answer.
    pub(crate) async fn settle(&mut self) -> Vec<Value> {
        self.call("commands", json!({})).await.expect("commands are listed");
        self.waiting.drain(..).collect()
    }

    pub(crate) async fn join(&mut self, room: &str) -> Value {
        self.call("room.join", json!({"room": room})).await.expect("the room is open")
    }

    pub(crate) async fn post(&mut self, room: &str, body: &str) -> Result<Value, Failure> {
        self.call("message.post", json!({"room": room, "body": body})).await
    }

    /// The bodies of a room's history, oldest first, without what was deleted.
    pub(crate) async fn history(&mut self, room: &str) -> Vec<String> {
        let page = self.call("room.history", json!({"room": room, "limit": 200})).await.expect("a history");
        let messages = page["messages"].as_array().expect("messages").iter();
        let messages = messages.filter(|message| message["deleted_at"].is_null());
        messages.map(|message| message["body"].as_str().expect("a body").to_owned()).collect()
    }
}
