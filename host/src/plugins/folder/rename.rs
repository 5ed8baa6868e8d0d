//! Renames a plugin. Its storage, timers, account and kept versions belong to its id, so they move with it.

use std::sync::Arc;

use super::handle::unreadable;
use super::{Folder, ScanMode};
use crate::error::{Error, Result};
use crate::plugins::renaming::Renaming;

impl Folder {
    /// Unloads the plugin, moves its file and data, and starts it under its new name.
    pub(super) async fn rename(&mut self, from: &Arc<str>, to: &Arc<str>) -> Result<()> {
        let file = self.file(from).await?;
        if self.files().await.map_err(unreadable)?.contains_key(to) {
            return Err(Error::Conflict(format!("there is a plugin file by the name of {to} already")));
        }
        let data_dir = self.shared.data_dir.clone();
        Renaming { from: from.to_string(), to: to.to_string() }.record(&data_dir).await?;
        self.unload(from, "renamed");
        self.known.remove(from);
        let renamed = self.move_to(from, to, &file.path).await;
        // The database was not changed. Otherwise the next start finishes the rename.
        if renamed.is_err() && self.shared.services.database.has_plugin_data(to).await.is_ok_and(|moved| !moved) {
            self.shared.forget_renaming().await;
        }
        if renamed.is_ok()
            && let Some(table) = self.tables.remove(&**from)
        {
            self.tables.insert(to.to_string(), table);
        }
        self.scan(ScanMode::All).await;
        renamed
    }

    async fn move_to(&mut self, from: &Arc<str>, to: &Arc<str>, file: &std::path::Path) -> Result<()> {
        let services = self.shared.services.clone();
        services.database.rename_plugin(from, to).await?;
        services.bots.forget(from);
        services.bots.forget(to);
        if let Err(error) = tokio::fs::rename(file, file.with_file_name(format!("{to}.wasm"))).await {
            services.database.rename_plugin(to, from).await?;
            services.bots.forget(from);
            return Err(Error::Unavailable(format!("{} cannot be renamed: {error}", file.display())));
        }
        if let Err(error) = self.versions.rename(from, to).await {
            tracing::warn!(plugin = %to, %error, "cannot move kept versions of renamed plugin");
        }
        tracing::info!(plugin = %to, former = %from, "plugin renamed");
        Ok(())
    }
}
