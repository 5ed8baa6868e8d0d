//! Logs failed log-ins, for operators and for programs such as fail2ban that block addresses.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::error::Error;

/// The most lines at once, and per second: guesses from many addresses must not fill the disk.
const MAX_BURST_LINES: NonZeroU32 = NonZeroU32::new(100).unwrap();
const MAX_LINES_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();

pub struct FailedLogIns {
    lines: DefaultDirectRateLimiter,
    left_out: AtomicU64,
}

impl Default for FailedLogIns {
    fn default() -> Self {
        Self {
            lines: RateLimiter::direct(Quota::per_second(MAX_LINES_PER_SECOND).allow_burst(MAX_BURST_LINES)),
            left_out: AtomicU64::new(0),
        }
    }
}

impl FailedLogIns {
    /// Logs the address of a failed log-in, unless the server itself failed. Leaves out the name, since people type their passwords
    /// there by mistake.
    pub fn note(&self, address: IpAddr, error: &Error) {
        if !matches!(error, Error::Unauthenticated(_) | Error::Forbidden(_) | Error::RateLimited { .. }) {
            return;
        }
        if self.lines.check().is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let (address, code) = (address.to_canonical(), error.code());
        match self.left_out.swap(0, Ordering::Relaxed) {
            0 => tracing::info!(%address, code, "log-in failed"),
            left_out => tracing::info!(%address, code, left_out, "log-in failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_those_left_out_are_counted() {
        let log = FailedLogIns::default();
        let error = Error::Unauthenticated("wrong name or password".into());
        for _ in 0..1000 {
            log.note("192.0.2.1".parse().unwrap(), &error);
        }
        assert!(log.left_out.load(Ordering::Relaxed) > 500);
        let fresh = FailedLogIns::default();
        fresh.note("192.0.2.1".parse().unwrap(), &Error::Unavailable("no database".into()));
        assert!(fresh.lines.check_n(MAX_BURST_LINES).unwrap().is_ok(), "an outage is no failed log-in");
    }
}
