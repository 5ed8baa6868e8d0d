//! Describes the changes of a plugin's call, for display.

use std::collections::HashMap;

use uuid::Uuid;

use crate::protocol::{Change, PushTarget, Unit};

/// One line per change and per pushed event. `names` maps ids of accounts and rooms to names.
pub(super) fn describe(unit: &Unit, names: &HashMap<Uuid, String>) -> Vec<String> {
    let changes = unit.changes.iter().map(|change| describe_change(change, names));
    let pushes = unit.pushes.iter().map(|push| {
        let to = match push.to {
            PushTarget::Connection(id) => format!("connection {id}"),
            PushTarget::Account(id) => names.get(&id.0).cloned().unwrap_or_else(|| id.to_string()),
            PushTarget::Room(id) => format!("room {}", names.get(&id.0).cloned().unwrap_or_else(|| id.to_string())),
        };
        format!("send {:?} to {to}: {}", push.name, push.data)
    });
    changes.chain(pushes).collect()
}

fn describe_change(change: &Change, names: &HashMap<Uuid, String>) -> String {
    let name = |id: &Uuid| names.get(id).cloned().unwrap_or_else(|| id.to_string());
    match change {
        Change::CreateRoom(room) => {
            format!("create the {} room {} with the topic {:?}", room.visibility, room.name, room.topic)
        }
        Change::UpdateRoom { room, change } => format!("change the room {}: {change:?}", name(&room.0)),
        Change::DeleteRoom { room } => format!("delete the room {}", name(&room.0)),
        Change::Invite { room, account } => format!("invite {} to {}", name(&account.0), name(&room.0)),
        Change::AddMember { room, account, role } => {
            format!("add {} to {} as {role}", name(&account.0), name(&room.0))
        }
        Change::RemoveMember { room, account, why, reason } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("remove {} from {}, {why}{reason}", name(&account.0), name(&room.0))
        }
        Change::SetRole { room, account, role } => {
            format!("make {} {role} of {}", name(&account.0), name(&room.0))
        }
        Change::Unban { room, account } => format!("unban {} from {}", name(&account.0), name(&room.0)),
        Change::Mute { room, account, until } => match until {
            Some(until) => format!("mute {} in {} until {until}", name(&account.0), name(&room.0)),
            None => format!("unmute {} in {}", name(&account.0), name(&room.0)),
        },
        Change::PutValue { key, value, .. } => match std::str::from_utf8(value) {
            Ok(text) => format!("store {key:?} = {text}"),
            Err(_) => format!("store {key:?} = {} bytes", value.len()),
        },
        Change::Post(new) => format!("post in {} as {}: {}", name(&new.room.0), new.by.name(), new.post.body),
        Change::DeleteMessage { room, seq } => format!("delete message {seq} of {}", name(&room.0)),
        Change::SetTimer(timer) => format!("set the timer {:?} for {}: {}", timer.name, timer.due_at, timer.payload),
        Change::CancelTimer { name, .. } => format!("cancel the timer {name:?}"),
        Change::EndTimer { name, .. } => format!("end the timer {name:?}"),
        Change::DeleteValue { key, .. } => format!("delete {key:?} from the storage"),
        Change::SetGuarded { room, guarded: true } => format!("mark {} as guarded", name(&room.0)),
        Change::SetGuarded { room, guarded: false } => format!("mark {} as not guarded", name(&room.0)),
        Change::RestrictGuests { room, rule } => {
            format!("{} guests of one origin in {} until {}", rule.kind, name(&room.0), rule.until)
        }
        Change::PardonGuests { room } => format!("lift bans and mutes of guests in {}", name(&room.0)),
        Change::AllowGuests { room, allowed: true } => format!("allow guests in {}", name(&room.0)),
        Change::AllowGuests { room, allowed: false } => format!("do not allow guests in {}", name(&room.0)),
        Change::RemoveGuests { room, .. } => format!("remove guests from {}", name(&room.0)),
        Change::BanOriginsElsewhere { room, account, .. } => {
            format!("ban guests from {} who have the same origin as {}", name(&room.0), name(&account.0))
        }
        // Plugins cannot stage these.
        other @ (Change::EditMessage { .. }
        | Change::React { .. }
        | Change::MarkRead { .. }
        | Change::OpenDirect { .. }
        | Change::OpenSession { .. }
        | Change::Prune { .. }) => format!("{other:?}"),
    }
}
