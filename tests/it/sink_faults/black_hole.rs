//! A receiver that takes every connection and never answers, for an outage many times as long as the sink's whole
//! schedule: the other lanes' positions go on, memory stays, the journal grows by what was published, and in the end
//! nothing is lost, repeated or dead.
//!
//! A second daemon without such a sink gets the same rounds in turn; the ratio of both latencies is printed.

use crate::fleet::stage::campaign;
use crate::harness::receiver::Receiver;
use crate::harness::scene::Scene;
use crate::harness::sinks::{KEEP_TRYING, NOT_BRIDGE, stdout, webhook};
use crate::harness::workload;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Tries of the sink's policy; the outage goes through many times as many.
const ATTEMPTS: usize = 6;
const RETRY: &str = "timeout = \"300ms\"\nretry = { initial = \"10ms\", max = \"50ms\", max_attempts = 6 }\n";
/// What a daemon may grow by during the outage, whatever was published in it.
const MOST_KIB: u64 = 48 << 10;
/// For the outage of the campaign: tries come at their own pace.
const LONG: Duration = Duration::from_secs(1_200);

/// Before a receiver; swallows what comes for as long as it is told to.
struct Hole {
    url: String,
    swallows: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

impl Hole {
    async fn before(receiver: &Receiver) -> Hole {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let behind = receiver.url.strip_prefix("http://").unwrap().strip_suffix("/hook").unwrap().to_owned();
        let swallows = Arc::new(AtomicBool::new(true));
        let (mut tasks, theirs) = (JoinSet::new(), swallows.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let (behind, swallows) = (behind.clone(), theirs.load(Ordering::Relaxed));
                connections.spawn(async move {
                    if swallows {
                        // Takes what is sent until the other side gives up.
                        let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
                    } else if let Ok(mut server) = TcpStream::connect(behind).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Hole { url, swallows, _tasks: tasks }
    }
}

/// Publishes some rounds; how long until both healthy sinks have all of them, and their positions as well.
async fn flows(scene: &mut Scene, published: &mut usize, rounds: usize) -> Duration {
    let began = Instant::now();
    scene.publish(rounds).await;
    *published += rounds;
    let wanted = workload::script(&scene.talks, &scene.users, *published).1.events();
    scene.delivered("webhook", "crm", wanted).await;
    scene.delivered("stdout", "console", wanted).await;
    let took = began.elapsed();
    for sink in ["crm", "console"] {
        scene.until(&format!("cometbridge_sink_lag_events{{sink=\"{sink}\"}}"), |lag| lag == 0.0).await;
    }
    took
}

fn resident_kib(scene: &Scene) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/statm", scene.daemon.pid())).unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_never_answers_costs_the_others_nothing_and_has_everything_in_the_end() {
    let (agents, parts, rounds, tries) = if campaign() { (100, 40, 5, 2_000) } else { (20, 8, 5, 60) };
    let healthy = |receiver: &Receiver| {
        let crm = webhook("crm", &receiver.url, &format!("{NOT_BRIDGE}{KEEP_TRYING}raw = true\n"));
        format!("[journal]\nkeep_delivered = \"0s\"\n{crm}{}", stdout("console", NOT_BRIDGE))
    };
    let (receiver, behind, calm_receiver) =
        (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    let hole = Hole::before(&behind).await;
    let bad = webhook("hole", &hole.url, &format!("{NOT_BRIDGE}{RETRY}"));
    let mut calm = Scene::start(agents, parts * rounds, &healthy(&calm_receiver)).await;
    let mut scene = Scene::start(agents, parts * rounds, &(healthy(&receiver) + &bad)).await;

    let (mut with, mut without, mut published, mut calmly) = (Vec::new(), Vec::new(), 0, 0);
    let mut before = 0;
    for part in 0..parts {
        with.push(flows(&mut scene, &mut published, rounds).await);
        without.push(flows(&mut calm, &mut calmly, rounds).await);
        if part == 0 {
            before = resident_kib(&scene);
        }
    }
    let in_vain = "cometbridge_sink_retries_total{reason=\"timeout\",sink=\"hole\"}";
    scene.daemon.until(in_vain, LONG, |n| n >= tries as f64).await;
    assert!(tries >= 10 * ATTEMPTS);
    let grown = resident_kib(&scene).saturating_sub(before);
    assert!(grown <= MOST_KIB, "the daemon grew by {grown} KiB");
    assert_eq!(scene.daemon.metric("cometbridge_sink_up{sink=\"hole\"}").await, 0.0);
    assert_eq!(behind.count(), 0);

    let wanted = scene.expected.events();
    scene.until("cometbridge_sink_lag_events{sink=\"hole\"}", |lag| lag >= wanted as f64).await;
    let computed: usize = receiver.received().iter().map(|received| received.body.len()).sum();
    let journal = scene.daemon.metric("cometbridge_sink_lag_bytes{sink=\"hole\"}").await;
    let ratio = journal / computed as f64;
    assert!(
        (0.8..1.2).contains(&ratio),
        "the journal holds {journal} bytes of {computed} that were delivered"
    );
    let (with, without) = (median(with), median(without));
    println!(
        "black hole: {wanted} events, {tries} tries in vain, memory grew by {grown} KiB, journal {journal} bytes \
         ({ratio:.2} of the bodies), latency with / without: {:.2} ({} ms, {} ms)",
        with.as_secs_f64() / without.as_secs_f64().max(1e-3),
        with.as_millis(),
        without.as_millis(),
    );

    let before = scene.daemon.metric(in_vain).await;
    hole.swallows.store(false, Ordering::Relaxed);
    scene.delivered("webhook", "hole", wanted).await;
    scene.until("cometbridge_sink_lag_events{sink=\"hole\"}", |lag| lag == 0.0).await;
    // No part of an outage counts against an event, so no policy of six tries makes a dead letter of it.
    assert_eq!(scene.daemon.metric("cometbridge_sink_dead_letters_total").await, 0.0);
    // Its answer may come too late on a busy machine: then the same event comes again, and its try is counted.
    let too_late = scene.daemon.metric(in_vain).await - before;
    scene.complete("the receiver behind the hole", &behind.events_once(too_late));
    scene.complete("the healthy receiver", &receiver.events());
    scene.complete("stdout", &scene.stdout_events());
    scene.until("cometbridge_journal_trimmed_total", |n| n >= wanted as f64).await;
    calm.end().await;
    scene.end().await;
}
