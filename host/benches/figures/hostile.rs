//! Latency of other clients while a client repeatedly makes a plugin misbehave.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::server::{Server, hostile};
use super::table::{Table, ms};
use super::talk::{ask, guest, talk};

const ROUNDS: usize = 10;
const BASELINE_DURATION: Duration = Duration::from_secs(20);
/// CPU time limit of a call.
const CALL_BUDGET: Duration = Duration::from_millis(1000);
const GRANTS: &str =
    r#"["storage", "accounts", "rooms", "rooms-admin", "messages", "passwords", "push", "timers", "http"]"#;

pub(crate) async fn run() {
    let config = format!(
        "[plugin.hostile]\ngrants = {GRANTS}\nlimits = {{ call_ms = {}, memory_mib = 160 }}",
        CALL_BUDGET.as_millis()
    );
    let mut server = Server::start(&[("hostile.wasm", &hostile())], &config).await;
    let address = server.address.clone();
    // The log has too many lines for a pipe that is not read.
    tokio::spawn(async move { server.read_log().await });

    let stop = CancellationToken::new();
    tokio::spawn({
        let stop = stop.clone();
        async move {
            tokio::time::sleep(BASELINE_DURATION).await;
            stop.cancel();
        }
    });
    let mut quiet = talk(&address, stop).await;

    let mut table = Table::new();
    let stop = CancellationToken::new();
    let harm = async {
        let mut caller = guest(&address, "caller").await;
        for deed in ["loop", "recurse", "hoard", "huge", "trap"] {
            let mut slowest = Duration::ZERO;
            for round in 0..ROUNDS {
                let began = Instant::now();
                let args = format!(r#"{{"deed":"{deed}"}}"#);
                let answer = ask(&mut caller, round as u64 + 1, "hostile.do", &args).await;
                slowest = slowest.max(began.elapsed());
                assert!(answer.contains("plugin_failed"), "{deed}: {answer}");
            }
            table.row(
                format!("error after `{deed}`, slowest of {ROUNDS}"),
                ms(slowest),
                format!("{} of CPU time", ms(CALL_BUDGET)),
            );
        }
        stop.cancel();
    };
    let (mut busy, ()) = tokio::join!(talk(&address, stop.clone()), harm);
    table.row(
        "lost, doubled, closed elsewhere",
        format!("{}, {}, {}", busy.lost, busy.doubled, busy.closed),
        "0, 0, 0",
    );
    table.row("p99 elsewhere, quiet", ms(quiet.p99()), "");
    table.row("p99 elsewhere, meanwhile", ms(busy.p99()), "");
    table.row("p99, ratio", format!("{:.2}", busy.p99().as_secs_f64() / quiet.p99().as_secs_f64()), "2 at the most");
    table
        .print("hostile: a plugin that loops, recurses, hoards memory, returns 100 MB, traps; 1,000 posts/s elsewhere");
}
