//! `natterjack bench`: loads a server with many clients, and measures deliveries, latency and faults.

mod client;
mod crowd;
mod dialects;
mod idle;
mod marker;
mod report;
mod requests;
mod source;
mod storm;
mod talk;
mod tally;
mod usage;
mod xmpp;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Subcommand, ValueEnum};
use url::Url;

use self::idle::Bystanders;
use self::report::Report;
use super::write_out;

/// Load a server with many clients, and measure it.
///
/// The clients speak the native protocol; `dialects` uses the others too. The server has to allow guests, and this load from one
/// address: raise command_burst and commands_per_second in [limits], and for scenarios with accounts attempts_burst and
/// attempts_per_minute; for many rooms guest_rooms_per_address, guest_rooms and creations_per_address_per_hour. Refusals are
/// counted and reported.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// One room in which everybody receives every message
    Fanout(Fanout),
    /// Pairs of accounts, each chatting in a direct room
    Direct(Direct),
    /// Many small rooms
    Rooms(Rooms),
    /// One room with clients of each dialect, in which the native ones post
    Dialects(Dialects),
    /// Idle connections, to measure what they cost
    Idle(Idle),
    /// Logging in by name and password
    Login(Requests),
    /// Reading pages of a room's history
    History(Requests),
    /// All clients are disconnected, reconnect at once, and catch up
    Reconnect(Reconnect),
}

/// Options of all scenarios.
#[derive(Debug, clap::Args)]
struct Common {
    /// The server: HOST:PORT, http://HOST:PORT or ws://HOST:PORT/PATH. Several nodes of a cluster are separated by commas, and clients
    /// distributed among them in turn
    #[arg(long, default_value = "127.0.0.1:5000", value_delimiter = ',')]
    url: Vec<String>,
    /// How long to measure
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, value_name = "TIME")]
    time: Duration,
    /// How long to load the server before that
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration, value_name = "TIME")]
    warm_up: Duration,
    /// The server's process, for its CPU time and memory (on this machine); several, separated by commas, are added up
    #[arg(long, value_delimiter = ',')]
    pid: Vec<u32>,
    /// Print the figures as one JSON object
    #[arg(long)]
    json: bool,
}

/// Options for how messages are sent.
#[derive(Debug, Clone, clap::Args)]
struct Load {
    /// Send this many messages per second in total, however slow the server is; latency counts from when a message was due
    #[arg(long, conflicts_with = "in_flight")]
    rate: Option<f64>,
    /// Without --rate: how many messages per room are in flight; a sender posts the next one when it has received its own
    #[arg(long, default_value_t = 1)]
    in_flight: u32,
    /// Characters in a message
    #[arg(long, default_value_t = 120)]
    size: usize,
}

#[derive(Debug, clap::Args)]
struct Fanout {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    load: Load,
    /// How many clients are in the room
    #[arg(long, default_value_t = 100)]
    clients: usize,
    #[command(flatten)]
    spoken: ListenerDialect,
}

#[derive(Debug, clap::Args)]
struct ListenerDialect {
    /// The protocol; all but native are for comparison with other servers
    #[arg(long, value_enum, default_value_t = Speech::Native, hide = true)]
    speech: Speech,
}

/// The protocol of the clients of `fanout`, `rooms` and `idle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Speech {
    Native,
    /// The server sends every text unchanged to all clients.
    Plain,
    /// Socket.IO over WebSocket: the event `message`, sent to all clients.
    SocketIo,
    /// XMPP over WebSocket: a group chat for anonymous users.
    Xmpp,
}

#[derive(Debug, clap::Args)]
struct Direct {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    load: Load,
    #[arg(long, default_value_t = 50)]
    pairs: usize,
}

#[derive(Debug, clap::Args)]
struct Rooms {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    load: Load,
    #[arg(long, default_value_t = 100)]
    rooms: usize,
    /// How many clients are in each room
    #[arg(long, default_value_t = 10)]
    members: usize,
    /// How many more clients are connected without a room
    #[arg(long, default_value_t = 0)]
    idle: usize,
    #[command(flatten)]
    spoken: ListenerDialect,
}

#[derive(Debug, clap::Args)]
struct Dialects {
    #[command(flatten)]
    common: Common,
    /// How many messages are in flight; a sender posts the next one when it has received its own
    #[arg(long, default_value_t = 16)]
    in_flight: u32,
    /// Characters in a message
    #[arg(long, default_value_t = 120)]
    size: usize,
    /// How many clients use each of the six dialects
    #[arg(long, default_value_t = 100)]
    each: usize,
}

#[derive(Debug, clap::Args)]
struct Idle {
    #[command(flatten)]
    common: Common,
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    #[command(flatten)]
    spoken: ListenerDialect,
}

#[derive(Debug, clap::Args)]
struct Requests {
    #[command(flatten)]
    common: Common,
    /// How many requests are made at a time
    #[arg(long, default_value_t = 8)]
    workers: usize,
}

#[derive(Debug, clap::Args)]
struct Reconnect {
    #[command(flatten)]
    common: Common,
    #[arg(long, default_value_t = 500)]
    clients: usize,
    /// How many messages each client has missed
    #[arg(long, default_value_t = 50)]
    missed: u32,
}

/// Runs a scenario; fails if anything was lost, duplicated, reordered or refused.
pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let (common, report) = match args.scenario {
        Scenario::Fanout(args) => {
            let crowd = crowd::fanout(&target(&args.common)?, args.spoken.speech, args.clients).await?;
            let report = talk::run("fanout", crowd, &args.load, &args.common).await?;
            (args.common, report)
        }
        Scenario::Rooms(args) => {
            let target = target(&args.common)?;
            let bystanders = Bystanders::connect(&target, args.idle).await?;
            let crowd = crowd::rooms(&target, args.spoken.speech, args.rooms, args.members).await?;
            let mut report = talk::run("rooms", crowd, &args.load, &args.common).await?;
            bystanders.leave(&mut report.faults);
            (args.common, report)
        }
        Scenario::Direct(args) => {
            let crowd = crowd::direct(&target(&args.common)?, args.pairs).await?;
            let report = talk::run("direct", crowd, &args.load, &args.common).await?;
            (args.common, report)
        }
        Scenario::Dialects(args) => {
            if args.in_flight as usize > args.each {
                bail!("--in-flight {}: wanted at most one per native client ({})", args.in_flight, args.each);
            }
            let crowd = dialects::crowd(&target(&args.common)?, args.each).await?;
            let load = Load { rate: None, in_flight: args.in_flight, size: args.size };
            let report = talk::run("dialects", crowd, &load, &args.common).await?;
            (args.common, report)
        }
        Scenario::Idle(args) => {
            let report = idle::run(&target(&args.common)?, args.spoken.speech, args.clients, &args.common).await?;
            (args.common, report)
        }
        Scenario::Login(args) => {
            let report = requests::login(&target(&args.common)?, args.workers, &args.common).await?;
            (args.common, report)
        }
        Scenario::History(args) => {
            let report = requests::history(&target(&args.common)?, args.workers, &args.common).await?;
            (args.common, report)
        }
        Scenario::Reconnect(args) => {
            let report = storm::run(&target(&args.common)?, args.clients, args.missed, &args.common).await?;
            (args.common, report)
        }
    };
    print(&report, common.json);
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn target(common: &Common) -> Result<Nodes> {
    if common.time.is_zero() {
        bail!("--time: wanted more than nothing, such as 10s");
    }
    Ok(Nodes(common.url.iter().map(|url| super::address::parse(url)).collect::<Result<_>>()?))
}

/// The addresses of the server's nodes.
struct Nodes(Vec<Url>);

impl Nodes {
    /// The node for the client of this number.
    fn of(&self, client: usize) -> &Url {
        &self.0[client % self.0.len()]
    }
}

fn print(report: &Report, json: bool) {
    match json {
        true => say!("{}", report.json()),
        false => write_out(format_args!("{report}")),
    }
}
