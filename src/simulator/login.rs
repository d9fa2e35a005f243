//! Who is logged in: Basic credentials, `JSESSIONID`s and CSRF tokens.
//!
//! Deliberately absent: single sign-on, expiry (only a fault ends a login).

use super::faults::{Coming, LoginMode};
use super::hub::{Hub, State, random_id};
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
    pub node: usize,
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

    /// A new login; the id names its node where there are several.
    fn add(&mut self, user: &str, node: usize, nodes: usize) -> (String, Login) {
        let id = if nodes > 1 { format!("{}.node{}", random_id(), node + 1) } else { random_id() };
        let login = Login { user: user.to_owned(), csrf: random_id(), node };
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

    /// Gives all logins of a user new CSRF tokens; how many.
    pub fn new_csrf(&mut self, user: &str) -> usize {
        let ids = self.by_user.get(user).map(|ids| ids.iter()).into_iter().flatten();
        ids.filter_map(|id| self.by_id.get_mut(id).map(|login| login.csrf = random_id())).count()
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

/// The login a request's cookie names, where the node it came to knows it.
pub fn known(state: &State, hub: &Hub, headers: &HeaderMap, node: usize) -> Option<Login> {
    let login = state.logins.get(headers)?;
    (login.node == node || hub.options.shared_logins).then(|| login.clone())
}

/// Logs in on a node, or finds the login the cookie names.
pub fn login(state: &mut State, hub: &Hub, headers: &HeaderMap, node: usize) -> Outcome {
    state.stats.me_requests += 1;
    let current = known(state, hub, headers, node);
    let Some((name, password)) = basic(headers) else {
        return match current {
            Some(login) if state.faults.login(&login.user) == LoginMode::NewPassword => {
                refuse(state, LoginMode::NewPassword)
            }
            Some(login) => Outcome::Welcome { login, cookie: None },
            None => refuse(state, LoginMode::Forbidden),
        };
    };
    state.peaks.login();
    let Some(user) = hub.user(&name) else { return refuse(state, LoginMode::Forbidden) };
    state.peaks.attempt(&name);
    let lock_after = hub.options.lock_after;
    if let Some(status) = state.faults.outage() {
        state.peaks.refused(&name, false, lock_after);
        return refuse(state, if status == 401 { LoginMode::Unauthorised } else { LoginMode::Forbidden });
    }
    let right = same(user.password.expose_secret(), &password);
    if !right || state.peaks.locked(&name) {
        state.peaks.refused(&name, !right, lock_after);
        return refuse(state, LoginMode::Forbidden);
    }
    let known_as = match state.faults.login(&name) {
        LoginMode::Ok | LoginMode::Slow | LoginMode::Nameless => name.clone(),
        LoginMode::OtherUser => format!("other-{name}"),
        mode => {
            state.peaks.refused(
                &name,
                matches!(mode, LoginMode::Forbidden | LoginMode::Unauthorised),
                lock_after,
            );
            return refuse(state, mode);
        }
    };
    state.peaks.succeeded(&name);
    if let Some(login) = current.filter(|login| login.user == known_as) {
        return Outcome::Welcome { login, cookie: None };
    }
    state.stats.logins += 1;
    let (id, login) = state.logins.add(&known_as, node, hub.options.nodes);
    state.came(&known_as, Coming::Login);
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

/// The node that `JSESSIONID` names, where there are several.
pub fn node_of(headers: &HeaderMap, nodes: usize) -> Option<usize> {
    let id = cookie(headers, "JSESSIONID")?;
    let node: usize = id.rsplit_once(".node")?.1.parse().ok()?;
    node.checked_sub(1).filter(|node| *node < nodes)
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
            logins.add("u", 0, 1);
        }
        assert_eq!(logins.by_id.len(), MAX_LOGINS);
        logins.forget("u");
        assert!(logins.by_id.is_empty());
    }
}
