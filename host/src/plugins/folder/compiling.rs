//! Compiling beside everything else: the folder's keeper goes on, and comes back to a file or an order once its component is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};
use wasmtime::component::Component;

use super::{Folder, Look, Terms};
use crate::error::{Error, Result};
use crate::metrics::QUARANTINED;
use crate::plugins::folder_command::FolderCommand;
use crate::plugins::load::LoadError;

/// Orders that wait for a component; each may hold a file.
const MAX_PARKED_ORDERS: usize = 8;
/// How often a file is tried whose trial was ended from outside.
const MAX_TRIES: u32 = 3;
/// How often the start comes back to files that change while it compiles them.
const MAX_START_ROUNDS: usize = 3;

/// The hash of a file.
pub(super) type Sha256 = [u8; 32];

type Compiled = std::result::Result<Component, LoadError>;

/// The plugin whose file crashed its first load, and how.
type Crash = (Arc<str>, String);

/// What came of one file: its hash, the plugin it was compiled for, and the component.
pub(super) type Finished = std::result::Result<(Id, (Sha256, Arc<str>, Compiled)), JoinError>;

/// The files that are being compiled, and who waits for them.
#[derive(Default)]
pub(super) struct Compiling {
    pub(super) jobs: JoinSet<(Sha256, Arc<str>, Compiled)>,
    hashes: HashMap<Id, Sha256>,
    /// What is done and not yet taken.
    made: BTreeMap<Sha256, Compiled>,
    parked: Vec<(Sha256, FolderCommand)>,
    answers: Vec<(BTreeSet<Sha256>, oneshot::Sender<Result<()>>)>,
    /// How often trials of a file came to nothing.
    tries: BTreeMap<Sha256, u32>,
}

impl Compiling {
    fn is_under_way(&self, sha256: &Sha256) -> bool {
        self.hashes.values().any(|hash| hash == sha256)
    }

    /// Whether a file whose trial came to nothing is tried again without anybody asking.
    pub(super) fn tries_again(&mut self, sha256: Sha256) -> bool {
        let tries = self.tries.entry(sha256).or_default();
        *tries += 1;
        *tries < MAX_TRIES
    }

    pub(super) fn forget_tries(&mut self) {
        self.tries.clear();
    }

    fn note(&mut self, finished: Finished) -> Option<(Sha256, Option<Crash>)> {
        let (task, sha256, made, crash) = match finished {
            Ok((task, (sha256, id, made))) => {
                let crash = match &made {
                    Err(LoadError::Quarantined { reason, .. }) => Some((id, reason.clone())),
                    _ => None,
                };
                (task, sha256, made, crash)
            }
            Err(error) => {
                let lost = Err(LoadError::Untried("compiling it was broken off".into()));
                (error.id(), *self.hashes.get(&error.id())?, lost, None)
            }
        };
        self.hashes.remove(&task);
        self.made.insert(sha256, made);
        Some((sha256, crash))
    }
}

impl Folder {
    /// The component of a file; none while it is being compiled, which begins now if it has not.
    pub(super) fn component(
        &mut self,
        id: &Arc<str>,
        sha256: Sha256,
        bytes: &Bytes,
        terms: &Terms,
    ) -> Option<Compiled> {
        if let Some(made) = self.compiling.made.get(&sha256) {
            return Some(made.clone());
        }
        if !self.compiling.is_under_way(&sha256) {
            let (forge, id, bytes) = (self.forge.clone(), id.clone(), bytes.clone());
            let (settings, budget) = (terms.table.settings.0.to_string(), terms.budget);
            let job = self.compiling.jobs.spawn(async move {
                let made = forge.compile(&id, &bytes, &settings, budget).await;
                (sha256, id, made)
            });
            self.compiling.hashes.insert(job.id(), sha256);
        }
        None
    }

    /// Loads all that is in the folder before anybody is let in. Everything is compiled first, then started in one order.
    pub(in crate::plugins) async fn load_all(&mut self) {
        self.scan(Look::Read).await;
        for _ in 0..MAX_START_ROUNDS {
            if self.compiling.jobs.is_empty() {
                return;
            }
            // The others are read from what was compiled at an earlier start.
            let is_new = |sha256: &&Sha256| !self.forge.has_compiled(sha256);
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
                let finished = self.note(finished);
                if let (Some(id), Some(_)) = (id, finished.filter(|sha256| new.contains(sha256))) {
                    done += 1;
                    tracing::info!(plugin = %id, done, files = new.len(), "compiled plugin");
                }
            }
            self.scan(Look::Read).await;
            self.compiling.made.clear();
        }
    }

    /// Goes on with what waited for a component. False if a file is still being written.
    pub(super) async fn finish(&mut self, finished: Finished) -> bool {
        let Some(sha256) = self.note(finished) else { return true };
        let (due, parked) =
            std::mem::take(&mut self.compiling.parked).into_iter().partition(|(hash, _)| *hash == sha256);
        self.compiling.parked = parked;
        for (_, command) in due {
            self.handle(command).await;
        }
        let settled = self.scan(Look::Read).await;
        self.compiling.made.remove(&sha256);
        self.answer();
        settled
    }

    fn note(&mut self, finished: Finished) -> Option<Sha256> {
        let (sha256, crash) = self.compiling.note(finished)?;
        if let Some((id, reason)) = crash {
            tracing::error!(
                plugin = %id, sha256 = super::hex(&sha256),
                "a plugin's file is quarantined: its first load took its process down: {reason}"
            );
            self.crashed.add(&id, &sha256, &reason);
            self.shared.crashed.store(Arc::new(self.crashed.all().to_vec()));
            self.shared.services.metrics.gauge(QUARANTINED, &[("plugin", &id)]).set(1.0);
        }
        Some(sha256)
    }

    /// Comes back to an order once the component of this hash is there.
    pub(super) fn park(&mut self, sha256: Sha256, command: FolderCommand) {
        if self.compiling.parked.len() == MAX_PARKED_ORDERS {
            let busy = Error::Unavailable("too many plugins are being compiled; try again later".into());
            let _ = command.done.send(Err(busy));
            return;
        }
        self.compiling.parked.push((sha256, command));
    }

    /// What was ordered earlier of a plugin, and still waits, is overtaken by what is ordered now.
    pub(super) fn overtake(&mut self, id: &str) {
        let parked = std::mem::take(&mut self.compiling.parked);
        let (overtaken, parked): (Vec<_>, _) =
            parked.into_iter().partition(|(_, command)| command.what.replaces() == Some(id));
        self.compiling.parked = parked;
        for (_, command) in overtaken {
            let _ = command.done.send(Err(Error::Conflict("the plugin was changed again meanwhile".into())));
        }
    }

    /// Answers once everything that is being compiled for the folder is in force or refused.
    pub(super) fn answer_when_settled(&mut self, done: oneshot::Sender<Result<()>>) {
        let pending = self.known.values().filter_map(|known| known.compiling);
        let pending: BTreeSet<_> = pending.filter(|hash| self.compiling.is_under_way(hash)).collect();
        self.compiling.answers.push((pending, done));
        self.answer();
    }

    fn answer(&mut self) {
        let waiting = std::mem::take(&mut self.compiling.answers);
        for (pending, done) in waiting {
            if pending.iter().any(|hash| self.compiling.is_under_way(hash)) {
                self.compiling.answers.push((pending, done));
            } else {
                // Whoever asked may have gone away.
                let _ = done.send(Ok(()));
            }
        }
    }
}
