//! What a receiver's answer means: done, again, never more, or too much at once. README "What answers mean" has the
//! same as a table.
//!
//! By default any 4xx but 410 is tried again: operators repair receivers. Deliberately absent: waiting.

use super::super::{Cause, Outcome};
use super::guard::Outside;
use crate::base::link::{self, Way, chain};
use crate::base::retry::retry_after;
use crate::outbound::settings::{Refusal, Refusals};
use http::StatusCode;
use http::header::RETRY_AFTER;
use reqwest::Response;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// Reading more of an answer costs more than a new connection; so much is kept for a dead letter.
const MAX_BODY: usize = 1024;
/// For the rest of an answer whose status is known.
const PATIENCE: Duration = Duration::from_secs(5);

/// Every word that stands in a cause of this sink.
pub const REASONS: &[&str] = &[
    "closed",
    "connect",
    "dns",
    "gone",
    "http-4xx",
    "http-5xx",
    "http-other",
    "io",
    "not-allowed",
    "not-encodable",
    "rate-limited",
    "redirect",
    "timeout",
    "tls",
    "token",
    "unauthorized",
];

/// What an answer is judged by.
pub struct Judge<'a> {
    pub refusals: &'a Refusals,
    /// Whether the request held more than one event.
    pub several: bool,
    pub url: &'a Url,
    pub way: Way<'a>,
}

impl Judge<'_> {
    /// Judges by status and `Retry-After`.
    pub async fn judge(&self, mut response: Response) -> Outcome {
        let status = response.status();
        let after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| retry_after(text, jiff::Timestamp::now().as_millisecond()));
        let body = read(&mut response).await;
        if status.is_success() {
            return Outcome::Done;
        }
        let more = if body.len() > MAX_BODY { "more than 1024".to_owned() } else { body.len().to_string() };
        let detail = match link::sent_away(status, &body, self.url, &self.way) {
            Some(why) => why,
            None => format!("HTTP {} with {more} bytes of body{}", status.as_u16(), hint(status)),
        };
        let cause = Cause { answer: kept(&body), ..Cause::new(reason(status), detail) };
        match status.as_u16() {
            410 => Outcome::Disable { cause },
            // What these mean is fixed: credentials, or the receiver's own wish for another try.
            401 | 403 | 407 | 408 | 425 | 429 => Outcome::Retry { cause, after },
            code @ 400..=499 => self.refused(code, cause, after),
            _ => Outcome::Retry { cause, after },
        }
    }

    fn refused(&self, code: u16, cause: Cause, after: Option<Duration>) -> Outcome {
        let refusal = self.refusals.of(code);
        let of_content = matches!(code, 400 | 409 | 413 | 415 | 422);
        match refusal {
            _ if self.several && (of_content || refusal == Refusal::DeadLetter) => Outcome::Split { cause },
            Refusal::DeadLetter => Outcome::Reject { cause },
            Refusal::Retry => Outcome::Retry { cause, after },
        }
    }
}

/// Whether the receiver asks with this outcome to be left alone for a while, by all.
pub fn slows(outcome: &Outcome, status: StatusCode) -> Option<Option<Duration>> {
    match outcome {
        Outcome::Retry { after, .. } if matches!(status.as_u16(), 429 | 502 | 503 | 504) => Some(*after),
        _ => None,
    }
}

/// The answer's beginning; reading it whole lets the connection be used again. An error here changes nothing: the
/// status stands.
async fn read(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    let reading = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(chunk.get(..MAX_BODY + 1).unwrap_or(&chunk));
            if body.len() > MAX_BODY {
                break;
            }
        }
    };
    let _ = timeout(PATIENCE, reading).await;
    body
}

/// The first KiB as text that can be shown anywhere.
fn kept(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body.get(..MAX_BODY).unwrap_or(body));
    let shown: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    (!shown.trim().is_empty()).then_some(shown)
}

fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::GONE => "gone",
        StatusCode::TOO_MANY_REQUESTS => "rate-limited",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "unauthorized"
        }
        _ if status.is_redirection() => "redirect",
        _ if status.is_client_error() => "http-4xx",
        _ if status.is_server_error() => "http-5xx",
        _ => "http-other",
    }
}

fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => ": check auth, headers, and what the receiver lets us do",
        300..=399 => ": redirects are not followed, set url to the final address",
        404 | 405 => ": nothing takes events there, check url",
        _ => "",
    }
}

/// No answer came.
pub fn unsent(error: &reqwest::Error, url: &Url, way: &Way<'_>) -> Cause {
    if let Some(outside) = chain(error).find_map(|one| one.downcast_ref::<Outside>()) {
        return Cause::new("not-allowed", format!("{}: {outside}", link::host(url)));
    }
    if error.is_timeout() {
        let what = if error.is_connect() { "no connection" } else { "no whole answer" };
        return Cause::new("timeout", format!("{}: {what} within the time limit", link::host(url)));
    }
    let reason = match error {
        _ if link::is_unwelcome(error) => "unauthorized",
        _ if error.is_dns() => "dns",
        _ if link::is_tls(error, url) => "tls",
        _ if error.is_connect() => "connect",
        _ => "io",
    };
    Cause::new(reason, link::describe(error, url, way))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_fall_into_a_closed_set_of_reasons() {
        let of = |code| reason(StatusCode::from_u16(code).unwrap());
        let seen: Vec<_> =
            [301, 304, 400, 401, 403, 407, 410, 429, 500, 599, 199].into_iter().map(of).collect();
        let wanted = [
            "redirect",
            "redirect",
            "http-4xx",
            "unauthorized",
            "unauthorized",
            "unauthorized",
            "gone",
            "rate-limited",
            "http-5xx",
            "http-5xx",
            "http-other",
        ];
        assert_eq!(seen, wanted);
        assert!(seen.iter().all(|word| REASONS.contains(word)));
    }

    #[test]
    fn what_is_kept_is_the_first_kibibyte_and_can_be_shown() {
        assert_eq!(kept(b" \r\n"), None);
        assert_eq!(kept(b"no\x1b[31m\nsuch\xff").as_deref(), Some("no [31m such\u{fffd}"));
        assert_eq!(kept(&[b'x'; 5000]).unwrap().len(), 1024);
    }

    #[test]
    fn the_answer_shows_in_no_message() {
        let cause = Cause { answer: Some("the customer's words".to_owned()), ..Cause::new("io", "x") };
        let outcome = Outcome::Reject { cause: cause.clone() };
        for text in [cause.to_string(), format!("{cause:?}"), format!("{outcome:#?}")] {
            assert!(!text.contains("customer"), "{text}");
        }
    }
}
