//! Who we say we are: bearer, basic, and tokens that end, are refused, or can not be had.

use super::*;
use crate::base::secret::SecretRef;
use crate::outbound::settings::{HeaderSource, OAuth2};
use axum::Json;
use serde_json::{Value, json};

/// A token endpoint: what it was asked, and its next answers (a fresh token once they are used up).
#[derive(Clone, Default)]
struct Issuer {
    asked: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<Vec<(u16, Value)>>>,
}

async fn issue(State(issuer): State<Issuer>, headers: HeaderMap, body: Bytes) -> Response {
    let mut asked = issuer.asked.lock().unwrap();
    asked.push((headers, body));
    let token =
        json!({"access_token": format!("t-{}", asked.len()), "token_type": "bearer", "expires_in": 3600});
    let mut answers = issuer.answers.lock().unwrap();
    let (status, answer) = if answers.is_empty() { (200, token) } else { answers.remove(0) };
    (StatusCode::from_u16(status).unwrap(), Json(answer)).into_response()
}

impl Issuer {
    async fn listen(&self) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let router = Router::new().fallback(issue).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url.parse().unwrap()
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

struct Secret(tempfile::NamedTempFile);

impl Secret {
    fn new(text: &str) -> Secret {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Secret(file)
    }

    fn place(&self) -> SecretRef {
        SecretRef::File(self.0.path().to_owned())
    }
}

/// A sink that shows this; its secrets are read as in service.
async fn showing(receiver: &Receiver, auth: Auth) -> WebhookSink {
    let config = WebhookConfig { auth: Some(auth), ..config(listen(receiver.clone()).await) };
    WebhookSink::build(&config, BACKOFF).await.unwrap()
}

fn oauth2(token_url: Url, secret: &Secret) -> OAuth2 {
    OAuth2 {
        token_url,
        client_id: "the bridge".into(),
        client_secret: secret.place(),
        scopes: vec!["a".into(), "b".into()],
        audience: Some("crm".into()),
        in_body: false,
    }
}

fn shown(receiver: &Receiver) -> Vec<String> {
    let got = receiver.got.lock().unwrap();
    got.iter().map(|(headers, _)| headers["authorization"].to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn bearer_and_basic_are_sent_as_they_stand() {
    let (receiver, secret) = (Receiver::default(), Secret::new("se%cret\n"));
    let bearer = showing(&receiver, Auth::Bearer(secret.place())).await;
    assert_eq!(bearer.deliver(&[delivery(1, "a")]).await, [Outcome::Done]);
    let basic = Auth::Basic { username: "bridge".into(), password: secret.place() };
    assert_eq!(showing(&receiver, basic).await.deliver(&[delivery(2, "a")]).await, [Outcome::Done]);
    assert_eq!(shown(&receiver), ["Bearer se%cret", "Basic YnJpZGdlOnNlJWNyZXQ="]);
}

#[tokio::test]
async fn one_token_serves_all_and_is_asked_for_as_the_standard_says() {
    let (receiver, issuer, secret) = (Receiver::default(), Issuer::default(), Secret::new("p:w d"));
    let config = oauth2(issuer.listen().await, &secret);
    let sink = showing(&receiver, Auth::OAuth2(config.clone())).await;
    let batch: Vec<_> = (0..8).map(|number| delivery(number, &format!("k{number}"))).collect();
    assert_eq!(sink.deliver(&batch).await, vec![Outcome::Done; 8]);
    assert_eq!(shown(&receiver), vec!["Bearer t-1"; 8]);
    let (headers, body) = issuer.asked.lock().unwrap().remove(0);
    // the+bridge:p%3Aw+d
    assert_eq!(headers["authorization"], "Basic dGhlK2JyaWRnZTpwJTNBdytk");
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(body, "grant_type=client_credentials&scope=a+b&audience=crm");
    let in_body = OAuth2 { in_body: true, ..config };
    let sink = showing(&receiver, Auth::OAuth2(in_body)).await;
    assert_eq!(sink.deliver(&[delivery(9, "a")]).await, [Outcome::Done]);
    let (headers, body) = issuer.asked.lock().unwrap().remove(0);
    assert!(!headers.contains_key("authorization"));
    assert!(body.ends_with(b"&client_id=the+bridge&client_secret=p%3Aw+d"), "{body:?}");
}

#[tokio::test]
async fn a_token_is_renewed_when_it_ends_and_once_when_it_is_refused() {
    let (receiver, issuer, secret) = (Receiver::default(), Issuer::default(), Secret::new("pw"));
    issuer.answers.lock().unwrap().push((200, json!({"access_token": "ends", "expires_in": "0"})));
    let config = oauth2(issuer.listen().await, &secret);
    let sink = showing(&receiver, Auth::OAuth2(config)).await;
    for number in 1..=3 {
        assert_eq!(sink.deliver(&[delivery(number, "a")]).await, [Outcome::Done]);
    }
    assert_eq!(shown(&receiver), ["Bearer ends", "Bearer t-2", "Bearer t-2"]);
    // Refused after it worked: another one. Refused before it ever worked: another one would do no better.
    *receiver.answers.lock().unwrap() = vec![(401, Vec::new()), (401, Vec::new()), (401, Vec::new())];
    for number in 4..=6 {
        let outcomes = sink.deliver(&[delivery(number, "a")]).await;
        let [Outcome::Retry { cause, .. }] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!(cause.reason, "unauthorized");
    }
    assert_eq!(sink.deliver(&[delivery(7, "a")]).await, [Outcome::Done]);
    assert_eq!(shown(&receiver)[3..], ["Bearer t-2", "Bearer t-3", "Bearer t-3", "Bearer t-3"]);
    assert_eq!(issuer.count(), 3);
}

#[tokio::test]
async fn where_no_token_can_be_had_one_asks_and_nothing_is_posted_or_told() {
    let (receiver, issuer, secret) = (Receiver::default(), Issuer::default(), Secret::new("hunter2"));
    for (status, answer, words) in [
        (
            401,
            json!({"error": "invalid_client", "error_description": "hunter2 is wrong"}),
            "answers 401 (invalid_client)",
        ),
        (400, json!({"error": "hunter2"}), "answers 400: check token_url"),
        (200, json!({"token": "hunter2"}), "without access_token"),
        (200, json!({"access_token": "hunter2", "token_type": "mac"}), "not of the type Bearer"),
        (302, json!("hunter2"), "answers 302: check token_url"),
    ] {
        issuer.answers.lock().unwrap().push((status, answer));
        let asked = issuer.count();
        let sink = showing(&receiver, Auth::OAuth2(oauth2(issuer.listen().await, &secret))).await;
        let batch: Vec<_> = (0..4).map(|number| delivery(number, &format!("k{number}"))).collect();
        let outcomes = sink.deliver(&batch).await;
        let causes: Vec<_> = outcomes
            .iter()
            .filter_map(|one| match one {
                Outcome::Retry { cause, .. } => Some(cause.to_string()),
                Outcome::Later { .. } => None,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!((causes.len(), issuer.count()), (1, asked + 1), "{outcomes:?}");
        assert!(causes[0].starts_with("token: http://127.0.0.1") && causes[0].contains(words), "{causes:?}");
        assert!(!causes[0].contains("hunter2"), "{causes:?}");
    }
    assert!(receiver.got.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_shown_of_a_request_is_what_arrives_but_for_secrets() {
    let (token, secret, key) = (Secret::new("hunter2"), Secret::new(OLD), Secret::new("hunter3"));
    for mode in [WebhookMode::Structured, WebhookMode::Batch] {
        let receiver = Receiver::default();
        let config = WebhookConfig {
            mode,
            secrets: vec![secret.place()],
            auth: Some(Auth::Bearer(token.place())),
            headers: vec![
                ("X-Team".to_owned(), HeaderSource::Plain("crm".to_owned())),
                ("X-Key".to_owned(), HeaderSource::Secret(key.place())),
            ],
            ..config(listen(receiver.clone()).await)
        };
        let sink = WebhookSink::build(&config, BACKOFF).await.unwrap();
        let shown = sink.shown(&delivery(1, "a")).await.unwrap();
        assert_eq!(sink.deliver(&[delivery(1, "a")]).await, [Outcome::Done]);
        let (headers, body) = receiver.got.lock().unwrap().remove(0);
        assert_eq!(shown.body.1, body);
        let instead = |name: &str| match name {
            "authorization" | "x-key" => Some("(a secret)"),
            "webhook-timestamp" => Some("(the time of each try)"),
            "webhook-signature" => Some("(by each secret, of id, time and body)"),
            _ => None,
        };
        for (name, text) in &shown.beside {
            let name = name.strip_prefix("header ").unwrap();
            let arrived = headers[name].to_str().unwrap();
            assert_eq!(text, instead(name).unwrap_or(arrived), "{name}");
        }
        let names: Vec<&str> = shown.beside.iter().map(|(name, _)| &name["header ".len()..]).collect();
        let (who, ours) = (["authorization", "content-type"], ["x-key", "x-team"]);
        let standard = ["webhook-id", "webhook-signature", "webhook-timestamp"];
        assert_eq!(names, [&who[..], &standard[..], &ours[..]].concat());
        assert!(!shown.to_string().contains("hunter"), "{shown}");
    }
    let (receiver, issuer) = (Receiver::default(), Issuer::default());
    let auth = Auth::OAuth2(oauth2(issuer.listen().await, &token));
    let shown = showing(&receiver, auth).await.shown(&delivery(1, "a")).await.unwrap();
    assert_eq!(shown.beside[0], ("header authorization".to_owned(), "(a token)".to_owned()));
    assert_eq!((issuer.count(), receiver.got.lock().unwrap().len()), (0, 0), "nobody is asked");
}
