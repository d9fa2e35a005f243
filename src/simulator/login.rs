//! Who is logged in: Basic credentials, `JSESSIONID`s and CSRF tokens.
//!
//! Deliberately absent: single sign-on, lock-out after wrong passwords, expiry (only the fault `expire` ends a login).

use super::faults::LoginMode;
use super::hub::{State, random_id};
use super::options::Options;
use base64::Engine;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};
use secrecy::ExposeSecret;
use std::collections::{HashMap, VecDeque};

/// Logins one user can have at a time; a new one ends the oldest.
const MAX_LOGINS: usize = 16;

/// One HTTP session.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub csrf: String,
}

#[derive(Debug, Default)]
pub struct Logins {
    by_id: HashMap<String, Login>,
    by_user: HashMap<String, VecDeque<String>>,
}

impl Logins {
    pub fn get(&self, headers: &HeaderMap) -> Option<&Login> {
        self.by_id.get(&cookie(headers, "JSESSIONID")?)
    }

    fn add(&mut self, user: &str) -> (String, Login) {
        let id = random_id();
        let login = Login { user: user.to_owned(), csrf: random_id() };
        self.by_id.insert(id.clone(), login.clone());
        let ids = self.by_user.entry(user.to_owned()).or_default();
        ids.push_back(id.clone());
        if ids.len() > MAX_LOGINS
            && let Some(oldest) = ids.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        (id, login)
    }

    /// Ends all logins of a user.
    pub fn forget(&mut self, user: &str) {
        for id in self.by_user.remove(user).into_iter().flatten() {
            self.by_id.remove(&id);
        }
    }
}

/// How a request for `/me` is answered.
#[derive(Debug)]
pub enum Outcome {
    /// `cookie` is a new `JSESSIONID`.
    Welcome {
        login: Login,
        cookie: Option<String>,
    },
    Refused(LoginMode),
}

/// Logs in, or finds the login the cookie names.
pub fn login(state: &mut State, options: &Options, headers: &HeaderMap) -> Outcome {
    state.stats.me_requests += 1;
    let current = state.logins.get(headers).cloned();
    let Some((name, password)) = basic(headers) else {
        return match current {
            Some(login) => Outcome::Welcome { login, cookie: None },
            None => refuse(state, LoginMode::Forbidden),
        };
    };
    if !options
        .users
        .iter()
        .any(|user| user.username == name && same(user.password.expose_secret(), &password))
    {
        return refuse(state, LoginMode::Forbidden);
    }
    let name = match state.faults.login(&name) {
        LoginMode::Ok | LoginMode::Slow => name,
        LoginMode::OtherUser => format!("other-{name}"),
        mode => return refuse(state, mode),
    };
    if let Some(login) = current.filter(|login| login.user == name) {
        return Outcome::Welcome { login, cookie: None };
    }
    state.stats.logins += 1;
    let (id, login) = state.logins.add(&name);
    Outcome::Welcome { login, cookie: Some(id) }
}

fn refuse(state: &mut State, mode: LoginMode) -> Outcome {
    state.stats.refused_logins += 1;
    Outcome::Refused(mode)
}

/// The name of the Basic header, and the bytes of its password.
pub fn basic(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let (name, password) = (bytes.get(..colon)?, bytes.get(colon + 1..)?);
    let name = match std::str::from_utf8(name) {
        Ok(name) => name.to_owned(),
        Err(_) => name.iter().map(|byte| char::from(*byte)).collect(),
    };
    Some((name, password.to_vec()))
}

/// A password may come in UTF-8 or in ISO-8859-1: clients of GWS do both.
fn same(password: &str, given: &[u8]) -> bool {
    password.as_bytes() == given || password.chars().eq(given.iter().map(|byte| char::from(*byte)))
}

/// The value of a cookie in a request.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs.flat_map(|value| value.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_counts_in_both_encodings_and_no_other() {
        assert!(same("Grün", "Grün".as_bytes()));
        assert!(same("Grün", &[b'G', b'r', 0xfc, b'n']));
        assert!(!same("Grün", b"Grun"));
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "AWSELB=1; JSESSIONID=abc".parse().unwrap());
        headers.append(COOKIE, "BAYEUX_BROWSER=x".parse().unwrap());
        assert_eq!(cookie(&headers, "JSESSIONID").as_deref(), Some("abc"));
        assert_eq!(cookie(&headers, "BAYEUX_BROWSER").as_deref(), Some("x"));
        assert_eq!(cookie(&headers, "SESSIONID"), None);
    }

    #[test]
    fn a_user_can_not_pile_up_logins() {
        let mut logins = Logins::default();
        for _ in 0..100 {
            logins.add("u");
        }
        assert_eq!(logins.by_id.len(), MAX_LOGINS);
        logins.forget("u");
        assert!(logins.by_id.is_empty());
    }
}
