//! Long polling over HTTP/1.1: one shared client per site, one cookie jar and one CSRF token per session.
//!
//! No redirect is followed, nothing is retried here: a failed request is the machine's business.
//! Deliberately absent: the meaning of a body.

use crate::base::retry::retry_after;
use crate::inbound::session::bayeux::Request;
use crate::inbound::session::protocol::{Failure, FailureKind};
use crate::inbound::site::{Heard, Site};
use cookie_store::CookieStore;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use url::Url;

/// What one session sends with each request. Shared by the poll and by what runs beside it.
pub struct Transport {
    site: Arc<Site>,
    pin: Pin,
    mine: Mutex<Mine>,
}

/// What changes in the life of an HTTP session.
struct Mine {
    base: Url,
    jar: CookieStore,
    csrf: Option<(HeaderName, HeaderValue)>,
    authorization: Option<HeaderValue>,
}

/// What keeps an agent at one node; empty for most.
#[derive(Clone, Default)]
pub struct Pin {
    pub base: Option<Url>,
    pub headers: HeaderMap,
    /// `name=value` each.
    pub cookies: Vec<String>,
}

/// An answer read whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Transport {
    pub fn new(site: Arc<Site>, pin: Pin) -> Transport {
        let base = pin.base.clone().unwrap_or_else(|| site.base());
        let mine = Mine { base, jar: CookieStore::new(), csrf: None, authorization: None };
        Transport { site, pin, mine: Mutex::new(mine) }
    }

    /// Forgets cookies and token: the next login starts from nothing, at the base URL that is in use now.
    pub fn forget(&self) {
        let base = self.pin.base.clone().unwrap_or_else(|| self.site.base());
        let mut mine = self.mine();
        mine.base = base;
        mine.jar = CookieStore::new();
        mine.csrf = None;
    }

    pub fn authorize(&self, value: HeaderValue) {
        self.mine().authorization = Some(value);
    }

    fn mine(&self) -> MutexGuard<'_, Mine> {
        self.mine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `<base><path>`, the base's own path kept; `path` may end in a query.
    fn url(&self, path: &str) -> Url {
        let mut url = self.mine().base.clone();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        url.set_query(query);
        url
    }

    /// Gets a path below the base URL, e.g. `/api/v2/me?subresources=*`; any status is an answer. The caller asks
    /// the site for admission before.
    pub async fn get(&self, path: &str, timeout: Duration) -> Result<Answer, Failure> {
        let url = self.url(path);
        let request = self.site.client.get(url.clone()).headers(self.headers(&url, false));
        let answer = self.exchange(request, &url, timeout, false).await?;
        self.take_csrf(&answer.headers);
        Ok(answer)
    }

    /// Posts a Bayeux request; only status 200 with a body is a reply.
    pub async fn post(&self, request: &Request, timeout: Duration) -> Result<Vec<u8>, Failure> {
        let mut path = self.site.config.notifications_path.clone();
        if self.site.config.append_message_type {
            path.push_str(request.suffix());
        }
        let url = self.url(&path);
        let post = self.site.client.post(url.clone()).headers(self.headers(&url, true)).body(request.body());
        let held = matches!(request, Request::Connect { immediate: false, .. });
        let answer = self.exchange(post, &url, timeout, held).await?;
        if answer.status == StatusCode::OK {
            return Ok(answer.body);
        }
        Err(refused(&answer, request.name(), &url))
    }

    fn headers(&self, url: &Url, post: bool) -> HeaderMap {
        let mut headers = self.site.headers.clone();
        headers.extend(self.pin.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mine = self.mine();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if post {
            let json = HeaderValue::from_static("application/json;charset=UTF-8");
            headers.insert(header::CONTENT_TYPE, json);
            if let Some((name, value)) = &mine.csrf {
                headers.insert(name.clone(), value.clone());
            }
        }
        if let Some(value) = &mine.authorization {
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        let jar = mine.jar.get_request_values(url).map(|(name, value)| format!("{name}={value}"));
        let cookies: Vec<String> = self.pin.cookies.iter().cloned().chain(jar).collect();
        if !cookies.is_empty()
            && let Ok(mut value) = HeaderValue::from_str(&cookies.join("; "))
        {
            value.set_sensitive(true);
            headers.insert(header::COOKIE, value);
        }
        headers
    }

    async fn exchange(
        &self,
        request: reqwest::RequestBuilder,
        url: &Url,
        timeout: Duration,
        held: bool,
    ) -> Result<Answer, Failure> {
        let started = tokio::time::Instant::now();
        let began = self.begin(request, url, started + timeout, timeout).await;
        let heard = Heard {
            result: began.as_ref().map(|response| response.status().as_u16()).map_err(|failure| failure.kind),
            took: started.elapsed(),
            retry_after: began.as_ref().ok().and_then(|response| asked_wait(response.headers())),
            held,
        };
        let mut response = match began {
            Ok(response) => response,
            Err(failure) => {
                self.site.heard(url, heard);
                return Err(failure);
            }
        };
        self.site.heard(url, heard);
        let mut body = Vec::new();
        let mut until = started + timeout;
        loop {
            match tokio::time::timeout_at(until, response.chunk()).await {
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(network(describe(&error, url))),
                Err(_) => return Err(silent(url, timeout)),
            }
            if body.len() as u64 > self.site.config.max_reply_bytes {
                let limit = self.site.config.max_reply_bytes;
                let text = format!("{}: the reply is larger than max_reply ({limit} bytes)", host(url));
                return Err(Failure { kind: FailureKind::Unreadable, text, retry_after: None });
            }
            // Once bytes flow, silence counts and not the whole: a large batch on a slow line is no failure.
            until = tokio::time::Instant::now() + self.site.config.network_delay;
        }
        Ok(Answer { status: response.status(), headers: response.headers().clone(), body })
    }

    /// Sends, and waits for the head of the answer; cookies count whatever its status.
    async fn begin(
        &self,
        request: reqwest::RequestBuilder,
        url: &Url,
        deadline: tokio::time::Instant,
        timeout: Duration,
    ) -> Result<reqwest::Response, Failure> {
        let response = match tokio::time::timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(network(describe(&error, url))),
            Err(_) => return Err(silent(url, timeout)),
        };
        let mut mine = self.mine();
        for value in response.headers().get_all(header::SET_COOKIE) {
            if let Ok(text) = value.to_str() {
                // A cookie the jar does not take (another domain's) is none of ours.
                let _ = mine.jar.parse(text, url);
            }
        }
        drop(mine);
        Ok(response)
    }

    /// The server names the header and gives its value; both live as long as the HTTP session.
    fn take_csrf(&self, headers: &HeaderMap) {
        let name =
            headers.get("x-csrf-header").and_then(|value| HeaderName::from_bytes(value.as_bytes()).ok());
        if let (Some(name), Some(value)) = (name, headers.get("x-csrf-token")) {
            let mut value = value.clone();
            value.set_sensitive(true);
            self.mine().csrf = Some((name, value));
        }
    }
}

/// `https://gws.example.com` of a URL: what may stand in a message.
pub fn host(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn network(text: String) -> Failure {
    Failure { kind: FailureKind::Network, text, retry_after: None }
}

fn silent(url: &Url, timeout: Duration) -> Failure {
    let text = format!("{}: no answer within {} s", host(url), timeout.as_secs());
    Failure { kind: FailureKind::Timeout, text, retry_after: None }
}

/// The innermost cause in words, without the URL's path and query.
fn describe(error: &reqwest::Error, url: &Url) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let what = if error.is_connect() { "can not connect" } else { "the connection broke" };
    format!("{}: {what}: {cause}", host(url))
}

/// A status that is no reply, in words that say what to look at.
pub fn refused(answer: &Answer, what: &str, url: &Url) -> Failure {
    let status = answer.status;
    let at = format!("{}{}", host(url), url.path());
    let (kind, hint) = match status.as_u16() {
        401 | 403 if String::from_utf8_lossy(&answer.body).to_ascii_uppercase().contains("CSRF") => {
            (FailureKind::Unauthorized, "the server wants another CSRF token; a new one is fetched")
        }
        401 | 403 => (FailureKind::Unauthorized, "the HTTP session is not (or no longer) logged in"),
        404 => (FailureKind::Http, "nothing is there: check base_url and notifications_path"),
        300..=399 => {
            (FailureKind::Http, "it redirects, which is not followed: set base_url to the final address")
        }
        407 => (FailureKind::Http, "the proxy wants a login: check proxy and proxy_password"),
        429 => (FailureKind::Http, "too many requests"),
        _ => (FailureKind::Http, "no reply"),
    };
    let retry_after = asked_wait(&answer.headers);
    Failure { kind, text: format!("{what}: {at} answered HTTP {status}: {hint}"), retry_after }
}

/// What the server asks for by `Retry-After`.
pub fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    retry_after(text, jiff::Timestamp::now().as_millisecond())
}
