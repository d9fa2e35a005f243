//! Agents, sites and rosters over the admin server, over real sockets.

use super::tests::{Server, TOKEN, config, started_with};
use super::*;

/// Answers with the question itself.
async fn echoing(token: Option<&str>) -> Server {
    let answer = |question: Question| -> BoxFuture<'static, Result<serde_json::Value, Refusal>> {
        Box::pin(async move { Ok(format!("{question:?}").into()) })
    };
    started_with(config(token), Arc::new(answer)).await
}

fn said(question: &Question) -> (u16, String) {
    (200, serde_json::Value::from(format!("{question:?}")).to_string())
}

const ACTS: [&str; 6] = [
    "/api/v1/agents/1001/retry",
    "/api/v1/sites/main/retry",
    "/api/v1/sites/main/pause",
    "/api/v1/sites/main/resume",
    "/api/v1/sites/main/roster/reload",
    "/api/v1/sites/main/roster/accept",
];

#[tokio::test]
async fn agents_are_asked_for_with_bounds() {
    let server = echoing(None).await;
    let all = Question::Agents { site: None, standing: None, after: None, limit: 100 };
    assert_eq!(server.get("/api/v1/agents").await, said(&all));
    let some = Question::Agents {
        site: Some("main".into()),
        standing: Some("silent".into()),
        after: Some("main/10 01".into()),
        limit: 1_000,
    };
    let path = "/api/v1/agents?site=main&standing=silent&after=main%2F10+01&limit=9999999";
    assert_eq!(server.get(path).await, said(&some));
    assert_eq!(server.get("/api/v1/agents?limit=0").await.1.matches("limit: 1 ").count(), 1);
    assert_eq!(server.get("/api/v1/agents?agent=1").await.0, 400);
    assert_eq!(server.get("/api/v1/agents?limit=-1").await.0, 400);
}

#[tokio::test]
async fn an_agents_key_may_hold_any_character() {
    let server = echoing(None).await;
    let agent = Question::Agent { agent: "a/b ü?".into(), site: None };
    assert_eq!(server.get("/api/v1/agents/a%2Fb%20%C3%BC%3F").await, said(&agent));
    let agent = Question::Agent { agent: "1".into(), site: Some("main".into()) };
    assert_eq!(server.get("/api/v1/agents/1?site=main").await, said(&agent));
    assert_eq!(server.get("/api/v1/agents/1/timeline").await.0, 404);
}

#[tokio::test]
async fn what_acts_on_sites_and_agents_needs_a_token_always() {
    let open = echoing(None).await;
    let guarded = echoing(Some(TOKEN)).await;
    for path in ACTS {
        let (status, _, body) = open.ask("POST", path, None).await;
        assert_eq!(status, 403, "{path}");
        assert!(body.contains("admin.token = { file ="), "says how to set it: {body}");
        assert_eq!(guarded.ask("POST", path, None).await.0, 401, "{path}");
        assert_eq!(guarded.ask("GET", path, Some(&format!("Bearer {TOKEN}"))).await.0, 405, "{path}");
    }
    for (path, question) in ACTS.into_iter().zip([
        Some(Question::Retry { agent: "1001".into(), site: None }),
        Some(Question::RetryAll { site: "main".into() }),
        None,
        Some(Question::Resume { site: "main".into() }),
        Some(Question::RosterReload { site: "main".into() }),
        Some(Question::RosterAccept { site: "main".into(), change: None }),
    ]) {
        let Some(question) = question else { continue };
        let (status, _, body) = guarded.ask("POST", path, Some(&format!("Bearer {TOKEN}"))).await;
        assert_eq!((status, body), said(&question));
    }
    let path = "/api/v1/sites/main/roster/accept?change=3f9a12cd";
    let (status, _, body) = guarded.ask("POST", path, Some(&format!("Bearer {TOKEN}"))).await;
    let named = Question::RosterAccept { site: "main".into(), change: Some("3f9a12cd".into()) };
    assert_eq!((status, body), said(&named));
}

#[tokio::test]
async fn a_pause_has_a_reason_on_one_line() {
    let server = echoing(Some(TOKEN)).await;
    let pause = async |body: String| server.post("/api/v1/sites/main/pause", TOKEN, body).await;
    let wanted = Question::Pause { site: "main".into(), reason: "works on the directory".into() };
    assert_eq!(pause(r#"{"reason": " works on the directory "}"#.into()).await, said(&wanted));
    let long = format!(r#"{{"reason": "{}"}}"#, "x".repeat(201));
    let huge = format!(r#"{{"reason": "{}"}}"#, "x".repeat(100_000));
    for wrong in ["", "{}", r#"{"reason": ""}"#, r#"{"reason": "a\nb"}"#, r#"{"reason": 1}"#, &long, &huge] {
        assert_eq!(pause(wrong.to_owned()).await.0, 400, "{}", &wrong[..wrong.len().min(40)]);
    }
}

#[tokio::test]
async fn a_roster_is_shown_and_compared_without_changing_anything() {
    let server = echoing(None).await;
    let roster = Question::Roster { site: "main".into() };
    assert_eq!(server.get("/api/v1/sites/main/roster").await, said(&roster));
    let csv = b"agent,username\n1,ann\n".to_vec();
    let diff = Question::RosterDiff { site: "main".into(), csv: csv.clone() };
    let path = "/api/v1/sites/main/roster/diff";
    assert_eq!(server.post(path, "", String::from_utf8(csv).unwrap()).await, said(&diff));
    let guarded = echoing(Some(TOKEN)).await;
    assert_eq!(guarded.ask("POST", path, None).await.0, 401);
}
