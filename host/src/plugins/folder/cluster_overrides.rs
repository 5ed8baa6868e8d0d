//! Laying what a cluster agreed on over what this node has.

use std::io;
use std::sync::Arc;

use super::distribute::Given;
use super::{Folder, Look};
use crate::error::Result;
use crate::plugins::cluster_plugins::{ClusterPlugins, Version};
use crate::plugins::files::Files;
use crate::plugins::plugin::hex;
use crate::plugins::versions::{self, KeptVersion};

impl Folder {
    /// Goes by what the cluster agreed on, and gives it what is here if `distribute`.
    pub(in crate::plugins) async fn join(&mut self, mut set: ClusterPlugins, distribute: bool) -> Result<()> {
        set.look().await?;
        self.set = Some(set);
        if distribute {
            self.given = Some(Given::default());
            self.give_tables().await;
        }
        Ok(())
    }

    pub(super) fn take_over_tables(&mut self) {
        let tables = match &mut self.set {
            Some(set) => set.tables(&self.tables),
            None => self.tables.clone(),
        };
        self.shared.tables.store(Arc::new(tables));
    }

    /// The files in force, of which `own` are in the operator's folder.
    pub(super) async fn files_to_run(&mut self, own: Files) -> io::Result<Files> {
        match &mut self.set {
            Some(set) => set.over(own).await,
            None => Ok(own),
        }
    }

    /// Looks whether another node has changed what the cluster agreed on.
    pub(super) async fn follow_set(&mut self) {
        let Some(set) = &mut self.set else { return };
        let looked = set.look().await;
        // What runs goes on; the next look comes soon.
        match &looked {
            Err(error) if !self.set_away => tracing::warn!(%error, "cannot look at the cluster's plugins"),
            Ok(_) if self.set_away => tracing::info!("the cluster's plugins can be looked at again"),
            _ => {}
        }
        self.set_away = looked.is_err();
        if looked.is_ok_and(|changed| changed) {
            self.scan(Look::Read).await;
        }
    }

    /// The file of the version that runs, with which this node could go back to it.
    pub(super) async fn running_version(&self, id: &Arc<str>) -> Option<Version> {
        let running = hex(&self.shared.registry.load().plugin(id)?.sha256);
        let kept = self.versions.of(id).iter().find(|kept| *kept.sha256 == running)?;
        let version = Version::of(self.versions.read(id, kept).await.ok()?.into());
        (version.sha256 == running).then_some(version)
    }

    pub(super) fn tell_set_changed(&self) {
        self.shared.set_changed.notify_one();
    }

    /// What a plugin can go back to: what is kept for the cluster, then what this node has run besides.
    pub(super) fn versions_of(&self, id: &str) -> Vec<KeptVersion> {
        let common = self.set.as_ref().map_or(&[][..], |set| set.versions(id));
        let own = self.versions.of(id).iter().filter(|own| common.iter().all(|known| known.sha256 != own.sha256));
        common.iter().chain(own).take(versions::KEPT).cloned().collect()
    }
}
