//! The login: `GET /api/v2/me` with Basic, and what its answer means.
//!
//! A login counts only if it answers `statusCode` 0 and names the roster's user. A refused one is final: no
//! account is risked by trying again. Deliberately absent: any other request than a GET.

use crate::inbound::normalise::fields::{fit, word};
use crate::inbound::roster::Agent;
use crate::inbound::session::protocol::{Failure, FailureKind, LoginFailure};
use crate::inbound::session::transport::{Answer, Transport, asked_wait};
use crate::inbound::settings::Charset;
use base64::Engine;
use http::{HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;
use zeroize::Zeroizing;

/// GWS's "who am I".
pub const ME: &str = "/api/v2/me";

#[derive(Deserialize)]
struct Me {
    #[serde(rename = "statusCode")]
    status_code: Option<i64>,
    #[serde(default)]
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    #[serde(rename = "userName")]
    user_name: Option<String>,
    /// Of any shape: no login fails for it.
    #[serde(default)]
    id: Option<Box<RawValue>>,
}

/// Logs in; the transport keeps cookies, CSRF token and the Basic header from here on. Gives the user's id, where the server
/// says it.
pub async fn login(
    transport: &Transport,
    agent: &Agent,
    password: &SecretString,
    charset: Charset,
    timeout: Duration,
) -> Result<Option<String>, LoginFailure> {
    authorize(transport, agent, password, charset)?;
    let answer = match transport.get_me(timeout).await {
        Ok(answer) => answer,
        Err(failure) => return Err(LoginFailure::Passing(failure)),
    };
    judge(&answer, &agent.username)
}

/// Gives the transport the Basic header, without a request.
pub fn authorize(
    transport: &Transport,
    agent: &Agent,
    password: &SecretString,
    charset: Charset,
) -> Result<(), LoginFailure> {
    transport.authorize(basic(&agent.username, password, charset)?);
    Ok(())
}

fn basic(username: &str, password: &SecretString, charset: Charset) -> Result<HeaderValue, LoginFailure> {
    let pair = Zeroizing::new(format!("{username}:{}", password.expose_secret()));
    let bytes = Zeroizing::new(match charset {
        Charset::Utf8 => pair.as_bytes().to_vec(),
        Charset::Latin1 => {
            pair.chars().map(u8::try_from).collect::<Result<Vec<u8>, _>>().map_err(|_| {
                LoginFailure::Unusable(
                    "the user name or password has a character outside iso-8859-1: set password_charset = \"utf-8\""
                        .to_owned(),
                )
            })?
        }
    });
    let encoded =
        Zeroizing::new(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(&*bytes)));
    let mut value = HeaderValue::from_str(&encoded)
        .map_err(|_| LoginFailure::Unusable("the password can not stand in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What the answer to `GET /me` means for this agent; where it is the agent's own, the user's id.
pub fn judge(answer: &Answer, username: &str) -> Result<Option<String>, LoginFailure> {
    let me = serde_json::from_slice::<Me>(&answer.body).ok();
    let code = me.as_ref().and_then(|me| me.status_code);
    let passing = |text: String| {
        let retry_after = asked_wait(&answer.headers);
        Err(LoginFailure::Passing(Failure { kind: FailureKind::Http, text, retry_after }))
    };
    match (answer.status, code) {
        (StatusCode::UNAUTHORIZED, _) => Err(LoginFailure::Refused(
            "the server refused user name and password (HTTP 401); correct the secret: it is then tried by itself"
                .to_owned(),
        )),
        (StatusCode::FORBIDDEN, Some(20)) => Err(LoginFailure::Refused(
            "the server refused user name and password (HTTP 403, statusCode 20); correct the secret: it is then tried by itself"
                .to_owned(),
        )),
        (_, Some(8)) => Err(LoginFailure::Stale(
            "the server demands a new password (statusCode 8); change it and the secret: it is then tried by itself"
                .to_owned(),
        )),
        (StatusCode::OK, Some(0)) => named(me.and_then(|me| me.user), username),
        (StatusCode::NOT_FOUND, _) => {
            passing(format!("GET {ME} answered HTTP 404: no GWS at base_url; check its path"))
        }
        (StatusCode::OK, None) => {
            passing(format!("GET {ME} answered no GWS reply (no statusCode): check base_url"))
        }
        (status, Some(code)) => {
            passing(format!("GET {ME} answered HTTP {} with statusCode {code}", status.as_u16()))
        }
        (status, None) if status.is_redirection() => passing(format!(
            "GET {ME} answered HTTP {}, a redirect, which is not followed: set base_url to the final address",
            status.as_u16()
        )),
        (status, None) => passing(format!("GET {ME} answered HTTP {}", status.as_u16())),
    }
}

fn named(user: Option<User>, username: &str) -> Result<Option<String>, LoginFailure> {
    let (name, id) = user.map_or((None, None), |user| (user.user_name, user.id));
    match name {
        Some(name) if name.to_lowercase() == username.to_lowercase() => {
            Ok(fit(id.as_deref().and_then(word)))
        }
        Some(_) => Err(LoginFailure::OtherUser(
            "the server answered for another user than the roster names; check the roster line and any single sign-on in between".to_owned(),
        )),
        None => Err(LoginFailure::Unusable(
            "the server's answer names no user (user.userName), so it can not be checked against the roster".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use rstest::rstest;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[rstest]
    #[case(200, r#"{"statusCode":0,"user":{"userName":"Ann"}}"#, "ok")]
    #[case(200, r#"{"statusCode":0,"user":{"userName":"bob"}}"#, "other user")]
    #[case(200, r#"{"statusCode":0}"#, "final")]
    #[case(200, r#"{"statusCode":8}"#, "final")]
    #[case(401, "", "final")]
    #[case(403, r#"{"statusCode":20,"statusMessage":"Access denied"}"#, "final")]
    #[case(403, "<html>", "passing")]
    #[case(404, "", "passing")]
    #[case(503, r#"{"statusCode":4}"#, "passing")]
    #[case(200, "<html>", "passing")]
    #[case(200, "[]", "passing")]
    fn an_answer_is_a_login_a_refusal_or_a_fault_that_may_pass(
        #[case] status: u16,
        #[case] body: &str,
        #[case] expected: &str,
    ) {
        let seen = match judge(&answer(status, body), "ann") {
            Ok(_) => "ok",
            Err(LoginFailure::Refused(text) | LoginFailure::Stale(text) | LoginFailure::Unusable(text)) => {
                assert!(!text.contains("bob") && !text.contains("ann"), "personal: {text}");
                "final"
            }
            Err(LoginFailure::OtherUser(text)) => {
                assert!(!text.contains("bob") && !text.contains("ann"), "personal: {text}");
                "other user"
            }
            Err(LoginFailure::Passing(_)) => "passing",
        };
        assert_eq!(seen, expected);
    }

    #[rstest]
    #[case(r#""id":"63630b","#, Some("63630b"))]
    #[case(r#""id":7,"#, Some("7"))]
    #[case(r#""id":{"a":[1]},"#, None)]
    #[case(r#""id":null,"#, None)]
    #[case("", None)]
    fn the_users_id_is_taken_where_it_is_one_and_no_login_fails_for_it(
        #[case] id: &str,
        #[case] is: Option<&str>,
    ) {
        let body = format!(r#"{{"statusCode":0,"user":{{{id}"userName":"ann"}}}}"#);
        let Ok(seen) = judge(&answer(200, &body), "ann") else { panic!("a login") };
        assert_eq!(seen.as_deref(), is);
    }

    #[test]
    fn a_server_that_asks_to_come_later_is_heard() {
        let mut busy = answer(503, "");
        busy.headers.insert("retry-after", HeaderValue::from_static("7"));
        let Err(LoginFailure::Passing(failure)) = judge(&busy, "ann") else { panic!("503 may pass") };
        assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn the_charset_decides_the_bytes_of_basic() {
        let password = SecretString::from("pä");
        let utf8 = basic("u", &password, Charset::Utf8).unwrap();
        let latin1 = basic("u", &password, Charset::Latin1).unwrap();
        assert_eq!(utf8.to_str().unwrap(), "Basic dTpww6Q=");
        assert_eq!(latin1.to_str().unwrap(), "Basic dTpw5A==");
        assert!(utf8.is_sensitive());
        assert!(basic("u", &SecretString::from("€"), Charset::Latin1).is_err());
    }
}
