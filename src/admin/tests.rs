//! The admin server as its clients see it, over real sockets.

use super::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) const TOKEN: &str = "a-token-of-some-length";

pub(super) struct Server {
    address: SocketAddr,
    health: Health,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

pub(super) fn config(token: Option<&str>) -> Config {
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        token: token.map(SecretString::from),
        limits: Limits::default(),
    }
}

fn state(health: &Health) -> State {
    let status = || Status { version: "9.9.9".into(), ..Status::default() };
    let answer = |question: Question| -> BoxFuture<'static, Result<serde_json::Value, Refusal>> {
        Box::pin(async move {
            match question {
                Question::DeadLetters { letters, limit } => {
                    Ok(serde_json::json!({"sink": letters.sink, "limit": limit}))
                }
                Question::Redrive { letters } => Ok(serde_json::json!({"redriven": letters.sink})),
                Question::Explain { .. } => Err(Refusal::NotFound("no such event".into())),
                _ => Err(Refusal::Unavailable("not now".into())),
            }
        })
    };
    State {
        metrics: Metrics::new().unwrap(),
        health: health.clone(),
        answer: Arc::new(answer),
        status: Arc::new(status),
    }
}

pub(super) async fn started_with(config: Config, answer: Answer) -> Server {
    let (health, stop) = (Health::default(), CancellationToken::new());
    let state = State { answer, ..state(&health) };
    let (address, task) = serve(config, state, stop.clone()).await.unwrap();
    Server { address, health, stop, task }
}

async fn started(config: Config) -> Server {
    let (health, stop) = (Health::default(), CancellationToken::new());
    let (address, task) = serve(config, state(&health), stop.clone()).await.unwrap();
    Server { address, health, stop, task }
}

impl Server {
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
    ) -> (u16, reqwest::header::HeaderMap, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}{path}", self.address);
        let mut request = client.request(method.parse().unwrap(), url);
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, String::from_utf8(response.bytes().await.unwrap().to_vec()).unwrap())
    }

    pub(super) async fn post(&self, path: &str, token: &str, body: String) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(format!("http://{}{path}", self.address)).bearer_auth(token).body(body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(super) async fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.ask("GET", path, None).await;
        (status, body)
    }
}

#[tokio::test]
async fn probes_follow_health_and_never_need_the_token() {
    let server = started(config(Some(TOKEN))).await;
    assert_eq!(server.get("/livez").await, (200, "ok\n".into()));
    assert_eq!(server.get("/readyz").await, (200, "ok\n".into()));
    server.health.set("journal", crate::base::health::Status::Ok);
    server.health.set("sink crm", crate::base::health::Status::Degraded("slow".into()));
    assert_eq!(server.get("/readyz").await.0, 200);
    server.health.set("site main", crate::base::health::Status::Down("no login works".into()));
    assert_eq!(server.get("/readyz").await, (503, "not ready\nsite main: no login works\n".into()));
    let (_, verbose) = server.get("/readyz?verbose").await;
    for line in ["[+] journal: ok", "[~] sink crm: degraded: slow", "[-] site main: down: no login works"] {
        assert!(verbose.contains(line), "{verbose}");
    }
    server.health.beat("writer", Duration::ZERO);
    let (status, body) = server.get("/livez").await;
    assert_eq!(status, 503);
    assert!(body.contains("writer"), "{body}");
}

#[tokio::test]
async fn with_a_token_everything_but_the_probes_needs_it() {
    let server = started(config(Some(TOKEN))).await;
    for path in ["/", "/metrics", "/api/v1/status", "/api/v1/dead-letters", "/api/v1/agents", "/nowhere"] {
        let (status, headers, body) = server.ask("GET", path, None).await;
        assert_eq!(status, 401, "{path}");
        assert!(headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        assert!(body.contains("Authorization: Bearer"), "{body}");
        for wrong in ["Bearer wrong", "Bearer ", "Bearer", TOKEN, "Basic a-token-of-some-length", "é"] {
            assert_eq!(server.ask("GET", path, Some(wrong)).await.0, 401, "{path} {wrong}");
        }
        assert_ne!(server.ask("GET", path, Some(&format!("Bearer {TOKEN}"))).await.0, 401, "{path}");
    }
}

#[tokio::test]
async fn what_acts_or_shows_content_needs_a_token_always() {
    let path = "/api/v1/dead-letters/redrive?sink=crm";
    let open = started(config(None)).await;
    let (status, _, body) = open.ask("POST", path, None).await;
    assert_eq!(status, 403);
    assert!(body.starts_with("This changes something") && body.contains("admin.token"), "{body}");
    let (status, _, body) = open.ask("GET", "/api/v1/dead-letters/17", None).await;
    assert_eq!(status, 403);
    assert!(body.starts_with("This shows what stands in an event") && body.contains("admin.token"), "{body}");
    assert_eq!(open.ask("POST", path, Some("Bearer ")).await.0, 403);
    assert_eq!(open.ask("POST", "/api/v1/erase", None).await.0, 403);
    let guarded = started(config(Some(TOKEN))).await;
    assert_eq!(guarded.ask("POST", path, None).await.0, 401);
    let (status, _, body) = guarded.ask("POST", path, Some(&format!("bearer {TOKEN}"))).await;
    assert_eq!((status, body.as_str()), (200, r#"{"redriven":"crm"}"#));
    let (status, _, body) = guarded.ask("POST", "/api/v1/erase", Some(&format!("Bearer {TOKEN}"))).await;
    assert!(status == 400 && body.contains("expected {"), "{body}");
    assert_eq!(guarded.ask("GET", path, Some(&format!("Bearer {TOKEN}"))).await.0, 405);
}

#[tokio::test]
async fn metrics_are_in_the_text_format() {
    let server = started(config(None)).await;
    let (status, headers, body) = server.ask("GET", "/metrics", None).await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(body.contains("cometbridge_build_info"));
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("cometbridge_") && value.parse::<f64>().is_ok(), "{line}");
    }
}

#[tokio::test]
async fn no_answer_is_kept_or_taken_for_something_else() {
    let server = started(config(None)).await;
    for path in ["/", "/livez", "/metrics", "/nowhere", "/api/v1/explain"] {
        let (_, headers, _) = server.ask("GET", path, None).await;
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
    }
}

#[tokio::test]
async fn an_unknown_path_names_the_known_ones() {
    let server = started(config(None)).await;
    let (status, body) = server.get("/metric").await;
    assert_eq!(status, 404);
    assert!(body.contains("/metrics") && body.contains("/api/v1/dead-letters"), "{body}");
}

#[tokio::test]
async fn the_api_passes_questions_on_and_bounds_them() {
    let server = started(config(None)).await;
    let get = async |path: &str| server.get(path).await;
    assert_eq!(get("/api/v1/dead-letters").await.1, r#"{"limit":100,"sink":null}"#);
    assert_eq!(get("/api/v1/dead-letters?sink=crm&limit=99999").await.1, r#"{"limit":1000,"sink":"crm"}"#);
    assert_eq!(get("/api/v1/dead-letters?limits=1").await.0, 400);
    assert_eq!(get("/api/v1/explain?id=main/a/1").await, (404, r#"{"error":"no such event"}"#.into()));
    assert_eq!(get("/api/v1/agents").await.0, 503);
    let (_, status) = get("/api/v1/status").await;
    assert!(status.contains(r#""version":"9.9.9""#) && status.contains(r#""last_sequence":0"#), "{status}");
}

#[tokio::test]
async fn the_schemas_are_listed_and_served_as_the_command_prints_them() {
    use crate::base::schema;
    let server = started(config(None)).await;
    let (status, list) = server.get("/api/v1/schemas").await;
    let list: Vec<serde_json::Value> = serde_json::from_str(&list).unwrap();
    assert_eq!(status, 200);
    let names: Vec<&str> = list.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, schema::names());
    for one in &list {
        let (status, headers, text) = server.ask("GET", one["path"].as_str().unwrap(), None).await;
        assert_eq!((status, &headers["content-type"]), (200, &"application/schema+json".parse().unwrap()));
        assert_eq!(Some(&text), schema::get(one["name"].as_str().unwrap()).as_ref());
        let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(schema["$id"], one["$id"]);
        assert_eq!(server.get(&format!("/api/v1/schemas/{}", one["$id"].as_str().unwrap())).await.1, text);
    }
    let (status, body) = server.get("/api/v1/schemas/chat.massage").await;
    let said = r#"{"error":"no schema \"chat.massage\"; GET /api/v1/schemas lists them"}"#;
    assert_eq!((status, body.as_str()), (404, said));
    let guarded = started(config(Some(TOKEN))).await;
    for path in ["/api/v1/schemas", "/api/v1/schemas/chat.message"] {
        assert_eq!(guarded.ask("GET", path, None).await.0, 401, "{path}");
        assert_eq!(guarded.ask("GET", path, Some(&format!("Bearer {TOKEN}"))).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn a_client_that_never_ends_its_headers_is_dropped_and_its_place_is_free_again() {
    let limits = Limits { connections: 2, headers: Duration::from_millis(50), ..Limits::default() };
    let server = started(Config { limits, ..config(None) }).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost:").await.unwrap();
    // Both places are taken: this answer comes only after one of them is free.
    assert_eq!(server.get("/livez").await.0, 200);
    let mut rest = Vec::new();
    // Either way of closing will do; what counts is that it ends.
    let _ = silent.read_to_end(&mut rest).await;
    let _ = slow.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
}

#[tokio::test]
async fn a_stop_ends_idle_connections_and_the_server() {
    let server = started(config(None)).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut first = [0u8; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    server.stop.cancel();
    server.task.await.unwrap();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn what_can_not_be_served_safely_is_refused_with_one_clear_message() {
    let health = Health::default();
    let open = Config { listen: ([0, 0, 0, 0], 0).into(), ..config(None) };
    let error = serve(open, state(&health), CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("admin.token"), "{error}");
    let empty = serve(config(Some("")), state(&health), CancellationToken::new()).await.unwrap_err();
    assert!(matches!(empty, Error::EmptyToken));
    let first = started(config(None)).await;
    let again = Config { listen: first.address, ..config(None) };
    let error = serve(again, state(&health), CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&first.address.to_string()), "{error}");
}
