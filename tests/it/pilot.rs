//! `cometbridge pilot` against simulated sites: what its sheet says, and what it leaves alone.

use crate::harness::daemon::{Daemon, Home};
use crate::harness::{eventually, http};
use crate::live::Running;
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

struct Stage {
    _server: Running,
    url: String,
    home: Home,
}

impl Stage {
    /// A day of three agents that begins when the pilot listens; `server` and `day` are further lines of its file.
    fn start(server: &str, day: &str) -> Stage {
        let home = Home::new();
        let scenario =
            format!("agents = 3\n[server]\ntimeout = \"1s\"\n{server}[day]\nwait_for_sessions = 1\n{day}");
        let scenario = home.write("scenario.toml", &scenario).display().to_string();
        let dir = home.dir.path().display().to_string();
        let mut server = Running::start(&["simulate", "--scenario", &scenario, "--roster-dir", &dir]);
        let url = server.line().trim().strip_prefix("READY ").unwrap().to_owned();
        // No sink at all.
        home.write_config(&url, "");
        Stage { _server: server, url, home }
    }

    /// Exit code, the sheet as JSON, the sheet as text.
    async fn pilot(&self, length: &str) -> (i32, Value, String) {
        let out = self.home.path("sheet.md").display().to_string();
        let arguments = ["pilot", "--site", "main", "--agent", "1", "--for", length, "--aftermath", "1s"];
        let more = ["--json", "--out", &out];
        let all: Vec<&str> = arguments.into_iter().chain(more).collect();
        let (code, stdout, stderr) = Daemon::asked(&self.home, &all).await;
        let sheet: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}\n{stderr}"));
        let text = std::fs::read_to_string(out).unwrap();
        self.nothing_personal(&(stdout + &text + &stderr)).await;
        let stats = self.get("stats").await;
        assert_eq!((&stats["foreignPosts"], &stats["clientPublishes"]), (&json!(0), &json!(0)));
        assert!(!self.home.state_dir().exists(), "nothing is stored");
        (code, sheet, text)
    }

    /// When the pilot listens, REST shows a conversation that nobody was told of.
    async fn plant(&self, list: &str) {
        self.heard().await;
        let value = json!([{"id": "000PLANTED", "state": "Chatting"}]);
        self.post("resources", &json!({"user": "agent-1", "path": list, "value": value})).await;
    }

    async fn heard(&self) {
        eventually("the pilot listens", LIMIT, || async {
            (self.get("stats").await["held"] == 1).then_some(())
        })
        .await;
    }

    async fn post(&self, path: &str, body: &Value) {
        let url = format!("{}/simulator/{path}", self.url);
        let answer = http().post(url).body(body.to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}");
    }

    async fn get(&self, path: &str) -> Value {
        let answer = http().get(format!("{}/simulator/{path}", self.url)).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// Neither a user name nor a text of a conversation.
    async fn nothing_personal(&self, said: &str) {
        for user in ["agent-1", "agent-2", "agent-3", "simulated"] {
            assert!(!said.contains(user), "{user} in {said}");
        }
        let mut texts = Vec::new();
        for truth in [self.get("truth").await, self.get("ended").await] {
            collect(&truth, &mut texts);
        }
        for text in texts.iter().filter(|text| text.len() >= 8) {
            assert!(!said.contains(text.as_str()), "{text} in {said}");
        }
    }
}

/// All texts of log items.
fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if ["text", "nickname"].contains(&name.as_str()) => {
                        into.push(text.clone())
                    }
                    other => collect(other, into),
                }
            }
        }
        _ => {}
    }
}

const BUSY: &str = "speed = 60.0\nconversations_per_hour = 90.0\nstates_per_hour = 60.0\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_works_is_a_go() {
    let stage = Stage::start("", BUSY);
    let (code, sheet, text) = stage.pilot("12s").await;
    assert_eq!((code, &sheet["verdict"], &sheet["reasons"]), (0, &json!("go"), &json!([])), "{text}");
    assert!(text.starts_with("# Pilot of site main, agent 1: GO\n\n|  |  |\n"), "{text}");
    assert_eq!(
        (&sheet["ack"], &sheet["handshakes"], &sheet["relogins"]),
        (&json!(true), &json!(1), &json!(0))
    );
    assert_eq!(sheet["login"], json!(["JSESSIONID", "BAYEUX_BROWSER"]));
    assert!(sheet["notifications"].as_object().is_some_and(|kinds| !kinds.is_empty()), "{sheet}");
    assert_eq!((&sheet["untold"], &sheet["refused"], &sheet["lost"]), (&json!({}), &json!({}), &json!({})));
    assert!(sheet["looks"].as_u64().unwrap() >= 3 && sheet["version"] == "8.5.202.96", "{sheet}");
    let stats = stage.get("stats").await;
    let of =
        ["logins", "handshakes", "disconnects", "liveSessions"].map(|name| stats[name].as_u64().unwrap());
    assert_eq!(of, [1, 1, 1, 0], "it came once, and it said farewell");
}

/// REST shows a conversation that the session was never told of, as where another node serves it.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_session_is_a_no_go() {
    let stage = Stage::start("", "conversations_per_hour = 0.0\nstates_per_hour = 0.0\n");
    let ((code, sheet, text), ()) = tokio::join!(stage.pilot("12s"), stage.plant("chats"));
    assert_eq!(
        (code, &sheet["verdict"], &sheet["untold"]),
        (1, &json!("no-go"), &json!({"chat": 1})),
        "{text}"
    );
    assert!(
        text.starts_with(
            "# Pilot of site main, agent 1: NO-GO\n\n* REST showed changes that no notification told"
        ),
        "{text}"
    );
    assert!(text.contains("| in REST only | chat 1 |"), "{text}");
    assert!(!text.contains("PLANTED"), "{text}");
}

/// The server shows such sessions under their own path only, as it is documented.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_deaf_to_one_medium_is_a_no_go_wherever_rest_shows_it() {
    let server = "sessions_in_me = false\n";
    let stage = Stage::start(server, "conversations_per_hour = 0.0\nstates_per_hour = 0.0\n");
    let ((code, sheet, text), ()) = tokio::join!(stage.pilot("12s"), stage.plant("facebooksessions"));
    assert_eq!(
        (code, &sheet["verdict"], &sheet["untold"]),
        (1, &json!("no-go"), &json!({"facebooksession": 1})),
        "{text}"
    );
    assert_eq!((&sheet["unlisted"], &sheet["unread"]), (&json!([]), &Value::Null), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_can_not_be_read_is_no_look_and_leaves_it_undecided() {
    let stage = Stage::start("", BUSY);
    let broken = json!({"user": "agent-1", "path": "smssessions", "value": {"no": "list"}});
    stage.post("resources", &broken).await;
    let (code, sheet, text) = stage.pilot("4s").await;
    assert_eq!((code, &sheet["verdict"], &sheet["looks"]), (3, &json!("undecided"), &json!(0)), "{text}");
    let unread = sheet["unread"].as_str().unwrap();
    assert_eq!(unread, "the list of smssession: the reply holds no such list");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_fails_in_passing_is_tried_again_and_is_no_refusal() {
    let stage = Stage::start("", BUSY);
    let trouble = async {
        stage.heard().await;
        let once = json!({"fault": "status", "user": "agent-1", "status": 503, "on": "rest", "count": 1});
        stage.post("faults", &once).await;
        stage.post("faults", &json!({"fault": "expire", "user": "agent-1"})).await;
    };
    let ((code, sheet, text), ()) = tokio::join!(stage.pilot("24s"), trouble);
    assert_eq!(
        (code, &sheet["relogins"], &sheet["login"]),
        (3, &json!(1), &json!(["JSESSIONID", "BAYEUX_BROWSER"])),
        "{text}"
    );
    assert!(text.contains("GET /api/v2/me answered HTTP 503"), "{text}");
    assert!(!text.contains("there was no login"), "{text}");
    let stats = stage.get("stats").await;
    assert_eq!((&stats["logins"], &stats["refusedLogins"]), (&json!(2), &json!(0)), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_there_is_no_login_nothing_else_is_asked_for() {
    let stage = Stage::start("", BUSY);
    let trouble = async {
        stage.heard().await;
        let all = json!({"fault": "status", "user": "agent-1", "status": 503, "on": "rest", "count": 1000});
        stage.post("faults", &all).await;
        stage.post("faults", &json!({"fault": "expire", "user": "agent-1"})).await;
    };
    // There would be four looks.
    let ((code, sheet, text), ()) = tokio::join!(stage.pilot("16s"), trouble);
    assert_eq!((code, &sheet["verdict"], &sheet["relogins"]), (3, &json!("undecided"), &json!(0)), "{text}");
    assert!(text.contains("GET /api/v2/me answered HTTP 503"), "{text}");
    assert_eq!(&sheet["after"]["error"], "there was no login any more", "{text}");
    assert_eq!(stage.get("stats").await["refusedLogins"], 0, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_running_daemon_knows_to_be_refused_is_not_tried_again_unless_told() {
    let stage = Stage::start("lock_after = 3\n", BUSY);
    stage
        .home
        .write("passwords.csv", "username,password\nagent-1,wrong\nagent-2,simulated\nagent-3,simulated\n");
    stage.home.write_config(&stage.url, "[sink.stdout.console]\nprivacy = \"no-content\"\n");
    let mut daemon = stage.home.start();
    let refused = "cometbridge_session_standing{site=\"main\",standing=\"refused\"";
    daemon.until(refused, LIMIT, |n| n == 1.0).await;
    let out = stage.home.path("sheet.md").display().to_string();
    let asked =
        ["pilot", "--site", "main", "--agent", "1", "--for", "2s", "--aftermath", "1s", "--out", &out];
    let (code, _, stderr) = Daemon::asked(&stage.home, &asked).await;
    assert!(code == 1 && stderr.contains("has a refused login of this agent on record"), "{stderr}");
    assert!(stderr.contains("--again tries all the same"), "{stderr}");
    assert!(!stage.home.path("sheet.md").exists(), "no sheet without a trial");
    assert_eq!(stage.get("stats").await["refusedLogins"], 1, "by the daemon");
    let again: Vec<&str> = asked.into_iter().chain(["--again"]).collect();
    let (code, _, stderr) = Daemon::asked(&stage.home, &again).await;
    assert!(code == 1 && stderr.contains("no-go"), "{stderr}");
    assert_eq!(stage.get("stats").await["refusedLogins"], 2, "one try more");
    assert!(daemon.stop().await.success());

    // What it knew is known without it.
    let (code, _, stderr) = Daemon::asked(&stage.home, &asked).await;
    assert!(code == 1 && stderr.contains("a refused login of this agent is on record"), "{stderr}");
    assert!(stderr.contains("--again tries all the same") && !stderr.contains("by itself"), "{stderr}");
    // And what a trial meets is known to the next one.
    stage.home.write("passwords.csv", "username,password\nagent-1,wrong\nagent-2,wrong\nagent-3,simulated\n");
    let other: Vec<&str> = asked.into_iter().map(|word| if word == "1" { "2" } else { word }).collect();
    let (code, _, stderr) = Daemon::asked(&stage.home, &other).await;
    assert!(code == 1 && stderr.contains("no-go"), "{stderr}");
    let (code, _, stderr) = Daemon::asked(&stage.home, &other).await;
    assert!(code == 1 && stderr.contains("a refused login of this agent is on record"), "{stderr}");
    assert_eq!(stage.get("stats").await["refusedLogins"], 3, "once each");
}

/// A person who has seen enough, or a shell that is closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_the_trial_with_a_sheet_and_a_second_one_without() {
    let stage = Stage::start("", BUSY);
    let out = stage.home.write("sheet.md", "an earlier sheet\n").display().to_string();
    let config = stage.home.config().display().to_string();
    let asked = |aftermath| {
        let whom =
            ["pilot", "--config", &config, "--site", "main", "--agent", "1", "--for", "10m", "--out", &out];
        Running::start(&[&whom[..], &["--aftermath", aftermath]].concat())
    };
    let sheet = || std::fs::read_to_string(&out).unwrap();
    let mut pilot = asked("60s");
    stage.heard().await;
    assert_eq!(sheet(), "an earlier sheet\n");
    pilot.interrupt();
    eventually("it says farewell", LIMIT, || async {
        (stage.get("stats").await["disconnects"] == 1).then_some(())
    })
    .await;
    pilot.interrupt();
    assert_eq!(pilot.ended().await.code(), Some(1), "{}", pilot.stderr());
    assert_eq!(sheet(), "an earlier sheet\n");
    assert!(!stage.home.path("sheet.md.new").exists());

    let mut pilot = asked("1s");
    stage.heard().await;
    pilot.interrupt();
    assert!(matches!(pilot.ended().await.code(), Some(0 | 3)), "{}", pilot.stderr());
    assert!(pilot.stderr().contains("this takes 10m, and about 1s more"), "{}", pilot.stderr());
    let sheet = sheet();
    assert!(
        sheet.starts_with("# Pilot of site main") && !sheet.contains("| agent after | not read"),
        "{sheet}"
    );
    assert_eq!(stage.get("stats").await["disconnects"], 2, "it said farewell");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_a_no_go_after_one_try() {
    let stage = Stage::start("lock_after = 3\n", BUSY);
    stage.home.write("passwords.csv", "username,password\nagent-1,wrong\nagent-2,x\nagent-3,x\n");
    let (code, sheet, text) = stage.pilot("12s").await;
    assert_eq!((code, &sheet["verdict"]), (1, &json!("no-go")), "{text}");
    assert!(text.contains("* there was no login: the server refused user name and password"), "{text}");
    assert!(sheet["login"]["error"].is_string() && sheet["ended"].as_str() >= sheet["began"].as_str());
    let stats = stage.get("stats").await;
    let of = ["refusedLogins", "logins", "handshakes"].map(|name| stats[name].as_u64().unwrap());
    assert_eq!(of, [1, 0, 0], "one try");
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_are_refused_are_listed_with_the_servers_code() {
    let stage = Stage::start(
        "denied_channels = [\"/v2/me/chats\"]\n",
        &format!("{BUSY}media = {{ chat = 0, facebook = 1, sms = 1 }}\n"),
    );
    let (code, sheet, text) = stage.pilot("4s").await;
    assert_eq!(code, 0, "{text}");
    let refused = sheet["refused"].as_object().unwrap();
    assert_eq!(refused.keys().collect::<Vec<_>>(), ["/v2/me/chats"], "{sheet}");
    assert!(refused["/v2/me/chats"].as_str().unwrap().starts_with("403::"), "{sheet}");
    assert!(text.contains("| topics refused | /v2/me/chats (403::"), "{text}");
    let (code, _, stderr) = Daemon::asked(&stage.home, &["pilot", "--site", "nowhere", "--agent", "1"]).await;
    assert!(code == 78 && stderr.contains("no such site; configured: main"), "{stderr}");
    let (code, _, stderr) = Daemon::asked(&stage.home, &["pilot", "--site", "main", "--agent", "9"]).await;
    assert!(code == 78 && stderr.contains("--agent \"9\": no line"), "{stderr}");
    stage.home.write("agents.csv", "agent,username,exclude\n1,agent-1,yes\n2,agent-2,\n");
    let (code, _, stderr) = Daemon::asked(&stage.home, &["pilot", "--site", "main", "--agent", "1"]).await;
    assert!(code == 78 && stderr.contains("excludes it (column exclude)"), "{stderr}");
}
