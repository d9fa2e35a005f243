//! One session's requests against a small HTTP server: redirects, sizes, cookies, the URL's suffix.

use super::*;
use crate::inbound::settings::SiteConfig;
use crate::inbound::site::tests::config;
use axum::extract::State;
use axum::http::{HeaderMap as Headers, Uri};
use axum::response::{IntoResponse, Response};
use std::collections::VecDeque;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Status, headers and body of an answer.
type Prepared = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// Answers in the order they were put; without any, with an empty list.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Said>>);

#[derive(Default)]
struct Said {
    answers: VecDeque<Prepared>,
    /// Path and headers of each request.
    asked: Vec<(String, Headers)>,
}

impl Server {
    async fn start() -> (Server, String) {
        let server = Server::default();
        let app = axum::Router::new().fallback(answer).with_state(server.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (server, base)
    }

    fn put(&self, status: u16, headers: &[(&'static str, &str)], body: &[u8]) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.0.lock().unwrap().answers.push_back((status, headers, body.to_vec()));
    }

    fn paths(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.iter().map(|(path, _)| path.clone()).collect()
    }

    fn header(&self, request: usize, name: &str) -> Option<String> {
        let said = self.0.lock().unwrap();
        said.asked[request].1.get(name).map(|value| value.to_str().unwrap().to_owned())
    }
}

async fn answer(State(server): State<Server>, uri: Uri, headers: Headers) -> Response {
    let mut said = server.0.lock().unwrap();
    said.asked.push((uri.to_string(), headers));
    let (status, headers, body) = said.answers.pop_front().unwrap_or((200, Vec::new(), b"[]".to_vec()));
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in headers {
        response.headers_mut().append(name, HeaderValue::from_str(&value).unwrap());
    }
    response
}

async fn transport(base: &str, change: impl FnOnce(&mut SiteConfig)) -> Transport {
    let mut config = SiteConfig { base_urls: vec![base.parse().unwrap()], ..config() };
    change(&mut config);
    Transport::new(Arc::new(Site::new(config).await.unwrap()), Pin::default())
}

const LIMIT: Duration = Duration::from_secs(10);

async fn post(transport: &Transport) -> Result<Vec<u8>, Failure> {
    transport.post(&Request::Handshake { id: "1".into() }, LIMIT).await
}

const PLAIN: &str = "/api/v2/notifications/handshake";

#[tokio::test]
async fn a_redirect_that_keeps_the_method_is_followed_within_the_host_and_any_other_is_not() {
    let (server, base) = Server::start().await;
    let session = transport(&base, |_| {}).await;
    session.authorize(HeaderValue::from_static("Basic x"));
    for status in [307, 308] {
        server.put(status, &[("location", "/moved")], b"");
        server.put(200, &[], b"[7]");
        assert_eq!(post(&session).await.unwrap(), b"[7]");
        assert_eq!(server.header(server.paths().len() - 1, "authorization").as_deref(), Some("Basic x"));
    }
    assert_eq!(server.paths(), [PLAIN, "/moved", PLAIN, "/moved"]);
    for status in [301, 302, 303] {
        server.put(status, &[("location", "/moved")], b"");
        let failure = post(&session).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Http);
        assert!(failure.text.contains("redirect") && !failure.text.contains("moved"), "{}", failure.text);
    }
    assert_eq!(server.paths().len(), 7, "and nothing was asked for there");
}

#[tokio::test]
async fn no_redirect_leads_to_another_host_or_port_and_none_goes_on_for_ever() {
    let (server, base) = Server::start().await;
    let (other, elsewhere) = Server::start().await;
    let session = transport(&base, |_| {}).await;
    session.authorize(HeaderValue::from_static("Basic x"));
    let by_name = elsewhere.replace("127.0.0.1", "localhost");
    for location in [elsewhere.as_str(), &by_name, "//example.invalid/x"] {
        server.put(307, &[("location", location)], b"");
        assert_eq!(post(&session).await.unwrap_err().kind, FailureKind::Http);
    }
    assert!(other.paths().is_empty(), "no secret, no cookie and no request goes to another address");
    let before = server.paths().len();
    for _ in 0..20 {
        server.put(308, &[("location", PLAIN)], b"");
    }
    let failure = post(&session).await.unwrap_err();
    assert!(failure.text.contains("redirects without end"), "{}", failure.text);
    assert_eq!(server.paths().len() - before, MAX_REDIRECTS + 1);
}

/// So many times 258 letters as gzip, in 13 bits each.
fn bomb(times: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let mut put = |text: &str| bits.extend(text.bytes().map(|bit| bit == b'1'));
    // The last block, of fixed codes; one letter; then again and again what stands before; the end.
    put("110");
    put("10010001");
    (0..times).for_each(|_| put("1100010100000"));
    put("0000000");
    let mut body = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    for eight in bits.chunks(8) {
        body.push(eight.iter().enumerate().map(|(at, bit)| u8::from(*bit) << at).sum());
    }
    body
}

#[tokio::test]
async fn a_reply_beyond_the_limit_is_unreadable_also_where_it_was_compressed() {
    let (server, base) = Server::start().await;
    let session = transport(&base, |config| config.max_reply_bytes = 100_000).await;
    server.put(200, &[], &vec![b' '; 100_000]);
    assert_eq!(post(&session).await.unwrap().len(), 100_000);
    server.put(200, &[], &vec![b' '; 100_001]);
    let body = bomb(1_000_000);
    assert!(body.len() < 2_000_000, "{} bytes stand for 258 million", body.len());
    server.put(200, &[("content-encoding", "gzip")], &body);
    for _ in 0..2 {
        let failure = post(&session).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreadable);
        assert!(failure.text.contains("larger than max_reply (100000 bytes)"), "{}", failure.text);
    }
}

/// Sends the head of an answer and then one space after the other, for ever.
async fn trickle() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        assert!(client.read(&mut [0; 4096]).await.unwrap() > 0);
        let mut sent = client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await;
        while sent.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            sent = client.write_all(b" ").await;
        }
    });
    base
}

#[tokio::test]
async fn a_reply_that_trickles_in_is_given_up() {
    let session = transport(&trickle().await, |config| config.network_delay = Duration::from_secs(1)).await;
    let request = Request::Handshake { id: "1".into() };
    let asked = session.post(&request, Duration::from_secs(1));
    let failure = tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert!(failure.text.contains("the reply trickles in, "), "{}", failure.text);
}

#[tokio::test]
async fn cookies_of_any_answer_are_kept_and_a_comma_in_expires_ends_none() {
    let (server, base) = Server::start().await;
    let session = transport(&base, |_| {}).await;
    let dated = "c=3; Expires=Fri, 31 Dec 2099 23:59:59 GMT; Path=/; HttpOnly";
    server.put(200, &[("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2; Path=/")], b"[]");
    server.put(401, &[("set-cookie", dated)], b"");
    server.put(503, &[("set-cookie", "d=4; Path=/"), ("set-cookie", "a=5; Path=/")], b"");
    post(&session).await.unwrap();
    for _ in 0..2 {
        post(&session).await.unwrap_err();
    }
    post(&session).await.unwrap();
    let cookies = server.header(3, "cookie").unwrap();
    let mut cookies: Vec<&str> = cookies.split("; ").collect();
    cookies.sort_unstable();
    assert_eq!(cookies, ["a=5", "b=2", "c=3", "d=4"]);
    session.forget();
    post(&session).await.unwrap();
    assert_eq!(server.header(4, "cookie"), None);
}

#[tokio::test]
async fn a_server_can_not_fill_the_jar() {
    let (server, base) = Server::start().await;
    let session = transport(&base, |_| {}).await;
    let many: Vec<String> = (0..60).map(|n| format!("c{n}=x; Path=/")).collect();
    let long = format!("long={}; Path=/", "x".repeat(MAX_COOKIE));
    let mut headers = vec![("set-cookie", long.as_str())];
    headers.extend(many.iter().map(|one| ("set-cookie", one.as_str())));
    server.put(200, &headers, b"[]");
    post(&session).await.unwrap();
    assert_eq!(session.cookies().len(), MAX_COOKIES);
    assert!(session.cookies().iter().all(|(name, _)| name != "long"));
}

#[tokio::test]
async fn two_transports_share_no_cookie() {
    let (server, base) = Server::start().await;
    let one = transport(&base, |_| {}).await;
    let other = Transport::new(Arc::clone(&one.site), Pin::default());
    server.put(200, &[("set-cookie", "BAYEUX_BROWSER=1; Path=/")], b"[]");
    post(&one).await.unwrap();
    post(&other).await.unwrap();
    post(&one).await.unwrap();
    assert_eq!(server.header(1, "cookie"), None);
    assert_eq!(server.header(2, "cookie").as_deref(), Some("BAYEUX_BROWSER=1"));
}

#[tokio::test]
async fn a_secret_that_was_refused_or_is_stale_goes_out_only_with_the_next_login() {
    let (server, base) = Server::start().await;
    let session = transport(&base, |_| {}).await;
    let basic = |request| server.header(request, "authorization").is_some();
    session.authorize(HeaderValue::from_static("Basic dTpw"));
    server.put(200, &[], b"[]");
    for status in [401, 403] {
        server.put(status, &[], b"");
    }
    post(&session).await.unwrap();
    for _ in 0..2 {
        assert_eq!(post(&session).await.unwrap_err().kind, FailureKind::Unauthorized);
    }
    assert_eq!([basic(0), basic(1), basic(2)], [true, true, false]);
    session.authorize(HeaderValue::from_static("Basic dTpw"));
    post(&session).await.unwrap();
    session.withhold();
    post(&session).await.unwrap();
    assert_eq!([basic(3), basic(4)], [true, false]);
    let careful = transport(&base, |config| config.basic_on_polls = false).await;
    careful.authorize(HeaderValue::from_static("Basic dTpw"));
    post(&careful).await.unwrap();
    careful.get_me(LIMIT).await.unwrap();
    assert_eq!([basic(5), basic(6)], [false, true]);
}

#[tokio::test]
async fn a_single_meta_message_has_its_type_in_the_url_unless_told_otherwise() {
    let (server, base) = Server::start().await;
    post(&transport(&base, |_| {}).await).await.unwrap();
    post(&transport(&base, |config| config.append_message_type = false).await).await.unwrap();
    assert_eq!(server.paths(), [PLAIN, "/api/v2/notifications"]);
}

#[tokio::test]
async fn what_is_saved_is_put_back_only_for_a_base_url_that_is_still_configured() {
    let (server, base) = Server::start().await;
    let session = transport(&base, |_| {}).await;
    let given = [("set-cookie", "a=1; Path=/"), ("x-csrf-header", "X-CSRF"), ("x-csrf-token", "t")];
    server.put(200, &given, b"{}");
    session.get_me(LIMIT).await.unwrap();
    let saved = session.save();
    let later = transport(&base, |_| {}).await;
    assert!(later.restore(&saved) && later.has_csrf());
    post(&later).await.unwrap();
    assert_eq!(server.header(1, "cookie").as_deref(), Some("a=1"));
    assert_eq!(server.header(1, "x-csrf").as_deref(), Some("t"));
    let moved = transport("http://127.0.0.1:9", |_| {}).await;
    assert!(!moved.restore(&saved) && moved.cookies().is_empty());
}
