//! Overrides this node's files and tables by those set for the whole cluster.

use std::io;
use std::sync::Arc;

use super::distribute::Distributed;
use super::{Folder, ScanMode};
use crate::error::Result;
use crate::plugins::cluster_plugins::{ClusterPlugins, Version};
use crate::plugins::files::Files;
use crate::plugins::plugin::hex;
use crate::plugins::versions::{self, KeptVersion};

impl Folder {
    /// Follows the plugins of the cluster; if `distribute`, also sets this node's own tables for the cluster.
    pub(in crate::plugins) async fn join_cluster(
        &mut self,
        mut cluster_plugins: ClusterPlugins,
        distribute: bool,
    ) -> Result<()> {
        cluster_plugins.refresh().await?;
        self.cluster_plugins = Some(cluster_plugins);
        if distribute {
            self.distributed = Some(Distributed::default());
            self.distribute_tables().await;
        }
        Ok(())
    }

    pub(super) fn apply_tables(&mut self) {
        let tables = match &mut self.cluster_plugins {
            Some(cluster) => cluster.tables(&self.tables),
            None => self.tables.clone(),
        };
        self.shared.tables.store(Arc::new(tables));
    }

    /// The files to run: `own` from the operator's folder, overridden by the cluster's.
    pub(super) async fn files_to_run(&mut self, own: Files) -> io::Result<Files> {
        match &mut self.cluster_plugins {
            Some(cluster) => cluster.overlay(own).await,
            None => Ok(own),
        }
    }

    /// Applies changes that another node made to the cluster's plugins.
    pub(super) async fn follow_cluster(&mut self) {
        let Some(cluster) = &mut self.cluster_plugins else { return };
        let refreshed = cluster.refresh().await;
        // Running plugins stay; the next poll comes soon.
        match &refreshed {
            Err(error) if !self.cluster_unreachable => tracing::warn!(%error, "cannot read cluster plugins"),
            Ok(_) if self.cluster_unreachable => tracing::info!("cluster plugins readable again"),
            _ => {}
        }
        self.cluster_unreachable = refreshed.is_err();
        if refreshed.is_ok_and(|changed| changed) {
            self.scan(ScanMode::All).await;
        }
    }

    /// This node's copy of the running version, for a later rollback; none if there is no intact copy.
    pub(super) async fn running_version(&self, id: &Arc<str>) -> Option<Version> {
        let running = hex(&self.shared.registry.load().plugin(id)?.sha256);
        let kept = self.versions.of(id).iter().find(|kept| *kept.sha256 == running)?;
        let version = Version::of(self.versions.read(id, kept).await.ok()?.into());
        (version.sha256 == running).then_some(version)
    }

    pub(super) fn notify_cluster_changed(&self) {
        self.shared.cluster_changed.notify_one();
    }

    /// The versions that a plugin can be rolled back to: those kept for the cluster, then those that only this node ran.
    pub(super) fn versions_of(&self, id: &str) -> Vec<KeptVersion> {
        let common = self.cluster_plugins.as_ref().map_or(&[][..], |cluster| cluster.versions(id));
        let own = self.versions.of(id).iter().filter(|own| common.iter().all(|known| known.sha256 != own.sha256));
        common.iter().chain(own).take(versions::MAX_KEPT_VERSIONS).cloned().collect()
    }
}
