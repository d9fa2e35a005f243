//! Who may ask: the bearer token.
//!
//! Deliberately absent: users, roles, cookies.

use crate::base::digest::Digest;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};

/// Holds a digest of the token, so that a comparison tells nothing of its length either.
#[derive(Clone, Copy, Debug)]
pub struct Auth(Option<Digest>);

impl Auth {
    pub fn new(token: Option<SecretString>) -> Auth {
        Auth(token.map(|token| Digest::of(token.expose_secret().as_bytes())))
    }

    /// Whether the request carries the token; `None` where there is no token to carry.
    fn allows(self, request: &Request) -> Option<bool> {
        let wanted = self.0?;
        let header = request.headers().get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes);
        let (scheme, given) = header.and_then(|bytes| bytes.split_at_checked(7)).unwrap_or_default();
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(&wanted.0, &Digest::of(given).0).is_ok();
        Some(same && scheme.eq_ignore_ascii_case(b"bearer "))
    }
}

/// For what tells: open without a token in the configuration.
pub async fn telling(State(auth): State<Auth>, request: Request, next: Next) -> Response {
    match auth.allows(&request) {
        Some(false) => refused(),
        Some(true) | None => next.run(request).await,
    }
}

/// For what acts, or shows content: shut without a token in the configuration.
pub async fn acting(State(auth): State<Auth>, request: Request, next: Next) -> Response {
    match auth.allows(&request) {
        Some(true) => next.run(request).await,
        Some(false) => refused(),
        None => shut(request.method()),
    }
}

/// What changes nothing, and yet needs a token, shows what stands in an event.
fn shut(method: &Method) -> Response {
    let why = if method.is_safe() { "shows what stands in an event" } else { "changes something" };
    let text = format!(
        "This {why}, so it needs a token. Put one into a file (openssl rand -base64 32 > FILE; chmod 600 FILE), set \
         admin.token = {{ file = \"FILE\" }} in the configuration and restart; callers then show it as \
         \"Authorization: Bearer TOKEN\".\n"
    );
    (StatusCode::FORBIDDEN, text).into_response()
}

fn refused() -> Response {
    let text = "This needs the header \"Authorization: Bearer TOKEN\" with the token that admin.token in the \
                configuration names.\n";
    let headers = [(header::WWW_AUTHENTICATE, "Bearer realm=\"cometbridge\"")];
    (StatusCode::UNAUTHORIZED, headers, text).into_response()
}
