//! What an oracle reads: the truth of the contact centre, what was published, what could not be heard, what
//! struck. The shapes are described at the head of `simulator`.
//!
//! Lists are paged by a number (`after`), so that a long run can be followed while it goes on. Deliberately
//! absent: judgement.

use super::hub::{Hub, now};
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Entries of one answer, unless fewer are asked for.
const PAGE: usize = 50_000;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    user: Option<String>,
    after: u64,
    limit: Option<usize>,
}

impl Asked {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(PAGE).min(PAGE)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pause {
    paused: bool,
}

type Shared = State<Arc<Hub>>;

pub fn router() -> axum::Router<Arc<Hub>> {
    axum::Router::new()
        .route("/truth", get(truth))
        .route("/ended", get(ended))
        .route("/published", get(published))
        .route("/losses", get(losses))
        .route("/struck", get(struck))
        .route("/logins", get(logins))
        .route("/reset-peaks", post(reset_peaks))
        .route("/pause", post(pause))
}

/// `after` counts users here, so that thousands can be read in pages.
async fn truth(State(hub): Shared, Query(asked): Query<Asked>) -> Response {
    let skip = usize::try_from(asked.after).unwrap_or(usize::MAX);
    let all = hub.options.users.iter();
    let chosen = all.filter(|user| asked.user.as_ref().is_none_or(|name| *name == user.username));
    let mut users = Map::new();
    for user in chosen.skip(skip).take(asked.limit()) {
        // The lock is taken for each, so that thousands do not hold requests up; one moment for all needs a pause.
        let world = hub.state().world.as_ref().and_then(|world| world.truth(&user.username));
        let mut shown = world.unwrap_or_else(|| json!({}));
        if let Some(members) = shown.as_object_mut() {
            members.insert("agent".to_owned(), user.agent.clone().into());
        }
        users.insert(user.username.clone(), shown);
    }
    let state = hub.state();
    answer(json!({"at": now(), "paused": state.paused, "dayOver": state.day_over, "users": users}))
}

async fn ended(State(hub): Shared, Query(asked): Query<Asked>) -> Response {
    let skip = usize::try_from(asked.after).unwrap_or(usize::MAX);
    let state = hub.state();
    let (list, forgotten) =
        state.world.as_ref().map(|world| world.ended(skip, asked.limit())).unwrap_or_default();
    answer(json!({"forgotten": forgotten, "conversations": list}))
}

async fn published(State(hub): Shared, Query(asked): Query<Asked>) -> Response {
    let state = hub.state();
    let rows = state.ledger.rows(asked.after, asked.limit());
    let forgotten = state.ledger.forgotten();
    drop(state);
    answer(json!({"forgotten": forgotten, "rows": rows}))
}

async fn losses(State(hub): Shared, Query(asked): Query<Asked>) -> Response {
    let user = asked.user.as_deref();
    let state = hub.state();
    let shown = json!({
        "forgotten": state.ledger.losses_forgotten(),
        "uncovered": state.ledger.uncovered(user),
        "queues": state.ledger.queues(user),
        "replies": state.ledger.replies(user),
    });
    drop(state);
    answer(shown)
}

async fn struck(State(hub): Shared, Query(asked): Query<Asked>) -> Response {
    let faults = hub.state().ledger.faults(asked.after, asked.limit());
    answer(json!({"faults": faults}))
}

async fn logins(State(hub): Shared) -> Response {
    let accounts = hub.state().peaks.accounts();
    answer(json!({"users": accounts}))
}

async fn reset_peaks(State(hub): Shared) -> Response {
    hub.state().peaks.reset();
    answer(json!({}))
}

async fn pause(State(hub): Shared, body: Bytes) -> Response {
    match serde_json::from_slice(&body) {
        Ok(Pause { paused }) => {
            hub.state().paused = paused;
            answer(json!({"paused": paused}))
        }
        Err(error) => {
            (StatusCode::BAD_REQUEST, axum::Json(json!({"error": error.to_string()}))).into_response()
        }
    }
}

fn answer(value: Value) -> Response {
    axum::Json(value).into_response()
}
