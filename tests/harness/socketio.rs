//! A minimal Socket.IO client over WebSocket. Real clients are tested in `tests/foreign`.

use std::collections::VecDeque;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::PATIENCE;

pub(crate) struct SocketIo {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_ack: u64,
    /// Events that arrived while something else was awaited, with their data.
    waiting: VecDeque<(String, Value)>,
}

impl SocketIo {
    /// Connects with this `auth`; the error is the message of CONNECT_ERROR.
    pub(crate) async fn connect(address: &str, auth: &Value) -> Result<Self, String> {
        Self::connect_with(address, auth, &[]).await
    }

    /// The same with extra headers.
    pub(crate) async fn connect_with(
        address: &str,
        auth: &Value,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, String> {
        Self::connect_over(Self::open(address, headers).await, auth).await
    }

    /// The same with an extended query string.
    pub(crate) async fn connect_at(address: &str, query: &str, auth: &Value) -> Result<Self, String> {
        Self::connect_over(Self::open_at(address, query, &[]).await, auth).await
    }

    async fn connect_over(opened: Result<Self, u16>, auth: &Value) -> Result<Self, String> {
        let mut client = opened.expect("the server takes the connection");
        client.send(format!("40{auth}")).await;
        let answer = client.packet().await.expect("an answer to CONNECT");
        match answer.split_at(2) {
            ("40", _) => Ok(client),
            ("44", error) => {
                let error: Value = serde_json::from_str(error).expect("an error");
                Err(error["message"].as_str().expect("a message").to_owned())
            }
            _ => panic!("CONNECT was answered by {answer}"),
        }
    }

    /// Opens an Engine.IO connection without CONNECT; the error is the status of the refusal.
    pub(crate) async fn open(address: &str, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        Self::open_at(address, "", headers).await
    }

    async fn open_at(address: &str, query: &str, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket{query}");
        let mut request = url.into_client_request().expect("a URL");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header value"));
        }
        let socket = match timeout(PATIENCE, connect_async(request)).await.expect("the server answers") {
            Ok((socket, _)) => socket,
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => return Err(response.status().as_u16()),
            Err(error) => panic!("no connection: {error}"),
        };
        let mut client = Self { socket, next_ack: 0, waiting: VecDeque::new() };
        let opened = client.packet().await.expect("an answer");
        assert!(opened.starts_with("0{"), "{opened}");
        Ok(client)
    }

    pub(crate) async fn send(&mut self, packet: String) {
        self.send_raw(Message::text(packet)).await;
    }

    pub(crate) async fn send_raw(&mut self, frame: Message) {
        self.socket.send(frame).await.expect("the packet is sent");
    }

    pub(crate) async fn emit(&mut self, event: &str, data: &Value) {
        self.send(format!("42{}", json!([event, data]))).await;
    }

    /// Emits and waits for the acknowledgement.
    pub(crate) async fn call(&mut self, event: &str, data: &Value) -> Value {
        self.next_ack += 1;
        let ack = self.next_ack;
        self.send(format!("42{ack}{}", json!([event, data]))).await;
        let wanted = format!("43{ack}[");
        loop {
            let packet = self.packet().await.unwrap_or_else(|| panic!("{event} was not acknowledged"));
            match packet.strip_prefix(&wanted) {
                Some(data) => return serde_json::from_str(data.trim_end_matches(']')).expect("JSON"),
                None => self.keep(&packet),
            }
        }
    }

    /// The number of the next acknowledgement, or `None` if the connection ends; skips events.
    pub(crate) async fn next_ack(&mut self) -> Option<usize> {
        loop {
            if let Some(ack) = self.packet().await?.strip_prefix("43") {
                return Some(ack.split('[').next().and_then(|number| number.parse().ok()).expect("a number"));
            }
        }
    }

    /// The data of the next event of this name.
    pub(crate) async fn expect(&mut self, event: &str) -> Value {
        loop {
            if let Some(found) = self.waiting.iter().position(|(name, _)| name == event) {
                return self.waiting.remove(found).expect("found").1;
            }
            let packet = self.packet().await;
            let packet = packet.unwrap_or_else(|| panic!("waited for {event}; there was {:?}", self.waiting));
            self.keep(&packet);
        }
    }

    /// The content of the next message.
    pub(crate) async fn expect_message(&mut self) -> String {
        self.expect("message").await["content"].as_str().expect("a content").to_owned()
    }

    /// Reads until the server disconnects: `41`, or the end of the connection.
    pub(crate) async fn expect_disconnect(&mut self) {
        while let Some(packet) = self.packet().await {
            if packet == "41" {
                return;
            }
            self.keep(&packet);
        }
    }

    /// Reads until the transport closes, without a disconnect packet.
    pub(crate) async fn expect_end(&mut self) {
        while let Some(packet) = self.packet().await {
            self.keep(&packet);
        }
    }

    /// The number of events of this name that arrived while something else was awaited.
    pub(crate) fn heard(&self, event: &str) -> usize {
        self.waiting.iter().filter(|(name, _)| name == event).count()
    }

    fn keep(&mut self, packet: &str) {
        let event = packet.strip_prefix("42").unwrap_or_else(|| panic!("the server said {packet}"));
        let (name, data) = serde_json::from_str(event).expect("an event with its data");
        self.waiting.push_back((name, data));
    }

    /// The next packet, except pings; `None` if the server has closed.
    async fn packet(&mut self) -> Option<String> {
        let said = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) if text.as_str() == "2" => self.send("3".to_owned()).await,
                    Some(Ok(Message::Text(text))) if text.as_str() == "1" => return None,
                    Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    Some(Ok(_)) => {}
                }
            }
        };
        // One timeout for the whole wait, which pings do not extend.
        timeout(PATIENCE, said).await.expect("the server says something")
    }
}
