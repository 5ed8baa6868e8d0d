//! Calls the `room-guard` hook, which decides who may join a private room. Any failure denies the join.

use std::sync::Arc;

use super::Services;
use super::apply::apply;
use super::bindings::room_guard::exports::natterjack::plugin::room_guard as wire_guard;
use super::bindings::wire;
use super::call::{Call, guest_error, rejected};
use super::fault::{Fault, misfit};
use super::guarded_call::{GuardedCall, Hook, Verdict};
use super::plugin::Plugin;
use super::registry::Registry;
use super::unit::UnitOfWork;
use super::write_call::{Answered, call_new_instance};
use crate::error::{Error, Result, rooms};
use crate::protocol::Credential;

/// Passes every room that was created or changed with credentials to the guards, which stage their own writes in the same
/// unit of work. Fails if no guard accepts the credentials.
pub(super) async fn protect(registry: &Registry, mut unit: Box<UnitOfWork>, call: &Call) -> Result<Box<UnitOfWork>> {
    for offer in unit.take_offers() {
        registry.check_guards()?;
        let role = match call.actor.account() {
            Some(account) => unit.member(offer.room.id, account.id).await?.map(|member| member.role),
            None => None,
        };
        let room = offer.room.id;
        let call = Call { room: Some(offer.room), role, ..call.clone() };
        let credentials: Vec<_> = offer.credentials.iter().map(Into::into).collect();
        let mut accepted = false;
        for guard in registry.guards() {
            let guarded = GuardedCall::begin(guard, Hook::RoomGuard)?;
            let (answer, returned_unit) = match ask_protect(guard, unit, &call, &credentials).await {
                Ok(answered) => answered,
                Err(fault) => return Err(guarded.failed(&call, &fault)),
            };
            guarded.answered(match answer {
                Ok(wire_guard::Protection::Accepted) => Verdict::Yes,
                Ok(wire_guard::Protection::Abstain) => Verdict::Abstain,
                Err(_) => Verdict::No,
            });
            unit = returned_unit;
            accepted |= match answer {
                Ok(wire_guard::Protection::Accepted) => true,
                Ok(wire_guard::Protection::Abstain) => false,
                Err(error) => return Err(guest_error(error, &guard.id, call.request)),
            };
        }
        if !accepted {
            return Err(not_accepted(&offer.credentials));
        }
        let guarded = offer.credentials.iter().any(|credential| credential.value.is_some());
        unit.set_guarded(room, guarded)?;
    }
    Ok(unit)
}

fn not_accepted(credentials: &[Credential]) -> Error {
    let names: Vec<_> = credentials.iter().map(|credential| credential.name.escape_debug().to_string()).collect();
    match names.iter().any(|name| name == "password") {
        true => Error::invalid("password", "this server does not check room passwords"),
        false => Error::invalid("credentials", format!("this server does not check `{}`", names.join("`, `"))),
    }
}

/// Asks the guards whether the actor may join the private room of `call`. One admission is needed, and any denial or
/// failure refuses the join.
pub(super) async fn admit(
    registry: &Arc<Registry>,
    services: &Arc<Services>,
    call: &Call,
    credentials: &[Credential],
) -> Result<()> {
    registry.check_guards()?;
    let credentials: Vec<_> = credentials.iter().map(Into::into).collect();
    let mut admitted = false;
    for guard in registry.guards() {
        match consult(registry, guard, services, call, &credentials).await? {
            wire_guard::Admission::Admit => admitted = true,
            wire_guard::Admission::Abstain => {}
            wire_guard::Admission::Deny(denial) => {
                return Err(rejected(denial.code, denial.reason));
            }
        }
    }
    if admitted { Ok(()) } else { Err(Error::Forbidden(rooms::PRIVATE.into())) }
}

/// Asks one guard and commits its unit of work, whatever its verdict. After a conflict it is asked once more.
async fn consult(
    registry: &Arc<Registry>,
    guard: &Plugin,
    services: &Arc<Services>,
    call: &Call,
    credentials: &[wire::Credential],
) -> Result<wire_guard::Admission> {
    let mut permit = None;
    loop {
        let unit = Box::new(UnitOfWork::new(services.clone(), registry.clone(), call.actor.clone()).from(call.origin));
        let guarded = GuardedCall::begin(guard, Hook::RoomGuard)?;
        let (verdict, unit) = match ask_admit(guard, unit, call, credentials).await {
            Ok(answered) => answered,
            Err(fault) => return Err(guarded.failed(call, &fault)),
        };
        guarded.answered(match verdict {
            wire_guard::Admission::Admit => Verdict::Yes,
            wire_guard::Admission::Abstain => Verdict::Abstain,
            wire_guard::Admission::Deny(_) => Verdict::No,
        });
        match apply(registry, guard, unit, call).await {
            Ok(()) => return Ok(verdict),
            Err(Error::Conflict(_)) if permit.is_none() => {
                permit = Some(guard.retry_permit.acquire().await.map_err(Error::internal)?);
            }
            Err(error) => return Err(error),
        }
    }
}

async fn ask_protect(
    guard: &Plugin,
    unit: Box<UnitOfWork>,
    call: &Call,
    credentials: &[wire::Credential],
) -> Answered<std::result::Result<wire_guard::Protection, wire::Error>> {
    let indices = guard.hooks.room_guard.as_ref().ok_or_else(|| Fault::NoInstance("it has no room-guard".into()))?;
    call_new_instance(guard, unit, call, |mut instance, context| async move {
        let guest = indices.load(&mut instance.store, &instance.exports).map_err(misfit)?;
        let room_guard = guest.natterjack_plugin_room_guard();
        let answer = room_guard.call_protect(&mut instance.store, &context, credentials).await;
        Ok((instance.answered(answer)?, instance))
    })
    .await
}

async fn ask_admit(
    guard: &Plugin,
    unit: Box<UnitOfWork>,
    call: &Call,
    credentials: &[wire::Credential],
) -> Answered<wire_guard::Admission> {
    let indices = guard.hooks.room_guard.as_ref().ok_or_else(|| Fault::NoInstance("it has no room-guard".into()))?;
    call_new_instance(guard, unit, call, |mut instance, context| async move {
        let guest = indices.load(&mut instance.store, &instance.exports).map_err(misfit)?;
        let room_guard = guest.natterjack_plugin_room_guard();
        let answer = room_guard.call_admit(&mut instance.store, &context, credentials).await;
        Ok((instance.answered(answer)?, instance))
    })
    .await
}
