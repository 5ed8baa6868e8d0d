//! `natterjack plugin test`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::bench::{Bench, call, caller, settings, show_log};
use super::{read_component, size};
use crate::error::Error;
use crate::hub::Observed;
use crate::plugins::{CommandInfo, Draft, ParamKind, inspect};
use crate::protocol::{
    Account, Actor, Change, ConnectionId, Credential, NewPost, Post, Removal, Role, Room, RoomChange, Visibility,
};

/// How often each sample is passed to a filter.
const FILTER_ROUNDS: usize = 100;
/// Queue size for events; more than the samples cause.
const MAX_QUEUED_EVENTS: usize = 1000;

/// Run a plugin under a server's limits against samples for each of its hooks, and report faults and times
///
/// All its imports are granted, on a temporary server. A verdict or an error is an answer; a fault is a trap, a time-out or an
/// exceeded limit. With a fault the exit code is 1.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plugin's .wasm file
    file: PathBuf,
    /// The plugin's settings
    #[arg(long, value_name = "JSON", value_parser = settings)]
    settings: Option<Value>,
}

pub(super) async fn run(args: Args) -> Result<ExitCode> {
    show_log();
    let (id, bytes) = read_component(&args.file)?;
    let found = inspect(&bytes).map_err(anyhow::Error::msg)?;
    let began = Instant::now();
    let bench = Bench::open(&id, &bytes, args.settings.unwrap_or_default(), found.wants).await?;
    let status = bench.check_runs()?;
    say!("{id}: {}, compiled and started in {}", size(bytes.len()), shown(began.elapsed()));
    let mut test = Test {
        ann: bench.account("ann").await?,
        lobby: bench.room("lobby", Visibility::Public).await?,
        bench,
        faults: 0,
    };
    let outcome = test.all(&status.hooks).await;
    let faults = test.faults;
    test.bench.close().await;
    outcome?;
    say!("{}", if faults == 0 { "no faults".to_owned() } else { format!("FAULTS: {faults}") });
    Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Test {
    bench: Bench,
    ann: Account,
    lobby: Room,
    faults: usize,
}

impl Test {
    async fn all(&mut self, hooks: &[&str]) -> Result<()> {
        // An owner has the minimum role of every command.
        self.bench.add_member(&self.lobby, &self.ann, Role::Owner).await?;
        if hooks.contains(&"message-filter") {
            self.filter();
        }
        if hooks.contains(&"room-guard") {
            self.guard().await?;
        }
        for info in self.bench.commands() {
            self.command(&info).await?;
        }
        if hooks.contains(&"observer") {
            self.observer().await?;
        }
        if hooks.contains(&"timer") {
            self.timer().await?;
        }
        Ok(())
    }

    fn filter(&mut self) {
        let mut times = Vec::new();
        let (mut allowed, mut rewritten, mut rejected) = (0, 0, 0);
        let samples = messages();
        for body in samples.iter().cycle().take(samples.len() * FILTER_ROUNDS) {
            let draft = Draft { body: body.clone(), reply_to: None, edit_of: None, attachments: Vec::new() };
            let call = call(&self.ann, &self.lobby, Some(Role::Owner));
            let began = Instant::now();
            let verdict = self.bench.plugins.filter(&call, draft);
            times.push(began.elapsed());
            match verdict {
                Ok(None) => allowed += 1,
                Ok(Some(_)) => rewritten += 1,
                Err(Error::Rejected { .. }) => rejected += 1,
                Err(_) => self.faults += 1,
            }
        }
        say!(
            "message-filter: {} messages: {allowed} allowed, {rewritten} rewritten, {rejected} rejected; {}",
            times.len(),
            spread(times)
        );
    }

    async fn guard(&mut self) -> Result<()> {
        let room = self.bench.room("guarded", Visibility::Private).await?;
        let bob = self.bench.account("bob").await?;
        let mut times = Vec::new();
        let (mut admitted, mut refused) = (0, 0);
        for given in [None, Some(""), Some("sesame"), Some("\u{1F511} ключ"), Some(&*"x".repeat(10_000))] {
            let credentials = given.map(|value| Credential { name: "password".into(), value: Some(value.into()) });
            let credentials: Vec<Credential> = credentials.into_iter().collect();
            let began = Instant::now();
            let verdict = self.bench.plugins.admit(&call(&bob, &room, None), &credentials).await;
            times.push(began.elapsed());
            match verdict {
                Ok(()) => admitted += 1,
                Err(error) if is_fault(&error) => self.faults += 1,
                Err(_) => refused += 1,
            }
        }
        say!("room-guard: {} joins: {admitted} admitted, {refused} refused; {}", times.len(), spread(times));
        Ok(())
    }

    /// Delivers the events of a room's whole life, from creation to deletion.
    async fn observer(&mut self) -> Result<()> {
        let mut events = self.bench.hub.observe_all(MAX_QUEUED_EVENTS);
        let room = self.bench.room("observed", Visibility::Public).await?;
        let (ann, bob) = (self.ann.clone(), self.bench.account("bob").await?);
        let connection = ConnectionId::new();
        let mut observed = vec![Observed::Opened { by: Actor::Account(bob.clone()), connection }];
        self.bench.add_member(&room, &ann, Role::Owner).await?;
        self.bench.add_member(&room, &bob, Role::Member).await?;
        for body in messages() {
            let post = Post { body: body.into(), key: None, reply_to: None, attachments: Arc::default() };
            let new = NewPost { room: room.id, by: Actor::Account(bob.clone()), from: None, on_behalf_of: None, post };
            self.bench.commit_for(&bob, Change::Post(new)).await?;
        }
        let last = self.bench.last_seq(&room).await?;
        let topic = RoomChange { topic: Some("frogs".into()), ..RoomChange::default() };
        for change in [
            Change::DeleteMessage { room: room.id, seq: last },
            Change::UpdateRoom { room: room.id, change: topic },
            Change::RemoveMember {
                room: room.id,
                account: bob.id,
                why: Removal::Kicked,
                reason: Some("sample".into()),
            },
        ] {
            self.bench.commit_for(&ann, change).await?;
        }
        observed.extend(std::iter::from_fn(|| events.try_recv().ok()));
        let (mut times, mut errors) = (Vec::new(), 0);
        self.deliver(observed, &mut times, &mut errors).await;
        // The room is deleted only after the observer has received its other events.
        self.bench.commit_for(&ann, Change::DeleteRoom { room: room.id }).await?;
        let mut rest: Vec<Observed> = std::iter::from_fn(|| events.try_recv().ok()).collect();
        rest.push(Observed::Closed { by: Actor::Account(bob), connection });
        self.deliver(rest, &mut times, &mut errors).await;
        match times.len() {
            0 => say!("observer: not called, since it subscribes to none of the sample events"),
            delivered => say!("observer: {delivered} events delivered, {errors} failed; {}", spread(times)),
        }
        Ok(())
    }

    async fn deliver(&mut self, events: Vec<Observed>, times: &mut Vec<Duration>, errors: &mut usize) {
        for observed in events {
            let began = Instant::now();
            match self.bench.plugins.observe(observed).await {
                Ok(false) => continue,
                Ok(true) => {}
                Err(error) if is_fault(&error) => self.faults += 1,
                Err(_) => *errors += 1,
            }
            times.push(began.elapsed());
        }
    }

    /// Runs the timers that its commands and its observer have set, due or not.
    async fn timer(&mut self) -> Result<()> {
        let timers = self.bench.timers().await?;
        if timers.is_empty() {
            say!("timer: not called, since none of the sample calls set a timer");
            return Ok(());
        }
        let (mut times, mut errors) = (Vec::new(), 0);
        for timer in &timers {
            let began = Instant::now();
            match self.bench.plugins.run_timer(timer).await {
                Ok(()) => {}
                Err(error) if is_fault(&error) => self.faults += 1,
                Err(_) => errors += 1,
            }
            times.push(began.elapsed());
        }
        say!("timer: {} timers, {errors} failed; {}", times.len(), spread(times));
        Ok(())
    }

    async fn command(&mut self, info: &CommandInfo) -> Result<()> {
        // A room of its own, so that other commands have no effect on it.
        let room = self.bench.room(&format!("for {}", info.name), Visibility::Public).await?;
        self.bench.add_member(&room, &self.ann, Role::Owner).await?;
        let bob = self.bench.account("bob").await?;
        self.bench.add_member(&room, &bob, Role::Member).await?;
        let mut args: Map<String, Value> =
            info.params.iter().map(|param| (param.name.clone(), sample(&param.kind))).collect();
        args.insert("room".to_owned(), room.id.to_string().into());
        let began = Instant::now();
        let reply = self.bench.router.run_command(&caller(&self.ann), &info.name, args).await;
        let time = shown(began.elapsed());
        let changes: usize = self.bench.take_committed().iter().map(|unit| unit.changes.len()).sum();
        match reply {
            Ok(_) => say!("{}: answered in {time}, {changes} changes", info.name),
            Err(error) if is_fault(&error) => {
                self.faults += 1;
                say!("{}: FAULT after {time}: {error}", info.name);
            }
            Err(error) => say!("{}: refused in {time}: {error}", info.name),
        }
        Ok(())
    }
}

fn is_fault(error: &Error) -> bool {
    matches!(error, Error::Plugin { .. } | Error::Internal(_))
}

/// Ordinary and hostile messages.
fn messages() -> Vec<String> {
    let short = [
        "hello",
        "How are you?",
        "{\"op\":\"x\"}",
        "<script>alert(1)</script>",
        "a\nb\tc",
        "שלום, мир 🐸",
        "e\u{301}\u{202e}x",
    ];
    let long = ["word ".repeat(800), "x".repeat(4000), "🐸".repeat(4000), "A".repeat(200)];
    short.into_iter().map(ToOwned::to_owned).chain(long).collect()
}

fn sample(kind: &ParamKind) -> Value {
    match kind {
        ParamKind::Text => json!("sample"),
        ParamKind::Integer => json!(10),
        ParamKind::Number => json!(1.5),
        ParamKind::Boolean => json!(true),
        ParamKind::Account => json!("bob"),
        ParamKind::Room => json!("lobby"),
        ParamKind::Duration => json!(60),
        ParamKind::Choice(words) => json!(words.first()),
    }
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let slowest = times.last().copied().unwrap_or_default();
    format!("median {}, slowest {}", shown(median), shown(slowest))
}

fn shown(time: Duration) -> String {
    match time.as_micros() {
        0..1000 => format!("{} µs", time.as_micros()),
        1000..10_000_000 => format!("{} ms", time.as_millis()),
        _ => format!("{} s", time.as_secs()),
    }
}
