//! A TCP proxy before a CometD server that spoils replies on demand: cut, slow, or never.
//!
//! It reads requests and replies whole, so that a fault can wait for a reply with something in it and cut at a
//! byte of its body. A client that hangs up takes its connection to the server along. Deliberately absent: TLS,
//! pipelining, requests with chunked bodies (the bridge sends neither).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What is done to one reply.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The connection ends after this share of the body, in thousandths.
    Cut(usize),
    /// The body comes in so many parts, with this pause between two.
    Drip(usize, Duration),
}

/// One request that passed.
#[derive(Clone, Debug)]
pub struct Passed {
    pub path: String,
    /// Each header line, the name in small letters.
    pub headers: Vec<(String, String)>,
    pub cookies: Vec<String>,
    /// Whether it carried `Authorization`.
    pub secret: bool,
    pub csrf: Option<String>,
    pub body: String,
    pub at: Instant,
    /// When its reply began to be sent on.
    pub answered: Option<Instant>,
}

#[derive(Default)]
struct Shared {
    /// What strikes replies to connects that hold this text, one after the other.
    faults: Mutex<Vec<(String, Fault)>>,
    struck: Mutex<usize>,
    passed: Mutex<Vec<Passed>>,
    /// Set with every reply.
    cookie: Mutex<Option<String>>,
}

pub struct Proxy {
    pub url: String,
    shared: Arc<Shared>,
    silent: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Before the server that listens at this port, whether or not it does so now.
    pub async fn before(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (shared, (silent, watching)) = (Arc::<Shared>::default(), watch::channel(false));
        let mut tasks = JoinSet::new();
        let theirs = shared.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (shared, silent) = (theirs.clone(), watching.clone());
                connections.spawn(async move {
                    // Whatever breaks ends this connection, as it should.
                    let _ = serve(client, port, &shared, silent).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Proxy { url, shared, silent, _tasks: tasks }
    }

    /// One more reply to a connect is spoilt: the next one that holds this text.
    pub fn spoil(&self, holding: &str, fault: Fault) {
        self.shared.faults.lock().unwrap().push((holding.to_owned(), fault));
    }

    /// From now on every reply sets this cookie, as a balancer's does that routes a session.
    pub fn route(&self, cookie: &str) {
        *self.shared.cookie.lock().unwrap() = Some(cookie.to_owned());
    }

    /// How many faults have struck.
    pub fn struck(&self) -> usize {
        *self.shared.struck.lock().unwrap()
    }

    /// From now on everything is taken and nothing is answered or passed on; every connection stays established.
    pub fn hush(&self) {
        self.silent.send_replace(true);
    }

    pub fn speak(&self) {
        self.silent.send_replace(false);
    }

    pub fn passed(&self) -> Vec<Passed> {
        self.shared.passed.lock().unwrap().clone()
    }

    /// Every value this cookie had in requests whose path ends so.
    pub fn cookies(&self, name: &str, path: &str) -> BTreeSet<String> {
        let passed = self.passed();
        let of_path = passed.iter().filter(|request| request.path.ends_with(path));
        of_path
            .flat_map(|request| &request.cookies)
            .filter_map(|pair| Some(pair.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
            .collect()
    }
}

impl Passed {
    /// Every value that a header was sent with.
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// A request or reply as it came, and where its body begins.
struct Whole {
    bytes: Vec<u8>,
    body: usize,
}

impl Whole {
    fn head(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..self.body]).into_owned()
    }

    fn route(&mut self, cookie: Option<&str>) {
        let Some(cookie) = cookie else { return };
        let line = format!("Set-Cookie: {cookie}; Path=/\r\n");
        // Before the empty line that ends the head.
        let end = self.body - 2;
        self.bytes.splice(end..end, line.bytes());
        self.body += line.len();
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes[self.body..]).into_owned()
    }
}

type End = std::io::Result<()>;

async fn serve(
    mut client: TcpStream,
    port: u16,
    shared: &Arc<Shared>,
    mut silent: watch::Receiver<bool>,
) -> End {
    let mut server: Option<TcpStream> = None;
    client.set_nodelay(true)?;
    while let Some(request) = read_whole(&mut client).await? {
        let number = note(shared, &request);
        hushed(&mut client, &mut silent).await?;
        let upstream = match &mut server {
            Some(upstream) => upstream,
            none => none.insert(TcpStream::connect(("127.0.0.1", port)).await?),
        };
        upstream.write_all(&request.bytes).await?;
        let mut unasked = [0; 1];
        let reply = tokio::select! {
            reply = read_whole(upstream) => reply?,
            // The bridge sends no second request before the reply: it has hung up.
            _ = client.read(&mut unasked) => return Ok(()),
        };
        let Some(mut reply) = reply else { return Ok(()) };
        reply.route(shared.cookie.lock().unwrap().as_deref());
        hushed(&mut client, &mut silent).await?;
        shared.passed.lock().unwrap()[number].answered = Some(Instant::now());
        match fault_for(shared, &request, &reply) {
            None => client.write_all(&reply.bytes).await?,
            Some(Fault::Cut(thousandths)) => {
                let length = reply.bytes.len() - reply.body;
                // Never the whole of it.
                let kept = (length * thousandths / 1000).min(length.saturating_sub(1));
                client.write_all(&reply.bytes[..reply.body + kept]).await?;
                return client.shutdown().await;
            }
            Some(Fault::Drip(parts, pause)) => {
                let (head, body) = reply.bytes.split_at(reply.body);
                client.write_all(head).await?;
                for bytes in body.chunks(body.len().div_ceil(parts).max(1)) {
                    client.write_all(bytes).await?;
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
    Ok(())
}

/// Waits while the proxy is silent, or until the client hangs up.
async fn hushed(client: &mut TcpStream, silent: &mut watch::Receiver<bool>) -> End {
    let mut unasked = [0; 1];
    tokio::select! {
        heard = silent.wait_for(|silent| !silent) => heard.map(|_| ()).map_err(std::io::Error::other),
        _ = client.read(&mut unasked) => Err(std::io::ErrorKind::ConnectionAborted.into()),
    }
}

fn fault_for(shared: &Shared, request: &Whole, reply: &Whole) -> Option<Fault> {
    if !request.text().contains("/meta/connect") {
        return None;
    }
    let text = reply.text();
    let mut faults = shared.faults.lock().unwrap();
    let at = faults.iter().position(|(holding, _)| text.contains(holding))?;
    *shared.struck.lock().unwrap() += 1;
    Some(faults.remove(at).1)
}

fn note(shared: &Shared, request: &Whole) -> usize {
    let head = request.head();
    let headers: Vec<(String, String)> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let cookies = header("cookie").unwrap_or_default();
    let mut passed = shared.passed.lock().unwrap();
    passed.push(Passed {
        path: head.split_whitespace().nth(1).unwrap_or_default().to_owned(),
        cookies: cookies.split("; ").map(str::to_owned).collect(),
        secret: header("authorization").is_some(),
        csrf: header("x-csrf-token"),
        body: request.text(),
        headers,
        at: Instant::now(),
        answered: None,
    });
    passed.len() - 1
}

/// One HTTP message with its body; nothing where the connection has ended before it.
async fn read_whole(stream: &mut TcpStream) -> std::io::Result<Option<Whole>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(body) = find(&bytes, b"\r\n\r\n").map(|at| at + 4)
            && is_whole(&String::from_utf8_lossy(&bytes[..body]).to_ascii_lowercase(), &bytes[body..])
        {
            return Ok(Some(Whole { bytes, body }));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return if bytes.is_empty() { Ok(None) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) };
        }
    }
}

fn is_whole(head: &str, body: &[u8]) -> bool {
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with(b"0\r\n\r\n");
    }
    let length = head.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
    body.len() >= length.map_or(0, |length| length.trim().parse().unwrap())
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
