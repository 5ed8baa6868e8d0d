//! Resident memory over 300 reloads.

use super::server::{Server, built, tagged};
use super::table::Table;
use super::talk::{ask, guest};

const RELOADS: u32 = 300;
const RELOADS_PER_ROW: u32 = 50;

pub(crate) async fn run() {
    let filter = built("word-filter.wasm");
    let settings = "[plugin.word-filter]\nsettings = { words = [\"darn\"], action = \"mask\" }";
    let mut server = Server::start(&[("word-filter.wasm", &filter)], settings).await;
    let mut client = guest(&server.address, "client").await;
    ask(&mut client, 1, "room.join", r#"{"room":"r0"}"#).await;
    let mut table = Table::new();
    let mut resident = Vec::new();
    for turn in 0..=RELOADS {
        // Each version is called, so that it has instances to free.
        let answer = ask(&mut client, 2, "message.post", r#"{"room":"r0","body":"darn"}"#).await;
        assert!(!answer.contains("\"error\""), "{answer}");
        if turn % RELOADS_PER_ROW == 0 {
            resident.push(server.resident_kb());
            table.row(format!("after {turn} reloads"), format!("{:.1} MB", server.resident_kb() as f64 / 1e3), "");
        }
        if turn < RELOADS {
            server.replace("word-filter.wasm", &tagged(&filter, turn)).await;
        }
    }
    let half = resident.len() / 2;
    let late = (resident[resident.len() - 1] as f64 - resident[half] as f64) / f64::from(RELOADS / 2);
    table.row("in the second half, a reload", format!("{late:+.1} KB"), "levels off: about 0");
    table.print("memory: resident memory over 300 reloads, each a file never seen before");
}
