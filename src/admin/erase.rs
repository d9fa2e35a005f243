//! The paths about erasing.
//!
//! What is meant stands in the body: it is personal, and an address is often logged on the way. Deliberately absent:
//! how the answers come about (see `State`).

use super::routes::ask;
use super::{Erase, Question, State};
use axum::body::{Body, to_bytes};
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

const MAX_BODY: usize = 16 << 10;

pub fn telling() -> Router<State> {
    Router::new().route("/api/v1/erased", get(erased))
}

pub fn acting() -> Router<State> {
    Router::new().route("/api/v1/erase", post(erase))
}

async fn erase(Shared(state): Shared<State>, body: Body) -> Response {
    let read = to_bytes(body, MAX_BODY).await.ok();
    match read.and_then(|bytes| serde_json::from_slice::<Erase>(&bytes).ok()) {
        Some(erase) => ask(&state, Question::Erase { erase }).await,
        None => {
            let text = "expected {\"interaction\": \"…\"}, {\"agent\": \"…\"} or {\"field\": \"path=value\"} in JSON, \
                        with \"dry_run\": true where nothing is to be done";
            (StatusCode::BAD_REQUEST, Json(serde_json::json!({"error": text}))).into_response()
        }
    }
}

async fn erased(Shared(state): Shared<State>) -> Response {
    ask(&state, Question::Erased).await
}
