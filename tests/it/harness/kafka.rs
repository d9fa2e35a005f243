//! Apache Kafka in KRaft mode, one node, and the client that reads it (not ours).

use super::{free_port, python, root};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Mutex;

pub struct Kafka {
    child: Option<Child>,
    dir: tempfile::TempDir,
    port: u16,
    controller: u16,
    /// Settings above those of `kafka.sh`, and options of the format.
    more: Option<(PathBuf, Vec<String>)>,
}

/// One record as the independent client read it.
#[derive(Clone, Debug)]
pub struct Record {
    pub partition: i64,
    pub key: String,
    pub headers: Value,
    pub value: String,
}

impl Kafka {
    /// Starts a broker with nothing in it and waits until it answers.
    pub async fn start() -> Kafka {
        let dir = tempfile::tempdir().unwrap();
        let mut kafka = Kafka { child: None, dir, port: free_port(), controller: free_port(), more: None };
        kafka.up().await;
        kafka
    }

    /// The same with more settings, made of its port and its controller's, and with options of the format.
    pub async fn start_with(settings: impl Fn(u16, u16) -> String, options: &[&str]) -> Kafka {
        let dir = tempfile::tempdir().unwrap();
        let (port, controller) = (free_port(), free_port());
        let file = dir.path().join("more.properties");
        std::fs::write(&file, settings(port, controller)).unwrap();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut kafka = Kafka { child: None, dir, port, controller, more: Some((file, options)) };
        kafka.up().await;
        kafka
    }

    /// Makes topics, and gives rights as (principal, operation, topic).
    pub async fn prepare(&self, topics: &[&str], rights: &[(&str, &str, &str)]) {
        let mut command = tokio::process::Command::new(python());
        command.arg(root().join("tests/peers/kafka_admin.py")).args(["--brokers", &self.brokers()]);
        for topic in topics {
            command.args(["--topic", topic]);
        }
        for (principal, operation, topic) in rights {
            command.args(["--allow", principal, operation, topic]);
        }
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes the topics and gives the rights that `cometbridge topics --json` has printed, and no other.
    pub async fn provide(&self, needs: &str) {
        let file = self.dir.path().join("needs.jsonl");
        std::fs::write(&file, needs).unwrap();
        let mut command = tokio::process::Command::new(python());
        command.arg(root().join("tests/peers/kafka_admin.py")).args(["--brokers", &self.brokers()]);
        let output = command.arg("--needs").arg(&file).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Which partitions of a topic the Java client gives these keys; it writes a record for each.
    pub async fn partitions_by_java(&self, topic: &str, keys: &[Vec<u8>]) -> Vec<i64> {
        use tokio::io::AsyncWriteExt;
        let mut child = tokio::process::Command::new("java")
            .arg("-cp")
            .arg(super::peers_cache().join("kafka/lib/*"))
            .arg(root().join("tests/peers/kafka/Partitions.java"))
            .args([&self.brokers(), topic])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let hex = |key: &Vec<u8>| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
        let lines: String = keys.iter().map(hex).collect();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).lines().map(|line| line.parse().unwrap()).collect()
    }

    /// One broker for all tests that run at the same time and only need a topic of their own.
    pub async fn shared() -> Arc<Kafka> {
        static SHARED: Mutex<Weak<Kafka>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(kafka) = shared.upgrade() {
            return kafka;
        }
        let kafka = Arc::new(Kafka::start().await);
        *shared = Arc::downgrade(&kafka);
        kafka
    }

    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it (again) on the same data.
    pub async fn up(&mut self) {
        let child = Command::new(root().join("tests/peers/kafka.sh"))
            .arg("start")
            .arg(self.data())
            .args([self.port.to_string(), self.controller.to_string()])
            .args(self.more.iter().map(|(file, _)| file))
            .args(self.more.iter().flat_map(|(_, options)| options))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("Kafka starts: run tests/peers/setup.sh");
        self.child = Some(child);
        let brokers = self.brokers();
        let ready = tokio::process::Command::new(python())
            .arg(root().join("tests/peers/kafka_ready.py"))
            .args(["--brokers", &brokers, "--timeout", "90"])
            .output()
            .await
            .unwrap();
        assert!(
            ready.status.success(),
            "Kafka: {}{}",
            String::from_utf8_lossy(&ready.stdout),
            String::from_utf8_lossy(&ready.stderr)
        );
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Copies its data as it is while it is down; with `back` the copy takes the place of what came since.
    pub fn snapshot(&self, back: bool) {
        let (data, copy) = (self.data(), self.dir.path().join("copy"));
        let (from, to) = if back { (copy, data) } else { (data, copy) };
        let _ = std::fs::remove_dir_all(&to);
        let status = Command::new("cp").arg("-a").args([&from, &to]).status().unwrap();
        assert!(self.child.is_none() && status.success());
    }

    /// Ends it as an operator would: SIGTERM, then waits.
    pub async fn down(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        let ended = tokio::task::spawn_blocking(move || child.wait());
        tokio::time::timeout(Duration::from_secs(60), ended).await.expect("Kafka ends").unwrap().unwrap();
    }

    /// Everything in a topic, read until `expect` records are there (or nothing new comes for `idle`).
    ///
    /// A reader that found too little is asked once more, with more patience: what is missing then is not there.
    pub async fn read(&self, topic: &str, expect: usize, idle: Duration) -> Vec<Record> {
        let first = self.read_once(topic, Some(expect), idle).await;
        if first.len() >= expect {
            return first;
        }
        let again = self.read_once(topic, Some(expect), idle * 2).await;
        println!("reading {topic}: {} of {expect} records, then {}", first.len(), again.len());
        again
    }

    /// Everything in a topic, until nothing new comes for `idle`.
    pub async fn read_all(&self, topic: &str, idle: Duration) -> Vec<Record> {
        self.read_once(topic, None, idle).await
    }

    async fn read_once(&self, topic: &str, expect: Option<usize>, idle: Duration) -> Vec<Record> {
        let output = tokio::process::Command::new(python())
            .arg(root().join("tests/peers/kafka_read.py"))
            .args(["--brokers", &self.brokers(), "--topic", topic])
            .args(["--max-idle", &idle.as_secs().to_string()])
            .args(expect.map(|expect| format!("--expect={expect}")))
            .output()
            .await
            .unwrap();
        if !output.status.success() {
            println!("reading {topic}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let text_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        text.lines()
            .map(|line| {
                let record: Value = serde_json::from_str(line).unwrap();
                Record {
                    partition: record["partition"].as_i64().unwrap(),
                    key: text_of(&record["key"]),
                    headers: record["headers"].clone(),
                    value: text_of(&record["value"]),
                }
            })
            .collect()
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // What failed may be the broker's doing, and its log goes with its directory.
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.data().join("broker.log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(40).collect();
            println!("broker log, last line first:\n{}", last.join("\n"));
        }
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
