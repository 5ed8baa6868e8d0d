//! The time of each test: `cargo xtask test` prints the slowest, so that a slow test is noticed.
//!
//! The standard test harness reports times only where unstable options are allowed. Cargo therefore runs the test programs through
//! [`run_one`], which allows them for that program alone and notes the times that it prints.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};

/// Variable with the path of the file to which times are appended: a line `<seconds> <name>` each.
const TIMES_FILE_VARIABLE: &str = "XTASK_TEST_TIMES";
/// Number of tests that are printed.
const MAX_SHOWN: usize = 10;

/// Run one test program for cargo: its path, then its arguments
#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

/// Has cargo run its test programs through this program, and their times noted in `times`.
pub(crate) fn watch(cargo: &mut Command, times: &Path) -> Result<()> {
    let me = std::env::current_exe().context("the path of this program is not known")?;
    let me = me.to_str().context("the path of this program is not UTF-8")?;
    // The value is TOML; a JSON string is one of its strings.
    let runner = format!("target.'cfg(all())'.runner=[{me:?}, \"run-tests\"]");
    cargo.args(["--config", &runner]).env(TIMES_FILE_VARIABLE, times);
    Ok(())
}

/// Runs a test program, and notes how long each of its tests took.
pub(crate) fn run_one(args: &Args) -> Result<ExitCode> {
    let (program, given) = args.command.split_first().context("the program to run is missing")?;
    let mut command = Command::new(program);
    command.args(given);
    let times = std::env::var_os(TIMES_FILE_VARIABLE).filter(|_| has_harness(program));
    let Some(times) = times else {
        return Ok(code(command.status().with_context(|| format!("cannot run {program}"))?));
    };
    command.args(["-Zunstable-options", "--report-time"]).env("RUSTC_BOOTSTRAP", "1").stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {program}"))?;
    let mut times = OpenOptions::new().create(true).append(true).open(times).context("the file of times")?;
    let mut out = io::stdout();
    for line in BufReader::new(child.stdout.take().context("its output")?).split(b'\n') {
        let line = line?;
        out.write_all(&line)?;
        out.write_all(b"\n")?;
        if let Some((name, seconds)) = std::str::from_utf8(&line).ok().and_then(time_of) {
            writeln!(times, "{seconds} {name}")?;
        }
    }
    Ok(code(child.wait()?))
}

/// Whether this is a program of the standard harness: criterion's and rustdoc's are not.
fn has_harness(program: &str) -> bool {
    !program.contains("rustdoctest")
}

fn code(status: std::process::ExitStatus) -> ExitCode {
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The slowest tests, a line each.
pub(crate) fn report(times: &Path) -> Result<String> {
    let file = File::open(times).context("no times were noted")?;
    let mut tests = Vec::new();
    for line in BufReader::new(file).lines() {
        if let Some((seconds, name)) = line?.split_once(' ')
            && let Ok(seconds) = seconds.parse::<f64>()
        {
            tests.push((seconds, name.to_owned()));
        }
    }
    tests.sort_by(|a, b| b.0.total_cmp(&a.0));
    tests.truncate(MAX_SHOWN);
    let lines: Vec<String> = tests.iter().map(|(seconds, name)| format!("{seconds:8.1} s  {name}")).collect();
    Ok(format!("the slowest tests:\n{}", lines.join("\n")))
}

/// The name and the seconds of a line such as `test frames::a_frame_is_read ... ok <1.234s>`.
fn time_of(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let (_, seconds) = rest.rsplit_once('<')?;
    Some((name, seconds.strip_suffix("s>")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_a_finished_test_is_read_from_its_line() {
        assert_eq!(time_of("test a::b ... ok <1.234s>"), Some(("a::b", "1.234")));
        assert_eq!(time_of("test a::b ... FAILED <0.5s>"), Some(("a::b", "0.5")));
        assert_eq!(time_of("test a::b ... ignored, needs PostgreSQL"), None);
        assert_eq!(time_of("running 3 tests"), None);
    }

    #[test]
    fn report_lists_the_ten_slowest_tests_of_all_programs() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines: Vec<String> = (0..12).map(|n| format!("{n}.5 test_{n}")).collect();
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        let report = report(file.path()).unwrap();
        assert_eq!(report.lines().count(), 1 + MAX_SHOWN);
        assert!(report.lines().nth(1).unwrap().ends_with("11.5 s  test_11"), "{report}");
        assert!(!report.contains("test_1\n"), "{report}");
    }
}
