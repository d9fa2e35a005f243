//! A TLS-terminating front before a server that speaks plain HTTP, as balancers are.
//!
//! It hands bytes through and knows nothing of HTTP. Deliberately absent: anything but the handshake going wrong.

use rustls::ServerConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

#[derive(Default)]
struct Counts {
    accepted: AtomicUsize,
    agreed: AtomicUsize,
}

pub struct Front {
    pub port: u16,
    counts: Arc<Counts>,
    _tasks: JoinSet<()>,
}

impl Front {
    /// Before the server that listens at this port.
    pub async fn before(port: u16, config: Arc<ServerConfig>) -> Front {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let counts = Arc::<Counts>::default();
        let (acceptor, theirs) = (TlsAcceptor::from(config), counts.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                theirs.accepted.fetch_add(1, Ordering::Relaxed);
                let (acceptor, counts) = (acceptor.clone(), theirs.clone());
                connections.spawn(async move {
                    // Whatever breaks ends this connection, as it should.
                    let _ = serve(client, port, &acceptor, &counts).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Front { port: own, counts, _tasks: tasks }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// Connections that came.
    pub fn accepted(&self) -> usize {
        self.counts.accepted.load(Ordering::Relaxed)
    }

    /// Connections whose handshake both sides were content with; before it nothing can be said to the server.
    pub fn agreed(&self) -> usize {
        self.counts.agreed.load(Ordering::Relaxed)
    }
}

async fn serve(client: TcpStream, port: u16, acceptor: &TlsAcceptor, counts: &Counts) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    counts.agreed.fetch_add(1, Ordering::Relaxed);
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    server.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}
