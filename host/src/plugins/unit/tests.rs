use std::sync::Arc;

use super::super::testing::World;
use super::{MAX_CHANGES, UnitOfWork};
use crate::clock::now;
use crate::error::Error;
use crate::protocol::{Account, Actor, Credential, NewRoom, Removal, Role, RoomChange, RoomId, RoomQuota, Visibility};

fn unit(world: &World) -> UnitOfWork {
    UnitOfWork::new(world.services.clone(), Arc::default(), Actor::Server)
}

async fn commit(world: &World, unit: UnitOfWork) -> Result<(), Error> {
    world.services.writer.commit(unit.finish().unwrap()).await.map(|_| ())
}

fn plugin() -> Arc<str> {
    "karma".into()
}

fn new_room(name: &str, owner: Option<&Account>) -> NewRoom {
    NewRoom {
        id: RoomId::new(),
        code: crate::rooms::new_code(),
        name: name.into(),
        visibility: Visibility::Public,
        topic: String::new(),
        member_limit: None,
        owner: owner.map(|owner| owner.id),
        quota: RoomQuota::Unlimited,
    }
}

#[tokio::test]
async fn call_reads_its_own_staged_values() {
    let world = World::new().await;
    let mut unit = unit(&world);
    unit.put(&plugin(), "k".into(), b"1".to_vec()).await.unwrap();
    assert_eq!(unit.value(&plugin(), "k".into()).await.unwrap(), Some(b"1".to_vec()));
    assert_eq!(unit.value(&"other".into(), "k".into()).await.unwrap(), None);
    unit.delete(&plugin(), "k".into()).await.unwrap();
    assert_eq!(unit.value(&plugin(), "k".into()).await.unwrap(), None);
}

#[tokio::test]
async fn unit_without_changes_is_not_committed() {
    let world = World::new().await;
    let mut unit = unit(&world);
    unit.value(&plugin(), "k".into()).await.unwrap();
    assert_eq!(unit.finish(), None);
}

#[tokio::test]
async fn value_changed_after_it_was_read_is_a_conflict() {
    let world = World::new().await;
    let mut slow = unit(&world);
    assert_eq!(slow.value(&plugin(), "k".into()).await.unwrap(), None);
    slow.put(&plugin(), "k".into(), b"slow".to_vec()).await.unwrap();

    let mut quick = unit(&world);
    quick.put(&plugin(), "k".into(), b"quick".to_vec()).await.unwrap();
    commit(&world, quick).await.unwrap();

    assert!(matches!(commit(&world, slow).await, Err(Error::Conflict(_))));
    assert_eq!(unit(&world).value(&plugin(), "k".into()).await.unwrap(), Some(b"quick".to_vec()));
}

#[tokio::test]
async fn listed_keys_include_staged_writes() {
    let world = World::new().await;
    let mut before = unit(&world);
    for key in ["a/1", "a/3", "a/5", "b/1"] {
        before.put(&plugin(), key.into(), Vec::new()).await.unwrap();
    }
    commit(&world, before).await.unwrap();

    let mut unit = unit(&world);
    unit.put(&plugin(), "a/2".into(), Vec::new()).await.unwrap();
    unit.put(&plugin(), "a/9".into(), Vec::new()).await.unwrap();
    unit.delete(&plugin(), "a/1".into()).await.unwrap();
    unit.delete(&plugin(), "a/3".into()).await.unwrap();
    assert_eq!(unit.keys(&plugin(), "a/", None, 100).await.unwrap(), ["a/2", "a/5", "a/9"]);
    assert_eq!(unit.keys(&plugin(), "a/", None, 2).await.unwrap(), ["a/2", "a/5"]);
    assert_eq!(unit.keys(&plugin(), "a/", Some("a/5".into()), 2).await.unwrap(), ["a/9"]);
    assert_eq!(unit.keys(&plugin(), "", Some("a/9".into()), 2).await.unwrap(), ["b/1"]);
}

#[tokio::test]
async fn staged_changes_and_bytes_are_bounded() {
    let world = World::new().await;
    let mut many = unit(&world);
    for n in 0..MAX_CHANGES {
        many.delete(&plugin(), n.to_string()).await.unwrap();
    }
    assert!(matches!(many.delete(&plugin(), "one more".into()).await, Err(Error::TooLarge { .. })));

    let mut big = unit(&world);
    assert!(matches!(big.put(&plugin(), "k".into(), vec![0; (64 << 10) + 1]).await, Err(Error::TooLarge { .. })));
    assert!(matches!(big.put(&plugin(), "k".repeat(257), Vec::new()).await, Err(Error::TooLarge { .. })));
    assert!(matches!(big.put(&plugin(), String::new(), Vec::new()).await, Err(Error::Invalid { .. })));
    let mut put = Ok(());
    for n in 0..100 {
        put = put.and(big.put(&plugin(), n.to_string(), vec![0; 64 << 10]).await);
    }
    assert!(matches!(put, Err(Error::TooLarge { .. })));
}

#[tokio::test]
async fn room_created_by_the_call_is_found_by_it() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let mut unit = unit(&world);
    let new = new_room("  Den ", Some(&ann));
    let id = new.id;
    unit.create_room(new, Vec::new()).await.unwrap();

    let (room, members) = unit.room_named("den").await.unwrap().unwrap();
    assert_eq!((room.id, &*room.name, members), (id, "Den", 1));
    assert_eq!(unit.member(id, ann.id).await.unwrap().unwrap().role, Role::Owner);
    let taken = unit.create_room(new_room("DEN", None), Vec::new()).await;
    assert_eq!(taken, Err(Error::Conflict("room name is taken".into())));
    commit(&world, unit).await.unwrap();
    assert!(world.services.database.room_named("den").await.unwrap().is_some());
}

#[tokio::test]
async fn renamed_room_is_found_by_its_new_name_only() {
    let world = World::new().await;
    let mut before = unit(&world);
    let new = new_room("den", None);
    let id = new.id;
    before.create_room(new, Vec::new()).await.unwrap();
    commit(&world, before).await.unwrap();

    let mut unit = unit(&world);
    let change = RoomChange { name: Some("lair".into()), ..RoomChange::default() };
    unit.update_room(id, change, Vec::new()).await.unwrap();
    assert!(unit.room_named("den").await.unwrap().is_none());
    assert_eq!(unit.room_named("Lair").await.unwrap().unwrap().0.id, id);
    unit.delete_room(id).await.unwrap();
    assert!(unit.room(id).await.unwrap().is_none());
    assert!(unit.room_named("lair").await.unwrap().is_none());
}

#[tokio::test]
async fn listed_members_include_staged_changes() {
    let world = World::new().await;
    let mut people = Vec::new();
    for name in ["ann", "bob", "cyd", "dan"] {
        people.push(world.account(name).await);
    }
    people.sort_by_key(|account| account.id);
    let mut before = unit(&world);
    let new = new_room("den", Some(&people[0]));
    let id = new.id;
    before.create_room(new, Vec::new()).await.unwrap();
    before.add_member(id, people[2].id, Role::Member).await.unwrap();
    commit(&world, before).await.unwrap();

    let mut unit = unit(&world);
    unit.add_member(id, people[1].id, Role::Moderator).await.unwrap();
    unit.add_member(id, people[3].id, Role::Member).await.unwrap();
    unit.remove_member(id, people[2].id, Removal::Kicked, None).await.unwrap();
    let listed = |members: Vec<crate::protocol::Member>| members.iter().map(|m| m.account.id).collect::<Vec<_>>();
    let all = unit.members(id, None, 100).await.unwrap();
    assert_eq!(listed(all), [people[0].id, people[1].id, people[3].id]);
    let rest = unit.members(id, Some(people[0].id), 1).await.unwrap();
    assert_eq!(listed(rest), [people[1].id]);
    assert_eq!(unit.room(id).await.unwrap().unwrap().1, 3);
    assert!(matches!(unit.add_member(id, people[1].id, Role::Member).await, Err(Error::Conflict(_))));
    assert!(matches!(unit.set_role(id, people[2].id, Role::Owner).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn mute_is_seen_by_its_own_call_and_by_later_calls() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let mut before = unit(&world);
    let new = new_room("den", Some(&ann));
    let id = new.id;
    before.create_room(new, Vec::new()).await.unwrap();
    commit(&world, before).await.unwrap();

    let mut muting = unit(&world);
    assert_eq!(muting.muted_until(id, ann.id).await, Ok(None));
    muting.mute(id, ann.id, 3600).await.unwrap();
    assert!(muting.muted_until(id, ann.id).await.unwrap() > Some(now()));
    commit(&world, muting).await.unwrap();

    let mut unit = unit(&world);
    assert!(unit.muted_until(id, ann.id).await.unwrap() > Some(now()));
    unit.mute(id, ann.id, 0).await.unwrap();
    assert_eq!(unit.muted_until(id, ann.id).await, Ok(None));
}

#[tokio::test]
async fn credentials_are_passed_to_guards_but_not_from_guards() {
    let world = World::new().await;
    let password = || vec![Credential { name: "password".into(), value: Some("sesame".into()) }];
    let mut unit = unit(&world);
    unit.create_room(new_room("den", None), password()).await.unwrap();
    unit.create_room(new_room("open", None), Vec::new()).await.unwrap();
    let offers = unit.take_offers();
    assert_eq!(offers.len(), 1);
    assert_eq!(&*offers[0].room.name, "den");
    assert!(matches!(unit.create_room(new_room("more", None), password()).await, Err(Error::Forbidden(_))));
}

#[tokio::test]
async fn message_deleted_by_the_call_is_not_in_its_history() {
    let world = World::new().await;
    let mut before = unit(&world);
    let new = new_room("den", None);
    let id = new.id;
    before.create_room(new, Vec::new()).await.unwrap();
    for n in 1..=4 {
        before.post(&plugin(), id, n.to_string(), None).await.unwrap();
    }
    commit(&world, before).await.unwrap();

    let mut unit = unit(&world);
    unit.delete_message(id, 3).await.unwrap();
    unit.post(&plugin(), id, "not yet".into(), Some(4)).await.unwrap();
    let messages = unit.history(id, None, 2).await.unwrap();
    assert_eq!(messages.iter().map(|message| &*message.post.body).collect::<Vec<_>>(), ["2", "4"]);
    assert!(matches!(unit.delete_message(id, 3).await, Err(Error::NotFound(_))));
    assert!(matches!(unit.post(&plugin(), id, "x".into(), Some(3)).await, Err(Error::NotFound(_))));
    unit.delete_room(id).await.unwrap();
    assert!(matches!(unit.history(id, None, 2).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn listed_timers_include_staged_changes() {
    let world = World::new().await;
    let later = now() + std::time::Duration::from_secs(3600);
    let mut before = unit(&world);
    for name in ["a/1", "a/2", "b/1"] {
        before.set_timer(&plugin(), name.into(), later, "{}".into()).await.unwrap();
    }
    commit(&world, before).await.unwrap();

    let mut unit = unit(&world);
    unit.set_timer(&plugin(), "a/0".into(), later, "{}".into()).await.unwrap();
    unit.cancel_timer(&plugin(), "a/1".into()).await.unwrap();
    assert_eq!(unit.timer_names(&plugin(), "a/", None, 10).await.unwrap(), ["a/0", "a/2"]);
    assert_eq!(unit.timer_names(&plugin(), "", Some("a/0".into()), 1).await.unwrap(), ["a/2"]);
    assert_eq!(unit.timer_names(&"other".into(), "", None, 10).await.unwrap(), Vec::<String>::new());
    let eleven_years = now() + std::time::Duration::from_secs(11 * 366 * 24 * 60 * 60);
    let far = unit.set_timer(&plugin(), "far".into(), eleven_years, "{}".into()).await;
    assert!(matches!(far, Err(Error::Invalid { .. })));
    assert!(matches!(unit.set_timer(&plugin(), "x".into(), later, "{".into()).await, Err(Error::Invalid { .. })));
    commit(&world, unit).await.unwrap();
    assert_eq!(world.services.database.timer_names("karma", "", None, 10).await.unwrap(), ["a/0", "a/2", "b/1"]);
}
