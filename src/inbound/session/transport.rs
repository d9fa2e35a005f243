//! Long polling over HTTP/1.1: one shared client per site, one cookie jar and one CSRF token per session.
//!
//! No redirect is followed, nothing is retried here: a failed request is the machine's business.
//! Deliberately absent: the meaning of a body.

mod cause;
mod patience;
mod saved;

pub use cause::{asked_wait, kind, refused};
pub use saved::SavedJar;

use crate::base::link::{host, sent_away};
use crate::inbound::session::bayeux::{Hold, Request};
use crate::inbound::session::login::ME;
use crate::inbound::session::protocol::{Failure, FailureKind};
use crate::inbound::site::{Errand, Heard, Site};
use cause::{broken, network, silent, trickling};
use cookie_store::CookieStore;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use patience::Patience;
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
    /// The beginning of a reply beyond the limit, until it is taken.
    too_long: Vec<u8>,
}

/// What keeps an agent at one node; empty for most.
#[derive(Clone, Default)]
pub struct Pin {
    pub base: Option<Url>,
    pub headers: HeaderMap,
    /// `name=value` each.
    pub cookies: Vec<String>,
}

/// Cookies of one session, and the length of each: a server may not fill our memory.
const MAX_COOKIES: usize = 50;
const MAX_COOKIE: usize = 4096;
/// Of a reply beyond the limit so much is kept, for whoever looks into what came.
const MAX_KEPT: usize = 4 << 20;
/// Redirects followed for one request.
const MAX_REDIRECTS: usize = 3;

/// When an answer is to be expected.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    AtOnce,
    Held,
    /// At once where the session is gone.
    Either,
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
        let mine =
            Mine { base, jar: CookieStore::new(), csrf: None, authorization: None, too_long: Vec::new() };
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

    /// The base URL that the session stands on.
    pub fn base(&self) -> Url {
        self.mine().base.clone()
    }

    /// Whether the agent is tied to one base URL, gone or not.
    pub fn pinned(&self) -> bool {
        self.pin.base.is_some()
    }

    pub fn authorize(&self, value: HeaderValue) {
        self.mine().authorization = Some(value);
    }

    /// Sends the secret no more, until it is given again: it was refused, or is known to be stale.
    pub fn withhold(&self) {
        self.mine().authorization = None;
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

    /// `GET /me` with the Basic header: the one request that can be refused for its secret.
    pub async fn get_me(&self, timeout: Duration) -> Result<Answer, Failure> {
        self.get_with(ME, timeout, true).await
    }

    /// Gets a path below the base URL, e.g. `/api/v2/me?subresources=*`, as the HTTP session's owner and without
    /// the secret; any status is an answer. The caller asks the site for admission before.
    pub async fn get(&self, path: &str, timeout: Duration) -> Result<Answer, Failure> {
        self.get_with(path, timeout, false).await
    }

    async fn get_with(&self, path: &str, timeout: Duration, basic: bool) -> Result<Answer, Failure> {
        let url = self.url(path);
        let mut headers = self.headers(&url, false);
        if !basic {
            headers.remove(header::AUTHORIZATION);
        }
        let request = self.site.client.get(url.clone()).headers(headers);
        let answer = self.exchange(request, &url, timeout, Expected::AtOnce, &mut Vec::new()).await?;
        self.take_csrf(&answer.headers);
        Ok(answer)
    }

    /// Posts a Bayeux request; only status 200 with a body is a reply.
    pub fn post(
        &self,
        request: &Request,
        timeout: Duration,
    ) -> impl Future<Output = Result<Vec<u8>, Failure>> {
        let held = matches!(request, Request::Connect { hold: Hold::Server | Hold::Of(_), .. });
        self.send(request, timeout, if held { Expected::Held } else { Expected::AtOnce })
    }

    /// A poll of a session that may be gone: it says as much of its host as any other request.
    pub fn ask(
        &self,
        request: &Request,
        timeout: Duration,
    ) -> impl Future<Output = Result<Vec<u8>, Failure>> {
        self.send(request, timeout, Expected::Either)
    }

    async fn send(
        &self,
        request: &Request,
        timeout: Duration,
        expected: Expected,
    ) -> Result<Vec<u8>, Failure> {
        let mut path = self.site.config.notifications_path.clone();
        if self.site.config.append_message_type {
            path.push_str(request.suffix());
        }
        let mut url = self.url(&path);
        let mut body = Vec::new();
        for _ in 0..=MAX_REDIRECTS {
            let post = self.site.client.post(url.clone()).headers(self.headers(&url, true));
            let exchanged =
                self.exchange(post.body(request.body()), &url, timeout, expected, &mut body).await;
            let answer = match exchanged {
                Err(failure) if failure.kind == FailureKind::Unreadable => {
                    // The same of it at each try, however it comes.
                    let limit = usize::try_from(self.site.config.max_reply_bytes).unwrap_or(MAX_KEPT);
                    body.truncate(MAX_KEPT.min(limit));
                    body.shrink_to_fit();
                    self.mine().too_long = body;
                    return Err(failure);
                }
                other => other?,
            };
            match redirected(&answer, &url) {
                Some(next) => {
                    if expected != Expected::Held {
                        self.site.admit_at(Errand::Open, &next).await;
                    }
                    url = next;
                }
                None if answer.status == StatusCode::OK => return Ok(answer.body),
                None => {
                    let failure = refused(&answer, request.name(), &url);
                    if failure.kind == FailureKind::Unauthorized {
                        // Only a login may try it, where a refusal is told from a lost session, and noted.
                        self.withhold();
                    }
                    return Err(failure);
                }
            }
        }
        Err(network(format!("{}: redirects without end: check base_url", host(&url))))
    }

    /// The beginning of the last reply that was beyond the limit; empty where there was none since this was asked.
    pub fn take_too_long(&self) -> Vec<u8> {
        std::mem::take(&mut self.mine().too_long)
    }

    /// Whether the server gave a CSRF token.
    pub fn has_csrf(&self) -> bool {
        self.mine().csrf.is_some()
    }

    /// Every cookie of the session: name and value.
    pub fn cookies(&self) -> Vec<(String, String)> {
        let mine = self.mine();
        mine.jar.iter_unexpired().map(|c| (c.name().to_owned(), c.value().to_owned())).collect()
    }

    fn headers(&self, url: &Url, post: bool) -> HeaderMap {
        let mut headers = self.site.headers.clone();
        // In place of the site's, not beside it.
        for (name, value) in &self.pin.headers {
            headers.insert(name.clone(), value.clone());
        }
        let mine = self.mine();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if post {
            let json = HeaderValue::from_static("application/json;charset=UTF-8");
            headers.insert(header::CONTENT_TYPE, json);
            if let Some((name, value)) = &mine.csrf {
                headers.insert(name.clone(), value.clone());
            }
        }
        if let Some(value) = mine.authorization.as_ref().filter(|_| !post || self.site.config.basic_on_polls)
        {
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
        expected: Expected,
        body: &mut Vec<u8>,
    ) -> Result<Answer, Failure> {
        body.clear();
        let started = tokio::time::Instant::now();
        let began = self.begin(request, url, started + timeout, timeout).await;
        let heard = Heard {
            result: began.as_ref().map(|response| response.status().as_u16()).map_err(|failure| failure.kind),
            took: (expected == Expected::AtOnce).then(|| started.elapsed()),
            retry_after: began.as_ref().ok().and_then(|response| asked_wait(response.headers())),
            held: expected == Expected::Held,
        };
        let mut response = match began {
            Ok(response) => response,
            Err(failure) => {
                self.site.heard(url, heard);
                return Err(failure);
            }
        };
        self.site.heard(url, heard);
        let patience = Patience { first: started + timeout, network_delay: self.site.config.network_delay };
        let mut until = patience.first;
        let mut began_at = None;
        loop {
            match tokio::time::timeout_at(until, response.chunk()).await {
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(broken(&error, url, &self.site.config)),
                Err(_) => return Err(given_up(&patience, began_at, body.len(), url, timeout)),
            }
            if body.len() as u64 > self.site.config.max_reply_bytes {
                let limit = self.site.config.max_reply_bytes;
                let text = format!("{}: the reply is larger than max_reply ({limit} bytes)", host(url));
                return Err(Failure { kind: FailureKind::Unreadable, text, retry_after: None });
            }
            let now = tokio::time::Instant::now();
            until = patience.until(*began_at.get_or_insert(now), now, body.len());
        }
        let answer = Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: std::mem::take(body),
        };
        match sent_away(answer.status, &answer.body, url, &self.site.config.way()) {
            Some(text) => Err(Failure { kind: FailureKind::Http, text, retry_after: None }),
            None => Ok(answer),
        }
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
            Ok(Err(error)) => return Err(broken(&error, url, &self.site.config)),
            Err(_) => return Err(silent(url, timeout)),
        };
        let mut mine = self.mine();
        for value in response.headers().get_all(header::SET_COOKIE) {
            let room = mine.jar.iter_any().count() < MAX_COOKIES;
            if let Ok(text) = value.to_str()
                && text.len() <= MAX_COOKIE
                && (room || mine.jar.iter_any().any(|known| text.starts_with(&format!("{}=", known.name()))))
            {
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

/// Why nothing more is waited for.
fn given_up(
    patience: &Patience,
    began: Option<tokio::time::Instant>,
    bytes: usize,
    url: &Url,
    timeout: Duration,
) -> Failure {
    let now = tokio::time::Instant::now();
    match began {
        None => silent(url, timeout),
        Some(began) if patience.trickles(began, now, bytes) => trickling(url, bytes, now - began),
        Some(_) => silent(url, patience.network_delay),
    }
}

/// Where a 307 or 308 sends the same request: only within the host, and never from https to http.
fn redirected(answer: &Answer, url: &Url) -> Option<Url> {
    if !matches!(answer.status.as_u16(), 307 | 308) {
        return None;
    }
    let next = url.join(answer.headers.get(header::LOCATION)?.to_str().ok()?).ok()?;
    let safe = next.scheme() == url.scheme() || next.scheme() == "https";
    let same_port =
        next.port_or_known_default() == url.port_or_known_default() || next.scheme() != url.scheme();
    (safe && same_port && next.host_str() == url.host_str()).then_some(next)
}

#[cfg(test)]
mod tests;
