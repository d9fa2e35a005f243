//! Signatures as the Standard Webhooks project's own libraries see them: PyPI's, npm's and the crate.

use super::judges::verify;
use crate::harness::daemon::{Daemon, SECRET};
use crate::harness::receiver::{Attempt, Receiver};
use crate::harness::scene::Scene;
use crate::harness::sinks::{KEEP_TRYING, NOT_BRIDGE, webhook};
use crate::harness::workload::device;
use std::time::Duration;

const NEW_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn all_verify(attempts: &[Attempt], secret: &str) {
    assert!(!attempts.is_empty());
    assert!(verify(attempts, secret));
}

async fn delivered(daemon: &mut Daemon, events: usize) {
    let series = "cometbridge_sink_delivered_total{kind=\"webhook\",sink=\"crm\"}";
    daemon.until(series, Duration::from_secs(60), |n| n >= events as f64).await;
}

/// Every request, tries that failed included, verifies under the secret; during a rotation under both.
#[tokio::test(flavor = "multi_thread")]
async fn every_request_verifies_with_the_standard_library_before_during_and_after_a_rotation() {
    let receiver = Receiver::start().await;
    let sink = |secrets: &str| webhook("crm", &receiver.url, &format!("{NOT_BRIDGE}{KEEP_TRYING}{secrets}"));
    let mut scene = Scene::start(6, 10, &sink("")).await;
    receiver.answer(500);
    scene.publish(5).await;
    scene.until("cometbridge_sink_retries_total", |n| n >= 6.0).await;
    receiver.answer(200);
    scene.publish(5).await;
    let wanted = scene.expected.events();
    scene.delivered("webhook", "crm", wanted).await;
    let before = receiver.tries();
    all_verify(&before, SECRET);
    assert!(!verify(&before[..1], NEW_SECRET), "the check can say no");

    // Both secrets sign while receivers change over, then the new one alone.
    let Scene { server, home, daemon, users, .. } = scene;
    assert!(daemon.stop().await.success());
    home.write("new.secret", NEW_SECRET);
    let new = format!("{{ file = \"{}\" }}", home.path("new.secret").display());
    let mut steps = Vec::new();
    for secrets in
        [format!("secrets = [{{ env = \"CRM_SECRET\" }}, {new}]\n"), format!("secrets = [{new}]\n")]
    {
        let seen = receiver.tries().len();
        home.write_config(&server.url, &sink(&secrets));
        let mut daemon = home.start();
        daemon.connected(users.len()).await;
        let step = 100 + steps.len();
        let batch: Vec<_> = users.iter().map(|user| device(user, step)).collect();
        server.publish(&batch).await;
        delivered(&mut daemon, users.len()).await;
        assert!(daemon.stop().await.success());
        steps.push(receiver.tries()[seen..].to_vec());
    }
    all_verify(&steps[0], SECRET);
    all_verify(&steps[0], NEW_SECRET);
    all_verify(&steps[1], NEW_SECRET);
    assert!(!verify(&steps[1], SECRET), "the old one signs no more");
    let log = home.log();
    assert!(!log.contains("whsec_") && !log.contains("MfKQ9r8GK") && !log.contains("C2FVsBQ"), "{log}");
}
