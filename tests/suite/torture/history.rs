//! The recorded history of a round, and a pure function that finds its faults.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// Everything that was recorded in one round.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// By room.
    pub(super) logs: BTreeMap<String, Log>,
    /// Every post that was sent, those of one author in order.
    pub(super) attempts: Vec<Attempt>,
    pub(super) stays: Vec<Stay>,
    /// Entries sent to connections that did not subscribe to the room, by room.
    pub(super) strays: Vec<(String, u64)>,
}

/// A room's log at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub(super) last_seq: u64,
    /// The stored entries.
    pub(super) entries: Vec<(u64, What)>,
    /// The posts, from the pages of the room's history.
    pub(super) pages: Vec<(u64, What)>,
}

/// The content of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Posted { by: String, key: String, body: String },
    Added { whom: String },
    Removed { whom: String },
    Other(String),
}

/// A post that was sent once or several times.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) room: String,
    pub(super) by: String,
    pub(super) key: String,
    pub(super) body: String,
    /// The numbers in its acknowledgements.
    pub(super) acknowledged: Vec<u64>,
    /// It was refused, or one sent with it was, as `unavailable`. Later posts may have been stored before its retry, or before a
    /// suspended node processed the first try.
    pub(super) refused: bool,
}

/// What one connection received of a room, from the answer to its join until it left or was lost.
#[derive(Clone, Debug)]
pub(super) struct Stay {
    pub(super) who: String,
    pub(super) room: String,
    /// It must receive everything after this entry.
    pub(super) after: u64,
    pub(super) heard: Vec<(u64, What)>,
    /// It should have received everything up to this entry.
    pub(super) until: u64,
}

/// A violated guarantee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The log's numbers are not 1, 2, 3 … up to the last one.
    Gap { room: String, expected: u64, found: Option<u64> },
    /// An acknowledged post is missing, or has another number.
    Lost { room: String, key: String, seq: u64 },
    /// One post is in the log more than once.
    Twice { room: String, key: String, seq: u64 },
    /// The log has a post that nobody sent in this form.
    Phantom { room: String, seq: u64 },
    /// A post precedes one that its author had sent earlier and that was not refused in between.
    OutOfTurn { room: String, key: String, seq: u64 },
    /// A post by an account that was not a member at the time.
    Outsider { room: String, seq: u64 },
    /// A member was added twice, or a non-member removed.
    Membership { room: String, seq: u64 },
    /// The pages of the history differ from the log.
    Pages { room: String },
    /// A connection received an entry without the previous one.
    Missed { who: String, room: String, expected: u64, heard: u64 },
    /// A connection received an entry again, or after a later one.
    Again { who: String, room: String, seq: u64 },
    /// A connection received an entry that differs from the log: it was lost after it was sent, or stored differently.
    Unlogged { who: String, room: String, seq: u64 },
    /// A connection stayed to the end and did not receive everything.
    CutShort { who: String, room: String, heard: u64, until: u64 },
    /// A connection received an entry without a subscription.
    Stray { room: String, seq: u64 },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Finds all faults of a history.
pub(super) fn faults(history: &History) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (room, log) in &history.logs {
        check_numbers(room, log, &mut faults);
        check_posts(room, log, &history.attempts, &mut faults);
        check_members(room, log, &mut faults);
        let posts = log.entries.iter().filter(|(_, what)| matches!(what, What::Posted { .. }));
        if !posts.eq(&log.pages) {
            faults.push(Fault::Pages { room: room.clone() });
        }
    }
    for stay in &history.stays {
        check_stay(stay, history.logs.get(&stay.room), &mut faults);
    }
    faults.extend(history.strays.iter().map(|(room, seq)| Fault::Stray { room: room.clone(), seq: *seq }));
    faults
}

fn check_numbers(room: &str, log: &Log, faults: &mut Vec<Fault>) {
    let found = log.entries.iter().map(|(seq, _)| Some(*seq)).chain([None]);
    let expected = (1..=log.last_seq).map(Some).chain([None]);
    if let Some((expected, found)) = expected.zip(found).find(|(expected, found)| expected != found) {
        let expected = expected.unwrap_or(log.last_seq + 1);
        faults.push(Fault::Gap { room: room.to_owned(), expected, found });
    }
}

fn check_posts(room: &str, log: &Log, attempts: &[Attempt], faults: &mut Vec<Fault>) {
    let room = || room.to_owned();
    // The index of each attempt, which is the order of sending for one author.
    let sent: HashMap<(&str, &str), (usize, &Attempt)> = attempts
        .iter()
        .enumerate()
        .filter(|(_, attempt)| attempt.room == room())
        .map(|(turn, attempt)| ((&*attempt.by, &*attempt.key), (turn, attempt)))
        .collect();
    let mut stored: HashMap<(&str, &str), u64> = HashMap::new();
    let mut latest: HashMap<&str, usize> = HashMap::new();
    for (seq, what) in &log.entries {
        let (seq, What::Posted { by, key, body }) = (*seq, what) else { continue };
        if stored.insert((by, key), seq).is_some() {
            faults.push(Fault::Twice { room: room(), key: key.clone(), seq });
        }
        let Some((turn, attempt)) = sent.get(&(&**by, &**key)).filter(|(_, attempt)| attempt.body == *body) else {
            faults.push(Fault::Phantom { room: room(), seq });
            continue;
        };
        let latest = latest.entry(by).or_default();
        if *turn < *latest && !attempt.refused {
            faults.push(Fault::OutOfTurn { room: room(), key: key.clone(), seq });
        }
        *latest = (*turn).max(*latest);
    }
    for (who, (_, attempt)) in &sent {
        for seq in &attempt.acknowledged {
            if stored.get(who) != Some(seq) {
                faults.push(Fault::Lost { room: room(), key: attempt.key.clone(), seq: *seq });
            }
        }
    }
}

fn check_members(room: &str, log: &Log, faults: &mut Vec<Fault>) {
    let mut members = HashSet::new();
    for (seq, what) in &log.entries {
        let (room, seq) = (room.to_owned(), *seq);
        match what {
            What::Posted { by, .. } if !members.contains(by) => faults.push(Fault::Outsider { room, seq }),
            What::Added { whom } if !members.insert(whom) => faults.push(Fault::Membership { room, seq }),
            What::Removed { whom } if !members.remove(whom) => faults.push(Fault::Membership { room, seq }),
            _ => {}
        }
    }
}

fn check_stay(stay: &Stay, log: Option<&Log>, faults: &mut Vec<Fault>) {
    let (who, room) = (|| stay.who.clone(), || stay.room.clone());
    let logged: HashMap<u64, &What> =
        log.into_iter().flat_map(|log| &log.entries).map(|(seq, what)| (*seq, what)).collect();
    let mut last = stay.after;
    for (seq, what) in &stay.heard {
        let seq = *seq;
        if seq <= last {
            faults.push(Fault::Again { who: who(), room: room(), seq });
        } else if seq > last + 1 {
            faults.push(Fault::Missed { who: who(), room: room(), expected: last + 1, heard: seq });
        }
        if logged.get(&seq) != Some(&what) {
            faults.push(Fault::Unlogged { who: who(), room: room(), seq });
        }
        last = last.max(seq);
    }
    if last < stay.until {
        faults.push(Fault::CutShort { who: who(), room: room(), heard: last, until: stay.until });
    }
}
