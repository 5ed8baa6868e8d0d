//! Latency of 1,000 posts a second while the filter that sees each of them is replaced 50 times.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::server::{Server, built, tagged};
use super::table::{Table, ms};
use super::talk::talk;

const REPLACEMENTS: u32 = 50;
const BASELINE_DURATION: Duration = Duration::from_secs(20);

pub(crate) async fn run() {
    let filter = built("word-filter.wasm");
    let settings = "[plugin.word-filter]\nsettings = { words = [\"darn\"], action = \"mask\" }";
    let mut server = Server::start(&[("word-filter.wasm", &filter)], settings).await;
    let address = server.address.clone();

    let stop = CancellationToken::new();
    tokio::spawn({
        let stop = stop.clone();
        async move {
            tokio::time::sleep(BASELINE_DURATION).await;
            stop.cancel();
        }
    });
    let mut quiet = talk(&address, stop).await;

    let stop = CancellationToken::new();
    let replacing = async {
        for turn in 0..REPLACEMENTS {
            server.replace("word-filter.wasm", &tagged(&filter, turn)).await;
        }
        stop.cancel();
    };
    let (mut busy, ()) = tokio::join!(talk(&address, stop.clone()), replacing);

    let mut table = Table::new();
    table.row("posts, quiet", quiet.sent.to_string(), "");
    table.row("posts, while a filter is replaced", busy.sent.to_string(), "");
    table.row("lost", busy.lost.to_string(), "0");
    table.row("doubled", busy.doubled.to_string(), "0");
    table.row("refused", busy.refused.to_string(), "0");
    table.row("connections closed", busy.closed.to_string(), "0");
    table.row("p50, quiet", ms(quiet.p50()), "");
    table.row("p50, replacing", ms(busy.p50()), "");
    table.row("p99, quiet", ms(quiet.p99()), "");
    table.row("p99, replacing", ms(busy.p99()), "");
    table.row("p99, ratio", format!("{:.2}", busy.p99().as_secs_f64() / quiet.p99().as_secs_f64()), "2 at the most");
    table.print("replace: 1,000 posts/s while a plugin is replaced 50 times");
}
