//! Runs one part of a message's processing a number of times: `quick PART TIMES`. Without arguments it lists the parts. `cargo
//! xtask bench --quick` counts its instructions, which do not depend on how busy the machine is.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a benchmark that cannot go on stops")]

#[path = "../core/scene.rs"]
mod scene;

use std::hint::black_box;

use natterjack::dialect::{Dialect, Encoded};
use natterjack::protocol::Event;

use self::scene::{Audience, DIALECTS};

type Part = fn(u64);

const PARTS: [(&str, Part); 5] = [
    ("read a post's frame in each dialect", decode),
    ("write a post's frame in each dialect", encode),
    ("broadcast a post to a room of 100", |times| broadcast(&[Dialect::Native], 100, 1, times)),
    ("broadcast 16 posts to a room of 100", |times| broadcast(&[Dialect::Native], 100, 16, times)),
    ("broadcast 16 posts to a room of 60, six dialects", |times| broadcast(&DIALECTS, 10, 16, times)),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [part, times] = &args[..] else {
        PARTS.iter().for_each(|(name, _)| println!("{name}"));
        return;
    };
    let (_, part) = PARTS.iter().find(|(name, _)| name == part).unwrap();
    part(times.parse().unwrap());
}

fn decode(times: u64) {
    let frames = DIALECTS.map(|dialect| (dialect, scene::frame(dialect)));
    for _ in 0..times {
        assert!(frames.iter().all(|(dialect, frame)| scene::decode(*dialect, black_box(frame))));
    }
}

fn encode(times: u64) {
    let (room, ann) = (scene::room(), scene::ann());
    let event = Event::Entry(scene::posted(&room, &ann, 42));
    for _ in 0..times {
        for dialect in DIALECTS {
            assert!(Encoded::new(black_box(&event), Some(&room)).for_dialect(dialect).is_some());
        }
    }
}

fn broadcast(dialects: &[Dialect], each: usize, posts: u64, times: u64) {
    let mut audience = Audience::new(dialects, each);
    for _ in 0..times {
        audience.broadcast(posts);
        assert_eq!(audience.drain() as u64, posts * (dialects.len() * each) as u64);
    }
}
