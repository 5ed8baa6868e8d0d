//! Scenarios with sequential requests of several workers: `login` and `history`.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::client::{Client, Who};
use super::crowd::{self, PASSWORD, run_name};
use super::report::Report;
use super::tally::{Faults, Times};
use super::usage::Usage;
use super::{Common, Nodes};

/// How many messages the room has whose history is read.
const MESSAGES: u32 = 500;
/// How many messages a page has.
const PAGE_MESSAGES: u32 = 50;

pub(super) async fn login(nodes: &Nodes, workers: usize, common: &Common) -> Result<Report> {
    let account = crowd::sign_up(nodes.of(0), &run_name()).await?;
    let body = json!({"username": account.name, "password": PASSWORD});
    let clients = (0..workers).map(|_| reqwest::Client::new()).collect();
    let ask = async |client: &mut reqwest::Client| {
        crowd::post(client, nodes.of(0), "/api/auth/login", &body).await.map(|_| ())
    };
    measure("login", clients, ask, common).await
}

pub(super) async fn history(nodes: &Nodes, workers: usize, common: &Common) -> Result<Report> {
    let run = run_name();
    let mut clients = Vec::with_capacity(workers);
    for worker in 0..workers {
        let mut client = Client::native(nodes.of(worker), Who::Guest(&format!("{run}-{worker}"))).await?;
        if worker == 0 {
            crowd::make_room(&mut client, &run).await?;
        }
        client.join(&run, None).await?;
        if worker == 0 {
            for number in 0..MESSAGES {
                client.call("message.post", json!({"room": run, "body": format!("message {number} of many")})).await?;
            }
        }
        clients.push(client);
    }
    let ask = async |client: &mut Client| {
        let before = rand::random_range(PAGE_MESSAGES..=MESSAGES);
        client.call("room.history", json!({"room": run, "before": before, "limit": PAGE_MESSAGES})).await.map(|_| ())
    };
    measure("history", clients, ask, common).await
}

/// Has every worker repeat the request, and measures the answers.
async fn measure<C>(
    scenario: &'static str,
    clients: Vec<C>,
    ask: impl AsyncFn(&mut C) -> Result<()>,
    common: &Common,
) -> Result<Report> {
    let (start, workers) = (Instant::now(), clients.len());
    let window = [common.warm_up, common.warm_up + common.time];
    let ask = &ask;
    let working = futures_util::future::join_all(clients.into_iter().map(|mut client| async move {
        let (mut times, mut faults) = (Times::default(), Faults::default());
        loop {
            let began = start.elapsed();
            if began >= window[1] {
                return (times, faults);
            }
            match ask(&mut client).await {
                Ok(()) if began >= window[0] => times.add(start.elapsed() - began),
                Ok(()) => {}
                Err(error) => {
                    faults.refuse(&format!("{error:#}"));
                    // Backs off after a refusal.
                    sleep_until(Instant::now() + Duration::from_millis(100)).await;
                }
            }
        }
    }));
    let usage = async {
        sleep_until(start + window[0]).await;
        let before = Usage::of(&common.pid)?;
        sleep_until(start + window[1]).await;
        Ok::<_, anyhow::Error>((before, Usage::of(&common.pid)?))
    };
    let (worked, usage) = tokio::join!(working, usage);
    let (before, after) = usage?;
    let mut report = Report::new(scenario, workers, common.time);
    let mut times = Times::default();
    for (mine, faults) in worked {
        times.merge(&mine);
        report.faults.merge(faults);
    }
    report.sent = Some(times.count());
    report.times = vec![("answer", times)];
    report.cpu(before, after);
    report.memory(before, after);
    Ok(report)
}
