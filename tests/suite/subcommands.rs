//! Errors of subcommands: on stderr, with what was wrong and what would be right.

use crate::harness::Setup;

const NOWHERE: [&str; 4] = ["--url", "http://127.0.0.1:1", "--token", "x"];

/// Mistaken command lines, and the words that their errors must contain.
const MISTAKES: [(&[&str], &[&str]); 37] = [
    (&["srve"], &["srve", "serve"]),
    (&["serve", "--config", "nowhere.toml"], &["nowhere.toml", "no such file"]),
    (&["migrate", "--config", "nowhere.toml"], &["nowhere.toml", "no such file"]),
    (&["backup"], &["<FILE>"]),
    (&["backup", "copy.db"], &["there is no database", "--config"]),
    (&["cluster", "status", "--config", "nowhere.toml"], &["nowhere.toml", "no such file"]),
    (&["cluster", "status"], &["cluster.nats"]),
    (&["bench", "fanout", "--url", "ws://127.0.0.1:1"], &["127.0.0.1:1"]),
    (&["bench", "fanuot"], &["fanuot"]),
    (&["chat"], &["--name"]),
    (&["chat", "--name", "ann", "wss://127.0.0.1:1"], &["wss://127.0.0.1:1", "ws://HOST:PORT"]),
    (&["chat", "--name", "ann", "127.0.0.1:1"], &["127.0.0.1:1"]),
    (&["completions", "bahs"], &["bahs", "bash"]),
    (&["man", "/proc/none"], &["/proc/none"]),
    (&["user", "add"], &["<NAME>"]),
    (&["user", "list"], &["there is no database", "--config"]),
    (&["user", "conflicts"], &["there is no database", "--config"]),
    (&["user", "admin", "ann"], &["there is no database", "--config"]),
    (&["user", "disable", "ann"], &["there is no database", "--config"]),
    (&["user", "enable", "ann"], &["there is no database", "--config"]),
    (&["user", "delete", "ann"], &["there is no database", "--config"]),
    (&["user", "password", "ann"], &["there is no database", "--config"]),
    (&["user", "token", "ann"], &["there is no database", "--config"]),
    (&["plugin", "new", "No/Plugin"], &["No/Plugin", "word-filter"]),
    (&["plugin", "sdk", "."], &["not empty", "another folder"]),
    (&["plugin", "wit", "/proc/none"], &["/proc/none"]),
    (&["plugin", "build", "nowhere"], &["no folder nowhere"]),
    (&["plugin", "build", "."], &["Cargo.toml", "plugin new"]),
    (&["plugin", "build", "--server", "http://127.0.0.1:1"], &["--install"]),
    (&["plugin", "watch", "nowhere"], &["no folder nowhere"]),
    (&["plugin", "inspect", "none.wasm"], &["none.wasm", "cannot be read"]),
    (&["plugin", "test", "none.wasm"], &["none.wasm", "cannot be read"]),
    (&["plugin", "call", "none.wasm", "a.b"], &["none.wasm", "cannot be read"]),
    (&["plugin", "upload", "none.wasm"], &["none.wasm", "cannot be read"]),
    (&["plugin", "list"], &["--token", "natterjack user token"]),
    (&["plugin", "settings", "groups", "--set", "key"], &["KEY=VALUE"]),
    (&["plugin", "rename", "groups"], &["<TO>"]),
];

/// Subcommands that need a running server.
const REMOTE: [&[&str]; 10] = [
    &["plugin", "list"],
    &["plugin", "reload"],
    &["plugin", "enable", "groups"],
    &["plugin", "disable", "groups"],
    &["plugin", "logs", "groups"],
    &["plugin", "rollback", "groups"],
    &["plugin", "retry", "groups"],
    &["plugin", "rename", "groups", "rooms"],
    &["plugin", "remove", "groups"],
    &["plugin", "settings", "groups"],
];

/// Words of internals and panics, which no error may contain.
const FOREIGN: [&str; 6] = ["panicked", "RUST_BACKTRACE", "error returned from database", "Err(", "Some(", "unwrap"];

async fn fails_with(setup: &Setup, args: &[&str], told: &[&str]) {
    let output = setup.command(args).env_remove("NATTERJACK_TOKEN").output().await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success() && out.is_empty(), "{args:?}: {:?}\n{out}\n{err}", output.status);
    for word in told {
        assert!(err.contains(word), "{args:?} does not say {word}: {err}");
    }
    for word in FOREIGN {
        assert!(!err.contains(word), "{args:?} says {word}: {err}");
    }
}

#[tokio::test]
async fn mistakes_get_errors_with_advice() {
    let setup = Setup::bare();
    for (args, told) in MISTAKES {
        fails_with(&setup, args, told).await;
    }
}

#[tokio::test]
async fn unreachable_server_is_named_with_its_option() {
    let setup = Setup::bare();
    for args in REMOTE {
        fails_with(&setup, &[args, &NOWHERE].concat(), &["127.0.0.1:1", "--url"]).await;
    }
}
