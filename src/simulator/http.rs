//! The paths of a GWS node: `/api/v2/me` and below, the version, and CometD under `/api/v2/notifications`.
//!
//! Deliberately absent: the Bayeux exchange itself, and the control of the simulator (see `control`).

use super::exchange::{self, Answer, Asker};
use super::faults::{After, Before, LoginMode};
use super::hub::Hub;
use super::login::{self, Login, Outcome, cookie};
use super::options::User;
use super::wire;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The largest body of a CometD request, and how long it may take to arrive.
const MAX_BODY: usize = 256 * 1024;
const BODY_TIME: Duration = Duration::from_secs(30);
/// The longest a fault delays a request.
const MAX_DELAY: Duration = Duration::from_secs(600);
const SLOW_LOGIN: Duration = Duration::from_secs(3);
/// Between the bytes of a cut reply and its end, so that they leave before the connection does.
const CUT_PAUSE: Duration = Duration::from_millis(20);

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

type Shared = State<Arc<Hub>>;

pub fn router() -> axum::Router<Arc<Hub>> {
    use axum::routing::{any, get};
    axum::Router::new()
        .route("/api/v2/diagnostics/version", get(version))
        .route("/api/v2/me", get(me).fallback(foreign))
        .route("/api/v2/me/{*path}", get(resource).fallback(foreign))
        .route("/api/v2/services", get(services).fallback(foreign))
        .route("/api/v2/notifications", any(notifications))
        .route("/api/v2/notifications/{*path}", any(notifications))
        .route("/api/v2/{*path}", any(foreign))
}

async fn version() -> Response {
    axum::Json(json!({"statusCode": 0, "version": "8.5.202.96"})).into_response()
}

async fn me(
    State(hub): Shared,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let named = login::basic(&headers).map(|(name, _)| name);
    if named.is_some_and(|name| hub.state().faults.login(&name) == LoginMode::Slow) {
        tokio::time::sleep(SLOW_LOGIN).await;
    }
    let outcome = login::login(&mut hub.state(), &hub.options, &headers);
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

fn me_body(hub: &Hub, login: &Login, subresources: Option<&String>) -> Value {
    let known = |user: &&User| user.username == login.user;
    let id = hub.options.users.iter().find(known).map_or("unknown", |user| user.agent.as_str());
    let mut user = Map::new();
    user.insert("id".to_owned(), format!("00000000-0000-4000-8000-{id:0>12}").into());
    user.insert("userName".to_owned(), login.user.clone().into());
    user.insert("contactCenterId".to_owned(), "c0ffee00-0000-4000-8000-000000000001".into());
    let asked = subresources.map(String::as_str).unwrap_or_default();
    for name in LISTS {
        if asked == "*" || asked.split(',').any(|one| one == name) {
            let value = hub.state().resource(&login.user, name);
            let list = value.and_then(|value| serde_json::from_str(value.get()).ok());
            user.insert(name.to_owned(), list.unwrap_or_else(|| json!([])));
        }
    }
    json!({"statusCode": 0, "user": user})
}

fn refused(mode: LoginMode) -> Response {
    let (status, code, text) = match mode {
        LoginMode::Unauthorised => (StatusCode::UNAUTHORIZED, 20, "Not authenticated"),
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

fn denied() -> Response {
    answer(StatusCode::FORBIDDEN, 20, "Access denied")
}

async fn resource(State(hub): Shared, Path(path): Path<String>, headers: HeaderMap) -> Response {
    let state = hub.state();
    let Some(login) = state.logins.get(&headers) else { return denied() };
    let name = path.rsplit('/').next().unwrap_or_default();
    let empty = LISTS.contains(&path.as_str()).then(|| RawValue::from_string("[]".to_owned()).ok()).flatten();
    match state.resource(&login.user, &path).or(empty) {
        Some(value) => axum::Json(json!({"statusCode": 0, name: value})).into_response(),
        None => answer(StatusCode::NOT_FOUND, 6, "Resource not found"),
    }
}

async fn services(State(hub): Shared, headers: HeaderMap) -> Response {
    match hub.state().logins.get(&headers) {
        Some(_) => axum::Json(json!({"statusCode": 0, "services": []})).into_response(),
        None => denied(),
    }
}

/// What a passive client does not send: counted and refused. A GET of what is not here is just not found.
async fn foreign(State(hub): Shared, method: Method) -> Response {
    if method.is_safe() {
        return answer(StatusCode::NOT_FOUND, 6, "Resource not found");
    }
    hub.state().stats.foreign_posts += 1;
    answer(StatusCode::FORBIDDEN, 20, "This contact centre is for watching only")
}

async fn notifications(State(hub): Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let user = match admitted(&hub, &parts.method, &parts.headers) {
        Ok(user) => user,
        Err(response) => return *response,
    };
    let body = match tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, MAX_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n").into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let messages = match wire::parse(&body) {
        Ok(messages) => messages,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("not Bayeux: {error}\n")).into_response(),
    };
    let about = exchange::about(&messages);
    let before = hub.state().faults.before(&user, about);
    match before {
        Some(Before::Delay { millis }) => {
            tokio::time::sleep(Duration::from_millis(millis.into()).min(MAX_DELAY)).await;
        }
        Some(other) => return instead(other, parts.uri.path()),
        None => {}
    }
    let browser = cookie(&parts.headers, "BAYEUX_BROWSER");
    let asker = Asker { user: &user, browser: browser.as_deref() };
    match exchange::exchange(&hub, asker, &messages).await {
        Answer::Status(status) => StatusCode::from_u16(status).unwrap_or_default().into_response(),
        Answer::Body { json, cookie } => {
            let after = hub.state().faults.after(&user, about);
            let mut response = reply(json, after);
            let value = cookie.map(|id| format!("BAYEUX_BROWSER={id}; Path=/; HttpOnly"));
            if let Some(value) = value.and_then(|value| value.parse().ok()) {
                response.headers_mut().insert(header::SET_COOKIE, value);
            }
            response
        }
    }
}

/// The user behind a CometD request, or why there is none. The response is boxed for its size.
fn admitted(hub: &Hub, method: &Method, headers: &HeaderMap) -> Result<String, Box<Response>> {
    let mut state = hub.state();
    let Some(login) = state.logins.get(headers).cloned() else {
        state.stats.unauthenticated += 1;
        return Err(Box::new(denied()));
    };
    if *method != Method::POST {
        return Err(Box::new(StatusCode::METHOD_NOT_ALLOWED.into_response()));
    }
    let token = headers.get("x-csrf-token").and_then(|value| value.to_str().ok());
    if hub.options.csrf && token != Some(login.csrf.as_str()) {
        state.stats.csrf_refused += 1;
        let text = "CSRF token is missing or invalid: send the header X-CSRF-TOKEN\n";
        return Err(Box::new((StatusCode::FORBIDDEN, text).into_response()));
    }
    Ok(login.user)
}

fn instead(fault: Before, path: &str) -> Response {
    let (status, name, value) = match fault {
        Before::Status { status, retry_after } => {
            (status, header::RETRY_AFTER, retry_after.map(|seconds| seconds.to_string()))
        }
        Before::Redirect { status, location } => {
            (status, header::LOCATION, Some(location.unwrap_or_else(|| path.to_owned())))
        }
        Before::Delay { .. } => (200, header::RETRY_AFTER, None),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, "fault of the simulator\n").into_response();
    if let Some(value) = value.and_then(|value| value.parse().ok()) {
        response.headers_mut().insert(name, value);
    }
    response
}

fn reply(json: Vec<u8>, fault: Option<After>) -> Response {
    let mut media = "application/json;charset=UTF-8".to_owned();
    let body = match fault {
        None => Body::from(json),
        Some(After::Garbage) => Body::from("<html><body>It works!</body></html> [{"),
        Some(After::ContentType(value)) => {
            media = value;
            Body::from(json)
        }
        Some(After::Cut(after)) => return cut(json, after, &media),
    };
    ([(header::CONTENT_TYPE, media)], body).into_response()
}

/// Says how long the body is and then ends the connection before that.
fn cut(json: Vec<u8>, after: usize, media: &str) -> Response {
    let length = json.len();
    let kept = Bytes::from(json).slice(..after.min(length.saturating_sub(1)));
    let start = futures_util::stream::iter([Ok::<Bytes, io::Error>(kept)]);
    let end = futures_util::stream::once(async {
        tokio::time::sleep(CUT_PAUSE).await;
        Err(io::Error::other("cut by a fault of the simulator"))
    });
    let body = Body::from_stream(futures_util::StreamExt::chain(start, end));
    let headers = [(header::CONTENT_TYPE, media.to_owned()), (header::CONTENT_LENGTH, length.to_string())];
    (headers, body).into_response()
}

/// For paths nobody serves.
pub async fn nothing() -> Result<Response, Infallible> {
    Ok((StatusCode::NOT_FOUND, "a simulated GWS node: see /api/v2/me and /simulator/stats\n").into_response())
}
