//! `natterjack plugin call`.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use uuid::Uuid;

use super::bench::{Bench, caller, is_account_id, object, settings, show_log};
use super::changes;
use super::read_component;
use crate::plugins::{ParamKind, Place, inspect};
use crate::protocol::{Change, Role, Visibility};

/// Call one command of a plugin on a temporary server, and show what it changed
///
/// All imports of the plugin are granted. Accounts and rooms that the arguments name are created first. The reply is
/// printed as JSON on standard output. All else goes to standard error, including the staged changes of a failed call.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plugin's .wasm file
    file: PathBuf,
    /// The command, such as room.create
    command: String,
    /// Its arguments, as a JSON object
    #[arg(value_name = "JSON", default_value = "{}", value_parser = object)]
    args: Value,
    /// The plugin's settings
    #[arg(long, value_name = "JSON", value_parser = settings)]
    settings: Option<Value>,
    /// The name of the caller
    #[arg(long = "as", value_name = "NAME", default_value = "ann")]
    caller: String,
    /// The caller's role in the room: member, moderator or owner
    #[arg(long, default_value = "member")]
    role: Role,
    /// The room that it is called in [default: lobby, for commands that need a room]
    #[arg(long)]
    room: Option<String>,
}

pub(super) async fn run(args: Args) -> Result<()> {
    show_log();
    let (id, bytes) = read_component(&args.file)?;
    let found = inspect(&bytes).map_err(anyhow::Error::msg)?;
    let bench = Bench::open(&id, &bytes, args.settings.clone().unwrap_or_default(), found.wants).await?;
    bench.check_runs()?;
    let done = call(&bench, args).await;
    bench.close().await;
    done
}

async fn call(bench: &Bench, args: Args) -> Result<()> {
    let commands = bench.commands();
    let Some(info) = commands.iter().find(|info| *info.name == *args.command) else {
        let names: Vec<&str> = commands.iter().map(|info| &*info.name).collect();
        match names.is_empty() {
            true => bail!("it has no commands"),
            false => bail!("it has no command `{}`; it has {}", args.command, names.join(", ")),
        }
    };
    let caller_account = bench.account(&args.caller).await?;
    let Value::Object(mut given) = args.args else { bail!("the arguments are not a JSON object") };
    let in_room = args.room.or_else(|| given.get("room").and_then(Value::as_str).map(ToOwned::to_owned));
    let room = match in_room.or_else(|| (info.place == Place::InRoom).then(|| "lobby".to_owned())) {
        Some(name) => Some(bench.room(&name, Visibility::Public).await?),
        None => None,
    };
    if let Some(room) = &room {
        bench.add_member(room, &caller_account, args.role).await?;
        given.insert("room".to_owned(), room.id.to_string().into());
    }
    for param in &info.params {
        match (&param.kind, given.get(&param.name).and_then(Value::as_str)) {
            (ParamKind::Account, Some(name)) if !is_account_id(name) => {
                let account = bench.account(name).await?;
                if let Some(room) = &room {
                    bench.add_member(room, &account, Role::Member).await?;
                }
            }
            (ParamKind::Room, Some(name)) => drop(bench.room(name, Visibility::Public).await?),
            _ => {}
        }
    }
    let names = bench.names().await?;
    let reply = bench.router.run_command(&caller(&caller_account), &args.command, given).await;
    let units = bench.take_committed();
    let staged = bench.take_staged();
    let mut names: HashMap<Uuid, String> = names.into_iter().chain(bench.names().await?).collect();
    let value = match reply {
        Ok(value) => value,
        Err(error) => {
            if let Some(staged) = staged {
                names.extend(staged.changes.iter().filter_map(|change| match change {
                    Change::CreateRoom(room) => Some((room.id.0, room.name.clone())),
                    _ => None,
                }));
                eprintln!("not done, since the call failed:");
                for line in changes::describe(&staged, &names) {
                    eprintln!("  {line}");
                }
            }
            return Err(anyhow::Error::new(error)).context("the call failed, so nothing was committed");
        }
    };
    say!("{value:#}");
    let lines: Vec<String> = units.iter().flat_map(|unit| changes::describe(unit, &names)).collect();
    eprintln!("{}", if lines.is_empty() { "nothing was changed" } else { "committed together:" });
    for line in lines {
        eprintln!("  {line}");
    }
    Ok(())
}
