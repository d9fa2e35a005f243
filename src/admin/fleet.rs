//! The paths about agents, sites and rosters.
//!
//! Deliberately absent: how the answers come about (see `State`).

use super::routes::ask;
use super::{Question, State};
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Agents listed where no number is asked for, and the most that are.
const AGENTS: (usize, usize) = (100, 1_000);
/// The largest roster that is compared: as large as one that is read from a file may be.
const MAX_ROSTER: usize = 32 << 20;
/// One roster at a time: they are large, and everybody may ask.
static ROSTERS: Semaphore = Semaphore::const_new(1);
/// For a roster to arrive: others wait behind it.
const ARRIVAL: Duration = Duration::from_secs(30);
/// Longest reason of a pause, in characters.
const MAX_REASON: usize = 200;
/// What may be sent along with an action.
const MAX_BODY: usize = 4 << 10;

pub fn telling() -> Router<State> {
    Router::new()
        .route("/api/v1/agents", get(agents))
        .route("/api/v1/agents/{agent}", get(agent))
        .route("/api/v1/sites/{site}/roster", get(roster))
        // Changes nothing; a POST because a roster does not fit into a URL.
        .route("/api/v1/sites/{site}/roster/diff", post(diff))
}

pub fn acting() -> Router<State> {
    Router::new()
        .route("/api/v1/agents/{agent}/retry", post(retry))
        .route("/api/v1/sites/{site}/retry", post(retry_all))
        .route("/api/v1/sites/{site}/pause", post(pause))
        .route("/api/v1/sites/{site}/resume", post(resume))
        .route("/api/v1/sites/{site}/roster/reload", post(reload))
        .route("/api/v1/sites/{site}/roster/accept", post(accept))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Agents {
    site: Option<String>,
    standing: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

async fn agents(Shared(state): Shared<State>, Query(query): Query<Agents>) -> Response {
    let Agents { site, standing, limit, after } = query;
    let limit = limit.unwrap_or(AGENTS.0).clamp(1, AGENTS.1);
    ask(&state, Question::Agents { site, standing, after, limit }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfSite {
    site: Option<String>,
}

async fn agent(
    Shared(state): Shared<State>,
    Path(agent): Path<String>,
    Query(query): Query<OfSite>,
) -> Response {
    ask(&state, Question::Agent { agent, site: query.site }).await
}

async fn retry(
    Shared(state): Shared<State>,
    Path(agent): Path<String>,
    Query(query): Query<OfSite>,
) -> Response {
    ask(&state, Question::Retry { agent, site: query.site }).await
}

async fn retry_all(Shared(state): Shared<State>, Path(site): Path<String>) -> Response {
    ask(&state, Question::RetryAll { site }).await
}

async fn roster(Shared(state): Shared<State>, Path(site): Path<String>) -> Response {
    ask(&state, Question::Roster { site }).await
}

async fn diff(Shared(state): Shared<State>, Path(site): Path<String>, body: Body) -> Response {
    // Closed only by a program that has no such route.
    let Ok(_one) = ROSTERS.acquire().await else {
        return invalid(StatusCode::SERVICE_UNAVAILABLE, "try again".to_owned());
    };
    match tokio::time::timeout(ARRIVAL, to_bytes(body, MAX_ROSTER)).await {
        Ok(Ok(csv)) => ask(&state, Question::RosterDiff { site, csv: csv.into() }).await,
        Ok(Err(_)) | Err(_) => {
            let text = format!("the roster did not arrive whole, or has more than {MAX_ROSTER} bytes");
            invalid(StatusCode::PAYLOAD_TOO_LARGE, text)
        }
    }
}

async fn reload(Shared(state): Shared<State>, Path(site): Path<String>) -> Response {
    ask(&state, Question::RosterReload { site }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accept {
    change: Option<String>,
}

async fn accept(
    Shared(state): Shared<State>,
    Path(site): Path<String>,
    Query(query): Query<Accept>,
) -> Response {
    ask(&state, Question::RosterAccept { site, change: query.change }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pause {
    reason: String,
}

async fn pause(Shared(state): Shared<State>, Path(site): Path<String>, body: Body) -> Response {
    let read = to_bytes(body, MAX_BODY).await.ok();
    let Some(Pause { reason }) = read.and_then(|bytes| serde_json::from_slice(&bytes).ok()) else {
        return invalid(StatusCode::BAD_REQUEST, "expected {\"reason\": \"…\"} in JSON".to_owned());
    };
    let reason = reason.trim().to_owned();
    if reason.is_empty() || reason.chars().count() > MAX_REASON || reason.chars().any(char::is_control) {
        let text = format!("a reason is 1 to {MAX_REASON} characters on one line");
        return invalid(StatusCode::BAD_REQUEST, text);
    }
    ask(&state, Question::Pause { site, reason }).await
}

async fn resume(Shared(state): Shared<State>, Path(site): Path<String>) -> Response {
    ask(&state, Question::Resume { site }).await
}

fn invalid(status: StatusCode, text: String) -> Response {
    (status, Json(serde_json::json!({"error": text}))).into_response()
}
