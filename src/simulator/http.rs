//! The paths of a GWS node, and CometD over HTTP under `/api/v2/notifications`.
//!
//! Deliberately absent: REST itself (see `rest`), the Bayeux exchange (see `exchange`), and the control of the
//! simulator (see `control`).

use super::damage::{hang_up, reply, spoils};
use super::exchange::{self, Answer, Asker, Carried};
use super::faults::{After, Before, On};
use super::hub::{Hub, State as World, now, random_id};
use super::ledger::Damaged;
use super::login::{self, Login, cookie, node_of};
use super::rest;
use super::wire::{self, CONNECT};
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// The largest body of a CometD request, and how long it may take to arrive.
const MAX_BODY: usize = 256 * 1024;
const BODY_TIME: Duration = Duration::from_secs(30);
/// The longest a fault delays a request.
const MAX_DELAY: Duration = Duration::from_secs(600);

pub type Shared = State<Arc<Hub>>;

pub fn router() -> axum::Router<Arc<Hub>> {
    use axum::routing::{any, get};
    axum::Router::new()
        .route("/api/v2/diagnostics/version", get(rest::version))
        .route("/api/v2/me", get(rest::me).fallback(rest::foreign))
        .route("/api/v2/me/{*path}", get(rest::resource).fallback(rest::foreign))
        .route("/api/v2/services", get(rest::services).fallback(rest::foreign))
        .route("/api/v2/notifications", any(notifications))
        .route("/api/v2/notifications/{*path}", any(notifications))
        .route("/api/v2/{*path}", any(rest::foreign))
}

/// A request that was let in.
struct Admitted {
    user: String,
    node: usize,
    browser: Option<String>,
    about: On,
    messages: Vec<wire::Request>,
}

async fn notifications(State(hub): Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = match tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, MAX_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n").into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let (admitted, before) = match admitted(&hub, &parts.method, &parts.headers, &body) {
        Ok(admitted) => admitted,
        Err(response) => return *response,
    };
    if before == Some(Before::Unknown) {
        return reply(exchange::unknown(&admitted.messages), None);
    }
    if let Some(before) = before
        && let Some(response) = instead(before, parts.uri.path()).await
    {
        return response;
    }
    let asker = Asker { user: &admitted.user, browser: admitted.browser.as_deref(), node: admitted.node };
    match exchange::exchange(&hub, asker, &admitted.messages).await {
        Answer::Status(status) => StatusCode::from_u16(status).unwrap_or_default().into_response(),
        Answer::Body { json, cookie, carried } => {
            let (after, cookie) = struck(&hub, &admitted, cookie, carried);
            let mut response = reply(json, after);
            let value = cookie.map(|id| format!("BAYEUX_BROWSER={id}; Path=/; HttpOnly"));
            if let Some(value) = value.and_then(|value| value.parse().ok()) {
                response.headers_mut().insert(header::SET_COOKIE, value);
            }
            response
        }
    }
}

/// The fault that strikes a reply, and the cookie it sets.
fn struck(
    hub: &Hub,
    of: &Admitted,
    cookie: Option<String>,
    carried: Carried,
) -> (Option<After>, Option<String>) {
    let mut state = hub.state();
    let after = state.faults.after(&of.user, of.about);
    state.note_struck();
    let silent = state.faults.silent().then_some("silence-all");
    let spoilt = silent.or_else(|| after.as_ref().and_then(spoils));
    if let Some(fault) = spoilt {
        let user = state.ledger.name(&of.user);
        let Carried { ack, messages } = carried;
        state.ledger.damaged(Damaged { at: now(), user, fault, ack, messages });
    } else {
        for number in carried.messages {
            state.ledger.sent(number);
        }
    }
    let cookie = match after {
        Some(After::RenameCookie) => Some(random_id()),
        Some(After::SwapCookie) => state.foreign_browser(&of.user).or_else(|| Some(random_id())),
        _ => cookie,
    };
    (after, cookie)
}

/// Who asks for what, with the fault that waits for it; or why nobody does. The response is boxed for its size.
fn admitted(
    hub: &Hub,
    method: &Method,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<(Admitted, Option<Before>), Box<Response>> {
    let mut state = hub.state();
    let admitted = judged(&mut state, hub, method, headers, body);
    let at_once = match &admitted {
        Ok((admitted, before)) => {
            !may_be_held(&admitted.messages) || before.as_ref().is_some_and(Before::answers)
        }
        Err(_) => true,
    };
    if at_once {
        state.peaks.request();
    }
    admitted
}

fn judged(
    state: &mut World,
    hub: &Hub,
    method: &Method,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<(Admitted, Option<Before>), Box<Response>> {
    let messages = wire::parse(body);
    let mut node = hub.node(state, node_of(headers, hub.options.nodes));
    let known = login::known(state, hub, headers, node);
    let about = messages.as_ref().map_or(On::Any, |messages| exchange::about(messages));
    let before = known.as_ref().and_then(|login| state.faults.before(&login.user, about));
    state.note_struck();
    let mut login = known;
    if before == Some(Before::Misroute) {
        node = (node + 1) % hub.options.nodes.max(2);
        login = login.filter(|_| hub.options.shared_logins);
    }
    let Some(login) = login else {
        state.stats.unauthenticated += 1;
        return Err(Box::new(rest::denied()));
    };
    if *method != Method::POST {
        return Err(Box::new(StatusCode::METHOD_NOT_ALLOWED.into_response()));
    }
    if hub.options.csrf && !has_token(headers, &login) {
        state.stats.csrf_refused += 1;
        let text = "CSRF token is missing or invalid: send the header X-CSRF-TOKEN\n";
        return Err(Box::new((StatusCode::FORBIDDEN, text).into_response()));
    }
    let messages = messages.map_err(|error| {
        Box::new((StatusCode::BAD_REQUEST, format!("not Bayeux: {error}\n")).into_response())
    })?;
    let browser = cookie(headers, "BAYEUX_BROWSER");
    Ok((Admitted { user: login.user, node, browser, about, messages }, before))
}

fn has_token(headers: &HeaderMap, login: &Login) -> bool {
    let token = headers.get("x-csrf-token").and_then(|value| value.to_str().ok());
    token == Some(login.csrf.as_str())
}

/// A poll: alone in its request, and it leaves the hold to the server or asks for one. Whether it is held shows later
/// (see `connect`).
fn may_be_held(messages: &[wire::Request]) -> bool {
    matches!(messages, [one] if one.channel == CONNECT && !one.asks_no_hold())
}

/// What a fault answers in place of processing; `None` where the request goes on, perhaps after a while.
pub async fn instead(fault: Before, path: &str) -> Option<Response> {
    let (status, name, value) = match fault {
        Before::Status { status, retry_after } => {
            (status, header::RETRY_AFTER, retry_after.map(|seconds| seconds.to_string()))
        }
        Before::Redirect { status, location } => {
            (status, header::LOCATION, Some(location.unwrap_or_else(|| path.to_owned())))
        }
        Before::Delay { millis } => {
            tokio::time::sleep(Duration::from_millis(millis.into()).min(MAX_DELAY)).await;
            return None;
        }
        Before::HangUp => return Some(hang_up()),
        Before::Silence => return std::future::pending().await,
        Before::Unknown | Before::Misroute => return None,
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, "fault of the simulator\n").into_response();
    if let Some(value) = value.and_then(|value| value.parse().ok()) {
        response.headers_mut().insert(name, value);
    }
    Some(response)
}

/// For paths nobody serves.
pub async fn nothing() -> Result<Response, Infallible> {
    Ok((StatusCode::NOT_FOUND, "a simulated GWS node: see /api/v2/me and /simulator/stats\n").into_response())
}
