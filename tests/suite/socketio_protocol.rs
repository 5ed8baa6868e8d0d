//! Engine.IO and Socket.IO below the events: polls, upgrades and closes, over both transports.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use uuid::Uuid;

use crate::harness::{PATIENCE, Server, Setup, SocketIo};

/// An Engine.IO connection over polling.
struct Polling {
    http: reqwest::Client,
    url: String,
}

impl Polling {
    async fn open(server: &Server) -> Self {
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        let url = server.url("/socket.io/?EIO=4&transport=polling");
        let opened = http.get(&url).send().await.unwrap().text().await.unwrap();
        let opened: Value = serde_json::from_str(opened.strip_prefix('0').unwrap()).unwrap();
        let client = Self { http, url: format!("{url}&sid={}", opened["sid"].as_str().unwrap()) };
        // The library asks at once whether anybody is there.
        client.expect("2").await;
        client.say("3").await;
        client
    }

    async fn poll(&self) -> (StatusCode, String) {
        let answer = self.http.get(&self.url).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    async fn say(&self, packets: &str) -> StatusCode {
        self.http.post(&self.url).body(packets.to_owned()).send().await.unwrap().status()
    }

    /// Polls until the answer contains this.
    async fn expect(&self, wanted: &str) -> String {
        loop {
            let (status, packets) = self.poll().await;
            assert_eq!(status, 200, "waiting for {wanted}: {packets}");
            if packets.contains(wanted) {
                return packets;
            }
        }
    }

    /// Polls until the connection is gone.
    async fn expect_end(&self) {
        while self.poll().await.0 != 400 {}
    }
}

async fn socket(server: &Server, query: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket{query}", server.address());
    connect_async(url).await.unwrap().0
}

/// Reads to the close; returns its code.
async fn close_code(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Option<u16> {
    timeout(PATIENCE, async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(close) = message {
                return close.map(|close| close.code.into());
            }
        }
        None
    })
    .await
    .expect("the connection ends")
}

#[tokio::test]
async fn aborted_poll_ends_the_connection() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let bob = server.sign_up("bob").await;
    let mut watcher = server.log_in(&bob).await;
    watcher.call("presence.watch", json!({"accounts": [ann.id]})).await.unwrap();
    let client = Polling::open(&server).await;
    assert_eq!(client.say(&format!("40{}", json!({"token": ann.token}))).await, 200);
    client.expect("40{").await;
    assert_eq!(watcher.expect_event("presence").await["data"]["online"], true);
    let (_, path) = client.url.split_once("/socket.io").unwrap();
    let mut poll = TcpStream::connect(server.address()).await.unwrap();
    poll.write_all(format!("GET /socket.io{path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    // A second poll would find it under way, were it not for this: that it arrived is seen by what a POST makes it answer.
    assert_eq!(client.say("42[\"dance\"]").await, 200);
    let mut answer = [0; 512];
    let read = timeout(PATIENCE, poll.read(&mut answer)).await.expect("the poll is answered").unwrap();
    assert!(String::from_utf8_lossy(&answer[..read]).starts_with("HTTP/1.1 200"), "{answer:?}");
    poll.write_all(format!("GET /socket.io{path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    // The next one may be on its way for a while; it is given up as soon as it has arrived.
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(poll);
    assert_eq!(watcher.expect_event("presence").await["data"]["online"], false);
    client.expect_end().await;
}

#[tokio::test]
async fn second_concurrent_poll_ends_the_connection() {
    let server = Setup::bare().start().await;
    let client = Polling::open(&server).await;
    // Which of the two comes first is nobody's choice.
    let (one, two) = tokio::join!(client.poll(), client.poll());
    let (told, refused) = if one.0 == 200 { (one, two) } else { (two, one) };
    assert_eq!(told, (StatusCode::OK, "1".to_owned()));
    assert_eq!(refused.0, 400);
    client.expect_end().await;
}

#[tokio::test]
async fn malformed_packet_ends_the_connection() {
    let server = Setup::bare().start().await;
    for packet in
        ["abc", "9", "4abc", "2probe\u{1e}x", "451-[\"message\",{\"_placeholder\":true,\"num\":0}]\u{1e}42[\"a\"]"]
    {
        let client = Polling::open(&server).await;
        client.say(packet).await;
        client.expect_end().await;

        let mut socket = socket(&server, "").await;
        socket.next().await.unwrap().unwrap();
        for packet in packet.split('\u{1e}') {
            socket.send(Message::text(packet)).await.unwrap();
        }
        assert_eq!(close_code(&mut socket).await, Some(1002), "{packet}");
    }
}

#[tokio::test]
async fn websocket_protocol_error_closes_with_its_code() {
    let server = Setup::bare().start().await;
    for (bytes, code) in [
        // A bit that means nothing; a fragment of nothing; a frame that is not masked.
        (&b"\xc1\x81\0\0\0\0x"[..], 1002),
        (b"\x80\x81\0\0\0\0x", 1002),
        (b"\x81\x01x", 1002),
        (b"\x81\x82\0\0\0\0\xc3\x28", 1007),
        (b"\x81\xff\0\0\0\0\0\x02\0\0\0\0\0\0", 1009),
    ] {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        socket.write_all(request.as_bytes()).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let mut said = Vec::new();
        let close = async {
            loop {
                if let Some(close) = said.windows(4).find(|four| four[0] == 0x88) {
                    return [close[2], close[3]];
                }
                assert!(socket.read_buf(&mut said).await.unwrap() > 0, "{bytes:?}: no close");
            }
        };
        let close = timeout(PATIENCE, close).await.expect("the connection is closed");
        assert_eq!(u16::from_be_bytes(close), code, "{bytes:?}");
    }
}

#[tokio::test]
async fn client_close_packet_closes_normally() {
    let server = Setup::bare().start().await;
    let mut socket = socket(&server, "").await;
    socket.send(Message::text("1")).await.unwrap();
    assert_eq!(close_code(&mut socket).await, Some(1000));

    let client = Polling::open(&server).await;
    let (polled, said) = tokio::join!(client.poll(), client.say("1"));
    assert_eq!(said, 200);
    assert!(polled.0 == 400 || polled.1 == "6", "{polled:?}");
    client.expect_end().await;
}

#[tokio::test]
async fn polling_connection_is_upgraded_once_to_websocket() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let client = Polling::open(&server).await;
    let (_, sid) = client.url.rsplit_once("&sid=").unwrap();
    let mut upgraded = socket(&server, &format!("&sid={sid}")).await;
    upgraded.send(Message::text("2probe")).await.unwrap();
    assert_eq!(upgraded.next().await.unwrap().unwrap(), Message::text("3probe"));
    upgraded.send(Message::text("5")).await.unwrap();
    upgraded.send(Message::text(format!("40{}", json!({"token": ann.token})))).await.unwrap();
    while !upgraded.next().await.unwrap().unwrap().to_text().unwrap().starts_with("40{") {}
    assert_eq!(client.poll().await.0, 400);
    assert_eq!(close_code(&mut socket(&server, &format!("&sid={sid}")).await).await, Some(1002));
    upgraded.send(Message::text("421[\"dance\"]")).await.unwrap();
    loop {
        let answer = upgraded.next().await.unwrap().unwrap();
        if answer.to_text().unwrap().starts_with("431[") {
            return;
        }
    }
}

#[tokio::test]
async fn event_with_attachments_is_acknowledged() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let session = Uuid::new_v4().to_string();
    let mut client = SocketIo::connect(server.address(), &json!({"token": ann.token})).await.unwrap();
    for (ack, data) in [
        (1, r#"{"_placeholder":true,"num":0}"#.to_owned()),
        (2, format!(r#"{{"sessionId":"{session}","content":{{"_placeholder":true,"num":0}}}}"#)),
    ] {
        client.send(format!(r#"451-{ack}["message",{data}]"#)).await;
        client.send_raw(Message::binary(vec![1, 2, 3])).await;
        assert_eq!(client.next_ack().await, Some(ack), "{data}");
    }
    // What is attached beside the text does not keep it from being said.
    client
        .send(format!(r#"451-3["message",{{"sessionId":"{session}","content":"hi"}},{{"_placeholder":true,"num":0}}]"#))
        .await;
    client.send_raw(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(client.next_ack().await, Some(3));
    assert_eq!(client.expect_message().await, "hi");
}

#[tokio::test]
async fn invalid_auth_is_refused() {
    let server = Server::start().await;
    let ann = server.sign_up("ann").await;
    for auth in [json!([ann.token]), json!([]), json!([{"token": ann.token}]), json!(true)] {
        let refused = SocketIo::connect(server.address(), &auth).await.err().unwrap_or_else(|| panic!("{auth}"));
        assert!(refused.contains("auth"), "{auth}: {refused}");
    }
    for auth in [json!({"token": ann.token}), json!({}), Value::Null] {
        assert!(SocketIo::connect(server.address(), &auth).await.is_ok(), "{auth}");
    }
}

#[tokio::test]
async fn stopping_server_closes_sockets_and_fails_polls_without_disconnect_packet() {
    let mut server = Server::start().await;
    let ann = server.sign_up("ann").await;
    let connect = format!("40{}", json!({"token": ann.token}));
    let mut socket = socket(&server, "").await;
    socket.send(Message::text(connect.clone())).await.unwrap();
    while !socket.next().await.unwrap().unwrap().to_text().unwrap().starts_with("40") {}
    let client = Polling::open(&server).await;
    client.say(&connect).await;
    client.expect("40{").await;
    let polled = async {
        loop {
            // It may not get there in time.
            let Ok(answer) = client.http.get(&client.url).send().await else { return };
            match answer.status().as_u16() {
                200 => assert!(!["1", "41"].contains(&&*answer.text().await.unwrap())),
                status => return assert!(status == 503 || status == 400, "{status}"),
            }
        }
    };
    let (stopped, (), said) = tokio::join!(server.stop(), polled, async {
        let mut said = Vec::new();
        while let Some(Ok(message)) = socket.next().await {
            said.push(message);
        }
        said
    });
    assert!(stopped.success());
    let Some(Message::Close(Some(close))) = said.last() else { panic!("{said:?}") };
    assert_eq!(u16::from(close.code), 1012);
    let last_words = [Message::text("1"), Message::text("41")];
    assert!(said.iter().all(|message| !last_words.contains(message)), "{said:?}");
}
