//! The paths about dead letters.
//!
//! Showing one needs a token like acting does, because its event may hold personal data.
//! Deliberately absent: how the answers come about (see `State`).

use super::routes::ask;
use super::{Letters, Question, State};
use axum::Router;
use axum::extract::{Path, Query, State as Shared};
use axum::response::Response;
use axum::routing::{get, post};

/// Dead letters listed where no number is asked for, and the most that are.
const LISTED: (usize, usize) = (100, 1_000);

pub fn telling() -> Router<State> {
    Router::new().route("/api/v1/dead-letters", get(list)).route("/api/v1/dead-letters/count", get(count))
}

pub fn acting() -> Router<State> {
    Router::new()
        .route("/api/v1/dead-letters/{number}", get(show))
        .route("/api/v1/dead-letters/redrive", post(redrive))
        .route("/api/v1/dead-letters/purge", post(purge))
}

async fn list(Shared(state): Shared<State>, Query(mut letters): Query<Letters>) -> Response {
    let limit = letters.limit.take().unwrap_or(LISTED.0).min(LISTED.1);
    ask(&state, Question::DeadLetters { letters, limit }).await
}

async fn count(Shared(state): Shared<State>, Query(letters): Query<Letters>) -> Response {
    ask(&state, Question::CountLetters { letters }).await
}

async fn show(Shared(state): Shared<State>, Path(number): Path<u64>) -> Response {
    ask(&state, Question::ShowLetter { number }).await
}

async fn redrive(Shared(state): Shared<State>, Query(letters): Query<Letters>) -> Response {
    ask(&state, Question::Redrive { letters }).await
}

async fn purge(Shared(state): Shared<State>, Query(letters): Query<Letters>) -> Response {
    ask(&state, Question::Purge { letters }).await
}
