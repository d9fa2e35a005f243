//! Readings against a small HTTP server: what goes out, what is said of a gap, and what no reading may do.

use super::desk::Desk;
use super::*;
use crate::base::health::Health;
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::inbound::accounts::Accounts;
use crate::inbound::dedup::{self, Batch, Contexts, Intake};
use crate::inbound::normalise::{Context, normalise};
use crate::inbound::presence::Presence;
use crate::inbound::session::transport::{Pin, Transport};
use crate::inbound::settings::testing::site as plain_site;
use crate::inbound::site::Site;
use crate::journal::{Config, Known};
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

mod again;
mod forms;
mod holes;
mod routine;

/// Answers by path and query, else by path; what has none is not found.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Rest>>);

#[derive(Default)]
struct Rest {
    answers: HashMap<String, (u16, Value)>,
    asked: Vec<String>,
    /// The next answer at this path says that it was asked for, and waits with what it says at that moment.
    held: Option<(String, Arc<Notify>, Arc<Notify>)>,
}

impl Server {
    fn put(&self, path: &str, status: u16, body: Value) {
        self.0.lock().unwrap().answers.insert(format!("/api/v2/me{path}"), (status, body));
    }

    fn asked(&self, part: &str) -> usize {
        self.0.lock().unwrap().asked.iter().filter(|path| path.contains(part)).count()
    }
}

async fn answer(State(server): State<Server>, uri: Uri) -> (StatusCode, String) {
    let (answer, gate) = {
        let mut rest = server.0.lock().unwrap();
        rest.asked.push(uri.to_string());
        let held = rest.held.take_if(|(path, ..)| path == uri.path());
        let found = rest.answers.get(&uri.to_string()).or_else(|| rest.answers.get(uri.path()));
        let answer = match found {
            Some((status, body)) => (StatusCode::from_u16(*status).unwrap(), body.to_string()),
            None => (StatusCode::NOT_FOUND, r#"{"statusCode":6}"#.to_owned()),
        };
        (answer, held)
    };
    if let Some((_, come, go)) = gate {
        come.notify_one();
        go.notified().await;
    }
    answer
}

struct Bench {
    server: Server,
    site: Site,
    site_name: Arc<str>,
    transport: Transport,
    intake: Intake,
    journal: Journal,
    clock: Clock,
    metrics: Metrics,
    accounts: Accounts,
    presence: Presence,
    _folder: TempDir,
    _paused: watch::Sender<bool>,
}

impl Bench {
    async fn new() -> Bench {
        let server = Server::default();
        let app = axum::Router::new().fallback(answer).with_state(server.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let site_config = SiteConfig {
            base_urls: vec![base.parse().unwrap()],
            requests_per_second: 10_000,
            ..plain_site()
        };
        let site = Site::new(site_config).await.unwrap();
        let folder = TempDir::new().unwrap();
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let config = Config {
            state_dir: folder.path().into(),
            keep_delivered: Duration::from_secs(3600),
            dedup_window: Duration::from_secs(3600),
            reserve_bytes: 1 << 16,
            keep_gaps: Duration::from_secs(3600),
            keep_drafts: Duration::from_secs(3600),
            keep_dead_letters: Duration::from_secs(3600),
            max_dead_letters: 10,
            accept_shortened: false,
        };
        let (clock, metrics, health) = (Clock::manual(1_000_000), Metrics::new().unwrap(), Health::default());
        let journal = Journal::open(config, clock.clone(), metrics.clone(), health.clone()).unwrap().0;
        let (paused, is_paused) = watch::channel(false);
        let (of, none) = (metrics.clone(), Contexts::none());
        let (intake, _) = dedup::start(&journal, clock.clone(), of, health, is_paused, none).unwrap();
        let site = Arc::new(site);
        let transport = Transport::new(site.clone(), Pin::default());
        let bench = Bench {
            server,
            site: Site::new(site.config.clone()).await.unwrap(),
            site_name: "main".into(),
            transport,
            intake,
            journal,
            clock,
            metrics,
            accounts: Accounts::default(),
            presence: Presence::default(),
            _folder: folder,
            _paused: paused,
        };
        bench.server.put("", 200, json!({"statusCode":0,"user":{"userName":"Ann","devices":[{"id":"d1",
            "userState":{"state":"Ready"}}],"channels":[{"channel":"chat","userState":{"state":"NotReady"}}]}}));
        bench.list(json!([{"id":"c1","state":"Chatting"}]));
        bench.log("c1", &[1, 2, 3]);
        bench
    }

    fn list(&self, chats: Value) {
        self.server.put("/chats", 200, json!({"statusCode":0,"chats":chats}));
    }

    fn log(&self, id: &str, indices: &[i64]) {
        let items: Vec<Value> = indices
            .iter()
            .map(|index| json!({"index":index,"type":"Text","text":format!("t{index}")}))
            .collect();
        self.server.put(&format!("/chats/{id}/messages"), 200, json!({"statusCode":0,"messages":items}));
    }

    fn desk(&self) -> Desk<'_> {
        Desk {
            site: &self.site,
            site_name: &self.site_name,
            agent: "1001",
            group: None,
            username: "ann",
            transport: &self.transport,
            intake: &self.intake,
            journal: &self.journal,
            clock: &self.clock,
            accounts: &self.accounts,
            presence: &self.presence,
            metrics: &self.metrics,
            epoch: 1,
            grace: Duration::ZERO,
        }
    }

    async fn read(&self, occasion: Occasion) -> Finding {
        self.desk().read(occasion).await
    }

    async fn start(&self) -> Finding {
        self.read(Occasion::NewSession { gap: None, before: Vec::new() }).await
    }

    /// A notification on the chat channel.
    async fn tell(&self, data: Value) {
        let cx = Context {
            site: &self.site.config,
            agent: "1001",
            users: &self.site.users,
            received: self.clock.now(),
        };
        let raw = RawValue::from_string(data.to_string()).unwrap();
        let candidates = normalise(&cx, "/v2/me/chats", &raw);
        let batch = Batch { candidates, ..Batch::of(&self.site_name, "1001", None, 1) };
        self.intake.store(batch).await.unwrap();
    }

    async fn state(&self, id: &str, state: &str) {
        self.tell(json!({"messageType":"ChatStateChangeMessage","notificationType":"StatusChange",
            "chat":{"id":id,"state":state}}))
            .await;
    }

    async fn say(&self, id: &str, index: i64) {
        self.tell(json!({"messageType":"MessageLogUpdated","notificationType":"NewMessages","chatPath":format!("/chats/{id}"),
            "messages":[{"index":index,"type":"Text","text":format!("t{index}")}]})).await;
    }

    /// Every event in the journal, as `event@subject`, with its data.
    async fn events(&self) -> Vec<(String, Event, Value)> {
        let read = self.journal.read(0, 10_000, 1 << 24).await.unwrap();
        let out = read.events.into_iter().map(|row| row.event);
        out.map(|event| {
            let data = serde_json::from_str(event.data.get()).unwrap();
            (format!("{}@{}", event.event, event.subject), (*event).clone(), data)
        })
        .collect()
    }

    async fn names(&self) -> Vec<String> {
        self.events().await.into_iter().map(|(name, ..)| name).collect()
    }
}

fn gap() -> Gap {
    Gap {
        id: "g1".into(),
        session: "main/1001".into(),
        from: Some(900_000),
        opened: 950_000,
        to: Some(1_000_000),
        cause: "restart".into(),
        certainty: "certain".into(),
        first: 0,
    }
}

fn row(id: &str, last_index: Option<i64>) -> Known {
    let shadow = r#"{"state":"Chatting"}"#.to_owned();
    Known {
        session: "main/1001".into(),
        kind: "chat".into(),
        id: id.into(),
        open: true,
        last_index,
        shadow,
        at: 1,
    }
}

#[tokio::test]
async fn the_first_reading_shows_everything_and_the_second_nothing() {
    let bench = Bench::new().await;
    assert_eq!(bench.start().await, Finding::Repaired { events: 6, open: 1 });
    let events = bench.events().await;
    assert!(events.iter().all(|(_, event, _)| event.origin == Origin::Snapshot));
    let names: Vec<&str> = events.iter().map(|(name, ..)| name.as_str()).collect();
    let messages = ["message@chat/c1"; 3];
    assert_eq!(names[..2], ["state_change@agent/1001/d1", "state_change@agent/1001/chat"]);
    assert_eq!((&names[2..5], names[5]), (&messages[..], "status_change@chat/c1"));
    assert_eq!(events[2].1.id, "main/chat/c1/messages/1");
    assert_eq!(bench.start().await, Finding::Agrees { open: 1 });
}

#[tokio::test]
async fn what_was_read_is_a_repeat_when_it_is_notified() {
    let bench = Bench::new().await;
    bench.start().await;
    let before = bench.names().await.len();
    bench.say("c1", 2).await;
    assert_eq!(bench.names().await.len(), before);
}

#[tokio::test]
async fn a_state_that_was_notified_while_its_list_was_under_way_is_read_again() {
    let bench = Bench::new().await;
    bench.start().await;
    let (come, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    bench.server.0.lock().unwrap().held = Some(("/api/v2/me/chats".into(), come.clone(), go.clone()));
    let meanwhile = async {
        come.notified().await;
        bench.state("c1", "Held").await;
        bench.list(json!([{"id":"c1","state":"Held"}]));
        go.notify_one();
    };
    let (finding, ()) = tokio::join!(bench.start(), meanwhile);
    assert_eq!(finding, Finding::Agrees { open: 1 });
    assert_eq!(bench.server.asked("/chats?"), 3);
    let names = bench.names().await;
    assert_eq!(names.iter().filter(|name| *name == "status_change@chat/c1").count(), 2);
}

#[tokio::test]
async fn a_gap_is_closed_for_each_interaction_with_what_was_recovered() {
    let bench = Bench::new().await;
    bench.list(json!([{"id":"c1","state":"Chatting"},{"id":"c2","state":"Chatting"}]));
    bench.log("c1", &[2, 3, 4]);
    let before = vec![row("c1", Some(2)), row("c2", Some(9)), row("gone", None)];
    let finding = bench.read(Occasion::NewSession { gap: Some(gap()), before }).await;
    assert!(matches!(finding, Finding::Repaired { .. }), "{finding:?}");
    let closed: HashMap<String, Value> = bench
        .events()
        .await
        .into_iter()
        .filter(|(_, event, _)| event.event == "gap")
        .map(|(_, event, data)| {
            assert_eq!(event.partitionkey, format!("main/{}", data["interactionId"].as_str().unwrap()));
            (event.subject, data)
        })
        .collect();
    assert_eq!(closed.len(), 3);
    let all = &closed["chat/c1"];
    assert_eq!(
        (&all["phase"], &all["recovered"], &all["gapid"]),
        (&json!("closed"), &json!("yes"), &json!("g1"))
    );
    assert_eq!((&all["lastIndexBefore"], &all["firstIndexAfter"]), (&json!(2), &json!(3)));
    assert_eq!(closed["chat/c2"]["recovered"], "partly", "its log could not be read");
    assert_eq!(closed["chat/gone"]["recovered"], "partly", "not listed, and no log");
    assert_eq!(bench.server.asked("/chats/c1/messages?startIndex=1&"), 1);
}

#[tokio::test]
async fn a_list_that_can_not_be_read_says_nothing_of_what_has_ended_and_recovers_nothing() {
    let bench = Bench::new().await;
    bench.state("gone", "Chatting").await;
    bench.server.put("/chats", 200, json!({"statusCode":7,"chats":[]}));
    bench.server.put("/chats/gone/messages", 403, json!({"statusCode":5}));
    let before = vec![row("gone", Some(4))];
    let finding = bench.read(Occasion::Continued { gap: gap(), before }).await;
    let why = "the list of chat: HTTP 200 with statusCode 7".to_owned();
    assert_eq!(finding, Finding::Partly { events: 2, why }, "that nothing is open is not known");
    let events = bench.events().await;
    assert!(events.iter().all(|(_, event, _)| event.event != "ended_unseen"));
    let closed = events.iter().find(|(_, event, _)| event.event == "gap").unwrap();
    assert_eq!(closed.2["recovered"], "no");
}

#[tokio::test]
async fn a_singular_path_and_a_list_in_the_users_resource_are_found_as_well() {
    let bench = Bench::new().await;
    bench.server.put(
        "/smssession",
        200,
        json!({"statusCode":0,"smssession":[{"id":"s1","state":"Chatting"}]}),
    );
    bench.server.put(
        "",
        200,
        json!({"statusCode":0,"user":{"userName":"ann",
        "facebooksessions":[{"id":"f1","state":"Chatting"}]}}),
    );
    bench.server.put(
        "/facebooksession/f1/messages",
        200,
        json!({"statusCode":0,"messages":[{"index":1,"type":"Text"}]}),
    );
    assert_eq!(bench.start().await, Finding::Repaired { events: 7, open: 3 });
    let names = bench.names().await;
    for name in
        ["status_change@smssession/s1", "status_change@facebooksession/f1", "message@facebooksession/f1"]
    {
        assert!(names.iter().any(|seen| seen == name), "{name} in {names:?}");
    }
}

#[tokio::test]
async fn another_users_answer_a_refusal_and_a_broken_me_publish_nothing() {
    let bench = Bench::new().await;
    bench.server.put("", 200, json!({"statusCode":0,"user":{"userName":"bob","devices":[{"id":"d1"}]}}));
    assert_eq!(bench.start().await, Finding::LoggedOut);
    bench.server.put("", 403, json!({"statusCode":20}));
    assert_eq!(bench.start().await, Finding::LoggedOut);
    bench.server.put("", 200, json!({"statusCode":4}));
    let finding = bench.read(Occasion::NewSession { gap: Some(gap()), before: vec![row("c1", None)] }).await;
    assert_eq!(finding, Finding::Unread("GET /api/v2/me: HTTP 200 with statusCode 4".into()));
    assert!(bench.names().await.is_empty());
}

#[tokio::test]
async fn a_hole_is_one_reading_of_its_transcript_and_nothing_else() {
    let bench = Bench::new().await;
    bench.say("c1", 1).await;
    bench.say("c1", 3).await;
    let hole =
        crate::inbound::dedup::Hole { medium: "chat".into(), interaction: "c1".into(), from: 2, to: 2 };
    assert_eq!(bench.read(Occasion::Hole(hole)).await, Finding::Repaired { events: 1, open: 1 });
    assert_eq!(bench.names().await.len(), 3);
    assert_eq!(bench.server.0.lock().unwrap().asked.len(), 1);
}

#[tokio::test]
async fn an_id_of_dots_leads_nowhere_and_others_are_encoded() {
    let bench = Bench::new().await;
    bench.list(json!([{"id":"..","state":"Chatting"},{"id":"a/../b?c","state":"Chatting"}]));
    bench.start().await;
    assert_eq!(bench.server.asked("/messages"), 1);
    assert_eq!(bench.server.asked("/chats/a%2F%2E%2E%2Fb%3Fc/messages"), 1);
}

#[test]
fn a_reading_can_run_on_any_thread() {
    fn sent<F: Future + Send>(_: impl Fn(Reader, Occasion) -> F) {}
    sent(|reader, occasion| async move { reconcile(&reader, occasion).await });
}
