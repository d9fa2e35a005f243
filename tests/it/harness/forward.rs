//! An HTTP proxy as companies have them: `CONNECT` and plain requests, with a login or without.
//!
//! One connection leads to one server. Deliberately absent: Digest, NTLM and Kerberos (the bridge speaks Basic).

use base64::Engine;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Whom it lets through.
#[derive(Clone)]
pub enum Rule {
    Anybody,
    /// Who shows this name and password.
    Login(&'static str, &'static str),
    /// Nobody: it knows the caller, and forbids the server.
    Nobody,
}

/// What a client asked for first on its connection.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `CONNECT` or the method of a plain request.
    pub method: String,
    /// What its `Proxy-Authorization` holds once decoded.
    pub shown: Option<String>,
    /// The whole head.
    pub head: String,
}

pub struct Forward {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

impl Forward {
    pub async fn start(rule: Rule) -> Forward {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (mut tasks, theirs) = (JoinSet::new(), asked.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (rule, asked) = (rule.clone(), theirs.clone());
                connections.spawn(async move {
                    // Whatever breaks ends this connection, as it should.
                    let _ = serve(client, &rule, &asked).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Forward { port, asked, _tasks: tasks }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut client: TcpStream, rule: &Rule, seen: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let shown = shown(&head);
    seen.lock().unwrap().push(Asked { method: method.to_owned(), shown: shown.clone(), head: head.clone() });
    let answer = match rule {
        Rule::Anybody => "",
        Rule::Login(name, password) if shown == Some(format!("{name}:{password}")) => "",
        Rule::Login(..) => "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"proxy\"",
        Rule::Nobody => "403 Forbidden",
    };
    if !answer.is_empty() {
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        client.write_all(answer.as_bytes()).await?;
        return client.shutdown().await;
    }
    let authority = target.strip_prefix("http://").unwrap_or(target).split('/').next().unwrap();
    let mut server = TcpStream::connect(authority).await?;
    match method {
        "CONNECT" => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
        _ => server.write_all(&bytes).await?,
    }
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}

fn shown(head: &str) -> Option<String> {
    let encoded = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("proxy-authorization").then(|| value.strip_prefix("Basic "))?
    })?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
    Some(String::from_utf8(bytes).unwrap())
}
