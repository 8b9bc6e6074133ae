//! The routes of Spektate's backend, so that its dashboard can be put on our data.
//!
//! Unlike its own backend this answers from the catalog, without a call to Azure DevOps, and with all rows: its reader
//! stops at 1,000. They stand in no document of ours: their shapes are Spektate's
//! (<https://github.com/microsoft/spektate/tree/master/backend>).

use axum::Json;
use axum::extract::Query;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::catalog::ChainFilter;
use crate::http::Problem;
use crate::http::reader::Reader;
use crate::view::{ClusterSyncJson, DeploymentJson, cluster_sync_json, deployments_json};

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    refresh: Option<String>,
}

/// What Spektate's dashboard asks for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deployments {
    deployments: Vec<DeploymentJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_sync: Option<ClusterSyncJson>,
}

/// `GET /api/deployments`: all deployments of the chains, those that changed last first, as Spektate's dashboard takes them.
/// With `refresh` a replica is brought up to date before, as Spektate's own backend asks again what it keeps.
pub(super) async fn deployments(reader: Reader, Query(asked): Query<Asked>) -> Result<Json<Deployments>, Problem> {
    if asked.refresh.is_some_and(|wanted| !matches!(wanted.as_str(), "" | "0" | "false")) {
        // Where the store does not answer, what is known already does.
        if let Err(error) = reader.catalog.refresh(reader.store.as_ref()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "deployments: the replica was not refreshed");
        }
    }
    let rows = reader.catalog.chain_rows(&reader.seen_chains().await?, &ChainFilter::default()).await?;
    let deployments = deployments_json(&rows, reader.clock.now());
    Ok(Json(Deployments { deployments, cluster_sync: cluster_sync_json(&rows) }))
}

/// `GET /api/health`: what Spektate's dashboard shows of its backend: which chains there are.
pub(super) async fn health(reader: Reader) -> Result<Json<Value>, Problem> {
    let chains = reader.seen_chains().await?;
    let chains: Vec<_> = chains.iter().map(|chain| chain.name.as_str()).collect();
    Ok(Json(json!({"errors": {}, "variables": {"CHAINS": chains.join(", ")}})))
}

/// `GET /api/version`: that of this program.
pub(super) async fn version(_: Reader) -> Json<Value> {
    Json(json!({"version": env!("CARGO_PKG_VERSION")}))
}
