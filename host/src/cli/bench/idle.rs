//! The scenario `idle`, and idle bystanders of other scenarios.

use anyhow::Result;
use futures_util::{StreamExt as _, stream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::client::{Client, Heard, Who};
use super::crowd::{make, run_name};
use super::report::Report;
use super::tally::Faults;
use super::usage::Usage;
use super::{Common, Nodes, Speech};

/// How many connections are made before the measured ones: the first ones load the program's own pages into memory.
const WARM_UP_CONNECTIONS: usize = 100;

/// Measures the cost of idle connections.
pub(super) async fn run(nodes: &Nodes, speech: Speech, clients: usize, common: &Common) -> Result<Report> {
    let mut crowd = connect(nodes, speech, clients.min(WARM_UP_CONNECTIONS)).await?;
    let before = Usage::of(&common.pid)?;
    crowd.extend(connect(nodes, speech, clients).await?);
    let connected = Usage::of(&common.pid)?;
    let began = Instant::now();
    let end = began + common.time;
    let closed = stream::iter(crowd).map(async |client| timeout_at(end, until_closed(client)).await.ok());
    let closed: Vec<String> =
        closed.buffer_unordered(clients + WARM_UP_CONNECTIONS).filter_map(std::future::ready).collect().await;
    let after = Usage::of(&common.pid)?;
    let mut report = Report::new("idle", clients, began.elapsed());
    report.memory(before, after);
    report.cpu(connected, after);
    report.faults = Faults { closed: closed.len() as u64, first: closed.into_iter().next(), ..Faults::default() };
    Ok(report)
}

/// Idle connections during another scenario.
pub(super) struct Bystanders(JoinSet<String>);

impl Bystanders {
    pub(super) async fn connect(nodes: &Nodes, clients: usize) -> Result<Self> {
        let crowd = connect(nodes, Speech::Native, clients).await?;
        Ok(Self(crowd.into_iter().map(until_closed).collect()))
    }

    /// Counts connections that were closed, which are faults.
    pub(super) fn leave(mut self, faults: &mut Faults) {
        while let Some(closed) = self.0.try_join_next() {
            faults.closed += 1;
            faults.first = faults.first.take().or(closed.ok());
        }
    }
}

async fn connect(nodes: &Nodes, speech: Speech, clients: usize) -> Result<Vec<Client>> {
    let run = run_name();
    make("connecting", clients, |index| {
        let name = format!("{run}-{index}");
        let url = nodes.of(index);
        async move {
            match speech {
                Speech::Native => Client::native(url, Who::Guest(&name)).await,
                Speech::Plain => Client::plain(url).await,
                Speech::SocketIo => Client::socket_io(url, "").await,
                Speech::Xmpp => Client::xmpp(url).await,
            }
        }
    })
    .await
}

/// Answers pings until the connection ends; returns the reason.
async fn until_closed(mut client: Client) -> String {
    loop {
        if let Heard::Closed(why) = client.hear().await {
            return why;
        }
    }
}
