//! Metrics of the writer.

use std::time::Instant;

use crate::metrics::{Histogram, Metrics, WRITER_BATCH, WRITER_COMMIT_SECONDS};

pub(super) struct WriterMetrics {
    batch: Histogram,
    commit: Histogram,
}

impl WriterMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let histogram = |name| metrics.histogram(name, &[]);
        Self { batch: histogram(WRITER_BATCH), commit: histogram(WRITER_COMMIT_SECONDS) }
    }

    /// Records a stored batch.
    pub(super) fn stored(&self, began: Instant, jobs: usize) {
        if jobs > 0 {
            self.batch.record(jobs as f64);
            self.commit.record(began.elapsed());
        }
    }
}
