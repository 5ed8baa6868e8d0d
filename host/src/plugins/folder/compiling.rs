//! Compiles components in the background: the folder task goes on, and resumes a file or command once its component is compiled.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};
use wasmtime::component::Component;

use super::{Folder, ScanMode, Terms};
use crate::error::{Error, Result};
use crate::metrics::QUARANTINED;
use crate::plugins::folder_command::FolderCommand;
use crate::plugins::load::LoadError;

/// Commands that may wait for a component; each may hold a file.
const MAX_PARKED_COMMANDS: usize = 8;
/// How often a file is tried automatically if its trial is inconclusive.
const MAX_TRIES: u32 = 3;
/// How often the start rescans for files that changed while they were compiled.
const MAX_START_ROUNDS: usize = 3;

/// The hash of a file.
pub(super) type Sha256 = [u8; 32];

type Compiled = std::result::Result<Component, LoadError>;

/// A plugin whose file crashed its first load, and the reason.
type Crash = (Arc<str>, String);

/// Result of one compile job: the file's hash, the plugin it was compiled for, and the component.
pub(super) type Finished = std::result::Result<(Id, (Sha256, Arc<str>, Compiled)), JoinError>;

/// The files that are being compiled, and the commands that wait for them.
#[derive(Default)]
pub(super) struct Compiling {
    pub(super) jobs: JoinSet<(Sha256, Arc<str>, Compiled)>,
    hashes: HashMap<Id, Sha256>,
    /// Compiled components that are not yet used.
    finished_components: BTreeMap<Sha256, Compiled>,
    parked: Vec<(Sha256, FolderCommand)>,
    answers: Vec<(BTreeSet<Sha256>, oneshot::Sender<Result<()>>)>,
    /// Number of inconclusive trials, by file.
    tries: BTreeMap<Sha256, u32>,
}

impl Compiling {
    fn is_under_way(&self, sha256: &Sha256) -> bool {
        self.hashes.values().any(|hash| hash == sha256)
    }

    /// Counts an inconclusive trial; whether the file is tried again automatically.
    pub(super) fn tries_again(&mut self, sha256: Sha256) -> bool {
        let tries = self.tries.entry(sha256).or_default();
        *tries += 1;
        *tries < MAX_TRIES
    }

    pub(super) fn forget_tries(&mut self) {
        self.tries.clear();
    }

    fn record(&mut self, finished: Finished) -> Option<(Sha256, Option<Crash>)> {
        let (task, sha256, component, crash) = match finished {
            Ok((task, (sha256, id, component))) => {
                let crash = match &component {
                    Err(LoadError::Quarantined { reason, .. }) => Some((id, reason.clone())),
                    _ => None,
                };
                (task, sha256, component, crash)
            }
            Err(error) => {
                let lost = Err(LoadError::Untried("compiling was aborted".into()));
                (error.id(), *self.hashes.get(&error.id())?, lost, None)
            }
        };
        self.hashes.remove(&task);
        self.finished_components.insert(sha256, component);
        Some((sha256, crash))
    }
}

fn log_quarantine(sha256: &Sha256, (id, reason): &Crash) {
    tracing::error!(
        plugin = %id, sha256 = super::hex(sha256),
        "plugin file quarantined: its first load crashed: {reason}"
    );
}

impl Folder {
    /// The component of a file; none while it is being compiled. Starts compiling if nothing has.
    pub(super) fn component(
        &mut self,
        id: &Arc<str>,
        sha256: Sha256,
        bytes: &Bytes,
        terms: &Terms,
    ) -> Option<Compiled> {
        if let Some(component) = self.compiling.finished_components.get(&sha256) {
            return Some(component.clone());
        }
        if !self.compiling.is_under_way(&sha256) {
            let (loader, id, bytes) = (self.loader.clone(), id.clone(), bytes.clone());
            let (settings, budget) = (terms.table.settings.0.to_string(), terms.budget);
            let job = self.compiling.jobs.spawn(async move {
                let component = loader.compile(&id, &bytes, &settings, budget).await;
                (sha256, id, component)
            });
            self.compiling.hashes.insert(job.id(), sha256);
        }
        None
    }

    /// Loads all files of the folder before the server accepts clients: compiles all first, then starts them in a fixed order.
    pub(in crate::plugins) async fn load_all(&mut self) {
        self.scan(ScanMode::All).await;
        for _ in 0..MAX_START_ROUNDS {
            if self.compiling.jobs.is_empty() {
                return;
            }
            // The others are in the cache since an earlier start.
            let is_new = |sha256: &&Sha256| !self.loader.has_compiled(sha256);
            let new: BTreeSet<Sha256> = self.compiling.hashes.values().filter(is_new).copied().collect();
            if !new.is_empty() {
                tracing::info!(
                    files = new.len(),
                    "compiling plugins before accepting connections: the files or this version of the server are new"
                );
            }
            let mut done = 0;
            while let Some(finished) = self.compiling.jobs.join_next_with_id().await {
                let id = finished.as_ref().ok().map(|(_, (_, id, _))| id.clone());
                let recorded = self.record(finished);
                if let Some((sha256, Some(crash))) = &recorded {
                    log_quarantine(sha256, crash);
                }
                if let (Some(id), Some(_)) = (id, recorded.filter(|(sha256, _)| new.contains(sha256))) {
                    done += 1;
                    tracing::info!(plugin = %id, done, files = new.len(), "compiled plugin");
                }
            }
            self.scan(ScanMode::All).await;
            self.compiling.finished_components.clear();
        }
    }

    /// Resumes the commands and files that waited for a component. Returns false if a file is still being written.
    pub(super) async fn finish(&mut self, finished: Finished) -> bool {
        let Some((sha256, crash)) = self.record(finished) else { return true };
        let (due, parked) =
            std::mem::take(&mut self.compiling.parked).into_iter().partition(|(hash, _)| *hash == sha256);
        self.compiling.parked = parked;
        for (_, command) in due {
            self.handle(command).await;
        }
        let settled = self.scan(ScanMode::All).await;
        // From here on the quarantine holds: a filter blocks posts, a guard blocks joins.
        if let Some(crash) = crash {
            log_quarantine(&sha256, &crash);
        }
        self.compiling.finished_components.remove(&sha256);
        self.answer_settled();
        settled
    }

    /// Stores a finished component. If its first load crashed, its file is listed as quarantined.
    fn record(&mut self, finished: Finished) -> Option<(Sha256, Option<Crash>)> {
        let (sha256, crash) = self.compiling.record(finished)?;
        if let Some((id, reason)) = &crash {
            self.crashed.add(id, &sha256, reason);
            self.shared.crashed.store(Arc::new(self.crashed.all().to_vec()));
            self.shared.services.metrics.gauge(QUARANTINED, &[("plugin", id)]).set(1.0);
        }
        Some((sha256, crash))
    }

    /// Sets a command aside until the component of this hash is compiled.
    pub(super) fn park(&mut self, sha256: Sha256, command: FolderCommand) {
        if self.compiling.parked.len() == MAX_PARKED_COMMANDS {
            let busy = Error::Unavailable("too many plugins are being compiled; try again later".into());
            let _ = command.done.send(Err(busy));
            return;
        }
        self.compiling.parked.push((sha256, command));
    }

    /// Fails parked commands for a plugin's file, since a newer command replaces them.
    pub(super) fn fail_superseded(&mut self, id: &str) {
        let parked = std::mem::take(&mut self.compiling.parked);
        let (superseded, parked): (Vec<_>, _) =
            parked.into_iter().partition(|(_, command)| command.task.replaces() == Some(id));
        self.compiling.parked = parked;
        for (_, command) in superseded {
            let _ = command.done.send(Err(Error::Conflict("the plugin was changed again meanwhile".into())));
        }
    }

    /// Answers once everything that is being compiled for the folder is loaded or refused.
    pub(super) fn answer_when_settled(&mut self, done: oneshot::Sender<Result<()>>) {
        let pending = self.known.values().filter_map(|known| known.compiling);
        let pending: BTreeSet<_> = pending.filter(|hash| self.compiling.is_under_way(hash)).collect();
        self.compiling.answers.push((pending, done));
        self.answer_settled();
    }

    fn answer_settled(&mut self) {
        let waiting = std::mem::take(&mut self.compiling.answers);
        for (pending, done) in waiting {
            if pending.iter().any(|hash| self.compiling.is_under_way(hash)) {
                self.compiling.answers.push((pending, done));
            } else {
                // The caller may be gone.
                let _ = done.send(Ok(()));
            }
        }
    }
}
