//! Draws the results as SVG: a panel for each workload, a dot for each server, on a logarithmic axis.

use std::fmt::Write as _;

use super::results::{Figure, Results};
use super::table::number;
use super::workloads::{COMPARED, CPU, MEMORY, OURS};

const PANELS: [(&str, &str, Figure); 4] = [
    ("500 clients, 16 messages in flight: µs of CPU a delivery", "busy", CPU),
    ("500 clients, 1 message in flight: µs of CPU a delivery", "single", CPU),
    ("1,000 clients, 50 messages a second: µs of CPU a delivery", "paced", CPU),
    ("5,000 idle connections: KiB each", "idle", MEMORY),
];

const WIDTH: f64 = 860.0;
const NAMES: f64 = 130.0;
const VALUES: f64 = 70.0;
const TITLE: f64 = 34.0;
const ROW: f64 = 22.0;
const AXIS: f64 = 24.0;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.axis{font-size:11px;fill:#6e7781}\
     .grid{stroke:#d0d7de}.line{stroke:#8c959f;stroke-width:2}.dot{fill:#8c959f}.ours .line{stroke:#1a7f37;stroke-width:3}\
     .ours .dot{fill:#1a7f37}.ours text{font-weight:600}\
     @media(prefers-color-scheme:dark){text{fill:#e6edf3}.axis{fill:#9198a1}.grid{stroke:#3d444d}\
     .ours .line{stroke:#3fb950}.ours .dot{fill:#3fb950}}";

pub(crate) fn svg(results: &Results) -> String {
    let (mut body, mut top) = (String::new(), 0.0);
    for (title, workload, figure) in PANELS {
        let rows: Vec<(&str, f64)> = COMPARED
            .iter()
            .filter_map(|label| Some((*label, results.median(workload, label, figure).filter(|value| *value > 0.0)?)))
            .collect();
        if !rows.is_empty() {
            top = panel(&mut body, top, title, rows);
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top}\" role=\"img\" \
         aria-label=\"What a delivery costs Natterjack and other servers; less is better\">\n<style>{STYLE}</style>\n{body}</svg>\n"
    )
}

/// Draws a panel at `top`; returns where it ends.
fn panel(body: &mut String, top: f64, title: &str, mut rows: Vec<(&str, f64)>) -> f64 {
    rows.sort_by(|one, other| one.1.total_cmp(&other.1));
    let scale = Scale::around(rows.iter().map(|(_, value)| *value));
    let end = top + TITLE + rows.len() as f64 * ROW;
    // Writing to a String cannot fail.
    let _ = writeln!(body, "<text class=\"title\" x=\"0\" y=\"{}\">{title}</text>", top + 20.0);
    for power in scale.low..=scale.high {
        let (x, value) = (scale.x(10f64.powi(power)), number(10f64.powi(power)));
        let value = value.trim_end_matches('0').trim_end_matches('.');
        let value = if power > 0 { format!("{:.0}", 10f64.powi(power)) } else { value.to_owned() };
        let _ = writeln!(
            body,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{end}\"/>",
            top + TITLE - 4.0
        );
        let _ = writeln!(
            body,
            "<text class=\"axis\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{value}</text>",
            end + 14.0
        );
    }
    for (index, (label, value)) in rows.iter().enumerate() {
        let (x, y) = (scale.x(*value), top + TITLE + (index as f64 + 0.5) * ROW);
        let class = if *label == OURS { " class=\"ours\"" } else { "" };
        let text = y + 4.5;
        let _ = writeln!(
            body,
            "<g{class}><text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{label}</text>\
             <line class=\"line\" x1=\"{NAMES}\" x2=\"{x:.1}\" y1=\"{y}\" y2=\"{y}\"/><circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y}\" r=\"5\"/>\
             <text x=\"{:.1}\" y=\"{text}\">{}</text></g>",
            NAMES - 10.0,
            x + 10.0,
            number(*value)
        );
    }
    end + AXIS
}

/// A logarithmic axis between two powers of ten.
struct Scale {
    low: i32,
    high: i32,
}

impl Scale {
    fn around(values: impl Iterator<Item = f64> + Clone) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(f64::MIN_POSITIVE, f64::max);
        let low = least.log10().floor() as i32;
        Self { low, high: (most.log10().ceil() as i32).max(low + 1) }
    }

    fn x(&self, value: f64) -> f64 {
        let share = (value.log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        NAMES + share * (WIDTH - NAMES - VALUES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_spans_the_powers_of_ten_around_the_values() {
        let scale = Scale::around([0.46, 25.0].into_iter());
        assert_eq!((scale.low, scale.high), (-1, 2));
        assert_eq!(scale.x(0.1), NAMES);
        assert_eq!(scale.x(100.0), WIDTH - VALUES);
        assert_eq!(Scale::around([1.0].into_iter()).high, 1);
    }
}
