//! Runs the Autobahn test suite against an echo server made of the upgrade, the limits and the socket, without any chat.

use std::path::{Path, PathBuf};
use std::process::Command;

use axum::Router;
use axum::routing::get;
use futures_util::StreamExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::config::{self, Reloadable};
use crate::metrics::Metrics;
use crate::session::Incoming;
use crate::transport::admission::Admission;
use crate::transport::{ListenerContext, Purpose};

/// The cases without compression; 12 and 13 test compression, which is not offered.
const CASES: [&str; 9] = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"];

const LIMITS: fn() -> config::Limits = || config::Limits {
    // The largest message of the cases has 16 MiB.
    frame_bytes: 32 << 20,
    outbox_frames: 1_000_000,
    outbox_bytes: 256 << 20,
    ..config::Limits::default()
};

async fn echo(upgrade: Handshake) -> Response {
    upgrade.on_upgrade(async |upgraded| {
        socket::carry(upgraded, &LIMITS(), async |outbox, mut frames| {
            while let Some(frame) = frames.next().await {
                match frame {
                    Incoming::Text(text) => outbox.enqueue(text),
                    Incoming::Binary(bytes) => outbox.enqueue_bytes(bytes),
                    Incoming::Alive => {}
                    Incoming::Closing(close) | Incoming::Failed(close) => outbox.close(close),
                }
            }
        })
        .await;
    })
}

/// The test program, which `cargo xtask foreign` installs.
fn kosoku() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let install = Command::new(env!("CARGO")).args(["xtask", "foreign"]).current_dir(root).status();
    assert!(install.unwrap().success(), "kosoku could not be installed; the reason is above");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), |target| root.join(target));
    target.join("foreign/python/bin/kosoku")
}

#[tokio::test(flavor = "multi_thread")]
async fn autobahn_cases_pass() {
    let program = tokio::task::spawn_blocking(kosoku).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("ws://{}", listener.local_addr().unwrap());
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let limits = Reloadable::from(LIMITS());
    let admission = Admission::new(limits.clone(), config::Server::default().into(), &Metrics::default());
    let listening = Arc::new(ListenerContext::new(Arc::new(admission), limits, tasks, stop.clone()));
    let server = tokio::spawn(listening.serve(listener, Purpose::Clients, Router::new().route("/", get(echo)), None));
    let report = tempfile::tempdir().unwrap();
    let mut run = tokio::process::Command::new(program);
    run.args(CASES.iter().flat_map(|cases| ["--include", *cases])).args(["--parallelism", "4", "--outdir"]);
    let output = run.arg(report.path()).arg(&address).kill_on_drop(true).output().await.unwrap();
    let output_text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && output_text.contains("301 cases passed"), "{output_text}");
    stop.cancel();
    server.await.unwrap();
}
