//! Renders the results as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::results::{Figure, Results};
use super::workloads::{Bound, COMPARED, CPU, FAULTS, MEMORY, OURS, P99, WORKLOADS, Workload};

/// Columns of the first table: title, workload, figure.
const COLUMNS: [(&str, &str, Figure); 6] = [
    ("500 clients, 16 in flight: µs", "busy", CPU),
    ("500 clients, 1 in flight: µs", "single", CPU),
    ("1,000 clients, 50 messages/s: µs", "paced", CPU),
    ("p99 there: ms", "paced", P99),
    ("200 pairs: µs", "pairs", CPU),
    ("idle: KiB a connection", "idle", MEMORY),
];

pub(crate) fn markdown(results: &Results) -> String {
    let mut text = String::from(
        "<!-- Written by `cargo xtask bench --peers`. -->\n\n# Side by side\n\n\
         How it is measured, and what the rows mean: [benchmarks.md](../benchmarks.md). Medians of all rounds; less is better.\n\
         µs are the server's CPU time for each delivery.\n\n",
    );
    // Writing to a String cannot fail.
    let heads: Vec<&str> = COLUMNS.iter().map(|(head, ..)| *head).collect();
    let _ = writeln!(text, "| | {} |\n| --- |{}", heads.join(" | "), " ---: |".repeat(COLUMNS.len()));
    for label in COMPARED {
        let cells = COLUMNS.map(|(_, workload, figure)| cell(results.median(workload, label, figure)));
        let label = if label == OURS { format!("**{label}**") } else { label.to_owned() };
        let _ = writeln!(text, "| {label} | {} |", cells.join(" | "));
    }
    text.push_str("\n## What was wanted\n\n| | Natterjack's | to | measured | must | aim | |\n| --- | --- | --- | ---: | ---: | ---: | --- |\n");
    for workload in &WORKLOADS {
        for bound in workload.bounds {
            text.push_str(&row(results, workload, bound));
        }
    }
    text.push('\n');
    text.push_str(&faults(results));
    for (name, outcome) in &results.outcomes {
        for (label, why) in &outcome.missing {
            let _ = writeln!(text, "- Not measured: {label} in `{name}`: {}", why.replace('\n', " "));
        }
    }
    text.push_str(&measured_on(results));
    text
}

fn row(results: &Results, workload: &Workload, bound: &Bound) -> String {
    let Bound { what, figure, to, unit, must, aim } = bound;
    let (to, measured) = match to {
        Some(to) => {
            let ratio = results
                .median(workload.name, OURS, *figure)
                .zip(results.median(workload.name, to, *figure).filter(|other| *other > 0.0))
                .map(|(ours, other)| ours / other);
            (*to, ratio)
        }
        // A single fault is one too many.
        None if *must == 0.0 => ("", results.most(workload.name, OURS, *figure)),
        None => ("", results.median(workload.name, OURS, *figure)),
    };
    let verdict = match measured {
        None => "",
        Some(value) if bound.holds(value, *aim) => "aim met",
        Some(value) if bound.holds(value, *must) => "met",
        Some(_) => "**short of it**",
    };
    let sign = if bound.wants_more() { "≥" } else { "≤" };
    let wanted = |value: f64| if value.is_finite() { format!("{sign} {value}{unit}") } else { String::new() };
    let measured = measured.map_or_else(|| "—".to_owned(), |value| format!("{}{unit}", number(value)));
    format!("| {} | {what} | {to} | {measured} | {} | {} | {verdict} |\n", workload.title, wanted(*must), wanted(*aim),)
}

/// Lists servers with faults, which did not do the same work as the others.
fn faults(results: &Results) -> String {
    let mut text = String::new();
    for (name, outcome) in &results.outcomes {
        for label in outcome.samples.keys() {
            if let Some(faults) = results.most(name, label, FAULTS).filter(|faults| *faults > 0.0) {
                let _ = writeln!(
                    text,
                    "- In `{name}`, {label} lost, doubled or refused {faults} messages in its worst round."
                );
            }
        }
    }
    text
}

fn measured_on(results: &Results) -> String {
    let mut at: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, outcome) in &results.outcomes {
        let rounds = outcome.samples.values().map(Vec::len).max().unwrap_or(0);
        let how = format!("{} ({rounds} × {} s)", outcome.machine.line(), outcome.seconds);
        at.entry(how).or_default().push(name);
    }
    let mut text = String::from("\nMeasured:\n\n");
    for (how, names) in at {
        let _ =
            writeln!(text, "- {}: {how}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
    }
    text
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| "—".to_owned(), number)
}

/// A number with about three significant digits.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.1 => format!("{value:.3}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn results(ours: f64) -> Results {
        let sample = |cpu: f64| {
            json!({"cpu_us": cpu, "deliveries_per_second": null, "posts_per_second": null, "p50_ms": null, "p99_ms": null,
                   "ack_p99_ms": null, "memory_kib": null, "filter_share": null, "faults": 0.0})
        };
        let machine = json!({"date": "2026-11-26", "cpu": "a processor", "kernel": "Linux", "versions": {"ws": "8"}});
        let outcome = json!({
            "machine": machine, "seconds": 3, "missing": {"ejabberd": "not installed"},
            "samples": {"Natterjack": [sample(ours)], "the limit": [sample(0.4), sample(0.5), sample(0.6)]},
        });
        serde_json::from_value(json!({"outcomes": {"busy": outcome}})).unwrap()
    }

    #[test]
    fn ratio_is_compared_with_its_bounds() {
        let row = |ours: f64| {
            let text = markdown(&results(ours));
            text.lines().find(|line| line.contains("| CPU a delivery | the limit |")).unwrap().to_owned()
        };
        assert!(row(0.6).ends_with("| 1.20× | ≤ 2× | ≤ 1.25× | aim met |"), "{}", row(0.6));
        assert!(row(0.9).ends_with("| 1.80× | ≤ 2× | ≤ 1.25× | met |"), "{}", row(0.9));
        assert!(row(1.5).ends_with("| 3.00× | ≤ 2× | ≤ 1.25× | **short of it** |"), "{}", row(1.5));
    }

    #[test]
    fn missing_servers_are_listed_with_the_reason() {
        let text = markdown(&results(0.6));
        assert!(text.contains("- Not measured: ejabberd in `busy`: not installed"), "{text}");
        assert!(text.contains("- `busy`: 2026-11-26, a processor, Linux; ws 8 (3 × 3 s)"), "{text}");
    }
}
