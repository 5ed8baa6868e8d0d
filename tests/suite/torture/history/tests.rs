//! Each kind of fault is found in a history that contains it, and none in a correct one.

use super::*;

fn posted(n: u64) -> What {
    What::Posted { by: "ann".into(), key: format!("k{n}"), body: format!("body {n}") }
}

fn attempt(n: u64, acknowledged: &[u64]) -> Attempt {
    let (room, by) = ("pond".into(), "ann".into());
    let (key, body, acknowledged) = (format!("k{n}"), format!("body {n}"), acknowledged.to_vec());
    Attempt { room, by, key, body, acknowledged, refused: false }
}

fn stay(after: u64, heard: &[(u64, What)], until: u64) -> Stay {
    Stay { who: "bob".into(), room: "pond".into(), after, heard: heard.to_vec(), until }
}

/// A correct history: ann joins and posts four times, where the third was never answered and the fourth never stored. Bob
/// receives it live, and again from the second entry on.
fn correct_history() -> History {
    let entries = vec![(1, What::Added { whom: "ann".into() }), (2, posted(1)), (3, posted(2)), (4, posted(3))];
    let log = Log { last_seq: 4, pages: entries[1..].to_vec(), entries: entries.clone() };
    History {
        logs: BTreeMap::from([("pond".to_owned(), log)]),
        // The first was sent twice, since its first answer was lost.
        attempts: vec![attempt(1, &[2, 2]), attempt(2, &[3]), attempt(3, &[]), attempt(4, &[])],
        stays: vec![stay(1, &entries[1..], 4), stay(2, &entries[2..3], 0), stay(4, &[], 4)],
        strays: vec![],
    }
}

/// The faults of the correct history after this change.
fn faults_after(change: impl FnOnce(&mut History, &mut Vec<(u64, What)>)) -> Vec<Fault> {
    let mut history = correct_history();
    let mut entries = history.logs["pond"].entries.clone();
    change(&mut history, &mut entries);
    let log = history.logs.get_mut("pond").expect("the pond");
    log.pages = entries.iter().filter(|(_, what)| matches!(what, What::Posted { .. })).cloned().collect();
    log.entries = entries;
    faults(&history)
}

#[track_caller]
fn assert_finds(found: &[Fault], wanted: &Fault) {
    assert!(found.contains(wanted), "wanted {wanted}, found {found:?}");
}

fn room() -> String {
    "pond".into()
}

fn bob() -> String {
    "bob".into()
}

#[test]
fn correct_history_has_no_fault() {
    assert_eq!(faults(&correct_history()), []);
}

#[test]
fn lost_acknowledged_post_is_found() {
    let found = faults_after(|history, entries| {
        entries[2].1 = What::Other("something else".into());
        history.stays.clear();
    });
    assert_eq!(found, [Fault::Lost { room: room(), key: "k2".into(), seq: 3 }]);
}

#[test]
fn post_acknowledged_with_another_number_is_found() {
    let found = faults_after(|history, _| history.attempts[0].acknowledged.push(3));
    assert_eq!(found, [Fault::Lost { room: room(), key: "k1".into(), seq: 3 }]);
}

#[test]
fn lost_end_of_the_log_is_found() {
    let found = faults_after(|history, entries| {
        entries.truncate(2);
        history.logs.get_mut("pond").expect("the pond").last_seq = 2;
    });
    assert_finds(&found, &Fault::Lost { room: room(), key: "k2".into(), seq: 3 });
    // Also one that nobody acknowledged, if somebody saw it.
    assert_finds(&found, &Fault::Unlogged { who: bob(), room: room(), seq: 4 });
}

#[test]
fn post_stored_twice_is_found() {
    let found = faults_after(|history, entries| {
        entries.push((5, posted(1)));
        history.logs.get_mut("pond").expect("the pond").last_seq = 5;
    });
    assert_finds(&found, &Fault::Twice { room: room(), key: "k1".into(), seq: 5 });
}

#[test]
fn post_that_nobody_sent_is_found() {
    for phantom in [What::Posted { by: "ann".into(), key: "k3".into(), body: "not her words".into() }, posted(9)] {
        let found = faults_after(|history, entries| {
            entries[3].1 = phantom;
            history.stays.clear();
        });
        assert_eq!(found, [Fault::Phantom { room: room(), seq: 4 }]);
    }
}

#[test]
fn reordered_posts_of_an_author_are_found() {
    let found = faults_after(|history, entries| {
        (entries[2].1, entries[3].1) = (posted(3), posted(2));
        history.attempts[1].acknowledged = vec![4];
        history.stays.clear();
    });
    assert_eq!(found, [Fault::OutOfTurn { room: room(), key: "k2".into(), seq: 4 }]);
}

#[test]
fn retried_post_may_follow_later_posts() {
    let found = faults_after(|history, entries| {
        (entries[2].1, entries[3].1) = (posted(3), posted(2));
        history.attempts[1].acknowledged = vec![4];
        history.attempts[1].refused = true;
        history.stays.clear();
    });
    assert_eq!(found, []);
}

#[test]
fn gaps_and_duplicate_numbers_are_found() {
    let hole = faults_after(|_, entries| drop(entries.remove(2)));
    assert_finds(&hole, &Fault::Gap { room: room(), expected: 3, found: Some(4) });
    let doubled = faults_after(|_, entries| entries[2].0 = 2);
    assert_finds(&doubled, &Fault::Gap { room: room(), expected: 3, found: Some(2) });
    let short = faults_after(|_, entries| entries.truncate(3));
    assert_finds(&short, &Fault::Gap { room: room(), expected: 4, found: None });
    let long = faults_after(|_, entries| entries.push((5, What::Other("more".into()))));
    assert_finds(&long, &Fault::Gap { room: room(), expected: 5, found: Some(5) });
}

#[test]
fn post_of_a_non_member_is_found() {
    let found = faults_after(|history, entries| {
        entries[1].1 = What::Removed { whom: "ann".into() };
        history.attempts[0].acknowledged.clear();
        history.stays.clear();
    });
    assert_eq!(found, [Fault::Outsider { room: room(), seq: 3 }, Fault::Outsider { room: room(), seq: 4 }]);
}

#[test]
fn double_joins_and_leaves_are_found() {
    for what in [What::Added { whom: "ann".into() }, What::Removed { whom: "bob".into() }] {
        let found = faults_after(|history, entries| {
            entries[3].1 = what;
            history.stays.clear();
        });
        assert_eq!(found, [Fault::Membership { room: room(), seq: 4 }]);
    }
}

#[test]
fn pages_that_differ_from_the_log_are_found() {
    let mut history = correct_history();
    history.logs.get_mut("pond").expect("the pond").pages.pop();
    assert_eq!(faults(&history), [Fault::Pages { room: room() }]);
}

#[test]
fn missed_entry_is_found() {
    let found = faults_after(|history, _| drop(history.stays[0].heard.remove(1)));
    assert_eq!(found, [Fault::Missed { who: bob(), room: room(), expected: 3, heard: 4 }]);
    // The first after a recovery, too.
    let found = faults_after(|history, _| history.stays[1].after = 1);
    assert_eq!(found, [Fault::Missed { who: bob(), room: room(), expected: 2, heard: 3 }]);
}

#[test]
fn repeated_or_late_entry_is_found() {
    let twice = faults_after(|history, _| history.stays[0].heard.push((4, posted(3))));
    assert_eq!(twice, [Fault::Again { who: bob(), room: room(), seq: 4 }]);
    let before_recovery = faults_after(|history, _| history.stays[1].after = 3);
    assert_eq!(before_recovery, [Fault::Again { who: bob(), room: room(), seq: 3 }]);
    let swapped = faults_after(|history, _| history.stays[0].heard.swap(0, 1));
    assert_finds(&swapped, &Fault::Again { who: bob(), room: room(), seq: 2 });
}

#[test]
fn conflicting_entries_of_one_number_are_found() {
    let found = faults_after(|history, _| history.stays[1].heard[0].1 = posted(3));
    assert_eq!(found, [Fault::Unlogged { who: bob(), room: room(), seq: 3 }]);
}

#[test]
fn entry_received_but_not_stored_is_found() {
    let found = faults_after(|history, _| history.stays[0].heard.push((5, posted(4))));
    assert_eq!(found, [Fault::Unlogged { who: bob(), room: room(), seq: 5 }]);
}

#[test]
fn connection_missing_the_end_is_found() {
    let found = faults_after(|history, _| drop(history.stays[0].heard.pop()));
    assert_eq!(found, [Fault::CutShort { who: bob(), room: room(), heard: 3, until: 4 }]);
}

#[test]
fn entry_sent_to_a_non_subscriber_is_found() {
    let found = faults_after(|history, _| history.strays.push((room(), 2)));
    assert_eq!(found, [Fault::Stray { room: room(), seq: 2 }]);
}
