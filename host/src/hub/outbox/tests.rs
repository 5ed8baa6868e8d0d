//! Tests of queueing, writing, and closing slow connections.

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::*;

fn outbox(frames: usize, bytes: usize) -> Outbox {
    Outbox::new(&config::Limits { outbox_frames: frames, outbox_bytes: bytes, ..config::Limits::default() })
}

fn text(text: &str) -> Frame {
    Frame::Text(Packet::of([text]))
}

async fn taken(outbox: &Outbox) -> Vec<Frame> {
    let mut frames = VecDeque::new();
    outbox.take(&mut frames).await;
    frames.into()
}

#[tokio::test]
async fn frames_come_out_in_order() {
    let outbox = outbox(8, 100);
    outbox.enqueue("a".into());
    outbox.enqueue("b".into());
    assert_eq!(taken(&outbox).await, [text("a"), text("b")]);
}

#[tokio::test]
async fn outbox_with_too_many_frames_closes_as_too_slow() {
    let outbox = outbox(2, 100);
    for _ in 0..3 {
        outbox.enqueue("x".into());
    }
    assert!(matches!(&taken(&outbox).await[..], [Frame::Close(close)] if close.code == Close::TOO_SLOW));
}

#[tokio::test]
async fn outbox_with_too_many_bytes_closes_as_too_slow() {
    let outbox = outbox(100, 10);
    outbox.enqueue("123456".into());
    outbox.enqueue("78901".into());
    assert!(matches!(&taken(&outbox).await[..], [Frame::Close(close)] if close.code == Close::TOO_SLOW));
}

#[tokio::test]
async fn enqueue_when_free_waits_until_half_is_free() {
    let outbox = outbox(4, 100);
    for _ in 0..3 {
        outbox.enqueue("x".into());
    }
    let (taken, ()) = tokio::join!(taken(&outbox), outbox.enqueue_when_free("y".into()));
    assert_eq!(taken.len(), 3);
    assert_eq!(self::taken(&outbox).await, [text("y")]);
    outbox.enqueue("x".repeat(60).into());
    outbox.close(Close::new(Close::NORMAL, ""));
    outbox.enqueue_when_free("nobody waits for what is closed".into()).await;
}

#[tokio::test]
async fn close_follows_queued_frames_and_ends_the_queue() {
    let outbox = outbox(8, 100);
    outbox.enqueue("bye".into());
    outbox.close(Close::new(Close::LOGGED_OUT, "logged out"));
    outbox.enqueue("late".into());
    let frames = taken(&outbox).await;
    assert_eq!(frames.len(), 2);
    assert!(matches!(&frames[1], Frame::Close(close) if close.code == Close::LOGGED_OUT));
}

/// An outbox that writes to a socket, and the socket's other end.
async fn wired(limits: &config::Limits) -> (Arc<Outbox>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (theirs, _) = listener.accept().await.unwrap();
    ours.writable().await.unwrap();
    (Arc::new(Outbox::to_socket(limits, ours)), theirs)
}

async fn read(socket: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    socket.read_exact(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn broadcast_is_written_together_with_a_corked_answer() {
    let (outbox, mut peer) = wired(&config::Limits::default()).await;
    let corked = outbox.clone().cork();
    outbox.enqueue("answer".into());
    let packet = Packet::of(["one", "two"]);
    outbox.enqueue_packet(&packet);
    let both = [Packet::of(["answer"]).bytes(), packet.bytes()].map(|bytes| bytes.to_vec()).concat();
    let mut read = vec![0; 2 * both.len()];
    assert_eq!(peer.read(&mut read).await.unwrap(), both.len(), "one write");
    assert_eq!(read[..both.len()], both);
    drop(corked);
    assert_eq!(outbox.flush(), Flushed::All);
}

#[tokio::test]
async fn corked_answer_without_broadcast_is_written() {
    let (outbox, mut peer) = wired(&config::Limits::default()).await;
    let corked = outbox.clone().cork();
    outbox.enqueue("answer".into());
    drop(corked);
    let expected = Packet::of(["answer"]);
    assert_eq!(read(&mut peer, expected.bytes().len()).await, &expected.bytes()[..]);
}

#[tokio::test]
async fn frames_beyond_the_socket_buffer_are_written_later_in_order() {
    let limits = config::Limits { outbox_frames: 100_000, outbox_bytes: 1 << 30, ..config::Limits::default() };
    let (outbox, mut peer) = wired(&limits).await;
    // More than the buffers of a socket hold.
    let packets: Vec<Packet> = (0..400).map(|n| Packet::of([&*n.to_string().repeat(20_000)])).collect();
    packets.iter().for_each(|packet| outbox.enqueue_packet(packet));
    outbox.close(Close::new(Close::NORMAL, ""));
    let expected: Vec<u8> = packets.iter().flat_map(|packet| packet.bytes().to_vec()).collect();
    let writing = async move {
        while outbox.flush() == Flushed::Blocked {
            outbox.socket().unwrap().writable().await.unwrap();
        }
    };
    let (read, ()) = tokio::join!(read(&mut peer, expected.len()), writing);
    assert!(read == expected);
}

#[tokio::test]
async fn stalled_client_is_closed_after_the_partly_written_frame() {
    let (outbox, mut peer) = wired(&config::Limits::default()).await;
    let packet = Packet::of([&*"x".repeat(1 << 20)]);
    while !outbox.is_closed() {
        outbox.enqueue_packet(&packet);
    }
    let reading = async {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        all
    };
    let writing = async move {
        while outbox.flush() == Flushed::Blocked {
            outbox.socket().unwrap().writable().await.unwrap();
        }
        drop(outbox);
    };
    let (all, ()) = tokio::join!(reading, writing);
    let close = packet::close(Close::TOO_SLOW, "too slow: more was waiting than fits");
    assert!(all.ends_with(&close));
    assert_eq!((all.len() - close.len()) % packet.bytes().len(), 0, "whole frames before it");
}
