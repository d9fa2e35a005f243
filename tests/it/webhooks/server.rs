//! A receiver that answers by the path it is asked under, down to breaking off: `/answer/404`, `/answer/half`, …
//!
//! What is no success is answered so to the first two requests of a path and 200 to all later ones; to every request
//! where the path ends in `-always`. One request a connection. Deliberately absent: checking what it gets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Requests that a path refuses.
pub const REFUSED: usize = 2;
/// What `Retry-After` asks for at least, whichever form it has.
pub const ASKED: Duration = Duration::from_secs(4);
/// Stands in each answer that is no success.
pub const WORDS: &str = "the-receivers-own-words";

#[derive(Clone, Debug)]
pub struct Seen {
    /// The path behind `/answer/`.
    pub case: String,
    pub id: String,
    /// Whether it was answered with success.
    pub taken: bool,
    pub at: Instant,
}

pub struct Server {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (mut tasks, theirs) = (JoinSet::new(), seen.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let seen = theirs.clone();
                connections.spawn(async move {
                    // A client that has hung up is no fault here.
                    let _ = serve(client, &seen).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Server { port, seen, _tasks: tasks }
    }

    /// What came under this path, in order.
    pub fn seen(&self, case: &str) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|one| one.case == case).cloned().collect()
    }
}

async fn serve(mut client: TcpStream, seen: &Mutex<Vec<Seen>>) -> std::io::Result<()> {
    let Some((path, headers)) = read(&mut client).await? else { return Ok(()) };
    let case = path.rsplit('/').next().unwrap().to_owned();
    let (kind, always) = match case.strip_suffix("-always") {
        Some(kind) => (kind, true),
        None => (case.as_str(), false),
    };
    let refused = {
        let mut seen = seen.lock().unwrap();
        let before = seen.iter().filter(|one| one.case == case).count();
        let refused = (always || before < REFUSED) && !matches!(kind, "200" | "slow" | "half");
        let id = headers.get("webhook-id").cloned().unwrap_or_default();
        seen.push(Seen { case: case.clone(), id, taken: !refused, at: Instant::now() });
        refused
    };
    match kind {
        "reset" if refused => return client.set_zero_linger(),
        // Until the other side gives up.
        "silent" if refused => return client.read_u8().await.map(drop),
        "slow" => tokio::time::sleep(Duration::from_millis(300)).await,
        "half" => {
            client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of").await?;
            return client.shutdown().await;
        }
        _ => {}
    }
    let answer = if refused { refusal(kind) } else { "200 OK\r\nContent-Length: 0".to_owned() };
    let body = if refused { WORDS } else { "" };
    client.write_all(format!("HTTP/1.1 {answer}\r\nConnection: close\r\n\r\n{body}").as_bytes()).await?;
    client.shutdown().await
}

/// Status line and headers.
fn refusal(kind: &str) -> String {
    let status = kind.split('-').next().unwrap();
    let wait = match kind {
        "429-date" => {
            format!("\r\nRetry-After: {}", date(SystemTime::now() + ASKED + Duration::from_secs(2)))
        }
        "429" | "502" | "503" | "504" => format!("\r\nRetry-After: {}", ASKED.as_secs()),
        "301" => "\r\nLocation: /answer/200".to_owned(),
        _ => String::new(),
    };
    format!("{status} No\r\nContent-Length: {}{wait}", WORDS.len())
}

/// As HTTP has it; whole seconds.
fn date(at: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(at).unwrap();
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Path and headers of a request, its body read; nothing where none came.
async fn read(client: &mut TcpStream) -> std::io::Result<Option<(String, HashMap<String, String>)>> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let headers: HashMap<String, String> = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                let path = head.split_whitespace().nth(1).unwrap().to_owned();
                return Ok(Some((path, headers)));
            }
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}
