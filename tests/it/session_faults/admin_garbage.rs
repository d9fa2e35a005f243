//! Nonsense on the admin port.

use crate::harness::daemon::Home;
use crate::harness::free_port;
use crate::harness::sinks::stdout;
use crate::harness::workload;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Random bytes, endless headers and bodies, half a request, wrong paths: the daemon lives and answers.
#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_admin_port_leaves_the_daemon_alive() {
    let home = Home::new();
    let users = workload::users(2);
    home.write_roster(&users);
    // No server is there: the admin port answers all the same.
    home.write_config(&format!("http://127.0.0.1:{}", free_port()), &stdout("console", ""));
    let mut daemon = home.start();
    daemon.until("cometbridge_build_info", Duration::from_secs(30), |n| n == 1.0).await;
    let before = daemon.metric("cometbridge_process_open_fds").await;
    let long = "x".repeat(4 << 20);
    let many: String = (0..5_000).map(|n| format!("X-Header-{n}: {n}\r\n")).collect();
    let requests: Vec<Vec<u8>> = vec![
        (0..65_536).map(|_| fastrand::u8(..)).collect(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        format!("GET /metrics HTTP/1.1\r\nHost: a\r\nX-Long: {long}\r\n\r\n").into_bytes(),
        format!("GET /metrics HTTP/1.1\r\nHost: a\r\n{many}\r\n").into_bytes(),
        format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes(),
        format!("POST /api/v1/dead-letters/redrive?sink=x HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n{long}")
            .into_bytes(),
        b"GET /api/v1/dead-letters?limit=99999999999999999999999 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        b"GET /api/v1/explain?id=%ff%fe%00 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"GET /metr".to_vec(),
    ];
    for _ in 0..3 {
        for request in &requests {
            send(home.admin_port, request).await;
        }
    }
    let (status, text) = daemon.get("/livez").await.unwrap();
    assert_eq!((status, text.as_str()), (200, "ok\n"));
    assert!(daemon.metric("cometbridge_build_info").await == 1.0);
    // What was opened for the nonsense is closed again.
    daemon.until("cometbridge_process_open_fds", Duration::from_secs(30), |n| n <= before + 5.0).await;
    home.log_is_clean(&users);
    assert!(daemon.stop().await.success());
}

/// The answer does not matter; refusing to read on is fine.
async fn send(port: u16, request: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the port is open");
    let _ = stream.write_all(request).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let reading = stream.take(1 << 16).read_to_end(&mut answer).await;
    let _ = reading;
}
