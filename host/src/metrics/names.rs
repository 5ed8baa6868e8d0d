//! Names and descriptions of all metrics. A name contains its unit, and counters end in `_total`.

pub const BUILD: &str = "natterjack_build_info";
pub const CONNECTIONS: &str = "natterjack_connections";
pub const REFUSED_CONNECTIONS: &str = "natterjack_connections_refused_total";
pub const CLOSED_CONNECTIONS: &str = "natterjack_connections_closed_total";
pub const MESSAGES: &str = "natterjack_messages_total";
pub const DELIVERY_SECONDS: &str = "natterjack_delivery_seconds";
pub const WRITER_BATCH: &str = "natterjack_writer_batch_jobs";
pub const WRITER_COMMIT_SECONDS: &str = "natterjack_writer_commit_seconds";
pub const WRITER_QUEUE: &str = "natterjack_writer_queue_jobs";
pub const DATABASE_CONNECTIONS: &str = "natterjack_database_connections";
pub const DATABASE_UP: &str = "natterjack_database_up";
pub const DATABASE_WRITABLE: &str = "natterjack_database_writable";
pub const FAILURES: &str = "natterjack_failures_total";
pub const REQUESTS: &str = "natterjack_http_requests_total";
pub const REQUEST_SECONDS: &str = "natterjack_http_request_seconds";
pub const THROTTLED: &str = "natterjack_throttled_total";
/// Durations of calls of a plugin's hooks; `_count` is the number of calls.
pub const CALL_SECONDS: &str = "natterjack_plugin_call_seconds";
pub const VERDICTS: &str = "natterjack_plugin_verdicts_total";
pub const FAULTS: &str = "natterjack_plugin_faults_total";
pub const QUARANTINED: &str = "natterjack_plugin_quarantined";
pub const LOADS: &str = "natterjack_plugin_loads_total";
pub const CLUSTER_NODES: &str = "natterjack_cluster_nodes";
pub const CLUSTER_CONNECTED: &str = "natterjack_cluster_connected";
pub const CLUSTER_ROOMS: &str = "natterjack_cluster_rooms";
pub const CLUSTER_SENT: &str = "natterjack_cluster_sent_total";
pub const CLUSTER_HEARD: &str = "natterjack_cluster_heard_total";
pub const CLUSTER_READ: &str = "natterjack_cluster_entries_read_total";
pub const CLUSTER_LOST: &str = "natterjack_cluster_lost_total";
pub const PROCESS_CPU: &str = "process_cpu_seconds_total";
pub const PROCESS_MEMORY: &str = "process_resident_memory_bytes";
pub const PROCESS_FILES: &str = "process_open_fds";
pub const PROCESS_MAX_FILES: &str = "process_max_fds";
pub const PROCESS_START: &str = "process_start_time_seconds";

pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

pub(super) const DESCRIPTIONS: &[(&str, Kind, &str)] = &[
    (BUILD, Kind::Gauge, "1; the labels say which version runs."),
    (CONNECTIONS, Kind::Gauge, "Open connections, by dialect; none before they have identified themselves."),
    (REFUSED_CONNECTIONS, Kind::Counter, "Connections that were refused because there were too many."),
    (
        CLOSED_CONNECTIONS,
        Kind::Counter,
        "Connections that ended, by close code; 1000 closed normally or vanished, 4408 were too slow.",
    ),
    (MESSAGES, Kind::Counter, "Messages that were posted, by people and by plugins."),
    (
        DELIVERY_SECONDS,
        Kind::Histogram,
        "Time from a message's arrival at the writer until it is written to, or queued for, all recipients.",
    ),
    (WRITER_BATCH, Kind::Histogram, "How many jobs were stored in one transaction."),
    (WRITER_COMMIT_SECONDS, Kind::Histogram, "How long storing one such batch took, commit included."),
    (WRITER_QUEUE, Kind::Gauge, "Jobs that wait to be stored."),
    (DATABASE_CONNECTIONS, Kind::Gauge, "Connections to the database."),
    (DATABASE_UP, Kind::Gauge, "1 while the database answers."),
    (DATABASE_WRITABLE, Kind::Gauge, "1 while the database can be written to, by the last write or a test write."),
    (FAILURES, Kind::Counter, "Operations that failed, by dialect or protocol and by error code."),
    (REQUESTS, Kind::Counter, "HTTP requests, by route and class of status."),
    (REQUEST_SECONDS, Kind::Histogram, "How long answering HTTP requests took."),
    (THROTTLED, Kind::Counter, "Attempts that were refused for coming too often."),
    (CALL_SECONDS, Kind::Histogram, "How long calls of a plugin's hook took, those that failed too."),
    (VERDICTS, Kind::Counter, "Verdicts that a plugin's hook returned."),
    (FAULTS, Kind::Counter, "Calls in which a plugin trapped, took too long or asked for too much."),
    (
        QUARANTINED,
        Kind::Gauge,
        "1 while a plugin is not called because it keeps failing, or not loaded because its file crashed.",
    ),
    (CLUSTER_NODES, Kind::Gauge, "Live nodes of the cluster, including this one."),
    (
        CLUSTER_CONNECTED,
        Kind::Gauge,
        "1 while NATS delivers the entries of other nodes; otherwise they are read from the database.",
    ),
    (CLUSTER_ROOMS, Kind::Gauge, "Rooms whose events this node subscribes to."),
    (
        CLUSTER_SENT,
        Kind::Counter,
        "Messages sent to other nodes; they read from the database what is dropped while NATS is away.",
    ),
    (CLUSTER_HEARD, Kind::Counter, "Messages received from other nodes."),
    (
        CLUSTER_READ,
        Kind::Counter,
        "Entries of other nodes that NATS did not deliver, and that were read from the database.",
    ),
    (
        CLUSTER_LOST,
        Kind::Counter,
        "Messages to other nodes that did not fit the queue; they read the entries from the database.",
    ),
    (LOADS, Kind::Counter, "Plugins that were loaded, replaced, unloaded or refused."),
    (PROCESS_CPU, Kind::Counter, "CPU time that the process has used."),
    (PROCESS_MEMORY, Kind::Gauge, "Resident memory of the process."),
    (PROCESS_FILES, Kind::Gauge, "Open files, connections among them."),
    (PROCESS_MAX_FILES, Kind::Gauge, "The most files that may be open."),
    (PROCESS_START, Kind::Gauge, "When the process started, in seconds since 1970."),
];
