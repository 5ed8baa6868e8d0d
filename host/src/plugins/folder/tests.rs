mod first_load;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config;
use crate::plugins::testing::World;
use crate::plugins::{PluginRuntime, PluginState, Plugins, Tables};

/// The smallest component: an empty one.
const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn config(world: &World) -> config::Plugins {
    config::Plugins { folder: world.folder.path().join("plugins"), ..config::Plugins::default() }
}

async fn start(world: &World, tables: &Tables) -> Arc<Plugins> {
    Plugins::load(&config(world), tables, world.services.clone(), &[], world.folder.path()).await.unwrap()
}

fn put(world: &World, name: &str, bytes: &[u8]) {
    let folder = world.folder.path().join("plugins");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), bytes).unwrap();
}

fn error(plugins: &Plugins, id: &str) -> Option<String> {
    plugins.statuses().into_iter().find(|status| &*status.id == id)?.error.map(|(error, _)| error)
}

#[tokio::test]
async fn missing_folder_is_created() {
    let world = World::new().await;
    let plugins = start(&world, &Tables::new()).await;
    assert!(plugins.statuses().is_empty());
    assert!(world.folder.path().join("plugins").is_dir());
}

#[tokio::test]
async fn file_that_does_not_start_is_listed_with_what_to_do() {
    let world = World::new().await;
    put(&world, "text.wasm", b"hello");
    put(&world, "core.wasm", b"\0asm\x01\0\0\0");
    put(&world, "half.wasm", b"\0asm\x0d\0\x01\0\x01\x99");
    put(&world, "empty.wasm", EMPTY_COMPONENT);
    let plugins = start(&world, &Tables::new()).await;
    assert!(plugins.statuses().iter().all(|status| status.state == PluginState::Failed));
    assert!(error(&plugins, "text").unwrap().contains("no WebAssembly file"));
    assert!(error(&plugins, "core").unwrap().contains("wasm32-wasip2"));
    assert!(error(&plugins, "half").unwrap().contains("cannot be compiled"));
    assert!(error(&plugins, "empty").unwrap().contains("exports nothing that the server calls"));
}

#[tokio::test]
async fn file_with_another_hash_than_the_pinned_one_is_refused() {
    let world = World::new().await;
    put(&world, "empty.wasm", EMPTY_COMPONENT);
    let pinned = format!("[plugin.empty]\nsha256 = \"{}\"", "0".repeat(64));
    let tables = config::Config::from_text("test", &pinned, [("", ""); 0]).unwrap().plugin;
    let plugins = start(&world, &tables).await;
    assert!(error(&plugins, "empty").unwrap().contains("not the one pinned in config.toml"));
}

#[tokio::test]
async fn reload_rescans_the_folder_and_applies_tables() {
    let world = World::new().await;
    put(&world, "one.wasm", b"hello");
    assert!(start(&world, &Tables::new()).await.reload(None).await.is_err(), "its folder is not watched");
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let runtime = PluginRuntime { cluster: None, stop: stop.clone(), reacting: &tasks, stop_reactions: stop };
    let (config, services, folder) = (config(&world), world.services.clone(), world.folder.path());
    let plugins = Plugins::start(&config, &Tables::new(), services, &[], folder, runtime).await.unwrap();

    put(&world, "two.wasm", EMPTY_COMPONENT);
    std::fs::remove_file(world.folder.path().join("plugins/one.wasm")).unwrap();
    let off = config::Config::from_text("test", "[plugin.two]\nenabled = false", [("", ""); 0]).unwrap().plugin;
    plugins.reload(Some(off)).await.unwrap();
    let statuses = plugins.statuses();
    assert_eq!(statuses.len(), 1);
    assert_eq!((&*statuses[0].id, statuses[0].state, &statuses[0].error), ("two", PluginState::Disabled, &None));
}

#[tokio::test]
async fn digest_is_equal_only_for_equal_plugins_and_settings() {
    let tables = |text: &str| config::Config::from_text("test", text, [("", ""); 0]).unwrap().plugin;
    let world = World::new().await;
    put(&world, "empty.wasm", EMPTY_COMPONENT);
    let digest = async |text: &str| start(&world, &tables(text)).await.digest();
    let one = digest("").await;
    assert_eq!(one, digest("[plugin.empty]\n[plugin.other]\norder = 1").await, "nothing else runs here");
    assert_ne!(one, digest("[plugin.empty]\nsettings = { words = [] }").await);
    assert_ne!(one, digest("[plugin.empty]\nenabled = false").await);
    put(&world, "another.wasm", EMPTY_COMPONENT);
    assert_ne!(one, digest("").await);
}
