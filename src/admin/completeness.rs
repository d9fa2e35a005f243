//! The path about how complete the logs of a day are.
//!
//! Deliberately absent: how the answer comes about (see `State`).

use super::routes::ask;
use super::{Question, State};
use axum::Router;
use axum::extract::{Query, State as Shared};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

/// Interactions listed where no number is asked for, and the most that are.
const LISTED: (usize, usize) = (100, 1_000);

pub fn telling() -> Router<State> {
    Router::new().route("/api/v1/completeness", get(completeness))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    day: String,
    site: Option<String>,
    after: Option<i64>,
    limit: Option<usize>,
}

async fn completeness(Shared(state): Shared<State>, Query(asked): Query<Asked>) -> Response {
    let Asked { day, site, after, limit } = asked;
    let (after, limit) = (after.unwrap_or(0), limit.unwrap_or(LISTED.0).clamp(1, LISTED.1));
    ask(&state, Question::Completeness { day, site, after, limit }).await
}
