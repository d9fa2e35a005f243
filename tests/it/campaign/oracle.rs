//! The simulator in a process of its own, and its truth.
//!
//! Deliberately absent: judgement.

use crate::harness::daemon::{BINARY, Home};
use crate::harness::{eventually, http};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

pub struct Oracle {
    child: Child,
    pub url: String,
    client: reqwest::Client,
}

/// A notification to one user.
pub struct Row {
    pub n: u64,
    pub at: i64,
    pub user: String,
    pub kind: String,
    pub change: String,
    pub medium: &'static str,
    pub conversation: String,
    pub indices: Option<(i64, i64)>,
    pub says: String,
    pub delivered: u64,
    pub sent: u64,
    pub acked: u64,
}

/// A session that ended with its queue, or a reply that did not arrive.
pub struct Loss {
    pub at: i64,
    pub user: String,
    /// Of these the bridge can have heard nothing through this session.
    pub unheard: Vec<u64>,
}

/// A conversation that is over.
pub struct Ended {
    pub medium: String,
    pub id: String,
    pub log: Vec<Value>,
}

pub struct Truth {
    /// As it came, for whoever looks for a cause.
    pub json: Value,
    /// Roster key by user.
    pub agents: BTreeMap<String, String>,
    pub rows: Vec<Row>,
    /// User, from, to; one that still lasts ends when the truth was asked for.
    pub uncovered: Vec<(String, i64, i64)>,
    pub losses: Vec<Loss>,
    /// Moment and user, where there is one.
    pub faults: Vec<(i64, String, String)>,
    pub struck: usize,
    pub ended: Vec<Ended>,
    pub stats: Value,
}

impl Oracle {
    pub fn start(home: &Home, scenario: &str) -> Oracle {
        let path = home.write("scenario.toml", scenario);
        let mut child = Command::new(BINARY)
            .arg("simulate")
            .arg("--scenario")
            .arg(path)
            .arg("--roster-dir")
            .arg(home.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("READY ").unwrap_or_else(|| panic!("the simulator said {line:?}"));
        Oracle { url: url.to_owned(), child, client: http() }
    }

    /// Asked again while a fault of the server is in the way.
    async fn get(&self, path: &str) -> Value {
        let url = format!("{}/simulator/{path}", self.url);
        eventually("the simulator answers", Duration::from_secs(60), || async {
            let text = self.client.get(&url).send().await.ok()?.text().await.ok()?;
            serde_json::from_str(&text).ok()
        })
        .await
    }

    async fn post(&self, path: &str, body: &Value) {
        let url = format!("{}/simulator/{path}", self.url);
        eventually("the simulator obeys", Duration::from_secs(60), || async {
            let reply = self.client.post(&url).body(body.to_string()).send().await.ok()?;
            reply.status().is_success().then_some(())
        })
        .await
    }

    pub async fn day_over(&self) -> bool {
        self.get("truth?limit=1").await["dayOver"] == true
    }

    /// No more faults, and everything stands still.
    pub async fn rest(&self) {
        self.post("pause", &json!({"paused": true})).await;
        self.post("faults", &json!({"fault": "clear"})).await;
    }

    async fn list(&self, path: &str, name: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let page = self.get(&format!("{path}?after={}", all.len())).await;
            assert!(page["forgotten"].as_u64().unwrap_or(0) == 0, "{path} has forgotten");
            let Value::Array(rows) = page[name].clone() else { panic!("{path}: no {name}") };
            if rows.is_empty() {
                return all;
            }
            all.extend(rows);
        }
    }

    pub async fn truth(&self) -> Truth {
        let users = self.get("truth").await["users"].clone();
        let published = self.list("published", "rows").await;
        let ended = self.list("ended", "conversations").await;
        // A session can be lost, and be back, while all this is read.
        let asked = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
        let (losses, faults) = (self.get("losses").await, self.list("struck", "faults").await);
        assert_eq!(losses["forgotten"], 0);
        let (logins, stats) = (self.get("logins").await, self.get("stats").await);
        let agents = users.as_object().unwrap().iter();
        Truth {
            agents: agents.map(|(user, one)| (user.clone(), text(&one["agent"]))).collect(),
            rows: published.iter().map(row).collect(),
            uncovered: each(&losses["uncovered"])
                .map(|one| (text(&one["user"]), number(&one["from"]), one["to"].as_i64().unwrap_or(asked)))
                .filter(|(_, from, to)| from < to)
                .collect(),
            losses: each(&losses["queues"]).map(queue).chain(each(&losses["replies"]).map(reply)).collect(),
            struck: faults.len(),
            ended: ended.iter().map(over).collect(),
            faults: faults
                .iter()
                .map(|one| (number(&one["at"]), text(&one["user"]), text(&one["fault"])))
                .collect(),
            stats,
            json: json!({"users": users, "published": published, "ended": ended, "losses": losses, "faults": faults,
                "logins": logins}),
        }
    }
}

impl Truth {
    pub fn users(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.json["users"].as_object().unwrap().iter()
    }

    /// What was published to a user about a conversation, by both.
    pub fn told(&self) -> HashMap<(&str, &str), Vec<&Row>> {
        let mut out: HashMap<(&str, &str), Vec<&Row>> = HashMap::new();
        for row in self.rows.iter().filter(|row| !row.conversation.is_empty()) {
            out.entry((&row.user, &row.conversation)).or_default().push(row);
        }
        out
    }

    /// User by roster key.
    pub fn user_of(&self) -> HashMap<&str, &str> {
        self.agents.iter().map(|(user, agent)| (agent.as_str(), user.as_str())).collect()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().unwrap().iter()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

fn numbers(value: &Value) -> Vec<u64> {
    each(value).filter_map(Value::as_u64).collect()
}

fn row(one: &Value) -> Row {
    let count = |name: &str| one[name].as_u64().unwrap_or_default();
    let medium = match one["channel"].as_str().unwrap_or_default() {
        "/v2/me/chats" => "chat",
        "/v2/me/facebooksession" => "facebooksession",
        "/v2/me/smssession" => "smssession",
        _ => "agent",
    };
    Row {
        n: count("n"),
        at: number(&one["at"]),
        user: text(&one["user"]),
        kind: text(&one["messageType"]),
        change: text(&one["notificationType"]),
        medium,
        conversation: text(&one["conversation"]),
        indices: one["indices"].as_array().map(|both| (number(&both[0]), number(&both[1]))),
        says: text(&one["says"]),
        delivered: count("deliveredTo"),
        sent: count("sent"),
        acked: count("acked"),
    }
}

fn over(one: &Value) -> Ended {
    Ended { medium: text(&one["medium"]), id: text(&one["id"]), log: each(&one["log"]).cloned().collect() }
}

fn queue(one: &Value) -> Loss {
    Loss { at: number(&one["at"]), user: text(&one["user"]), unheard: numbers(&one["unsent"]) }
}

fn reply(one: &Value) -> Loss {
    let unheard = if one["ack"] == true { Vec::new() } else { numbers(&one["messages"]) };
    Loss { at: number(&one["at"]), user: text(&one["user"]), unheard }
}
