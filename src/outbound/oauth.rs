//! OAuth 2.0 client credentials (RFC 6749, section 4.4): the request for a token, and what its answer holds.
//!
//! Nothing of an answer is repeated but the error words of the RFC. Deliberately absent: the way to the endpoint, when a
//! token is asked for, and how long it is used (the sinks'); refresh tokens (this grant has none).

use crate::outbound::settings::OAuth2;
use http::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

/// Largest answer of a token endpoint.
const MAX_ANSWER: usize = 64 << 10;
/// Of a token whose life the server does not tell.
const UNTOLD: Duration = Duration::from_secs(300);
/// No token is used for longer, whatever the server says.
const LONGEST: Duration = Duration::from_secs(86_400);

/// A token: its text fits into a header.
pub struct Granted {
    pub text: SecretString,
    pub life: Duration,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    token_type: Option<String>,
    /// A number, in quotes at some servers.
    expires_in: Option<Value>,
    error: Option<String>,
}

/// The question, ready to be sent.
pub fn request(config: &OAuth2, http: &Client, secret: &SecretString) -> RequestBuilder {
    let request = http
        .post(config.token_url.clone())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body(form(config, secret));
    if config.in_body {
        return request;
    }
    // The RFC wants both encoded before they go into Basic.
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    request.basic_auth(encoded(&config.client_id), Some(encoded(secret.expose_secret())))
}

fn form(config: &OAuth2, secret: &SecretString) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if !config.scopes.is_empty() {
        form.append_pair("scope", &config.scopes.join(" "));
    }
    if let Some(audience) = &config.audience {
        form.append_pair("audience", audience);
    }
    if config.in_body {
        form.append_pair("client_id", &config.client_id);
        form.append_pair("client_secret", secret.expose_secret());
    }
    form.finish()
}

/// The token of an answer; else what the endpoint does instead, to be read after its name.
pub async fn granted(mut response: Response) -> Result<Granted, String> {
    let status = response.status().as_u16();
    let mut body = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
    while let Some(chunk) = response.chunk().await.map_err(|_| "breaks its answer off".to_owned())? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(format!("answers {status} with more than 64 KiB: check token_url"));
        }
        body.extend_from_slice(&chunk);
    }
    read(status, &body)
}

fn read(status: u16, body: &[u8]) -> Result<Granted, String> {
    let answer = serde_json::from_slice::<Answer>(body);
    if status != 200 {
        let word = answer.ok().and_then(|answer| answer.error).unwrap_or_default();
        return Err(format!("answers {status}{}", advice(&word)));
    }
    let answer = answer.map_err(|_| "answers 200 without the JSON of a token: check token_url".to_owned())?;
    let text = answer.access_token.ok_or("answers without access_token: check token_url")?;
    let text = SecretString::from(text);
    if answer.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(
            "answers with a token that is not of the type Bearer, the only one spoken here".to_owned()
        );
    }
    if text.expose_secret().is_empty() || !text.expose_secret().bytes().all(|at| at.is_ascii_graphic()) {
        return Err("answers with an access_token that can not be sent".to_owned());
    }
    let told =
        answer.expires_in.and_then(|told| told.as_u64().or_else(|| told.as_str()?.trim().parse().ok()));
    Ok(Granted { text, life: told.map_or(UNTOLD, Duration::from_secs).min(LONGEST) })
}

/// The RFC's words (section 5.2), and what each asks for; any other is not repeated.
fn advice(word: &str) -> &'static str {
    match word {
        "invalid_client" => " (invalid_client): check client_id and client_secret",
        "unauthorized_client" => " (unauthorized_client): this client may not use client credentials",
        "invalid_scope" => " (invalid_scope): check scopes",
        "invalid_grant" => " (invalid_grant): this client may not have a token",
        "unsupported_grant_type" => " (unsupported_grant_type): it gives no tokens by client credentials",
        "invalid_request" => " (invalid_request): check scopes and token_url",
        _ => ": check token_url, client_id and client_secret",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gives_its_token_and_its_life_or_a_reason_without_its_words() {
        let life = |told: &str| {
            let body = format!(r#"{{"access_token":"abc.def","token_type":"bearer","expires_in":{told}}}"#);
            let granted = read(200, body.as_bytes()).unwrap();
            assert_eq!(granted.text.expose_secret(), "abc.def");
            granted.life.as_secs()
        };
        assert_eq!(["60", "\" 60\"", "null", "1.5"].map(life), [60, 60, 300, 300]);
        assert_eq!(life(&u64::MAX.to_string()), 86_400, "no moment is that far away");
        let reason = |status, body: &str| read(status, body.as_bytes()).map(drop).unwrap_err();
        let refused = reason(401, r#"{"error":"invalid_client","error_description":"no client ann"}"#);
        assert!(refused.contains("401 (invalid_client)") && !refused.contains("ann"), "{refused}");
        assert!(reason(500, "<html>ann</html>").starts_with("answers 500:"));
        assert!(reason(200, "{}").contains("without access_token"));
        assert!(reason(200, r#"{"access_token":"a b"}"#).contains("can not be sent"));
        assert!(reason(200, r#"{"access_token":"a","token_type":"mac"}"#).contains("type Bearer"));
    }
}
