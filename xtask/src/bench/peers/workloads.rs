//! The workloads and the targets for their results.

use super::contender::Contender::{self, Axum, Bun, Ejabberd, Limit, Natterjack, OneRow, SocketIo, Ws};
use super::results::Figure;

pub(crate) struct Workload {
    /// The name for `--only`.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// The most rounds that are run.
    pub(crate) rounds: u32,
    /// The duration, if it differs from `--time`.
    pub(crate) seconds: Option<u32>,
    pub(crate) runs: &'static [Run],
    pub(crate) bounds: &'static [Bound],
}

/// One server under one load.
pub(crate) struct Run {
    pub(crate) label: &'static str,
    pub(crate) contender: Contender,
    /// Arguments for `natterjack bench`.
    pub(crate) load: &'static str,
}

/// A target for one of this server's results, absolute or as a ratio to another server's.
pub(crate) struct Bound {
    pub(crate) what: &'static str,
    pub(crate) figure: Figure,
    /// The label of the run to compare with.
    pub(crate) to: Option<&'static str>,
    pub(crate) unit: &'static str,
    pub(crate) must: f64,
    pub(crate) aim: f64,
}

impl Bound {
    /// Whether a value meets a bound.
    pub(crate) fn holds(&self, value: f64, bound: f64) -> bool {
        if self.wants_more() { value >= bound } else { value <= bound }
    }

    pub(crate) fn wants_more(&self) -> bool {
        self.aim > self.must
    }
}

/// The label of the server that the bounds are about.
pub(crate) const OURS: &str = "Natterjack";
/// Labels of the compared servers, in the order of tables.
pub(crate) const COMPARED: [&str; 7] = ["the limit", OURS, "Bun", "axum", "npm ws", "npm socket.io", "ejabberd"];

pub(crate) const CPU: Figure = |sample| sample.cpu_us;
pub(crate) const P99: Figure = |sample| sample.p99_ms;
pub(crate) const MEMORY: Figure = |sample| sample.memory_kib;
pub(crate) const POSTS: Figure = |sample| sample.posts_per_second;
pub(crate) const ACK_P99: Figure = |sample| sample.ack_p99_ms;
pub(crate) const FAULTS: Figure = |sample| sample.faults;
const FILTER_SHARE: Figure = |sample| Some(sample.filter_share? * 100.0);

const MEDIAN: u32 = u32::MAX;

const fn run(label: &'static str, contender: Contender, load: &'static str) -> Run {
    Run { label, contender, load }
}

const fn to(label: &'static str, must: f64, aim: f64) -> Bound {
    Bound { what: "CPU a delivery", figure: CPU, to: Some(label), unit: "×", must, aim }
}

const fn ours(what: &'static str, figure: Figure, unit: &'static str, must: f64, aim: f64) -> Bound {
    Bound { what, figure, to: None, unit, must, aim }
}

const BUSY: &str = "fanout --clients 500 --in-flight 16";
const SINGLE: &str = "fanout --clients 500 --in-flight 1";
const PACED: &str = "fanout --clients 1000 --rate 50";
const IDLE: &str = "idle --clients 5000";

pub(crate) const WORKLOADS: [Workload; 11] = [
    Workload {
        name: "busy",
        title: "500 clients, 16 in flight",
        rounds: MEDIAN,
        seconds: None,
        runs: &[
            run("the limit", Limit, BUSY),
            run(OURS, Natterjack, BUSY),
            run("Bun", Bun, BUSY),
            run("axum", Axum, BUSY),
            run("npm ws", Ws, BUSY),
            run("npm socket.io", SocketIo, BUSY),
            run("ejabberd", Ejabberd, BUSY),
        ],
        bounds: &[
            to("the limit", 2.0, 1.25),
            to("Bun", 1.75, 1.1),
            to("npm ws", 0.17, 0.1),
            to("npm socket.io", 0.12, 0.07),
            to("ejabberd", 0.05, 0.025),
        ],
    },
    Workload {
        name: "single",
        title: "500 clients, 1 in flight",
        rounds: MEDIAN,
        seconds: None,
        runs: &[
            run("the limit", Limit, SINGLE),
            run(OURS, Natterjack, SINGLE),
            run("Bun", Bun, SINGLE),
            run("axum", Axum, SINGLE),
            run("npm ws", Ws, SINGLE),
            run("npm socket.io", SocketIo, SINGLE),
        ],
        bounds: &[to("the limit", 1.6, 1.3), to("npm ws", 1.0, 0.8)],
    },
    Workload {
        name: "paced",
        title: "1,000 clients, 50 messages/s",
        rounds: MEDIAN,
        seconds: None,
        runs: &[
            run("the limit", Limit, PACED),
            run(OURS, Natterjack, PACED),
            run("Bun", Bun, PACED),
            run("axum", Axum, PACED),
            run("npm ws", Ws, PACED),
            run("npm socket.io", SocketIo, PACED),
        ],
        bounds: &[
            to("the limit", 1.5, 1.2),
            to("npm ws", 0.85, 0.7),
            to("npm socket.io", 0.7, 0.55),
            Bound { what: "p99", figure: P99, to: Some("the limit"), unit: "×", must: 2.0, aim: 1.3 },
        ],
    },
    Workload {
        name: "pairs",
        title: "200 pairs chatting",
        rounds: MEDIAN,
        seconds: None,
        runs: &[run("the limit", Limit, "rooms --rooms 200 --members 2"), run(OURS, Natterjack, "direct --pairs 200")],
        bounds: &[to("the limit", 3.0, 2.0)],
    },
    Workload {
        name: "idle",
        title: "5,000 idle connections",
        rounds: MEDIAN,
        // Connecting takes most of the time; memory is what is measured.
        seconds: Some(1),
        runs: &[
            run("the limit", Limit, IDLE),
            run(OURS, Natterjack, IDLE),
            run("Bun", Bun, IDLE),
            run("axum", Axum, IDLE),
            run("npm ws", Ws, IDLE),
            run("npm socket.io", SocketIo, IDLE),
        ],
        bounds: &[ours("memory a connection", MEMORY, " KiB", 16.0, 8.0)],
    },
    Workload {
        name: "filter",
        title: "100 clients, 16 in flight",
        rounds: MEDIAN,
        seconds: None,
        runs: &[run(OURS, Natterjack, "fanout --clients 100 --in-flight 16")],
        bounds: &[ours("the word filter's share of the CPU", FILTER_SHARE, " %", 3.0, 1.0)],
    },
    Workload {
        name: "filter-1",
        title: "100 clients, 1 in flight",
        rounds: MEDIAN,
        seconds: None,
        runs: &[run(OURS, Natterjack, "fanout --clients 100 --in-flight 1")],
        bounds: &[ours("the word filter's share of the CPU", FILTER_SHARE, " %", 3.0, 1.0)],
    },
    Workload {
        name: "durable",
        title: "200 writers, each in a room of their own",
        rounds: MEDIAN,
        seconds: None,
        runs: &[run(OURS, Natterjack, "rooms --rooms 200 --members 1"), run("one row a transaction", OneRow, "")],
        bounds: &[
            Bound {
                what: "durable posts/s",
                figure: POSTS,
                to: Some("one row a transaction"),
                unit: "×",
                must: 8.0,
                aim: 12.0,
            },
            ours("p99 of the answer", ACK_P99, " ms", 25.0, 10.0),
        ],
    },
    Workload {
        name: "dialects",
        title: "six dialects in one room, 100 clients each",
        rounds: MEDIAN,
        seconds: None,
        runs: &[
            run(OURS, Natterjack, "dialects --each 100"),
            run("one dialect, 600 clients", Natterjack, "fanout --clients 600 --in-flight 16"),
        ],
        bounds: &[to("one dialect, 600 clients", 1.3, 1.1)],
    },
    Workload {
        name: "crowd",
        title: "20,000 idle connections and 2,000 rooms of 10, 2,000 posts/s",
        // It shows only whether this load is possible.
        rounds: 1,
        seconds: Some(10),
        runs: &[run(OURS, Natterjack, "rooms --rooms 2000 --members 10 --idle 20000 --rate 2000")],
        bounds: &CROWD,
    },
    // A smaller one, within the usual limit of open files.
    Workload {
        name: "crowd-2",
        title: "9,000 idle connections and 900 rooms of 10, 900 posts/s",
        rounds: 1,
        seconds: Some(10),
        runs: &[run(OURS, Natterjack, "rooms --rooms 900 --members 10 --idle 9000 --rate 900")],
        bounds: &CROWD,
    },
];

const CROWD: [Bound; 2] = [
    ours("lost, doubled, out of order, refused, closed", FAULTS, "", 0.0, 0.0),
    ours("p99", P99, " ms", f64::INFINITY, 50.0),
];
