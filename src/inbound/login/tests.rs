//! Who waits to be tried again: how long the same secret is let rest.

use super::*;
use crate::base::health::Health;
use crate::base::metrics::Metrics;
use crate::base::secret::SecretRef;
use crate::base::time::Clock;
use crate::inbound::accounts::Accounts;
use crate::inbound::checkpoint::Past;
use crate::inbound::dedup;
use crate::inbound::fleet::View;
use crate::inbound::quarantine::Quarantine;
use crate::inbound::roster::Agent;
use crate::inbound::settings::testing;
use crate::inbound::site::Site;
use crate::journal::{Config, Journal};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;
use tokio::sync::watch;

fn secret(folder: &Path, text: &str) {
    let path = folder.join("password");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
}

async fn held(folder: &Path) -> Held {
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700)).unwrap();
    let config = Config {
        state_dir: folder.into(),
        keep_delivered: Duration::from_secs(3600),
        dedup_window: Duration::from_secs(3600),
        reserve_bytes: 1 << 16,
        keep_gaps: Duration::from_secs(3600),
        keep_drafts: Duration::from_secs(3600),
        keep_dead_letters: Duration::from_secs(3600),
        max_dead_letters: 10,
        accept_shortened: false,
    };
    let (clock, metrics, health) = (Clock::manual(1_000_000), Metrics::new().unwrap(), Health::default());
    let journal = Journal::open(config, clock.clone(), metrics.clone(), health.clone()).unwrap().0;
    let (_, paused) = watch::channel(false);
    let (intake, _) =
        dedup::start(&journal, clock.clone(), metrics.clone(), health, paused, dedup::Contexts::none())
            .unwrap();
    let agent = Agent {
        key: "1001".into(),
        username: "ann".into(),
        password: Some(SecretRef::File(folder.join("password"))),
        group: None,
        base_url: None,
    };
    let session = Session {
        site: Arc::new(Site::new(testing::site()).await.unwrap()),
        accounts: Arc::new(Accounts::default()),
        agent,
        intake,
        journal,
        view: Arc::new(View::new(&Arc::from("main"), metrics.clone(), clock.clone())),
        clock,
        metrics,
        past: Box::new(Past::default()),
        sealer: None,
        quarantine: Arc::new(Quarantine::of(folder)),
        leave: CancellationToken::new(),
    };
    Held::new(session, CancellationToken::new())
}

#[tokio::test(start_paused = true)]
async fn a_secret_whose_login_was_of_no_use_rests_until_it_changes() {
    let folder = TempDir::new().unwrap();
    secret(folder.path(), "first");
    let mut held = held(folder.path()).await;
    // One that was never tried is tried at the next look.
    assert!(within_an_hour(&mut held).await);
    held.useless = Some(SecretString::from("first"));
    assert!(!within_an_hour(&mut held).await, "it fares no better");
    secret(folder.path(), "second");
    assert!(within_an_hour(&mut held).await);
    held.other_user = true;
    assert!(!within_an_hour(&mut held).await, "no secret mends that");
}

/// Whether it is tried again.
async fn within_an_hour(held: &mut Held) -> bool {
    tokio::time::timeout(Duration::from_secs(3_600), held.pardon())
        .await
        .is_ok_and(|end| matches!(end, Input::Pardoned))
}
