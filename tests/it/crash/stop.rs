//! Stops under load: in order within the grace, and at once when asked twice.

use super::Stage;
use super::gaps::{GAPS, Gaps, apart};
use super::seen::{Seen, from_stdout};
use crate::harness::daemon::Daemon;
use crate::harness::eventually;
use crate::harness::workload;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// A daemon with every session listening and the webhook at work; the caller ends it.
async fn busy_life(stage: &Stage, window: u64) -> Daemon {
    let mut daemon = stage.home.start();
    daemon.connected(stage.agents).await;
    stage.story.listened(window);
    let before = stage.receiver.count();
    eventually("the webhook is busy", LIMIT, || async {
        (stage.receiver.count() > before + 50).then_some(())
    })
    .await;
    stage.story.silence();
    daemon
}

/// The last daemon: the story ends, all is told again, and every sink has taken all of it.
async fn last_life(stage: &Stage, window: u64, telling: tokio::task::JoinHandle<()>) -> Daemon {
    let mut daemon = stage.home.start();
    daemon.connected(stage.agents).await;
    stage.story.listened(window);
    stage.story.end();
    telling.await.unwrap();
    stage.story.resend_all("final").await;
    let wanted = stage.story.message_ids();
    eventually("the webhook has every message", LIMIT, || async {
        stage.webhook_ids().is_superset(&wanted).then_some(())
    })
    .await;
    for sink in ["crm", "console", "gaps"] {
        daemon.until(&format!("cometbridge_sink_lag_events{{sink=\"{sink}\"}}"), LIMIT, |n| n == 0.0).await;
    }
    daemon
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_ends_well_and_the_next_start_goes_on_with_the_same_sessions() {
    let stage = Stage::set(20, &[], GAPS).await;
    let story = &stage.story;
    let telling = story.steady();
    for window in 1..=3 {
        let daemon = busy_life(&stage, window).await;
        let ended = daemon.stop().await;
        assert_eq!(ended.code(), Some(0), "{}", stage.home.log());
    }
    assert!(!stage.home.log().contains("stop_grace"), "nothing was cut off: {}", stage.home.log());
    let daemon = last_life(&stage, 4, telling).await;
    let acked = stage.server.acked().await;
    let stats = stage.server.stats().await;
    let handshakes = stats["handshakes"].as_u64().unwrap();
    assert_eq!(handshakes, stage.agents as u64, "one session an agent, over all restarts: {stats}");
    assert_eq!((&stats["logins"], &stats["disconnects"]), (&stats["handshakes"], &0.into()), "{stats}");
    assert!(daemon.stop().await.success());
    let (own, events) = apart(from_stdout(&stage.home));
    let seen = [Seen::take("webhook", stage.webhook_events()), Seen::take("stdout", events)];
    assert_eq!(Gaps::take(own).count(), 0, "a restart in time is no gap");
    for each in &seen {
        each.holds_acknowledged(story, &acked);
        each.holds_the_logs(story);
        each.has_no_holes(story, |_| true);
        each.has_all_since_the_first(story);
        each.agrees_with(&seen[0]);
        assert_eq!(each.repeats, 0, "an orderly stop leaves no doubt about what was delivered");
    }
}

/// Sessions that ended at the server while nobody ran: what was in their queues is named as a gap of each agent.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_beyond_the_window_is_a_gap_that_holds_everything_missed() {
    let stage = Stage::set(10, &[], GAPS).await;
    let story = &stage.story;
    let telling = story.steady();
    for window in 1..=2 {
        let daemon = busy_life(&stage, window).await;
        daemon.kill();
        for user in workload::users(stage.agents) {
            stage.server.drop_session(&user).await;
        }
    }
    let daemon = last_life(&stage, 3, telling).await;
    assert!(daemon.stop().await.success());
    let (own, _) = apart(from_stdout(&stage.home));
    let seen = Seen::take("webhook", stage.webhook_events());
    let gaps = Gaps::take(own);
    assert_eq!(gaps.count(), 2 * stage.agents, "one for each restart and agent");
    gaps.name_all_that_is_missing(story, &seen, stage.agents);
}

/// A server that takes connections and never answers.
struct Hanging {
    url: String,
    accepted: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Hanging {
    async fn start() -> Hanging {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let accepted = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = accepted.clone();
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                held.push(listener.accept().await.unwrap());
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        });
        Hanging { url, accepted, task }
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_a_stop_that_a_hanging_webhook_holds_up() {
    let stage = Stage::set(4, &[], "").await;
    let hanging = Hanging::start().await;
    stage.home.write_config(&stage.server.url, &super::sinks(&hanging.url));
    // Only the second signal can end it before the test's own limit.
    let mut daemon =
        stage.home.start_with(&["--set", "stop_grace=\"10m\"", "--set", "sink.webhook.crm.timeout=\"10m\""]);
    daemon.connected(stage.agents).await;
    stage.story.listened(1);
    stage.story.round().await;
    eventually("the webhook hangs with a request in hand", LIMIT, || async {
        stage.story.round().await;
        (hanging.accepted.load(std::sync::atomic::Ordering::SeqCst) > 0).then_some(())
    })
    .await;
    daemon.signal("TERM");
    eventually("the stop waits for the webhook", LIMIT, || async {
        stage.home.log().contains("still stopping: sinks finish").then_some(())
    })
    .await;
    daemon.signal("TERM");
    let ended = daemon.ended().await;
    assert_eq!(ended.code(), Some(1), "{}", stage.home.log());
    assert!(stage.home.log().contains("SIGTERM again"), "{}", stage.home.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_gives_a_hanging_webhook_up_at_the_end_of_the_grace_and_its_events_follow_later() {
    let stage = Stage::set(4, &[], "").await;
    let hanging = Hanging::start().await;
    stage.home.write_config(&stage.server.url, &super::sinks(&hanging.url));
    let mut daemon = stage.home.start_with(&["--set", "stop_grace=\"1s\""]);
    daemon.connected(stage.agents).await;
    stage.story.listened(1);
    eventually("the webhook hangs with a request in hand", LIMIT, || async {
        stage.story.round().await;
        (hanging.accepted.load(std::sync::atomic::Ordering::SeqCst) > 0).then_some(())
    })
    .await;
    stage.story.silence();
    assert_eq!(daemon.stop().await.code(), Some(0), "{}", stage.home.log());
    assert!(stage.home.log().contains("cut off at the end of stop_grace"), "{}", stage.home.log());

    let acked = stage.server.acked().await;
    stage.home.write_config(&stage.server.url, &super::sinks(&stage.receiver.url));
    let mut daemon = stage.home.start();
    daemon.connected(stage.agents).await;
    stage.story.resend_all("after the stop").await;
    let wanted = stage.story.message_ids();
    eventually("the webhook has every message", LIMIT, || async {
        stage.webhook_ids().is_superset(&wanted).then_some(())
    })
    .await;
    daemon.until("cometbridge_sink_lag_events{sink=\"crm\"}", LIMIT, |n| n == 0.0).await;
    assert!(daemon.stop().await.success());
    let seen = Seen::take("webhook", stage.webhook_events());
    seen.holds_acknowledged(&stage.story, &acked);
    seen.holds_the_logs(&stage.story);
}
