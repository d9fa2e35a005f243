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
}

/// One record as the independent client read it.
#[derive(Clone, Debug)]
pub struct Record {
    pub key: String,
    pub headers: Value,
    pub value: String,
}

impl Kafka {
    /// Starts a broker with nothing in it and waits until it answers.
    pub async fn start() -> Kafka {
        let dir = tempfile::tempdir().unwrap();
        let mut kafka = Kafka { child: None, dir, port: free_port(), controller: free_port() };
        kafka.up().await;
        kafka
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

    /// Ends it as an operator would: SIGTERM, then waits.
    pub async fn down(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        let ended = tokio::task::spawn_blocking(move || child.wait());
        tokio::time::timeout(Duration::from_secs(60), ended).await.expect("Kafka ends").unwrap().unwrap();
    }

    /// Everything in a topic, read until `expect` records are there (or nothing new comes for `idle`).
    pub async fn read(&self, topic: &str, expect: usize, idle: Duration) -> Vec<Record> {
        let output = tokio::process::Command::new(python())
            .arg(root().join("tests/peers/kafka_read.py"))
            .args(["--brokers", &self.brokers(), "--topic", topic])
            .args(["--expect", &expect.to_string(), "--max-idle", &idle.as_secs().to_string()])
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
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
