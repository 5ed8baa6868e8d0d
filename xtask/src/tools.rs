//! Operators' programs, which the tests try the server and what is in `deploy/` with, and the NATS that clusters need.

use std::process::Command;

use anyhow::Result;

use crate::{command, debian};

/// Program and package.
const TOOLS: [(&str, &str); 5] = [
    ("slowhttptest", "slowhttptest"),
    ("nginx", "nginx-light"),
    ("caddy", "caddy"),
    ("systemd-analyze", "systemd"),
    ("nats-server", "nats-server"),
];

/// Installs what is missing.
pub fn install() -> Result<()> {
    let there = |program: &str| {
        command::succeeds(Command::new("sh").args(["-c", &format!("PATH=$PATH:/usr/sbin command -v {program}")]))
    };
    let missing: Vec<&str> = TOOLS.iter().filter(|(program, _)| !there(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let otherwise = format!(
        "the tests of operations and clusters need {}: install what these Debian packages have",
        missing.join(", ")
    );
    debian::install(&missing, &otherwise)
}
