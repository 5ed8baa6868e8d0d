//! Parts of a message's way, so many times: `quick PART TIMES`. Without a part it names all of them. `cargo xtask bench --quick`
//! counts its instructions, which are the same however busy a machine is.

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
    ("tell a room of 100 a post", |times| tell(&[Dialect::Native], 100, 1, times)),
    ("tell a room of 100 16 posts", |times| tell(&[Dialect::Native], 100, 16, times)),
    ("tell a room of 60, six dialects, 16 posts", |times| tell(&DIALECTS, 10, 16, times)),
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

fn tell(dialects: &[Dialect], each: usize, posts: u64, times: u64) {
    let mut audience = Audience::new(dialects, each);
    for _ in 0..times {
        audience.publish(posts);
        assert_eq!(audience.drain() as u64, posts * (dialects.len() * each) as u64);
    }
}
