//! A running daemon as operators watch it: probes, pages, metrics under a real Prometheus, systemd, secrecy.
//!
//! Deliberately absent: the limits of the admin server against hostile clients (its own tests).

use crate::cli::good_home;
use crate::harness::cometd::{Cometd, Kind, Publish};
use crate::harness::daemon::{BINARY, Daemon, Home, command};
use crate::harness::workload::CHANNEL;
use crate::harness::{eventually, http, root};
use crate::live::simulated;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const STDOUT: &str = "[sink.stdout.console]\nprivacy = \"full\"\n";

async fn get(home: &Home, path: &str, token: Option<&str>) -> (u16, String) {
    let mut request = http().get(format!("http://127.0.0.1:{}{path}", home.admin_port));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let reply = request.send().await.unwrap();
    (reply.status().as_u16(), reply.text().await.unwrap())
}

/// Puts lines into the table `[admin]`, or replaces it.
fn with_admin(home: &Home, lines: &str) {
    let text = std::fs::read_to_string(home.config()).unwrap();
    home.write("cometbridge.toml", &text.replacen("[admin]\n", &format!("{lines}[admin]\n"), 1));
}

async fn ready(daemon: &mut Daemon) {
    eventually("the daemon is ready", LIMIT, || async {
        daemon.get("/readyz").await.filter(|(status, _)| *status == 200)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_pages_say_how_the_service_is() {
    let (simulator, home) = simulated(3, 10, STDOUT);
    let mut daemon = home.start();
    daemon.connected(3).await;
    ready(&mut daemon).await;
    assert_eq!(get(&home, "/livez", None).await, (200, "ok\n".to_owned()));
    let (status, text) = get(&home, "/readyz?verbose", None).await;
    assert_eq!((status, text.contains("[+] site main: ok")), (200, true), "{text}");
    daemon.until("cometbridge_sink_delivered_total", LIMIT, |n| n >= 5.0).await;
    let (status, text) = get(&home, "/api/v1/status", None).await;
    let page: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (status, &page["sites"][0]["agents"], &page["sinks"][0]["state"]),
        (200, &3.into(), &"up".into())
    );
    assert!(page["journal"]["last_sequence"].as_u64().unwrap() >= 5, "{page}");
    let (status, html) = get(&home, "/", None).await;
    assert_eq!(
        (status, html.contains("<html") && html.contains("main") && html.contains("console")),
        (200, true)
    );
    let (status, text) = get(&home, "/metrics", None).await;
    assert_eq!((status, text.contains("# TYPE cometbridge_sessions gauge")), (200, true));
    assert_eq!(get(&home, "/nowhere", None).await.0, 404);
    let (status, list) = get(&home, "/api/v1/schemas", None).await;
    let list: Vec<Value> = serde_json::from_str(&list).unwrap();
    let (_, names, _) = command(&["schema"]);
    assert_eq!(
        (status, names.lines().collect::<Vec<_>>()),
        (200, list.iter().map(|one| one["name"].as_str().unwrap()).collect())
    );
    let (_, printed, _) = command(&["schema", "chat.message"]);
    assert_eq!(get(&home, "/api/v1/schemas/chat.message", None).await, (200, printed));
    let (status, text) = get(&home, "/api/v1/schemas/chat.massage", None).await;
    assert!(status == 404 && text.contains("GET /api/v1/schemas lists them"), "{status} {text}");

    drop(simulator);
    eventually("without its server the daemon is alive, and not ready", LIMIT, || async {
        let (status, why) = get(&home, "/readyz", None).await;
        (status == 503 && why.contains("site main: none of 3 agents is connected")).then_some(())
    })
    .await;
    assert_eq!(get(&home, "/livez", None).await.0, 200);
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_guards_all_but_the_probes() {
    let home = good_home(STDOUT);
    let token = home.write("token", "a-token-of-this-test\n");
    let text = std::fs::read_to_string(home.config()).unwrap();
    let line = format!("[admin]\ntoken = {{ file = \"{}\" }}\n", token.display());
    home.write("cometbridge.toml", &text.replace("[admin]\n", &line));
    let daemon = home.start();
    eventually("the admin server answers", LIMIT, || daemon.get("/livez")).await;
    for path in ["/", "/metrics", "/api/v1/status", "/api/v1/dead-letters", "/api/v1/schemas"] {
        assert_eq!(get(&home, path, None).await.0, 401, "{path}");
        assert_eq!(get(&home, path, Some("another")).await.0, 401, "{path}");
        assert_eq!(get(&home, path, Some("a-token-of-this-test")).await.0, 200, "{path}");
    }
    assert!([200, 503].contains(&get(&home, "/readyz", None).await.0));
    // A command beside the daemon finds the token by itself.
    let config = home.config();
    let (code, stdout, stderr) = command(&["dead-letters", "list", "--config", config.to_str().unwrap()]);
    assert_eq!((code, stdout.as_str()), (0, "no dead letters\n"), "{stderr}");
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_understands_every_alert_and_panel_over_a_running_daemon() {
    let webhook = "[sink.webhook.crm]\nurl = \"http://127.0.0.1:9/\"\nprivacy = \"full\"\nunsigned = true\n";
    // A client that finds no broker has its figures all the same.
    let kafka = "[sink.kafka.events]\nbrokers = [\"127.0.0.1:9\"]\ntopic = \"t\"\nprivacy = \"full\"\n";
    let (_simulator, home) = simulated(3, 20, &format!("{STDOUT}{webhook}{kafka}"));
    let mut daemon = home.start();
    daemon.connected(3).await;
    daemon.until("cometbridge_sink_delivered_total", LIMIT, |n| n >= 20.0).await;
    let output = tokio::process::Command::new("python3")
        .arg(root().join("tests/deploy/prometheus_live.py"))
        .arg(format!("127.0.0.1:{}", home.admin_port))
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    println!("{said}");
    assert!(daemon.stop().await.success());
}

/// Names and labels of all series.
fn series(metrics: &str) -> BTreeSet<String> {
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_series_are_there_at_the_first_scrape_and_do_not_grow_with_the_agents() {
    let mut seen = Vec::new();
    for agents in [3, 100] {
        let (_simulator, home) = simulated(agents, 50, STDOUT);
        let mut daemon = home.start();
        let (_, first) = eventually("a first scrape", LIMIT, || daemon.get("/metrics")).await;
        daemon.connected(agents).await;
        daemon.until("cometbridge_sink_delivered_total", LIMIT, |n| n >= 100.0).await;
        let later = series(&daemon.metrics().await);
        assert_eq!(series(&first), later, "everything that can be counted is shown from the start");
        seen.push(later);
        assert!(daemon.stop().await.success());
    }
    assert_eq!(seen[0], seen[1]);
    println!("{} series with one site and one sink", seen[0].len());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_confidential_or_personal_stands_in_metrics_logs_or_the_printed_configuration() {
    let planted = ["plantedkey", "planteduser", "plantedtext", "plantednick", "0000PLANTED", "plantedpath"];
    let server = Cometd::start(Kind::Node, &[]);
    let home = Home::new();
    home.write("agents.csv", "agent,username\nplantedkey-1,planteduser\nplantedkey-2,planteduser-refused\n");
    home.write("passwords.csv", "planteduser,pw-planteduser\nplanteduser-refused,plantedpassword\n");
    let webhook = "[sink.webhook.crm]\nurl = \"http://127.0.0.1:9/plantedpath\"\nprivacy = \"full\"\n\
                   secrets = [{ env = \"CRM_SECRET\" }]\n";
    home.write_config(&server.url, &format!("{webhook}{STDOUT}"));
    with_admin(&home, "[log]\nlevel = \"trace\"\n");
    let mut daemon = home.start();
    daemon.connected(1).await;
    daemon.until("cometbridge_session_logins_total{result=\"refused\"", LIMIT, |n| n >= 1.0).await;
    let item = json!({"index": 1, "type": "Text", "text": "plantedtext", "visibility": "All",
        "from": {"type": "Customer", "nickname": "plantednick", "participantId": "0090"}});
    let log = json!({"messageType": "MessageLogUpdated", "notificationType": "NewMessages", "messages": [item],
        "facebooksessionUri": "http://localhost/api/v2/facebooksessions/0000PLANTED01"});
    let odd = json!({"messageType": "plantedtext", "plantednick": ["0000PLANTED01"]});
    // What a later release of GWS could send is counted by its name.
    let widget = json!({"messageType": "WidgetStateChangeMessage", "plantednick": "plantedtext"});
    let publish = |data: &Value, tag: &str| Publish {
        user: "planteduser".to_owned(),
        channel: CHANNEL.to_owned(),
        data: data.clone(),
        tag: tag.to_owned(),
    };
    server
        .publish(&[
            publish(&log, "log"),
            publish(&log, "again"),
            publish(&odd, "odd"),
            publish(&widget, "widget"),
        ])
        .await;
    daemon.until("cometbridge_sink_delivered_total{kind=\"stdout\"", LIMIT, |n| n >= 3.0).await;
    for word in ["other", "WidgetStateChangeMessage"] {
        let counted = format!("cometbridge_unknown_events_total{{messagetype=\"{word}\",site=\"main\"}}");
        daemon.until(&counted, LIMIT, |n| n == 1.0).await;
    }
    daemon.until("cometbridge_sink_retries_total{reason=\"connect\"", LIMIT, |n| n >= 1.0).await;
    let config = home.config();
    let (_, printed, _) = crate::harness::daemon::command_with(
        &["print-config", "--config", config.to_str().unwrap()],
        &[("CRM_SECRET", crate::harness::daemon::SECRET)],
    );
    let mut metrics = daemon.metrics().await;
    for path in ["/", "/api/v1/status", "/readyz?verbose"] {
        let _ = write!(metrics, "{}", get(&home, path, None).await.1);
    }
    assert!(daemon.stop().await.success());
    assert!(home.stdout_lines().join("\n").contains("plantedtext"), "it went through");
    let log = home.log();
    assert!(log.contains("plantedkey-2") && log.contains("login refused"), "{log}");
    for word in planted {
        assert!(!metrics.contains(word), "{word} in:\n{metrics}");
        // The roster's opaque key is what logs name agents by; a URL belongs into the configuration.
        assert!(word == "plantedkey" || !log.contains(word), "{word} in:\n{log}");
        assert!(word == "plantedpath" || !printed.contains(word), "{word} in:\n{printed}");
    }
    for secret in ["plantedpassword", "pw-planted", &crate::harness::daemon::SECRET[6..]] {
        let encoded = base64(secret);
        assert!(
            ![&metrics, &log, &printed].iter().any(|text| text.contains(secret) || text.contains(&encoded))
        );
    }
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_ready_status_watchdog_and_stopping() {
    let (_simulator, home) = simulated(2, 0, STDOUT);
    let address = home.path("notify");
    let socket = tokio::net::UnixDatagram::bind(&address).unwrap();
    let mut child = Command::new(BINARY)
        .args(["run", "--config", home.config().to_str().unwrap()])
        .env("NOTIFY_SOCKET", &address)
        .env("WATCHDOG_USEC", "30000000")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut heard = String::new();
    hear(&socket, &mut heard, |heard| {
        heard.contains("\nREADY=1\n")
            && heard.contains("\nWATCHDOG=1\n")
            && heard.contains("STATUS=2 of 2 agents connected")
    })
    .await;
    assert!(!heard.contains("STOPPING=1"));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    hear(&socket, &mut heard, |heard| {
        heard.contains("\nSTOPPING=1\n") && heard.contains("EXTEND_TIMEOUT_USEC=30000000")
    })
    .await;
    let ended = eventually("the daemon ends", LIMIT, || {
        let ended = child.try_wait().unwrap();
        async move { ended }
    })
    .await;
    assert_eq!(ended.code(), Some(0));
}

/// Collects what is sent until it satisfies.
async fn hear(socket: &tokio::net::UnixDatagram, heard: &mut String, satisfied: impl Fn(&str) -> bool) {
    let mut buffer = [0; 4096];
    while !satisfied(heard) {
        let received = tokio::time::timeout(LIMIT, socket.recv(&mut buffer)).await;
        let length = received.unwrap_or_else(|_| panic!("heard only: {heard}")).unwrap();
        let _ = write!(heard, "\n{}\n", String::from_utf8_lossy(&buffer[..length]));
    }
}
