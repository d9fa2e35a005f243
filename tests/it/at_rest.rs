//! What a later process finds on disk: sessions, sealed where there is a key, and enough to go on with them; nothing of
//! what a site does not collect.

mod left_out;

use crate::harness::cometd::{Cometd, Kind, Like};
use crate::harness::daemon::{Daemon, Home};
use crate::harness::eventually;
use crate::harness::proxy::Proxy;
use crate::harness::receiver::Receiver;
use crate::harness::scene::LIMIT;
use crate::harness::sinks::{BRIDGE, webhook};
use crate::harness::workload;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

const AGENTS: usize = 3;

struct Stage {
    server: Cometd,
    proxy: Proxy,
    home: Home,
    bridge: Receiver,
}

impl Stage {
    async fn set() -> Stage {
        let users = workload::users(AGENTS);
        let like = Like { csrf: true, max_interval: 60_000, ..Like::default() };
        let server = Cometd::start_like(Kind::Java, &like, &users).await;
        let (proxy, bridge, home) =
            (Proxy::before(server.port()).await, Receiver::start().await, Home::new());
        home.write_roster(&users);
        home.write_config(&proxy.url, &webhook("watch", &bridge.url, BRIDGE));
        Stage { server, proxy, home, bridge }
    }

    /// A daemon with all agents connected.
    async fn start(&self, set: &[&str]) -> Daemon {
        let set: Vec<&str> = set.iter().flat_map(|key| ["--set", key]).collect();
        let mut daemon = self.home.start_with(&set);
        daemon.connected(AGENTS).await;
        noted(&self.home, AGENTS).await;
        daemon
    }

    fn key(&self, name: &str, text: &str) -> String {
        format!("state_key={{file=\"{}\"}}", self.home.write(name, text).display())
    }

    /// Client ids, cookies and CSRF tokens that went over the wire.
    fn secrets(&self) -> BTreeSet<String> {
        let mut secrets = self.proxy.cookies("JSESSIONID", "");
        secrets.extend(self.proxy.cookies("BAYEUX_BROWSER", ""));
        for request in self.proxy.passed() {
            secrets.extend(request.csrf);
            let Ok(Value::Array(messages)) = serde_json::from_str(&request.body) else { continue };
            secrets.extend(messages.iter().filter_map(|m| Some(m["clientId"].as_str()?.to_owned())));
        }
        // A session id, a browser, a token and a client id each.
        assert!(secrets.len() >= 4 * AGENTS, "{secrets:?}");
        secrets
    }

    async fn handshakes(&self) -> u64 {
        self.server.stats().await["handshakes"].as_u64().unwrap()
    }

    fn gaps(&self) -> Vec<(String, String)> {
        let events = self.bridge.events();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let opened = events.iter().filter(|event| event["event"] == "gap_opened");
        let mut gaps: Vec<_> = opened.map(|e| (text(&e["agent"]), text(&e["data"]["cause"]))).collect();
        gaps.sort();
        gaps
    }
}

/// Nobody waits for what a session notes of itself: it is on disk a little later.
pub async fn noted(home: &Home, agents: usize) {
    let noted = "SELECT count(*) FROM checkpoint WHERE body LIKE '%\"access\":{%'";
    home.stored("the sessions", &format!("SELECT ({noted}) >= {agents}")).await;
}

/// How often this stands in the files below.
pub fn times(dir: &Path, what: &[u8]) -> usize {
    let files = walkdir::WalkDir::new(dir).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    let count = |bytes: Vec<u8>| bytes.windows(what.len()).filter(|window| *window == what).count();
    files.filter_map(|file| std::fs::read(file.path()).ok()).map(count).sum()
}

/// Of these texts, those that stand in a file below.
fn found(dir: &Path, texts: &BTreeSet<String>) -> Vec<String> {
    let files =
        walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file());
    let contents: Vec<Vec<u8>> = files.map(|file| std::fs::read(file.path()).unwrap()).collect();
    assert!(!contents.is_empty());
    let holds = |text: &String| {
        contents.iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    };
    texts.iter().filter(|text| holds(text)).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_nothing_on_disk_opens_a_session_and_only_the_same_key_goes_on_with_it() {
    let stage = Stage::set().await;
    let key = stage.key("state.key", "a-key-of-this-test-that-nobody-guesses-0123456789\n");
    stage.start(&[&key]).await.kill();
    let secrets = stage.secrets();
    assert_eq!(found(&stage.home.state_dir(), &secrets), Vec::<String>::new());

    let daemon = stage.start(&[&key]).await;
    assert_eq!((stage.handshakes().await, stage.gaps().len()), (3, 0), "the same sessions go on");
    assert_eq!(daemon.metric("cometbridge_session_gaps_total").await, 0.0);
    daemon.kill();
    assert_eq!(found(&stage.home.state_dir(), &stage.secrets()), Vec::<String>::new());

    let other = stage.key("other.key", "another-key-of-this-test-that-nobody-guesses-0123\n");
    let daemon = stage.start(&[&other]).await;
    assert_eq!(stage.handshakes().await, 6, "new sessions");
    let wanted: Vec<_> =
        ["1001", "1002", "1003"].map(|agent| (agent.to_owned(), "restart".to_owned())).into();
    eventually("the gaps are told", LIMIT, || async { (stage.gaps() == wanted).then_some(()) }).await;
    stage.home.logged(&["WARN", "agents=3", "another state_key"]).await;
    assert!(daemon.stop().await.success());
    stage.home.log_is_clean(&workload::users(AGENTS));
    let log = stage.home.log();
    assert!(!stage.secrets().iter().any(|secret| log.contains(secret)), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_sessions_go_on_as_well_and_the_directory_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let stage = Stage::set().await;
    stage.start(&["site.main.subscribe=[\"agent-states\"]"]).await.kill();
    let channels = |user: &Value| user["channels"].as_array().unwrap().len();
    let few = channels(&stage.server.sessions().await["users"]["user-000"]);
    let clients: BTreeSet<String> = stage.secrets();
    assert!(
        !found(&stage.home.state_dir(), &clients).is_empty(),
        "so the test before looks at the right place"
    );
    for entry in walkdir::WalkDir::new(stage.home.state_dir()) {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", entry.path().display());
    }

    // More is wanted now: asked for within the session that goes on.
    let daemon = stage.start(&["site.main.subscribe=[\"agent-states\",\"conversations\"]"]).await;
    eventually("all are subscribed to more", LIMIT, || async {
        let sessions = stage.server.sessions().await;
        let users = sessions["users"].as_object().unwrap();
        users.values().all(|user| channels(user) > few).then_some(())
    })
    .await;
    assert_eq!((stage.handshakes().await, stage.gaps().len()), (3, 0));
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_could_be_guessed_is_refused() {
    let home = crate::cli::good_home("[sink.stdout.console]\nprivacy = \"full\"\n");
    let key = home.write("state.key", "short\n").display().to_string();
    let set = format!("state_key={{file=\"{key}\"}}");
    for command in ["run", "check"] {
        let (code, _, stderr) = Daemon::asked(&home, &[command, "--set", &set]).await;
        assert_eq!(code, 78, "{stderr}");
        assert!(stderr.contains("state_key: ") && stderr.contains(&key), "{stderr}");
        assert!(stderr.contains("5 characters are too few; put at least 16 there"), "{stderr}");
    }
}
