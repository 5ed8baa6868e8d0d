//! The scenario `reconnect`: all clients reconnect at once and recover missed messages.

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::{Instant, timeout};
use url::Url;

use super::client::{Client, Heard, Who};
use super::crowd::{self, make, run_name};
use super::marker::Marker;
use super::report::Report;
use super::tally::{Faults, Order, Times};
use super::usage::Usage;
use super::{Common, Nodes};

pub(super) async fn run(nodes: &Nodes, clients: usize, missed: u32, common: &Common) -> Result<Report> {
    let run = run_name();
    let mut talker = Client::native(nodes.of(0), Who::Guest(&run)).await?;
    crowd::make_room(&mut talker, &run).await?;
    talker.join(&run, None).await?;
    let before = make("connecting", clients, |index| {
        let run = &run;
        async move {
            let mut client = Client::native(nodes.of(index), Who::Guest(&format!("{run}-{index}"))).await?;
            let joined = client.join(run, None).await?;
            joined["last_seq"].as_u64().context("a joined room has no last_seq")
        }
    });
    // The clients disconnect as soon as they know the room's last entry.
    let had = before.await?;
    for number in 0..missed {
        let text = Marker { sender: 0, number, due: std::time::Duration::ZERO }.text(120);
        talker.call("message.post", json!({"room": run, "body": text})).await?;
    }

    let usage = Usage::of(&common.pid)?;
    let start = Instant::now();
    let back = join_all(had.into_iter().enumerate().map(|(index, since)| {
        let run = &run;
        // Reconnects to another node, if there are several.
        let url = nodes.of(index + 1);
        async move { timeout(common.time, recover(url, run, index, since, missed)).await }
    }))
    .await;
    let mut report = Report::new("reconnect", clients, start.elapsed());
    report.cpu(usage, Usage::of(&common.pid)?);
    report.memory(usage, Usage::of(&common.pid)?);
    let mut times = Times::default();
    for one in back {
        match one {
            Ok(Ok((time, faults))) => {
                times.add(time);
                report.faults.merge(faults);
            }
            Ok(Err(error)) => report.faults.refuse(&format!("{error:#}")),
            Err(_) => report.faults.refuse("recovery did not complete within --time"),
        }
    }
    report.deliveries = Some(times.count() * u64::from(missed));
    report.times = vec![("recovery", times)];
    Ok(report)
}

async fn recover(url: &Url, run: &str, index: usize, since: u64, missed: u32) -> Result<(std::time::Duration, Faults)> {
    let began = Instant::now();
    let (mut order, mut faults) = (Order::default(), Faults::default());
    let mut client = Client::native(url, Who::Guest(&format!("{run}-{index}"))).await?;
    client.join(run, Some(since)).await?;
    let mut got = 0;
    while got < missed {
        match client.hear().await {
            Heard::Text(frame) => {
                if let Some(marker) = Marker::find(&frame) {
                    order.had(marker.number, &mut faults);
                    got += 1;
                }
            }
            Heard::Closed(why) => {
                faults.closed += 1;
                faults.first.get_or_insert(why);
                break;
            }
        }
    }
    order.end(missed, &mut faults);
    Ok((began.elapsed(), faults))
}
