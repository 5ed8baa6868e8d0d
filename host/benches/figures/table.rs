//! Printed tables of results.

use std::time::Duration;

/// Rows of: the name of a figure, the measured value, and the wanted value.
pub(crate) struct Table(pub(crate) Vec<[String; 3]>);

impl Table {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn row(&mut self, what: impl Into<String>, measured: impl Into<String>, wanted: impl Into<String>) {
        self.0.push([what.into(), measured.into(), wanted.into()]);
    }

    pub(crate) fn print(&self, title: &str) {
        let width = |column: usize| self.0.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (first, second) = (width(0), width(1));
        println!("\n{title}");
        for [what, measured, wanted] in &self.0 {
            println!("  {what:<first$}  {measured:>second$}  {wanted}");
        }
    }
}

/// The value that this share of all values does not exceed.
pub(crate) fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    let at = (times.len() as f64 * share) as usize;
    times.get(at.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

pub(crate) fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
