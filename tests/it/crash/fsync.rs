//! A disk whose fsync fails under load, by a preloaded library: the daemon acknowledges no more and ends; the next
//! start goes on with the same sessions, and has everything once.

use super::Stage;
use super::gaps::{GAPS, Gaps, apart};
use super::seen::{Seen, from_stdout};
use crate::harness::daemon::{Daemon, Home};
use crate::harness::{eventually, peers_cache};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
/// How long a daemon that stands works before its disk breaks, ms.
const WORK: std::ops::Range<u64> = 0..1_500;

struct Size {
    faults: u64,
    agents: usize,
}

fn size() -> Size {
    if std::env::var("COMETBRIDGE_CAMPAIGN").is_ok_and(|value| value == "1") {
        Size { faults: 12, agents: 100 }
    } else {
        Size { faults: 2, agents: 20 }
    }
}

/// The shim, told to fail below the state directory while the control file exists.
struct Shim {
    control: PathBuf,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Shim {
    fn of(home: &Home) -> Shim {
        let library = peers_cache().join("fsync-shim/fsync_fail.so");
        assert!(library.exists(), "the peers are not set up: run tests/peers/setup.sh");
        // No link may stand in these paths.
        let dir = fs::canonicalize(home.dir.path()).unwrap();
        let control = dir.join("fsync-fails");
        let environment = vec![
            ("LD_PRELOAD", library),
            ("FSYNC_FAIL_FILE", control.clone()),
            ("FSYNC_FAIL_DIR", dir.join("state")),
        ];
        Shim { control, environment }
    }

    fn fail(&self) {
        fs::write(&self.control, "").unwrap();
    }

    fn mend(&self) {
        fs::remove_file(&self.control).unwrap();
    }
}

/// The last life's words about its end.
fn said_why(stage: &Stage, from: usize) {
    let log = stage.home.stderr.lock().unwrap();
    let errors: Vec<&String> = log.iter().skip(from).filter(|line| line.contains("disk I/O error")).collect();
    assert!(!errors.is_empty(), "the log says what ended it: {:#?}", &log[from..]);
}

/// One life that ends by a disk that breaks at a moment of the dice's choice.
async fn live_until_fsync_fails(stage: &Stage, shim: &Shim, window: u64, work: Duration) {
    let story = &stage.story;
    let from = stage.home.stderr.lock().unwrap().len();
    let mut daemon = stage.home.start_under(&shim.environment);
    daemon.connected(stage.agents).await;
    story.listened(window);
    story.resend(&window.to_string()).await;
    // The moment of the fault is the fault itself: nothing is waited for.
    tokio::time::sleep(work).await;
    story.silence();
    shim.fail();
    let ended = daemon.ended().await;
    assert_eq!(ended.code(), Some(1), "{}", stage.home.log());
    said_why(stage, from);
    shim.mend();
}

/// A life on a good disk, without the library: the sessions go on.
async fn live_well(stage: &Stage, window: u64) {
    let mut daemon = stage.home.start();
    daemon.connected(stage.agents).await;
    stage.story.listened(window);
    let before = stage.receiver.count();
    eventually("the webhook is busy", LIMIT, || async {
        (stage.receiver.count() > before + 50).then_some(())
    })
    .await;
    stage.story.silence();
    assert!(daemon.stop().await.success(), "{}", stage.home.log());
}

async fn all_delivered(stage: &Stage, daemon: &mut Daemon) {
    let wanted = stage.story.message_ids();
    eventually("the webhook has every message", LIMIT, || async {
        stage.webhook_ids().is_superset(&wanted).then_some(())
    })
    .await;
    for sink in ["crm", "console", "gaps"] {
        daemon.until(&format!("cometbridge_sink_lag_events{{sink=\"{sink}\"}}"), LIMIT, |n| n == 0.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_fsync_that_fails_ends_the_daemon_and_the_next_start_has_all_that_was_acknowledged_once() {
    let Size { faults, agents } = size();
    let stage = Stage::set(agents, &[], GAPS).await;
    let (story, shim) = (&stage.story, Shim::of(&stage.home));
    let telling = story.steady();
    let mut dice = fastrand::Rng::with_seed(super::seed());
    for fault in 0..faults {
        let work = Duration::from_millis(dice.u64(WORK));
        println!("fault {} of {faults}: after {} ms", fault + 1, work.as_millis());
        live_until_fsync_fails(&stage, &shim, 2 * fault + 1, work).await;
        live_well(&stage, 2 * fault + 2).await;
    }
    let last = 2 * faults + 1;
    let mut daemon = stage.home.start();
    daemon.connected(agents).await;
    story.listened(last);
    story.end();
    telling.await.unwrap();
    story.resend_all("final").await;
    all_delivered(&stage, &mut daemon).await;
    let acked = stage.server.acked().await;
    let stats = stage.server.stats().await;
    assert_eq!(stats["handshakes"], agents, "every session was resumed, each time: {stats}");
    assert!(daemon.stop().await.success());

    let (own, events) = apart(from_stdout(&stage.home));
    assert_eq!(Gaps::take(own).count(), 0, "every restart was inside the window");
    let seen = [Seen::take("webhook", stage.webhook_events()), Seen::take("stdout", events)];
    for each in &seen {
        each.holds_acknowledged(story, &acked);
        each.holds_the_logs(story);
        each.has_no_holes(story, |window| window == last);
        each.has_all_since_the_first(story);
        each.agrees_with(&seen[0]);
    }
    println!(
        "{} events, {} tags acknowledged, came again: {}",
        seen[0].events.len(),
        acked.len(),
        seen[0].repeats
    );
    assert!(!stage.home.log().contains("panicked"), "{}", stage.home.log());
}
