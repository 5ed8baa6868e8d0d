//! `cargo xtask bench --peers`: measures this server and others, in turn, under the same load.

mod contender;
mod ejabberd;
mod machine;
mod measure;
mod plot;
mod results;
mod server;
mod table;
mod testbed;
mod workloads;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;

pub(crate) use self::machine::Machine;
pub(crate) use self::results::Sample;
use self::results::{Outcome, Results};
pub(crate) use self::server::Server;
pub(crate) use self::testbed::Testbed;
use self::workloads::{WORKLOADS, Workload};
use crate::workspace::Workspace;

pub(crate) struct Plan<'a> {
    pub(crate) only: &'a [String],
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
    pub(crate) server: Option<&'a Path>,
    pub(crate) out: PathBuf,
}

/// Possible values of `--only`.
pub(crate) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(WORKLOADS.iter().map(|workload| workload.name))
}

pub(crate) fn run(workspace: &Workspace, plan: &Plan<'_>) -> Result<()> {
    let chosen: Vec<&Workload> = WORKLOADS
        .iter()
        .filter(|workload| plan.only.is_empty() || plan.only.iter().any(|name| name == workload.name))
        .collect();
    let testbed = Testbed::prepare(workspace, plan.server, &chosen)?;
    let machine = Machine::look(&testbed)?;
    let mut outcomes: BTreeMap<String, Outcome> = BTreeMap::new();
    for workload in &chosen {
        outcomes
            .insert(workload.name.to_owned(), Outcome::new(machine.clone(), workload.seconds.unwrap_or(plan.seconds)));
    }
    for round in 1..=plan.rounds {
        for workload in chosen.iter().filter(|workload| round <= workload.rounds) {
            let Some(outcome) = outcomes.get_mut(workload.name) else { continue };
            for run in workload.runs {
                let (name, label) = (workload.name, run.label);
                let missing =
                    testbed.missing(run.contender).map(str::to_owned).or_else(|| testbed::files_missing(run.load));
                let measured = match missing {
                    Some(why) => Err(anyhow::anyhow!("{why}")),
                    None => measure::measure(&testbed, run, outcome.seconds),
                };
                match measured {
                    Ok(sample) => {
                        println!("round {round}  {name:<10} {label:<14} {}", sample.line());
                        outcome.samples.entry(label.to_owned()).or_default().push(sample);
                    }
                    Err(error) => {
                        println!("round {round}  {name:<10} {label:<14} NOT MEASURED: {error:#}");
                        outcome.missing.insert(label.to_owned(), format!("{error:#}"));
                    }
                }
            }
        }
    }
    write(&plan.out, outcomes)
}

/// Writes the results; workloads that were not measured now keep their earlier results.
fn write(folder: &Path, outcomes: BTreeMap<String, Outcome>) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let file = folder.join("peers.json");
    let mut results = Results::read(&file)?;
    results.outcomes.extend(outcomes);
    for (name, text) in
        [("peers.json", results.json()?), ("peers.md", table::markdown(&results)), ("peers.svg", plot::svg(&results))]
    {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("written: {}", file.display());
    }
    Ok(())
}
