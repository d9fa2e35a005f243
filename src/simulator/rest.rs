//! REST as a GWS node answers it: the version, `/api/v2/me` and what lies below.
//!
//! A resource set from outside goes before the one of the simulated contact centre. Deliberately absent: CometD
//! (see `http`), and operations.

use super::faults::{LoginMode, On};
use super::http::{Shared, instead};
use super::hub::{Hub, State};
use super::login::{self, Login, Outcome, node_of};
use axum::extract::{self, Path, Query};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::time::Duration;

const SLOW_LOGIN: Duration = Duration::from_secs(3);

/// Lists of the agent that are there even while nothing has been put into them.
const LISTS: [&str; 10] = [
    "devices",
    "channels",
    "calls",
    "chats",
    "facebooksessions",
    "smssessions",
    "emails",
    "im-sessions",
    "workitems",
    "interactions",
];

/// Those of them that a server may show under their own path only.
const SESSIONS: [&str; 2] = ["facebooksessions", "smssessions"];

pub async fn version(extract::State(hub): Shared) -> Response {
    hub.state().peaks.request();
    axum::Json(json!({"statusCode": 0, "version": "8.5.202.96"})).into_response()
}

pub async fn me(
    extract::State(hub): Shared,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let named = login::basic(&headers).map(|(name, _)| name);
    if named.as_ref().is_some_and(|name| hub.state().faults.login(name) == LoginMode::Slow) {
        tokio::time::sleep(SLOW_LOGIN).await;
    }
    if let Some(response) = struck(&hub, &headers, named).await {
        return response;
    }
    let outcome = {
        let mut state = hub.state();
        let node = hub.node(&state, node_of(&headers, hub.options.nodes));
        login::login(&mut state, &hub, &headers, node)
    };
    match outcome {
        Outcome::Refused(mode) => refused(mode),
        Outcome::Welcome { login, cookie } => {
            let mut response = axum::Json(me_body(&hub, &login, query.get("subresources"))).into_response();
            let set_cookie = cookie.map(|id| format!("JSESSIONID={id}; Path=/; HttpOnly"));
            let csrf = hub.options.csrf.then_some(login.csrf);
            let added = [
                (header::SET_COOKIE.as_str(), set_cookie),
                ("x-csrf-header", csrf.as_ref().map(|_| "X-CSRF-TOKEN".to_owned())),
                ("x-csrf-token", csrf),
            ];
            for (name, value) in added {
                if let Some(value) = value.and_then(|value| value.parse().ok()) {
                    response.headers_mut().insert(name, value);
                }
            }
            response
        }
    }
}

/// Counts a request, and does what a fault for REST wants done with it.
async fn struck(hub: &Hub, headers: &HeaderMap, named: Option<String>) -> Option<Response> {
    let fault = {
        let mut state = hub.state();
        state.peaks.request();
        let user = named.or_else(|| state.logins.get(headers).map(|login| login.user.clone()))?;
        let fault = state.faults.before(&user, On::Rest)?;
        state.note_struck();
        fault
    };
    instead(fault, "/api/v2/me").await
}

fn me_body(hub: &Hub, login: &Login, subresources: Option<&String>) -> Value {
    let id = hub.user(&login.user).map_or("unknown", |user| user.agent.as_str());
    let mut user = Map::new();
    user.insert("id".to_owned(), format!("00000000-0000-4000-8000-{id:0>12}").into());
    if hub.state().faults.login(&login.user) != LoginMode::Nameless {
        user.insert("userName".to_owned(), login.user.clone().into());
    }
    user.insert("contactCenterId".to_owned(), "c0ffee00-0000-4000-8000-000000000001".into());
    let asked = subresources.map(String::as_str).unwrap_or_default();
    let hidden = |name: &str| !hub.options.sessions_in_me && SESSIONS.contains(&name);
    for name in LISTS.into_iter().filter(|name| !hidden(name)) {
        if asked == "*" || asked.split(',').any(|one| one == name) {
            let list = shown(&hub.state(), &login.user, name, &HashMap::new());
            user.insert(name.to_owned(), list.unwrap_or_else(|| json!([])));
        }
    }
    json!({"statusCode": 0, "user": user})
}

fn refused(mode: LoginMode) -> Response {
    let (status, code, text) = match mode {
        LoginMode::Unauthorised => (StatusCode::UNAUTHORIZED, 20, "Not authenticated"),
        LoginMode::NewPassword => (StatusCode::FORBIDDEN, 8, "Password must be changed"),
        LoginMode::Error => (StatusCode::INTERNAL_SERVER_ERROR, 1, "Internal error"),
        LoginMode::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, 11, "Service unavailable"),
        _ => return denied(),
    };
    let mut response = answer(status, code, text);
    let (name, value) = match mode {
        LoginMode::Unavailable => (header::RETRY_AFTER, "1"),
        _ => (header::WWW_AUTHENTICATE, "Basic realm=\"simulator\""),
    };
    if mode != LoginMode::Error {
        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    response
}

fn answer(status: StatusCode, code: i32, text: &str) -> Response {
    (status, axum::Json(json!({"statusCode": code, "statusMessage": text}))).into_response()
}

pub fn denied() -> Response {
    answer(StatusCode::FORBIDDEN, 20, "Access denied")
}

pub async fn resource(
    extract::State(hub): Shared,
    Path(path): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if let Some(response) = struck(&hub, &headers, None).await {
        return response;
    }
    let state = hub.state();
    let node = hub.node(&state, node_of(&headers, hub.options.nodes));
    let Some(login) = login::known(&state, &hub, &headers, node) else { return denied() };
    let name = path.rsplit('/').next().unwrap_or_default();
    match shown(&state, &login.user, &path, &query) {
        Some(value) => axum::Json(json!({"statusCode": 0, name: value})).into_response(),
        None => answer(StatusCode::NOT_FOUND, 6, "Resource not found"),
    }
}

/// What `/api/v2/me/{path}` shows a user now.
fn shown(state: &State, user: &str, path: &str, query: &HashMap<String, String>) -> Option<Value> {
    let set =
        state.resource(user, path).and_then(|value: Box<RawValue>| serde_json::from_str(value.get()).ok());
    let number = |name: &str| query.get(name).and_then(|text| text.parse().ok());
    let from_world = || {
        let world = state.world.as_ref()?;
        world.resource(user, path, number("startIndex").unwrap_or(0), number("count"))
    };
    set.or_else(from_world).or_else(|| LISTS.contains(&path).then(|| json!([])))
}

pub async fn services(extract::State(hub): Shared, headers: HeaderMap) -> Response {
    if let Some(response) = struck(&hub, &headers, None).await {
        return response;
    }
    let state = hub.state();
    let node = hub.node(&state, node_of(&headers, hub.options.nodes));
    match login::known(&state, &hub, &headers, node) {
        Some(_) => axum::Json(json!({"statusCode": 0, "services": []})).into_response(),
        None => denied(),
    }
}

/// What a passive client does not send: counted and refused. A GET of what is not here is just not found.
pub async fn foreign(extract::State(hub): Shared, method: Method) -> Response {
    hub.state().peaks.request();
    if method.is_safe() {
        return answer(StatusCode::NOT_FOUND, 6, "Resource not found");
    }
    hub.state().stats.foreign_posts += 1;
    answer(StatusCode::FORBIDDEN, 20, "This contact centre is for watching only")
}
