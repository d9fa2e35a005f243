//! The built binary as an operator runs it: a configuration file, a process, its output, its admin port.

use super::{eventually, free_port, http};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Signs webhooks of the tests; `env = "CRM_SECRET"`.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// How long anything may take to be on disk, or in the log; only ever waited for in full by a test that fails.
const STORED: Duration = Duration::from_secs(90);

pub const BINARY: &str = env!("CARGO_BIN_EXE_cometbridge");

/// A directory with everything a daemon needs; it outlives the processes started in it.
pub struct Home {
    pub dir: tempfile::TempDir,
    pub admin_port: u16,
    /// Of the admin server, where it has one; before `write_config`.
    pub token: Option<&'static str>,
    /// What stdout of every process started here said, in order.
    pub stdout: Arc<Mutex<Vec<String>>>,
    pub stderr: Arc<Mutex<Vec<String>>>,
    /// The same stdout, by process, oldest first.
    outputs: Mutex<Vec<Output>>,
}

/// Stdout of one process, and who reads it.
struct Output {
    lines: Lines,
    reader: Option<std::thread::JoinHandle<()>>,
}

type Lines = Arc<Mutex<Vec<String>>>;

impl Home {
    pub fn new() -> Home {
        Home {
            dir: tempfile::tempdir().unwrap(),
            admin_port: free_port(),
            token: None,
            stdout: Arc::default(),
            stderr: Arc::default(),
            outputs: Mutex::default(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file that only its owner can read.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let _ = fs::remove_file(&path);
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        path
    }

    pub fn config(&self) -> PathBuf {
        self.path("cometbridge.toml")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    /// `agent,username` lines and a bundle with the peers' password rule (`pw-<user>`).
    pub fn write_roster(&self, users: &[String]) {
        let mut roster = String::from("agent,username\n");
        let mut bundle = String::from("username,password\n");
        for (number, user) in users.iter().enumerate() {
            let _ = writeln!(roster, "{},{user}", 1001 + number);
            let _ = writeln!(bundle, "{user},pw-{user}");
        }
        self.write("agents.csv", &roster);
        self.write("passwords.csv", &bundle);
    }

    /// The common head of a configuration: state, admin, one site with the roster of this home, generous pace.
    pub fn write_config(&self, site_url: &str, more: &str) {
        let token = self.token.map_or_else(String::new, |token| {
            format!("token = {{ file = \"{}\" }}\n", self.write("admin.token", token).display())
        });
        let text = format!(
            "state_dir = \"{state}\"\nstop_grace = \"20s\"\n[admin]\nlisten = \"127.0.0.1:{admin}\"\n{token}\
             [site.main]\nbase_url = \"{site_url}\"\nrequests_per_second = 5000\nlogins_per_second = 2000\n\
             [site.main.roster]\nfile = \"{roster}\"\npasswords = {{ file = \"{passwords}\" }}\n{more}",
            state = self.state_dir().display(),
            admin = self.admin_port,
            roster = self.path("agents.csv").display(),
            passwords = self.path("passwords.csv").display(),
        );
        self.write("cometbridge.toml", &text);
    }

    pub fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    pub fn start_with(&self, more: &[&str]) -> Daemon {
        self.read(self.spawn(more, &[]))
    }

    /// Starts it with these variables in its environment.
    pub fn start_under(&self, environment: &[(&str, PathBuf)]) -> Daemon {
        self.read(self.spawn(&[], environment))
    }

    fn read(&self, (daemon, stdout): (Daemon, ChildStdout)) -> Daemon {
        let lines = Lines::default();
        let reader = collect(stdout, &[self.stdout.clone(), lines.clone()]);
        self.outputs.lock().unwrap().push(Output { lines, reader: Some(reader) });
        daemon
    }

    /// Starts it with its stdout in the caller's hands.
    pub fn start_with_stdout(&self, more: &[&str]) -> (Daemon, ChildStdout) {
        self.spawn(more, &[])
    }

    fn spawn(&self, more: &[&str], environment: &[(&str, PathBuf)]) -> (Daemon, ChildStdout) {
        let mut child = Command::new(BINARY)
            .arg("run")
            .arg("--config")
            .arg(self.config())
            .args(more)
            .env("CRM_SECRET", SECRET)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let log = collect(child.stderr.take().unwrap(), std::slice::from_ref(&self.stderr));
        let admin = format!("http://127.0.0.1:{}", self.admin_port);
        (Daemon { child, admin, token: self.token, stderr: self.stderr.clone(), log: Some(log) }, stdout)
    }

    /// Waits until so many lines of the last process's stdout were read: it counts what it has written.
    pub async fn printed(&self, lines: usize) {
        let read = || self.outputs.lock().unwrap().last().map(|output| output.lines.lock().unwrap().len());
        eventually("stdout is read", STORED, || async {
            read().is_none_or(|read| read >= lines).then_some(())
        })
        .await;
    }

    pub fn stdout_lines(&self) -> Vec<String> {
        self.stdout.lock().unwrap().clone()
    }

    /// Stdout of each process started here, whole: every one of them must have ended. The last line of one that
    /// was killed may be torn.
    pub fn stdout_of_each(&self) -> Vec<Vec<String>> {
        let mut outputs = self.outputs.lock().unwrap();
        let whole = outputs.iter_mut().map(|output| {
            if let Some(reader) = output.reader.take() {
                reader.join().unwrap();
            }
            output.lines.lock().unwrap().clone()
        });
        whole.collect()
    }

    /// What the journal on disk says to a question in SQL that one number answers.
    pub fn journal_says(&self, question: &str) -> i64 {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let path = self.state_dir().join("journal.sqlite");
        let journal = rusqlite::Connection::open_with_flags(path, flags).unwrap();
        journal.query_row(question, [], |row| row.get(0)).unwrap()
    }

    /// Waits until the journal on disk says yes (not 0): what stands there is there after a kill, too.
    pub async fn stored(&self, what: &str, question: &str) {
        eventually(what, STORED, || async { (self.journal_says(question) != 0).then_some(()) }).await;
    }

    pub fn log(&self) -> String {
        self.stderr.lock().unwrap().join("\n")
    }

    /// The log lines that hold all these words.
    pub fn log_lines(&self, words: &[&str]) -> Vec<String> {
        let log = self.stderr.lock().unwrap();
        log.iter().filter(|line| words.iter().all(|word| line.contains(word))).cloned().collect()
    }

    /// Waits for a log line with all these words.
    pub async fn logged(&self, words: &[&str]) -> String {
        let start = std::time::Instant::now();
        loop {
            if let Some(line) = self.log_lines(words).into_iter().next() {
                return line;
            }
            assert!(start.elapsed() < STORED, "no log line with {words:?}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// No fault of ours, and neither a user name nor a password anywhere in the log.
    pub fn log_is_clean(&self, users: &[String]) {
        let log = self.log();
        assert!(!log.contains("panicked") && !log.contains("please report"), "{log}");
        for user in users {
            assert!(!log.contains(user.as_str()), "the log names {user}:\n{log}");
        }
    }
}

fn collect(from: impl std::io::Read + Send + 'static, to: &[Lines]) -> std::thread::JoinHandle<()> {
    let to = to.to_vec();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            for each in &to {
                each.lock().unwrap().push(line.clone());
            }
        }
    })
}

pub struct Daemon {
    child: Child,
    admin: String,
    token: Option<&'static str>,
    stderr: Arc<Mutex<Vec<String>>>,
    /// Who reads its stderr.
    log: Option<std::thread::JoinHandle<()>>,
}

impl Daemon {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut request = http().get(format!("{}{path}", self.admin));
        if let Some(token) = self.token {
            request = request.bearer_auth(token);
        }
        let reply = request.send().await.ok()?;
        let status = reply.status().as_u16();
        Some((status, reply.text().await.ok()?))
    }

    /// Waits until it counts as ready (sites are looked at every few seconds), and what it says then.
    pub async fn ready(&self) -> String {
        eventually("the service is ready", STORED, || async {
            let (status, text) = self.get("/readyz?verbose").await?;
            (status == 200).then_some(text)
        })
        .await
    }

    pub async fn metrics(&self) -> String {
        self.get("/metrics").await.map(|(_, text)| text).unwrap_or_default()
    }

    /// The sum over all series whose name and labels begin like this; no number at all where nobody answers.
    pub async fn metric(&self, prefix: &str) -> f64 {
        sum(self.get("/metrics").await, prefix)
    }

    /// Waits until a metric has a value that satisfies.
    pub async fn until(&mut self, prefix: &str, limit: Duration, satisfied: impl Fn(f64) -> bool) {
        let start = std::time::Instant::now();
        loop {
            let now = self.metric(prefix).await;
            if satisfied(now) {
                return;
            }
            let ended = self.has_ended();
            let log = || self.stderr.lock().unwrap().join("\n");
            assert!(ended.is_none(), "the daemon ended with {ended:?}:\n{}", log());
            assert!(start.elapsed() < limit, "{prefix} is {now} after {} s\n{}", limit.as_secs(), log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until so many sessions are connected.
    pub async fn connected(&mut self, sessions: usize) {
        let wanted = sessions as f64;
        self.until(
            "cometbridge_sessions{site=\"main\",state=\"connected\"}",
            Duration::from_secs(120),
            |n| n >= wanted,
        )
        .await;
    }

    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.log_is_whole();
    }

    /// The exit status of a process that has ended; its log is whole then.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        let ended = self.child.try_wait().unwrap();
        if ended.is_some() {
            self.log_is_whole();
        }
        ended
    }

    fn log_is_whole(&mut self) {
        if let Some(reader) = self.log.take() {
            reader.join().unwrap();
        }
    }

    /// A command of the binary that asks this daemon: exit code, stdout, stderr.
    pub async fn asked(home: &Home, arguments: &[&str]) -> (i32, String, String) {
        let config = home.config().display().to_string();
        let mut all: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        all.extend(["--config".to_owned(), config]);
        tokio::task::spawn_blocking(move || {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            command_with(&all, &[("CRM_SECRET", SECRET)])
        })
        .await
        .unwrap()
    }

    /// SIGTERM, and the exit status.
    pub async fn stop(self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> ExitStatus {
        eventually("the daemon ends", Duration::from_secs(60), || {
            let ended = self.has_ended();
            async move { ended }
        })
        .await
    }
}

/// The sum over all series of a page of metrics that begin so; no number where there is no page.
pub fn sum(page: Option<(u16, String)>, prefix: &str) -> f64 {
    let Some((200, text)) = page else { return f64::NAN };
    let values = text.lines().filter(|line| line.starts_with(prefix));
    values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command of the binary: exit code, stdout, stderr.
pub fn command(arguments: &[&str]) -> (i32, String, String) {
    command_with(arguments, &[])
}

pub fn command_with(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    let output = Command::new(BINARY).args(arguments).envs(environment.iter().copied()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}
