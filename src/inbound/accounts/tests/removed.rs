//! Agents that are taken off the roster: what is remembered of them, and what is shown.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_refusal_holds_over_removal_and_is_shown_only_while_the_agent_is_held() {
    let memory = Memory::default();
    let accounts = start(&memory).await;
    accounts.tried("1", &secret("bad"), no()).await;
    accounts.tried("2", &secret("good"), Tried::Worked).await;
    for agent in ["1", "2", "3"] {
        accounts.held(agent, false);
    }
    assert_eq!((accounts.state().refused, accounts.forgive_all().await.unwrap()), (0, 0));
    assert!(!accounts.worked("2", &secret("good")), "of it nothing is known any more");
    for accounts in [accounts, start(&memory).await] {
        accounts.held("1", true);
        assert_eq!(accounts.state().refused, 1);
        assert!(matches!(accounts.leave("1", &secret("bad")).await, Leave::Refused(_)));
    }
    let accounts = start(&memory).await;
    assert_eq!(accounts.leave("1", &secret("new")).await, Leave::Go);
    assert!(accounts.forgive("1").await.unwrap());
    accounts.held("1", false);
    accounts.held("1", true);
    assert_eq!(accounts.leave("1", &secret("bad")).await, Leave::Go, "an operator asked before it went");
}
