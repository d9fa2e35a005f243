//! What a receiver's answer means: done, again, or never more.
//!
//! Any 4xx but 410 is tried again, too: operators repair receivers. Deliberately absent: the answer's text.

use super::super::{Cause, Outcome};
use super::client::root;
use crate::base::retry::retry_after;
use http::StatusCode;
use http::header::RETRY_AFTER;
use reqwest::Response;

/// Reading more of an answer costs more than a new connection.
const MAX_BODY: usize = 1024;

/// Judges by status and `Retry-After`.
pub async fn judge(mut response: Response) -> Outcome {
    let status = response.status();
    let after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| retry_after(text, jiff::Timestamp::now().as_millisecond()));
    // Read so that the connection can be used again. An error here changes nothing: the status stands.
    let mut size = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        size += chunk.len();
        if size > MAX_BODY {
            break;
        }
    }
    if status.is_success() {
        return Outcome::Done;
    }
    let more = if size > MAX_BODY { "more than 1024".to_owned() } else { size.to_string() };
    let cause = Cause::new(reason(status), format!("HTTP {} with {more} bytes of body", status.as_u16()));
    if status == StatusCode::GONE { Outcome::Disable { cause } } else { Outcome::Retry { cause, after } }
}

/// Every word that stands in a cause of this sink.
pub const REASONS: &[&str] = &[
    "closed",
    "connect",
    "gone",
    "http-4xx",
    "http-5xx",
    "http-other",
    "io",
    "not-encodable",
    "rate-limited",
    "redirect",
    "timeout",
];

fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::GONE => "gone",
        StatusCode::TOO_MANY_REQUESTS => "rate-limited",
        _ if status.is_redirection() => "redirect",
        _ if status.is_client_error() => "http-4xx",
        _ if status.is_server_error() => "http-5xx",
        _ => "http-other",
    }
}

/// No answer came.
pub fn unsent(error: &reqwest::Error) -> Outcome {
    Outcome::Retry { cause: cause(error), after: None }
}

/// Never the error's own text, which repeats the URL.
pub fn cause(error: &reqwest::Error) -> Cause {
    if error.is_timeout() {
        let what = if error.is_connect() { "no connection" } else { "no whole answer" };
        return Cause::new("timeout", format!("{what} within the time limit"));
    }
    if error.is_connect() {
        return Cause::new("connect", root(error));
    }
    Cause::new("io", root(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_fall_into_a_closed_set_of_reasons() {
        let of = |code| reason(StatusCode::from_u16(code).unwrap());
        let seen: Vec<_> = [301, 304, 400, 410, 429, 500, 599, 199].into_iter().map(of).collect();
        let wanted = [
            "redirect",
            "redirect",
            "http-4xx",
            "gone",
            "rate-limited",
            "http-5xx",
            "http-5xx",
            "http-other",
        ];
        assert_eq!(seen, wanted);
        assert!(seen.iter().all(|word| REASONS.contains(word)));
    }
}
