//! How tests and people steer a running simulator over HTTP: `/simulator/…`, and `/control/…` as the other test
//! servers have it.
//!
//! No authentication: whoever reaches the port may steer, so listen on loopback. Deliberately absent: anything
//! the methods of `Handle` can not do.

use super::faults::{Fault, LoginMode};
use super::hub::Hub;
use super::ledger::Label;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;

/// The largest body taken.
const MAX_BODY: usize = 64 << 20;

/// One notification of `POST /simulator/publish`; the text of `data` reaches the client unchanged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publication {
    user: String,
    channel: String,
    data: Box<RawValue>,
    tag: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfUser {
    user: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginChange {
    user: String,
    mode: LoginMode,
}

/// Shown by `GET /api/v2/me/{path}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    user: String,
    path: String,
    value: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

type Shared = State<Arc<Hub>>;

pub fn router() -> axum::Router<Arc<Hub>> {
    axum::Router::new()
        .route("/publish", post(publish))
        .route("/faults", post(faults))
        .route("/resources", post(resources))
        .route("/drop", post(drop_sessions))
        .route("/expire", post(expire))
        .route("/login", post(login))
        .route("/stats", get(stats))
        .route("/sessions", get(sessions))
        .route("/acked", get(acked))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

async fn publish(State(hub): Shared, body: Bytes) -> Response {
    let items: Vec<Publication> = match serde_json::from_slice(&body) {
        Ok(items) => items,
        Err(error) => return bad(&format!("want [{{user, channel, data, tag?}}]: {error}")),
    };
    let mut state = hub.state();
    let delivered: Vec<usize> = items
        .iter()
        .map(|item| {
            let label = Label { tag: item.tag.as_deref().map(Into::into), ..Label::default() };
            state.publish(&item.user, &item.channel, &item.data, label)
        })
        .collect();
    axum::Json(json!({"delivered": delivered})).into_response()
}

async fn faults(State(hub): Shared, body: Bytes) -> Response {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let read = if first == Some(&b'[') {
        serde_json::from_slice(&body).map(OneOrMany::Many)
    } else {
        serde_json::from_slice(&body).map(OneOrMany::One)
    };
    let faults: Vec<Fault> = match read {
        Ok(OneOrMany::Many(faults)) => faults,
        Ok(OneOrMany::One(fault)) => vec![fault],
        Err(error) => return bad(&error.to_string()),
    };
    let mut hit = Vec::with_capacity(faults.len());
    for fault in faults {
        match hub.fault(fault) {
            Ok(count) => hit.push(count),
            Err(error) => return bad(&error),
        }
    }
    axum::Json(json!({"hit": hit})).into_response()
}

async fn resources(State(hub): Shared, body: Bytes) -> Response {
    match serde_json::from_slice::<Resource>(&body) {
        Err(error) => bad(&error.to_string()),
        Ok(Resource { user, path, value }) => {
            let set = hub.state().set_resource(&user, &path, value);
            if set { axum::Json(json!({})).into_response() } else { bad("too many resources for this user") }
        }
    }
}

async fn drop_sessions(State(hub): Shared, body: Bytes) -> Response {
    match serde_json::from_slice(&body) {
        Ok(OfUser { user }) => fault_answer("dropped", hub.fault(Fault::Drop { user })),
        Err(error) => bad(&error.to_string()),
    }
}

async fn expire(State(hub): Shared, body: Bytes) -> Response {
    match serde_json::from_slice(&body) {
        Ok(OfUser { user }) => fault_answer("dropped", hub.fault(Fault::Expire { user })),
        Err(error) => bad(&error.to_string()),
    }
}

async fn login(State(hub): Shared, body: Bytes) -> Response {
    match serde_json::from_slice(&body) {
        Ok(LoginChange { user, mode }) => match hub.fault(Fault::Login { user, mode }) {
            Ok(_) => axum::Json(json!({"mode": mode})).into_response(),
            Err(error) => bad(&error),
        },
        Err(error) => bad(&error.to_string()),
    }
}

async fn stats(State(hub): Shared) -> Response {
    axum::Json(hub.state().stats()).into_response()
}

async fn sessions(State(hub): Shared) -> Response {
    axum::Json(json!({"users": hub.state().sessions_by_user()})).into_response()
}

async fn acked(State(hub): Shared) -> Response {
    axum::Json(json!({"tags": hub.state().acked()})).into_response()
}

fn fault_answer(name: &str, result: Result<usize, String>) -> Response {
    match result {
        Ok(count) => axum::Json(json!({name: count})).into_response(),
        Err(error) => bad(&error),
    }
}

fn bad(why: &str) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::BAD_REQUEST, headers, json!({"error": why}).to_string()).into_response()
}
