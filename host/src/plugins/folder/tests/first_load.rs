//! Tests the first load of a file in a child process, with a shell as the child.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;
use wasm_encoder::{
    Component, ComponentExportKind, ComponentExportSection, ComponentImportSection, ComponentInstanceSection,
    ComponentTypeRef, ComponentTypeSection, InstanceType,
};

use super::{config, error, put};
use crate::config::{Config, OnFault};
use crate::error::Error;
use crate::plugins::testing::World;
use crate::plugins::{Call, Draft, PluginRuntime, PluginState, Plugins, Tables, Trial};
use crate::protocol::{Actor, Room};

const CRASHES: &str = "echo 'internal error: entered unreachable code' >&2; kill -ABRT $$";
const IS_KILLED: &str = "kill -KILL $$";
const PASSES: &str = "echo '{\"broken\":null}'";

/// A component that exports an empty instance of this name, and may import another.
fn component(export: &str, import: Option<&str>) -> Vec<u8> {
    let mut component = Component::new();
    if let Some(import) = import {
        let (mut types, mut imports) = (ComponentTypeSection::new(), ComponentImportSection::new());
        types.instance(&InstanceType::new());
        imports.import(&*format!("natterjack:plugin/{import}@0.1.0"), ComponentTypeRef::Instance(0));
        component.section(&types).section(&imports);
    }
    let (mut instances, mut exports) = (ComponentInstanceSection::new(), ComponentExportSection::new());
    instances.export_items(std::iter::empty::<(&str, ComponentExportKind, u32)>());
    let index = u32::from(import.is_some());
    exports.export(&*format!("natterjack:plugin/{export}@0.1.0"), ComponentExportKind::Instance, index, None);
    component.section(&instances).section(&exports);
    component.finish()
}

struct Running {
    plugins: Arc<Plugins>,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts a host whose child process is a shell with these commands.
async fn start(world: &World, commands: &str, tables: &Tables) -> Running {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let runtime = PluginRuntime { cluster: None, stop: stop.clone(), reacting: &tasks, stop_reactions: stop.clone() };
    let services = Arc::new(world.services().with_trial(Trial::with_shell(commands)));
    let folder = world.folder.path();
    let plugins = Plugins::start(&config(world), tables, services, &[], folder, runtime).await.unwrap();
    Running { plugins, stop }
}

fn tables(text: &str) -> Tables {
    Config::from_text("test", text, [("", ""); 0]).unwrap().plugin
}

fn state(running: &Running, id: &str) -> PluginState {
    running.plugins.statuses().into_iter().find(|status| &*status.id == id).unwrap().state
}

fn call() -> Call {
    let (room, role, connection, origin) = (None::<Room>, None, None, None);
    Call { request: Uuid::nil(), actor: Actor::Server, room, role, connection, origin, depth: 0 }
}

fn post(running: &Running) -> crate::error::Result<Option<String>> {
    let draft = Draft { body: "hi".into(), reply_to: None, edit_of: None, attachments: Vec::new() };
    running.plugins.filter(&call(), draft)
}

#[tokio::test]
async fn file_that_crashes_its_first_load_stays_quarantined_over_a_restart_until_retried() {
    let world = World::new().await;
    put(&world, "bad.wasm", &component("commands", None));
    put(&world, "text.wasm", b"hello");
    let running = start(&world, CRASHES, &Tables::new()).await;
    assert_eq!(state(&running, "bad"), PluginState::Quarantined);
    assert_eq!(state(&running, "text"), PluginState::Failed);
    let why = error(&running.plugins, "bad").unwrap();
    assert!(why.contains("entered unreachable code") && why.contains("natterjack plugin retry bad"), "{why}");
    let crashed = running.plugins.crashed_files();
    assert_eq!((crashed.len(), &*crashed[0].plugin), (1, "bad"));
    let upload = running.plugins.install("other", component("commands", None).into()).await.unwrap_err();
    assert!(upload.to_string().contains("quarantined"), "{upload}");
    drop(running);

    // It would pass now, but no retry was requested.
    let running = start(&world, PASSES, &Tables::new()).await;
    assert_eq!(state(&running, "bad"), PluginState::Quarantined);
    running.plugins.reload(None).await.unwrap();
    assert_eq!(state(&running, "bad"), PluginState::Quarantined);
    assert!(matches!(running.plugins.retry("nobody").await, Err(Error::NotFound(_))));
    running.plugins.retry(&crashed[0].sha256[..12]).await.unwrap();
    let why = error(&running.plugins, "bad").unwrap();
    assert!(why.contains("does not fit the contract"), "{why}");
    assert!(running.plugins.crashed_files().is_empty());
}

#[tokio::test]
async fn file_whose_first_load_was_killed_is_tried_again_and_not_quarantined() {
    let world = World::new().await;
    put(&world, "big.wasm", &component("commands", None));
    let running = start(&world, IS_KILLED, &Tables::new()).await;
    let why = error(&running.plugins, "big").unwrap();
    assert!(why.contains("ended by SIGKILL") && why.contains("retries it later"), "{why}");
    assert!(running.plugins.crashed_files().is_empty());
    running.plugins.retry("big").await.unwrap();
    assert!(running.plugins.crashed_files().is_empty());
    drop(running);
    let running = start(&world, PASSES, &Tables::new()).await;
    assert!(error(&running.plugins, "big").unwrap().contains("does not fit the contract"));
}

#[tokio::test]
async fn quarantined_filter_blocks_posts_and_quarantined_guard_blocks_joins() {
    let world = World::new().await;
    put(&world, "words.wasm", &component("message-filter", None));
    let running = start(&world, CRASHES, &Tables::new()).await;
    let refused = post(&running).unwrap_err();
    assert!(matches!(&refused, Error::Unavailable(why) if why.contains("words")), "{refused:?}");
    running.plugins.admit(&call(), &[]).await.unwrap_err();

    // The operator may let messages pass unfiltered, or disable the filter.
    running.plugins.reload(Some(tables("[plugin.words]\non_fault = \"allow\""))).await.unwrap();
    assert_eq!(tables("[plugin.words]\non_fault = \"allow\"")["words"].on_fault, OnFault::Allow);
    assert_eq!(post(&running), Ok(None));
    running.plugins.reload(Some(Tables::new())).await.unwrap();
    post(&running).unwrap_err();
    running.plugins.reload(Some(tables("[plugin.words]\nenabled = false"))).await.unwrap();
    assert_eq!(post(&running), Ok(None));

    put(&world, "door.wasm", &component("room-guard", None));
    running.plugins.reload(None).await.unwrap();
    assert_eq!(post(&running), Ok(None), "it is no filter");
    let shut = running.plugins.admit(&call(), &[]).await.unwrap_err();
    assert!(matches!(&shut, Error::Unavailable(why) if why.contains("door")), "{shut:?}");
    running.plugins.remove("door").await.unwrap();
    let shut = running.plugins.admit(&call(), &[]).await.unwrap_err();
    assert!(matches!(shut, Error::Forbidden(_)), "{shut:?}");
}

#[tokio::test]
async fn filter_that_does_not_start_blocks_posts_only_if_it_ran_before() {
    let world = World::new().await;
    put(&world, "words.wasm", &component("message-filter", None));
    let running = start(&world, PASSES, &Tables::new()).await;
    assert_eq!(state(&running, "words"), PluginState::Failed);
    assert_eq!(post(&running), Ok(None));
    drop(running);
    // A kept version shows that it has run here.
    let kept = world.folder.path().join("plugin-versions/words");
    std::fs::create_dir_all(&kept).unwrap();
    std::fs::write(kept.join(format!("1-{}.wasm", "0".repeat(64))), component("message-filter", None)).unwrap();
    put(&world, "words.wasm", b"no component at all");
    let running = start(&world, PASSES, &Tables::new()).await;
    assert!(matches!(post(&running), Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn other_commands_are_handled_while_a_file_compiles_and_grants_apply_when_it_is_linked() {
    let world = World::new().await;
    let gate = world.folder.path().join("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let commands =
        format!("read -r order; case \"$order\" in *'\"slow\"'*) read -r word < {};; esac; {PASSES}", gate.display());
    let running = start(&world, &commands, &Tables::new()).await;
    put(&world, "slow.wasm", &component("commands", Some("storage")));
    // It answers although the file is not compiled.
    running.plugins.configure(config(&world), tables("[plugin.none]")).await.unwrap();
    assert_eq!(state(&running, "slow"), PluginState::Compiling);
    running.plugins.install("quick", component("commands", None).into()).await.unwrap_err();
    put(&world, "quick.wasm", &component("observer", None));
    running.plugins.configure(config(&world), tables("[plugin.slow]\ngrants = [\"storage\"]")).await.unwrap();
    let reload = running.plugins.reload(None);
    let settle = async {
        tokio::fs::write(&gate, "go\n").await.unwrap();
    };
    let (reloaded, ()) = tokio::join!(reload, settle);
    reloaded.unwrap();
    let states: BTreeMap<_, _> =
        running.plugins.statuses().iter().map(|status| (status.id.to_string(), status.state)).collect();
    assert!(states.values().all(|state| *state == PluginState::Failed), "{states:?}");
    // The grant is not missing, although it was given after compiling had begun.
    let why = error(&running.plugins, "slow").unwrap();
    assert!(why.contains("does not fit the contract"), "{why}");
}
