//! Logins that an operator holds up.

use super::*;

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
