//! The paths, and what each says.
//!
//! Deliberately absent: how the answers come about (see `State`) and who may ask (see `auth`).

use super::auth::{self, Auth};
use super::{Question, Refusal, State, completeness, erase, fleet, letters, page, schemas};
use crate::base::health;
use axum::extract::{Query, RawQuery, State as Shared};
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use std::fmt::Write;
use std::time::Duration;

const PATHS: &str = "/ /livez /readyz /metrics /api/v1/status /api/v1/agents /api/v1/agents/{agent} \
                     /api/v1/sites/{site}/roster /api/v1/completeness /api/v1/explain /api/v1/dead-letters \
                     /api/v1/dead-letters/count /api/v1/dead-letters/{number} /api/v1/erased /api/v1/schemas \
                     /api/v1/schemas/{name} and, by POST, \
                     /api/v1/agents/{agent}/retry /api/v1/sites/{site}/pause /api/v1/sites/{site}/resume \
                     /api/v1/sites/{site}/roster/{diff,reload,accept} /api/v1/dead-letters/redrive \
                     /api/v1/dead-letters/purge /api/v1/erase";
/// A question that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(30);

pub fn router(state: State, auth: Auth) -> Router {
    let probes = Router::new().route("/livez", get(livez)).route("/readyz", get(readyz));
    let acting = Router::new()
        .merge(letters::acting())
        .merge(erase::acting())
        .merge(fleet::acting())
        .route_layer(from_fn_with_state(auth, auth::acting));
    let telling = Router::new()
        .route("/", get(front))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .merge(fleet::telling())
        .merge(completeness::telling())
        .route("/api/v1/explain", get(explain))
        .merge(letters::telling())
        .merge(erase::telling())
        .merge(schemas::telling())
        .fallback(unknown)
        .layer(from_fn_with_state(auth, auth::telling));
    telling.merge(acting).merge(probes).layer(map_response(guard)).with_state(state)
}

/// On every answer: nobody keeps it, and nobody takes it for something else.
async fn guard(mut response: Response) -> Response {
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    response
}

async fn livez(Shared(state): Shared<State>) -> Response {
    let stuck = state.health.stuck();
    if stuck.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, stuck.join("\n") + "\n").into_response()
}

async fn readyz(Shared(state): Shared<State>, RawQuery(query): RawQuery) -> Response {
    let reasons = state.health.unready();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut text = String::new();
    if query.is_some_and(|query| query.split('&').any(|one| one == "verbose" || one.starts_with("verbose=")))
    {
        for (part, how) in state.health.parts() {
            let _ = match how {
                health::Status::Ok => writeln!(text, "[+] {part}: ok"),
                health::Status::Starting => writeln!(text, "[-] {part}: starting"),
                health::Status::Degraded(why) => writeln!(text, "[~] {part}: degraded: {why}"),
                health::Status::Down(why) => writeln!(text, "[-] {part}: down: {why}"),
            };
        }
    }
    if reasons.is_empty() {
        text.push_str("ok\n");
    } else {
        text.push_str("not ready\n");
        text.push_str(&(reasons.join("\n") + "\n"));
    }
    (status, text).into_response()
}

async fn metrics(Shared(state): Shared<State>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render())
        .into_response()
}

async fn front(Shared(state): Shared<State>) -> Response {
    let html = page::render(&(state.status)(), &state.health, jiff::Timestamp::now());
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

async fn status(Shared(state): Shared<State>) -> Response {
    Json((state.status)()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Explain {
    id: String,
}

async fn explain(Shared(state): Shared<State>, Query(query): Query<Explain>) -> Response {
    ask(&state, Question::Explain { id: query.id }).await
}

pub(super) async fn ask(state: &State, question: Question) -> Response {
    let refusal = match tokio::time::timeout(PATIENCE, (state.answer)(question)).await {
        Ok(Ok(value)) => return Json(value).into_response(),
        Ok(Err(refusal)) => refusal,
        Err(_) => Refusal::Unavailable(format!("no answer within {} s; try again", PATIENCE.as_secs())),
    };
    let (status, text) = match refusal {
        Refusal::Invalid(text) => (StatusCode::BAD_REQUEST, text),
        Refusal::NotFound(text) => (StatusCode::NOT_FOUND, text),
        Refusal::Unavailable(text) => (StatusCode::SERVICE_UNAVAILABLE, text),
    };
    (status, Json(serde_json::json!({"error": text}))).into_response()
}

async fn unknown() -> Response {
    (StatusCode::NOT_FOUND, format!("There is nothing here. The paths are {PATHS}\n")).into_response()
}
