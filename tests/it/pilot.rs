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
    let (code, sheet, text) = stage.pilot("8s").await;
    assert_eq!((code, &sheet["verdict"], &sheet["reasons"]), (0, &json!("go"), &json!([])), "{text}");
    assert!(text.starts_with("# Pilot of site main, agent 1: GO\n\n|  |  |\n"), "{text}");
    assert_eq!(
        (&sheet["ack"], &sheet["handshakes"], &sheet["relogins"]),
        (&json!(true), &json!(1), &json!(0))
    );
    assert_eq!(sheet["login"], json!(["JSESSIONID"]));
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
    let plant = async {
        eventually("the pilot listens", LIMIT, || async {
            (stage.get("stats").await["held"] == 1).then_some(())
        })
        .await;
        let chat =
            json!({"user": "agent-1", "path": "chats", "value": [{"id": "000PLANTED", "state": "Chatting"}]});
        let planted =
            http().post(format!("{}/simulator/resources", stage.url)).body(chat.to_string()).send().await;
        assert!(planted.unwrap().status().is_success());
    };
    let ((code, sheet, text), ()) = tokio::join!(stage.pilot("6s"), plant);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_a_no_go_after_one_try() {
    let stage = Stage::start("lock_after = 3\n", BUSY);
    stage.home.write("passwords.csv", "username,password\nagent-1,wrong\nagent-2,x\nagent-3,x\n");
    let (code, sheet, text) = stage.pilot("8s").await;
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
    assert!(code == 78 && stderr.contains("--agent \"9\""), "{stderr}");
}
