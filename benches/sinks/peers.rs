//! What the sinks deliver to, and what Linux and HTTP say of a process.
//!
//! Deliberately absent: looking at what arrives.

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Ends its process when it goes.
pub struct Running {
    child: Child,
    /// Kept open: who prints into a closed pipe fails.
    _stdout: Option<BufReader<ChildStdout>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub fn spawn(command: &mut Command) -> Running {
        Running { child: command.spawn().unwrap(), _stdout: None }
    }

    /// Starts it and waits for its first line.
    pub fn with_line(command: &mut Command) -> (Running, String) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        (Running { child, _stdout: Some(stdout) }, line.trim().to_owned())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// A receiver that takes everything, in a process of its own; its URL.
pub fn receiver() -> (Running, String) {
    Running::with_line(Command::new(std::env::current_exe().unwrap()).arg("--receiver"))
}

/// That process.
pub fn receive() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("http://{}/hook", listener.local_addr().unwrap());
        let app = Router::new().route("/hook", post(|_: Bytes| async {}));
        axum::serve(listener, app).await.unwrap();
    });
}

/// One broker of the tests.
pub struct Kafka {
    _running: Running,
    _dir: tempfile::TempDir,
    pub brokers: String,
}

impl Kafka {
    pub fn start() -> Kafka {
        let dir = tempfile::tempdir().unwrap();
        let free =
            || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let (port, controller) = (free(), free());
        let mut command = Command::new(scripts().join("kafka.sh"));
        command.arg("start").arg(dir.path().join("data")).args([&port, &controller]);
        let running = Running::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()));
        let kafka = Kafka { _running: running, _dir: dir, brokers: format!("127.0.0.1:{port}") };
        kafka.python("kafka_ready.py", &["--timeout", "90"]);
        kafka
    }

    /// Makes topics.
    pub fn prepare(&self, topics: &[&str]) {
        let named: Vec<&str> = topics.iter().flat_map(|topic| ["--topic", topic]).collect();
        self.python("kafka_admin.py", &named);
    }

    fn python(&self, script: &str, arguments: &[&str]) {
        let cache = std::env::var_os("COMETBRIDGE_PEERS").map(PathBuf::from).or_else(|| {
            let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
            cache.map(|cache| cache.join("cometbridge/peers"))
        });
        let python = cache.unwrap().join("python/bin/python");
        let mut command = Command::new(python);
        command.arg(scripts().join(script)).args(["--brokers", &self.brokers]).args(arguments);
        let output = command.output().expect("the peers are set up: tests/peers/setup.sh");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn scripts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

/// Processor time of all threads of a process.
pub fn cpu(pid: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of = |path: PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    Duration::from_nanos(tasks.flatten().map(|task| of(task.path())).sum())
}

/// A plain GET on loopback, without a client library.
pub fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

pub fn wait(what: &str, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(300), "waited in vain: {what}");
    }
}
