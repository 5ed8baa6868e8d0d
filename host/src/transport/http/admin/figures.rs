//! The administration route with recent measurements, for charts.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::IntoResponse as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::Admin;
use super::plugins::millis;
use crate::clock::Timestamp;
use crate::dashboard::{self, SAMPLE_INTERVAL};
use crate::transport::http::{Answer, State};

#[derive(Serialize, ToSchema)]
#[schema(as = Figures)]
#[serde(rename_all = "camelCase")]
pub(in crate::transport::http) struct DashboardFigures {
    /// The interval between samples, in milliseconds.
    every_ms: u64,
    /// Open connections now.
    connections: usize,
    /// Oldest first.
    samples: Vec<Sample>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Sample {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    connections: usize,
    messages_per_second: f64,
    /// From a post's arrival until it is stored and queued for all subscribers; null without posts.
    #[schema(required)]
    delivery_p99_ms: Option<f64>,
    /// The plugins that were called.
    plugins: BTreeMap<String, Hooks>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Hooks {
    calls_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Show connections, messages, delivery times and hook times of the last minutes
#[utoipa::path(get, path = "/api/admin/figures", tag = "administration", security(("token" = [])), operation_id = "figures", responses((status = 200, body = DashboardFigures)))]
pub(in crate::transport::http) async fn show(Shared(state): Shared<Arc<State>>, _: Admin) -> Answer {
    let samples = state.dashboard.samples().iter().map(|sample| shown(sample)).collect();
    let every_ms = u64::try_from(SAMPLE_INTERVAL.as_millis()).unwrap_or(u64::MAX);
    Ok(axum::Json(DashboardFigures { every_ms, connections: state.core.hub.count(), samples }).into_response())
}

fn shown(sample: &dashboard::Sample) -> Sample {
    let per_second = |count: u64| count as f64 / sample.over.as_secs_f64().max(f64::MIN_POSITIVE);
    let hooks = |(id, calls): &(Arc<str>, crate::latency::Tally)| {
        let quantile = |part| calls.quantile(part).map(millis).unwrap_or_default();
        let hooks =
            Hooks { calls_per_second: per_second(calls.count()), p50_ms: quantile(0.5), p99_ms: quantile(0.99) };
        (id.to_string(), hooks)
    };
    Sample {
        at: sample.at,
        connections: sample.connections,
        messages_per_second: per_second(sample.messages),
        delivery_p99_ms: sample.delivery.quantile(0.99).map(millis),
        plugins: sample.plugins.iter().map(hooks).collect(),
    }
}
