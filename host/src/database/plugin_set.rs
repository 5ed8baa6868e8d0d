//! The plugins that the nodes of a cluster agreed to run.

use super::{Database, Tx, each};
use crate::clock::Timestamp;
use crate::error::Result;

/// Versions kept of each plugin, including the one that runs.
const MAX_VERSIONS_PER_PLUGIN: i64 = 5;

/// What is agreed on about one plugin. Each node decides by itself on fields that are not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct AgreedPlugin {
    /// Hash of the file that all nodes run.
    pub sha256: Option<String>,
    /// No node runs the plugin.
    pub removed: bool,
    /// When `sha256` or `removed` was last set, in milliseconds since 1970.
    pub file_at: i64,
    /// The plugin's table in the configuration of a node that distributes its own, as TOML.
    pub given: Option<String>,
    /// The node that distributes it.
    pub given_by: Option<String>,
    /// Keys that administrators have changed since, as TOML.
    pub changed: Option<String>,
}

/// Everything that is agreed on.
#[derive(Clone, Debug)]
pub struct PluginSet {
    /// Changes with each agreement.
    pub version: i64,
    /// Plugin ids, with what is agreed on about them.
    pub agreed: Vec<(String, AgreedPlugin)>,
    /// Plugin id, hash and time of each version that can be restored, the newest first.
    pub versions: Vec<(String, String, Timestamp)>,
}

/// A plugin's file.
#[derive(Clone, Copy, Debug)]
pub struct PluginFile<'a> {
    pub sha256: &'a str,
    pub bytes: &'a [u8],
}

/// A change to what is agreed on.
#[derive(Clone, Copy, Debug)]
pub struct Agreement<'a> {
    pub plugin: &'a str,
    /// The file to run; before it the previous one, if that is not stored yet.
    pub files: &'a [PluginFile<'a>],
    /// The node that makes the change.
    pub node: &'a str,
    pub at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct SetRow {
    plugin: String,
    #[sqlx(flatten)]
    agreed: AgreedPlugin,
}

impl Database {
    pub async fn plugin_set_version(&self) -> Result<i64> {
        Ok(
            each!(Pool: &self.read, pool => sqlx::query_scalar("SELECT version FROM plugin_set_version").fetch_one(pool).await)?,
        )
    }

    pub async fn plugin_set(&self) -> Result<PluginSet> {
        // Read first: later changes then have a later version, and are read again.
        let version = self.plugin_set_version().await?;
        let rows: Vec<SetRow> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT plugin, sha256, removed, file_at, given, given_by, changed FROM plugin_set ORDER BY plugin",
        )
        .fetch_all(pool)
        .await)?;
        let versions = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT plugin, sha256, since FROM plugin_versions ORDER BY plugin, since DESC",
        )
        .fetch_all(pool)
        .await)?;
        Ok(PluginSet { version, agreed: rows.into_iter().map(|row| (row.plugin, row.agreed)).collect(), versions })
    }

    /// A file that some plugin of the set runs, or ran lately.
    pub async fn plugin_file(&self, sha256: &str) -> Result<Option<Vec<u8>>> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_scalar("SELECT bytes FROM plugin_files WHERE sha256 = $1")
            .bind(sha256)
            .fetch_optional(pool)
            .await)?)
    }

    /// Changes what is agreed on about a plugin.
    pub async fn agree(&self, what: Agreement<'_>, change: impl FnOnce(&mut AgreedPlugin)) -> Result<()> {
        let mut tx = self.begin().await?;
        // Locks the row, so that one change is made at a time in the whole cluster.
        tx.statement("UPDATE plugin_set_version SET version = version + 1").await?;
        if let Some((newest, before)) = what.files.split_last() {
            tx.keep_plugin_files(what, *newest, before).await?;
        }
        let agreed: Option<AgreedPlugin> = each!(Tx: &mut tx, tx => sqlx::query_as(
            "SELECT sha256, removed, file_at, given, given_by, changed FROM plugin_set WHERE plugin = $1",
        )
        .bind(what.plugin)
        .fetch_optional(&mut **tx)
        .await)?;
        let mut agreed = agreed.unwrap_or_default();
        change(&mut agreed);
        each!(Tx: &mut tx, tx => sqlx::query(
            "INSERT INTO plugin_set (plugin, sha256, removed, file_at, given, given_by, changed, changed_at, changed_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT (plugin) DO UPDATE SET sha256 = excluded.sha256, removed = excluded.removed, \
             file_at = excluded.file_at, given = excluded.given, given_by = excluded.given_by, \
             changed = excluded.changed, \
             changed_at = excluded.changed_at, changed_by = excluded.changed_by",
        )
        .bind(what.plugin)
        .bind(&agreed.sha256)
        .bind(agreed.removed)
        .bind(agreed.file_at)
        .bind(&agreed.given)
        .bind(&agreed.given_by)
        .bind(&agreed.changed)
        .bind(what.at)
        .bind(what.node)
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        tx.commit().await
    }
}

impl Tx {
    async fn keep_plugin_files(
        &mut self,
        what: Agreement<'_>,
        newest: PluginFile<'_>,
        before: &[PluginFile<'_>],
    ) -> Result<()> {
        for file in before {
            self.keep_plugin_file(*file).await?;
            each!(Tx: self, tx => sqlx::query(
                "INSERT INTO plugin_versions (plugin, sha256, since) VALUES ($1, $2, $3) ON CONFLICT (plugin, sha256) DO NOTHING",
            )
            .bind(what.plugin)
            .bind(file.sha256)
            .bind(Timestamp(what.at.0 - 1))
            .execute(&mut **tx)
            .await
            .map(|_| ()))?;
        }
        self.keep_plugin_file(newest).await?;
        // Later than all others, whatever the clock of this node says.
        each!(Tx: self, tx => sqlx::query(
            "INSERT INTO plugin_versions (plugin, sha256, since) \
             SELECT $1, $2, MAX(since) + 1 FROM (SELECT since FROM plugin_versions WHERE plugin = $1 \
             UNION ALL SELECT $3 - 1) AS moments WHERE TRUE \
             ON CONFLICT (plugin, sha256) DO UPDATE SET since = excluded.since",
        )
        .bind(what.plugin)
        .bind(newest.sha256)
        .bind(what.at)
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        each!(Tx: self, tx => sqlx::query(
            "DELETE FROM plugin_versions WHERE plugin = $1 AND sha256 NOT IN \
             (SELECT sha256 FROM plugin_versions WHERE plugin = $1 ORDER BY since DESC LIMIT $2)",
        )
        .bind(what.plugin)
        .bind(MAX_VERSIONS_PER_PLUGIN)
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        self.statement("DELETE FROM plugin_files WHERE sha256 NOT IN (SELECT sha256 FROM plugin_versions)").await
    }

    async fn keep_plugin_file(&mut self, file: PluginFile<'_>) -> Result<()> {
        each!(Tx: self, tx => sqlx::query(
            "INSERT INTO plugin_files (sha256, bytes) VALUES ($1, $2) ON CONFLICT (sha256) DO NOTHING",
        )
        .bind(file.sha256)
        .bind(file.bytes)
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Options;

    async fn database(folder: &tempfile::TempDir) -> Database {
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        Database::open(&Options { url, full_sync: false, readers: 1 }).await.unwrap()
    }

    /// A file that uses its text as its hash.
    fn file(text: &str) -> PluginFile<'_> {
        PluginFile { sha256: text, bytes: text.as_bytes() }
    }

    #[tokio::test]
    async fn recent_versions_are_kept_newest_first_despite_clock_skew() {
        let folder = tempfile::tempdir().unwrap();
        let database = database(&folder).await;
        let moments = [50, 10, 30, 20, 20, 20, 10];
        for (n, at) in moments.into_iter().enumerate() {
            let name = format!("v{n}");
            let files = [file("v0"), file(&name)];
            let what = Agreement { plugin: "echo", files: &files, node: "a", at: Timestamp(at) };
            database.agree(what, |agreed| agreed.sha256 = Some(name.clone())).await.unwrap();
        }
        let set = database.plugin_set().await.unwrap();
        assert_eq!(set.version, 7);
        assert_eq!(set.agreed[0].1.sha256.as_deref(), Some("v6"));
        let kept: Vec<&str> = set.versions.iter().map(|(_, sha256, _)| &**sha256).collect();
        assert_eq!(kept, ["v6", "v5", "v4", "v3", "v2"]);
        assert_eq!(database.plugin_file("v6").await.unwrap().as_deref(), Some(&b"v6"[..]));
        assert_eq!(database.plugin_file("v1").await.unwrap(), None);
    }

    #[tokio::test]
    async fn fields_that_a_change_leaves_alone_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let database = database(&folder).await;
        let what = Agreement { plugin: "echo", files: &[], node: "a", at: Timestamp(1) };
        database.agree(what, |agreed| agreed.changed = Some("enabled = false".into())).await.unwrap();
        database.agree(what, |agreed| agreed.removed = true).await.unwrap();
        let agreed = AgreedPlugin { removed: true, changed: Some("enabled = false".into()), ..AgreedPlugin::default() };
        assert_eq!(database.plugin_set().await.unwrap().agreed, [("echo".to_owned(), agreed)]);
    }
}
