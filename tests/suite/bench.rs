//! Runs every scenario of `natterjack bench` against a real server, and checks the reports.

mod peers;

use serde_json::Value;

use crate::harness::{Server, Setup};

/// A server whose limits allow the load of one address.
async fn roomy() -> Server {
    let limits = [
        ("COMMAND_BURST", "100000"),
        ("COMMANDS_PER_SECOND", "100000"),
        ("ATTEMPTS_BURST", "1000"),
        ("GUEST_ROOMS_PER_ADDRESS", "1000"),
    ];
    let setup = limits
        .iter()
        .fold(Setup::new(), |setup, (key, value)| setup.variable(&format!("NATTERJACK__LIMITS__{key}"), value));
    setup.start().await
}

async fn bench(server: &Server, scenario: &str) -> (bool, Value) {
    let pid = server.id().to_string();
    let url = server.address();
    let mut args = vec!["bench"];
    args.extend(scenario.split_whitespace());
    args.extend(["--url", url, "--time", "300ms", "--warm-up", "100ms", "--json", "--pid", &pid]);
    let output = server.setup().command(&args).output().await.expect("the bench runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let figures = serde_json::from_str(&text);
    let figures = figures.unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), figures)
}

#[tokio::test]
async fn talk_scenarios_deliver_every_message() {
    let server = roomy().await;
    for (scenario, hear) in [
        ("fanout --clients 8 --in-flight 4", 8),
        ("fanout --clients 8 --rate 200", 8),
        ("rooms --rooms 3 --members 3", 3),
        ("rooms --rooms 2 --members 2 --idle 3", 2),
        ("direct --pairs 2", 2),
        ("dialects --each 2 --in-flight 2", 12),
    ] {
        let (well, figures) = bench(&server, scenario).await;
        assert!(well, "{scenario}: {figures}");
        let count = |name: &str| figures[name].as_u64().unwrap_or_else(|| panic!("{name}: {figures}"));
        assert!(count("sent") > 0, "{scenario}: {figures}");
        // What was sent just before the end arrives after it.
        assert!(count("deliveries") >= hear, "{scenario}: {figures}");
        for fault in ["lost", "doubled", "out_of_order", "refused", "closed"] {
            assert_eq!(count(fault), 0, "{scenario}: {figures}");
        }
        assert!(figures["delivery_us"]["p99"].as_u64() >= figures["delivery_us"]["p50"].as_u64(), "{figures}");
        assert!(figures["ack_us"]["count"].as_u64() > Some(0), "{figures}");
        assert!(figures["server"]["memory_bytes"][0].as_u64() > Some(0), "{figures}");
    }
}

#[tokio::test]
async fn idle_request_and_reconnect_scenarios_are_measured() {
    let server = roomy().await;
    for (scenario, times) in [
        ("idle --clients 5", None),
        ("login --workers 2", Some("answer_us")),
        ("history --workers 2", Some("answer_us")),
        ("reconnect --clients 5 --missed 7", Some("recovery_us")),
    ] {
        let (well, figures) = bench(&server, scenario).await;
        assert!(well, "{scenario}: {figures}");
        if let Some(times) = times {
            assert!(figures[times]["count"].as_u64() > Some(0), "{scenario}: {figures}");
        }
    }
}

#[tokio::test]
async fn refusals_are_counted_and_reported() {
    let server = Setup::new().variable("NATTERJACK__LIMITS__COMMAND_BURST", "5").start().await;
    let (well, figures) = bench(&server, "fanout --clients 2 --rate 500").await;
    assert!(!well, "{figures}");
    assert!(figures["refused"].as_u64() > Some(0), "{figures}");
    assert_eq!(figures["lost"], 0, "{figures}");
    assert!(figures["first_fault"].as_str().unwrap().contains("too many requests"), "{figures}");
}

#[tokio::test]
async fn in_flight_above_native_clients_is_refused() {
    let setup = Setup::bare().prepare().await;
    let output = setup.command(&["bench", "dialects", "--each", "2", "--in-flight", "3"]).output().await.unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--in-flight 3: wanted at most one per native client (2)"), "{said}");
}

#[tokio::test]
async fn unreachable_server_is_reported() {
    let setup = Setup::bare().prepare().await;
    let output = setup.command(&["bench", "idle", "--url", "127.0.0.1:1"]).output().await.unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot connect to ws://127.0.0.1:1"), "{said}");
}
