//! Benchmark peer: axum in the style of its chat example, with a broadcast channel and two tasks per connection.
#![allow(clippy::print_stdout, reason = "it says where it listens")]

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpListener;
use tokio::sync::broadcast;

/// A connection that lags this many messages is closed. The example's 100 would close any whose task waits for a core.
const MAX_LAG_MESSAGES: usize = 65_536;

type Room = broadcast::Sender<Utf8Bytes>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (room, _) = broadcast::channel(MAX_LAG_MESSAGES);
    let router = Router::new().fallback(get(upgrade)).with_state(room);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening {}", listener.local_addr()?);
    // Without TCP_NODELAY, every second message waits 40 ms for the client's acknowledgement.
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, router).await
}

async fn upgrade(upgrade: WebSocketUpgrade, State(room): State<Room>) -> Response {
    upgrade.on_upgrade(|socket| talk(socket, room))
}

async fn talk(socket: WebSocket, room: Room) {
    let (mut sender, mut receiver) = socket.split();
    let mut said = room.subscribe();
    let mut send = tokio::spawn(async move {
        while let Ok(text) = said.recv().await {
            if sender.send(Message::Text(text)).await.is_err() {
                break;
            }
        }
    });
    let mut receive = tokio::spawn(async move {
        while let Some(Ok(message)) = receiver.next().await {
            if let Message::Text(text) = message {
                let _ = room.send(text);
            }
        }
    });
    tokio::select! {
        _ = &mut send => receive.abort(),
        _ = &mut receive => send.abort(),
    }
}
