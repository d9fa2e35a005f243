//! Logins that an operator holds up.

use super::*;
use crate::inbound::accounts::By;
use crate::inbound::accounts::gate::Pause;

#[tokio::test(start_paused = true)]
async fn a_pause_holds_back_also_those_who_had_leave_already() {
    let memory = Memory::default();
    let accounts = with_agents(&memory, 1).await;
    let metrics = Metrics::new().unwrap();
    let site =
        Site::new(crate::inbound::settings::SiteConfig { logins_per_second: 1, ..config() }).await.unwrap();
    site.admit(Errand::Login).await;
    let good = secret_of("0", "good");
    let mut entering = std::pin::pin!(accounts.enter(&site, None, "0", &good));
    assert!(tokio::time::timeout(SECOND / 2, &mut entering).await.is_err(), "the pace");
    accounts.pause("work on the directory").await.unwrap();
    assert!(tokio::time::timeout(MINUTE, &mut entering).await.is_err(), "the pause");
    let store = Store::Memory(memory.clone());
    let later =
        Accounts::load_from(&config(), store, &Clock::manual(0), Some(metrics.clone())).await.unwrap();
    assert_eq!(metrics.site_paused.with_label_values(&["main", "operator"]).get(), 1);
    later.resume().await.unwrap();
    assert_eq!(metrics.site_paused.with_label_values(&["main", "operator"]).get(), 0);
    accounts.resume().await.unwrap();
    assert_eq!(entering.await, Leave::Go);
    assert!(accounts.worked("0", &good));
}

#[tokio::test(start_paused = true)]
async fn an_operators_pause_does_not_wipe_out_what_the_brake_has_found() {
    let memory = Memory::default();
    let accounts = with_agents(&memory, 1).await;
    let brake = "4 agents were seen logged out";
    accounts.set_pause(Pause { by: By::Disturbed, reason: brake.to_owned(), since: 7 }).await.unwrap();
    for by in ["look", "look again"] {
        accounts.pause(by).await.unwrap();
    }
    let store = Store::Memory(memory.clone());
    let later = Accounts::load_from(&config(), store, &Clock::manual(0), None).await.unwrap();
    for accounts in [accounts, later] {
        let (by, reason, since) = accounts.state().paused.unwrap();
        assert_eq!((by, since), (By::Disturbed, 7));
        assert_eq!(reason, format!("{brake}; paused by an operator as well: look again"));
    }
}
