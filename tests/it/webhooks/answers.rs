//! The README's table of answers, row by row, through the built binary: one sink for each answer, all in one daemon.

use super::server::{ASKED, REFUSED, Seen, Server, WORDS};
use crate::harness::certificates::Authority;
use crate::harness::cometd::{Cometd, Kind, Like};
use crate::harness::daemon::{Daemon, Home};
use crate::harness::front::Front;
use crate::harness::sinks::{NOT_BRIDGE, webhook};
use crate::harness::workload::{device, users};
use crate::harness::{eventually, free_port, root};
use rustls::version::TLS13;
use std::collections::BTreeSet;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
/// Events, each of a key of its own.
const EVENTS: usize = 4;
/// The schedule's first wait: longer than it takes until all events are there.
const FIRST: Duration = Duration::from_secs(2);
const CASES: &[&str] = &[
    "200", "slow", "half", "301", "400", "404", "413", "415", "401", "403", "407", "408", "425", "410",
    "429", "429-date", "500", "502", "503", "504", "silent", "reset", "closed", "tls", "dns", "outside",
    "token",
];

struct Row {
    case: String,
    /// What becomes of the event: by default, and with `on_4xx = "dead-letter"`.
    becomes: [String; 2],
    reason: String,
    all_wait: bool,
}

/// Of each row the names before the colon.
fn table() -> Vec<Row> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let table = readme.split("| answer | the event |").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut rows = Vec::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        for case in cells[1].split(':').next().unwrap().split('`').skip(1).step_by(2) {
            rows.push(Row {
                case: case.to_owned(),
                becomes: [cells[2].to_owned(), cells[3].to_owned()],
                reason: cells[4].trim_matches('`').to_owned(),
                all_wait: cells[5] == "yes",
            });
        }
    }
    rows
}

struct Stage {
    server: Server,
    front: Front,
    daemon: Daemon,
}

impl Stage {
    fn sinks(server: &Server, front: &Front, home: &Home) -> String {
        let at = |path: &str| format!("http://127.0.0.1:{}/answer/{path}", server.port);
        let common = format!(
            "retry = {{ initial = \"2s\", max = \"2s\", max_attempts = 100000 }}\nconcurrency = 1\n{NOT_BRIDGE}"
        );
        let mut sinks = String::new();
        for case in CASES {
            let nowhere = format!("http://{}.invalid/", "x".repeat(64));
            let (url, more) = match *case {
                "silent" => (at(case), "timeout = \"2s\"\n".to_owned()),
                "closed" => (format!("http://127.0.0.1:{}/", free_port()), String::new()),
                "tls" => (front.url(), format!("ca = \"{}\"\n", home.path("other.pem").display())),
                "dns" => (nowhere, String::new()),
                "outside" => (
                    at(case).replace("127.0.0.1", "localhost"),
                    "allow_networks = [\"10.0.0.0/8\"]\n".to_owned(),
                ),
                "token" => (
                    at("200"),
                    format!(
                        "auth = {{ oauth2 = {{ token_url = \"{}\", client_id = \"bridge\", client_secret = {{ env = \"CRM_SECRET\" }} }} }}\n",
                        at("500-always")
                    ),
                ),
                _ => (at(case), String::new()),
            };
            sinks += &webhook(&format!("at-{case}"), &url, &format!("{common}{more}"));
            if case.starts_with('4') {
                let url = at(&format!("{case}-always"));
                let dead =
                    webhook(&format!("dead-{case}"), &url, &format!("{common}on_4xx = \"dead-letter\"\n"));
                sinks += &dead;
            }
        }
        sinks
    }

    async fn metric(&self, name: &str, sink: &str, reason: &str) -> usize {
        let labels = match reason {
            "" => format!("{{sink=\"{sink}\"}}"),
            reason => format!("{{reason=\"{reason}\",sink=\"{sink}\"}}"),
        };
        self.daemon.metric(&format!("cometbridge_sink_{name}{labels}")).await as usize
    }

    /// Waits for what the row says of this sink; only ever waited for in full by a test that fails.
    async fn becomes(&self, sink: &str, what: &str, reason: &str) {
        eventually(&format!("{sink}: {what}, {reason}"), LIMIT, || async {
            let delivered = format!("cometbridge_sink_delivered_total{{kind=\"webhook\",sink=\"{sink}\"}}");
            let fine = match what {
                "delivered" => self.daemon.metric(&delivered).await as usize == EVENTS,
                "tried again" => self.metric("retries_total", sink, reason).await > 0,
                "dead letter" => self.metric("dead_letters_total", sink, reason).await == EVENTS,
                what if what.starts_with("the sink ends") => self.metric("ended", sink, "").await == 1,
                other => panic!("the README says {other:?} of {sink}"),
            };
            fine.then_some(())
        })
        .await;
    }

    /// Nothing went wrong for another reason.
    async fn no_other_reason(&self, sink: &str, reason: &str) {
        for line in
            self.daemon.metrics().await.lines().filter(|line| line.contains(&format!("sink=\"{sink}\"")))
        {
            let counts = ["cometbridge_sink_retries_total", "cometbridge_sink_dead_letters_total"];
            if counts.iter().any(|name| line.starts_with(name)) && !line.ends_with(" 0") {
                assert!(line.contains(&format!("reason=\"{reason}\"")), "{line}");
            }
        }
    }
}

/// What was refused was followed by nothing at all for as long as it was asked for, or by another key's event.
fn pauses(row: &Row, seen: &[Seen]) {
    let after = &seen[1];
    if row.all_wait {
        for pair in seen.windows(2).filter(|pair| !pair[0].taken) {
            let waited = pair[1].at.duration_since(pair[0].at);
            assert!(waited >= ASKED, "{}: came again after {waited:?}", row.case);
        }
    } else {
        assert_ne!(seen[0].id, after.id, "{}: another key's event waited", row.case);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_means_what_the_readme_says() {
    let table = table();
    let told: BTreeSet<&str> = table.iter().map(|row| row.case.as_str()).collect();
    assert_eq!(told, CASES.iter().copied().collect(), "the README's table and the cases asked for here");

    let users = users(EVENTS);
    let (home, server) = (Home::new(), Server::start().await);
    home.write_roster(&users);
    let own = Authority::new("the receiver's");
    home.write("other.pem", &Authority::new("another").pem());
    let front = Front::before(server.port, own.server(&["localhost"]).served(None, &[&TLS13])).await;
    let gws = Cometd::start_like(Kind::Simulator, &Like::default(), &users).await;
    home.write_config(&gws.url, &Stage::sinks(&server, &front, &home));
    let mut daemon = home.start();
    daemon.connected(EVENTS).await;
    let batch: Vec<_> = users.iter().map(|user| device(user, 1)).collect();
    gws.publish(&batch).await;

    let stage = Stage { server, front, daemon };
    for row in &table {
        let sink = format!("at-{}", row.case);
        stage.becomes(&sink, &row.becomes[0], &row.reason).await;
        stage.no_other_reason(&sink, &row.reason).await;
        let answered_by_us =
            !matches!(row.case.as_str(), "closed" | "tls" | "dns" | "outside" | "token" | "410");
        if answered_by_us {
            stage.becomes(&sink, "delivered", "").await;
            let seen = stage.server.seen(&row.case);
            let taken: BTreeSet<_> = seen.iter().filter(|one| one.taken).map(|one| &one.id).collect();
            let refused = seen.len() - EVENTS;
            let wanted = if row.becomes[0] == "delivered" { 0 } else { REFUSED };
            // The sinks of `token` and `200` share a path.
            assert_eq!((taken.len(), refused), (EVENTS, wanted), "{}: {seen:?}", row.case);
            if wanted > 0 {
                pauses(row, &seen);
            }
        }
        if row.case.starts_with('4') {
            let sink = format!("dead-{}", row.case);
            stage.becomes(&sink, &row.becomes[1], &row.reason).await;
            stage.no_other_reason(&sink, &row.reason).await;
        }
    }
    for sinks_that_end in ["410", "410-always"] {
        assert_eq!(stage.server.seen(sinks_that_end).len(), 1, "nothing is sent to a receiver that is gone");
    }
    let asked = stage.server.seen("500-always");
    assert!(asked.windows(2).all(|pair| pair[1].at.duration_since(pair[0].at) >= FIRST), "{asked:?}");
    assert_eq!(stage.front.agreed(), 0);
    let shown = stage.daemon.metrics().await + &home.log() + &stage.daemon.ready().await;
    assert!(!shown.contains(WORDS), "the receivers' words: {shown}");
    assert!(stage.daemon.stop().await.success());
    home.log_is_clean(&users);
}
