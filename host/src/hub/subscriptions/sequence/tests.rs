//! Entries are broadcast in order and once, in whatever order they arrive.

use proptest::prelude::*;

use super::*;
use crate::clock::now;
use crate::hub::testing;
use crate::protocol::{Actor, Author, Entry, RoomId};

fn pending(room: RoomId, seq: u64) -> PendingBroadcast {
    let by = Author::from(&Actor::Server);
    PendingBroadcast::late(Entry { room, seq, number: 0, at: now(), by, what: testing::topic() })
}

/// Gives these entries to the sequence; returns the numbers that are broadcast.
fn give(sequence: &mut Sequence, room: &Arc<Room>, seqs: &[u64]) -> Vec<u64> {
    let given: Vec<PendingBroadcast> = seqs.iter().map(|seq| pending(room.id, *seq)).collect();
    let ready: Vec<u64> = match sequence.take(room, &given) {
        Ready::All => given.iter().map(|pending| pending.entry.seq).collect(),
        Ready::These(ready) => ready.iter().map(|(_, pending)| pending.entry.seq).collect(),
    };
    ready.iter().for_each(|seq| sequence.broadcast_up_to(*seq));
    ready
}

fn starting_at(next: u64) -> (Sequence, Arc<Room>) {
    let mut sequence = Sequence::default();
    sequence.begin(next);
    (sequence, Arc::new(testing::room()))
}

#[test]
fn early_entries_wait_and_duplicates_are_left_out() {
    let (mut sequence, room) = starting_at(5);
    assert_eq!(give(&mut sequence, &room, &[5, 6]), [5, 6]);
    assert_eq!(give(&mut sequence, &room, &[9]), [0; 0]);
    assert_eq!(sequence.missing(), Some(Missing { from: 7, up_to: 8 }));
    assert_eq!(give(&mut sequence, &room, &[6, 7]), [7]);
    assert_eq!(give(&mut sequence, &room, &[8]), [8, 9]);
    assert_eq!(sequence.missing(), None);
}

#[test]
fn entries_wait_until_the_start_is_known() {
    let mut sequence = Sequence::default();
    let room = Arc::new(testing::room());
    assert_eq!(give(&mut sequence, &room, &[3, 4, 6]), [0; 0]);
    sequence.begin(4);
    assert_eq!(give(&mut sequence, &room, &[]), [4]);
    assert_eq!(sequence.missing(), Some(Missing { from: 5, up_to: 5 }));
}

#[test]
fn entries_gone_from_the_log_are_not_waited_for() {
    let (mut sequence, room) = starting_at(1);
    give(&mut sequence, &room, &[4]);
    sequence.note_complete(3);
    assert_eq!(give(&mut sequence, &room, &[]), [4]);
    // Also at the end of the log.
    sequence.note_last(9);
    assert_eq!(sequence.missing(), Some(Missing { from: 5, up_to: 9 }));
    sequence.note_complete(9);
    assert_eq!(give(&mut sequence, &room, &[]), [0; 0]);
    assert_eq!(sequence.missing(), None);
    assert_eq!(give(&mut sequence, &room, &[10]), [10]);
}

#[test]
fn entries_beyond_the_waiting_limit_are_missing() {
    let (mut sequence, room) = starting_at(1);
    let many: Vec<u64> = (2..2 + 2 * MAX_WAITING_ENTRIES as u64).collect();
    assert_eq!(give(&mut sequence, &room, &many), [0; 0]);
    let kept: Vec<u64> = (1..2 + MAX_WAITING_ENTRIES as u64).collect();
    assert_eq!(give(&mut sequence, &room, &[1]), kept);
    let (from, up_to) = (2 + MAX_WAITING_ENTRIES as u64, 1 + 2 * MAX_WAITING_ENTRIES as u64);
    assert_eq!(sequence.missing(), Some(Missing { from, up_to }));
}

proptest! {
    #[test]
    fn entries_in_any_order_are_broadcast_in_order_and_once(
        pieces in prop::collection::vec((1..30_u64, 1..6_u64), 1..60),
    ) {
        let (mut sequence, room) = starting_at(1);
        let mut broadcast = Vec::new();
        for (from, count) in &pieces {
            broadcast.extend(give(&mut sequence, &room, &(*from..from + count).collect::<Vec<_>>()));
        }
        // Missing entries are read from the log, as often as needed.
        sequence.note_last(36);
        while let Some(Missing { from, up_to }) = sequence.missing() {
            broadcast.extend(give(&mut sequence, &room, &(from..=up_to).collect::<Vec<_>>()));
        }
        prop_assert_eq!(broadcast, (1..=36).collect::<Vec<u64>>());
    }
}
