//! axum in the style of its own chat example: a broadcast channel, and for each connection a task that receives from it and one
//! that sends to it.
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

/// So many messages behind, a connection is closed. With the example's 100 that is anybody whose task has to wait for a core.
const BEHIND: usize = 65_536;

type Room = broadcast::Sender<Utf8Bytes>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (room, _) = broadcast::channel(BEHIND);
    let router = Router::new().fallback(get(upgrade)).with_state(room);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening {}", listener.local_addr()?);
    // Without it, every second message waits 40 ms for the client's acknowledgement.
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
