//! Agents that are taken off the roster: what is remembered of them, and what is shown.

use super::*;

/// Of one user, whichever agent it stands with.
fn secret(text: &str) -> Credentials {
    secret_of("ann", text)
}

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

/// The secret may well be the same one for all of a site's users.
#[tokio::test(start_paused = true)]
async fn another_user_name_on_the_agents_line_is_another_account_and_is_tried() {
    let memory = Memory::default();
    let accounts = start(&memory).await;
    accounts.tried("1", &secret_of("ann", "bad"), no()).await;
    accounts.held("1", false);
    for accounts in [accounts, start(&memory).await] {
        accounts.held("1", true);
        assert_eq!(accounts.leave("1", &secret_of("bob", "bad")).await, Leave::Go);
        for ann in ["ann", "Ann"] {
            assert!(matches!(accounts.leave("1", &secret_of(ann, "bad")).await, Leave::Refused(_)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_follows_its_account_to_another_agents_line() {
    let memory = Memory::default();
    let accounts = start(&memory).await;
    accounts.tried("1", &secret("bad"), no()).await;
    accounts.tried("2", &secret("good"), Tried::Worked).await;
    accounts.held("1", false);
    assert!(matches!(accounts.leave("9", &secret("bad")).await, Leave::Refused(_)));
    for accounts in [accounts, start(&memory).await] {
        assert!(matches!(accounts.leave("9", &secret("bad")).await, Leave::Refused(_)));
        let at = rfc3339(1_000);
        assert!(accounts.refused("9", &secret("bad")).unwrap().contains(&at), "as old as it is");
        assert_eq!(accounts.all_refused().len(), 1, "the former agent has none any more");
    }
    // And an operator can ask for it under the key it has now.
    let accounts = start(&memory).await;
    assert!(accounts.forgive("9").await.unwrap());
    assert_eq!(accounts.leave("9", &secret("bad")).await, Leave::Go);
}
