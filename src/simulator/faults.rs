//! What can be made to go wrong while the simulator runs: the faults, and the list of those not yet spent.
//!
//! A fault without `user` hits whoever comes first. Deliberately absent: the damage itself, which `http`,
//! `login`, `exchange` and `hub` do where they would do the right thing otherwise.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// More faults than this waiting are refused.
const MAX_PENDING: usize = 10_000;

/// One fault, as `POST /simulator/faults` takes it: `{"fault":"cut","after":10}`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// How `GET /api/v2/me` treats the user from now on.
    Login { user: String, mode: LoginMode },
    /// The user's CometD sessions are gone: a held connect ends with HTTP 500, the next one gets `402`.
    Drop { user: String },
    /// The HTTP sessions as well: the next request gets 403.
    Expire { user: String },
    /// Publishes one message whose text is this long to the user.
    Huge { user: String, channel: String, bytes: usize },
    /// The next `count` requests are answered with this HTTP status and are not processed.
    Status {
        user: Option<String>,
        status: u16,
        retry_after: Option<u32>,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// As `status`, with a redirect: 302 or 307, to `location` or to where the request went.
    Redirect {
        user: Option<String>,
        status: u16,
        location: Option<String>,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next `count` requests wait so long before they are processed.
    Delay {
        user: Option<String>,
        millis: u32,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The connection ends after so many bytes of the next reply's body.
    Cut {
        user: Option<String>,
        after: usize,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next reply is no JSON.
    Garbage {
        user: Option<String>,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next reply says it is of this type.
    ContentType {
        user: Option<String>,
        value: String,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next connect reply has no `id`.
    NoId {
        user: Option<String>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next connect reply has no `ext.ack`.
    NoReplyAck {
        user: Option<String>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next connect reply carries its messages, ends the session and advises `none`.
    AdviceNone {
        user: Option<String>,
        #[serde(default = "one")]
        count: u32,
    },
    /// Handshakes from now on get no ack extension.
    NoAck { enabled: bool },
    /// Without ack, replies other than a connect's carry messages, too.
    DataAnywhere { enabled: bool },
    /// Handshake replies carry no advice.
    HandshakeWithoutAdvice { enabled: bool },
    /// Everything not yet spent is taken back, and what was switched on is off.
    Clear,
}

/// How a login ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum LoginMode {
    #[serde(rename = "ok")]
    Ok,
    #[serde(rename = "401")]
    Unauthorised,
    /// As a wrong password: HTTP 403 with statusCode 20.
    #[serde(rename = "403")]
    Forbidden,
    /// The reply names another user, `other-` and the name.
    #[serde(rename = "other", alias = "other-user")]
    OtherUser,
    #[serde(rename = "500")]
    Error,
    /// With `Retry-After: 1`.
    #[serde(rename = "503")]
    Unavailable,
    /// Three seconds late.
    #[serde(rename = "slow")]
    Slow,
}

/// Which requests a fault waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    Any,
    Handshake,
    Connect,
    Subscribe,
}

fn one() -> u32 {
    1
}

/// Done to a request in place of processing it, or before.
#[derive(Clone, Debug, PartialEq)]
pub enum Before {
    Status { status: u16, retry_after: Option<u32> },
    Redirect { status: u16, location: Option<String> },
    Delay { millis: u32 },
}

/// Done to the reply on its way out.
#[derive(Clone, Debug, PartialEq)]
pub enum After {
    Cut(usize),
    Garbage,
    ContentType(String),
}

/// Done to the content of a connect reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    NoId,
    NoReplyAck,
    AdviceNone,
}

#[derive(Clone, Debug)]
enum Kind {
    Before(Before),
    After(After),
    Within(Within),
}

#[derive(Debug)]
struct Pending {
    user: Option<String>,
    on: On,
    left: u32,
    kind: Kind,
}

/// What is switched on until it is switched off.
#[derive(Clone, Copy, Debug, Default)]
pub struct Switches {
    pub no_ack: bool,
    pub data_anywhere: bool,
    pub handshake_without_advice: bool,
}

/// Faults not yet spent.
#[derive(Debug, Default)]
pub struct Faults {
    pending: Vec<Pending>,
    logins: HashMap<String, LoginMode>,
    pub switches: Switches,
    /// How many have struck.
    pub struck: u64,
}

impl Faults {
    /// Takes in a fault that waits for a request. Says no with a reason; `Drop`, `Expire` and `Huge` are done
    /// at once by the hub and are ignored here.
    pub fn add(&mut self, fault: Fault) -> Result<(), String> {
        if self.pending.len() >= MAX_PENDING {
            return Err(format!("{MAX_PENDING} faults are waiting; clear them first"));
        }
        check(&fault)?;
        match fault {
            Fault::Login { user, mode } => {
                self.logins.insert(user, mode);
            }
            Fault::NoAck { enabled } => self.switches.no_ack = enabled,
            Fault::DataAnywhere { enabled } => self.switches.data_anywhere = enabled,
            Fault::HandshakeWithoutAdvice { enabled } => self.switches.handshake_without_advice = enabled,
            Fault::Clear => *self = Faults { struck: self.struck, ..Faults::default() },
            other => self.pending.extend(pending(other)),
        }
        Ok(())
    }

    pub fn login(&self, user: &str) -> LoginMode {
        self.logins.get(user).copied().unwrap_or(LoginMode::Ok)
    }

    pub fn before(&mut self, user: &str, on: On) -> Option<Before> {
        self.take(user, on, |kind| match kind {
            Kind::Before(before) => Some(before.clone()),
            _ => None,
        })
    }

    pub fn after(&mut self, user: &str, on: On) -> Option<After> {
        self.take(user, on, |kind| match kind {
            Kind::After(after) => Some(after.clone()),
            _ => None,
        })
    }

    /// Whether this fault strikes the connect reply being written.
    pub fn within(&mut self, user: &str, wanted: Within) -> bool {
        let found = self.take(user, On::Connect, |kind| match kind {
            Kind::Within(within) if *within == wanted => Some(()),
            _ => None,
        });
        found.is_some()
    }

    fn take<T>(&mut self, user: &str, on: On, wanted: impl Fn(&Kind) -> Option<T>) -> Option<T> {
        let fits = |pending: &Pending| {
            (pending.on == On::Any || pending.on == on)
                && pending.user.as_deref().is_none_or(|name| name == user)
        };
        let at = self.pending.iter().position(|pending| fits(pending) && wanted(&pending.kind).is_some())?;
        let pending = self.pending.get_mut(at)?;
        let taken = wanted(&pending.kind);
        pending.left = pending.left.saturating_sub(1);
        if pending.left == 0 {
            self.pending.remove(at);
        }
        self.struck += 1;
        taken
    }
}

fn check(fault: &Fault) -> Result<(), String> {
    match fault {
        Fault::Status { status, .. } if !(400..600).contains(status) => {
            Err(format!("status {status}: want 400 to 599"))
        }
        Fault::Redirect { status, .. } if ![301, 302, 303, 307, 308].contains(status) => {
            Err(format!("status {status}: want 301, 302, 303, 307 or 308"))
        }
        Fault::Redirect { location: Some(text), .. } | Fault::ContentType { value: text, .. }
            if http::HeaderValue::from_str(text).is_err() =>
        {
            Err("the text can not stand in an HTTP header".to_owned())
        }
        _ => Ok(()),
    }
}

fn pending(fault: Fault) -> Option<Pending> {
    let (user, on, left, kind) = match fault {
        Fault::Status { user, status, retry_after, on, count } => {
            (user, on.unwrap_or(On::Any), count, Kind::Before(Before::Status { status, retry_after }))
        }
        Fault::Redirect { user, status, location, on, count } => {
            (user, on.unwrap_or(On::Any), count, Kind::Before(Before::Redirect { status, location }))
        }
        Fault::Delay { user, millis, on, count } => {
            (user, on.unwrap_or(On::Any), count, Kind::Before(Before::Delay { millis }))
        }
        Fault::Cut { user, after, on, count } => {
            (user, on.unwrap_or(On::Connect), count, Kind::After(After::Cut(after)))
        }
        Fault::Garbage { user, on, count } => {
            (user, on.unwrap_or(On::Connect), count, Kind::After(After::Garbage))
        }
        Fault::ContentType { user, value, on, count } => {
            (user, on.unwrap_or(On::Connect), count, Kind::After(After::ContentType(value)))
        }
        Fault::NoId { user, count } => (user, On::Connect, count, Kind::Within(Within::NoId)),
        Fault::NoReplyAck { user, count } => (user, On::Connect, count, Kind::Within(Within::NoReplyAck)),
        Fault::AdviceNone { user, count } => (user, On::Connect, count, Kind::Within(Within::AdviceNone)),
        _ => return None,
    };
    (left > 0).then_some(Pending { user, on, left, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Fault {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_fault_strikes_as_often_as_told_and_only_its_user() {
        let mut faults = Faults::default();
        faults.add(read(r#"{"fault":"status","user":"a","status":503,"count":2,"retry_after":1}"#)).unwrap();
        assert_eq!(faults.before("b", On::Connect), None);
        let expected = Some(Before::Status { status: 503, retry_after: Some(1) });
        assert_eq!(faults.before("a", On::Connect), expected);
        assert_eq!(faults.before("a", On::Handshake), expected);
        assert_eq!(faults.before("a", On::Connect), None);
        assert_eq!(faults.struck, 2);
    }

    #[test]
    fn a_cut_waits_for_a_connect_unless_told() {
        let mut faults = Faults::default();
        faults.add(read(r#"{"fault":"cut","after":3}"#)).unwrap();
        assert_eq!(faults.after("a", On::Handshake), None);
        assert_eq!(faults.after("a", On::Connect), Some(After::Cut(3)));
    }

    #[test]
    fn clear_takes_everything_back() {
        let mut faults = Faults::default();
        faults.add(read(r#"{"fault":"garbage"}"#)).unwrap();
        faults.add(read(r#"{"fault":"no-ack","enabled":true}"#)).unwrap();
        faults.add(read(r#"{"fault":"login","user":"a","mode":"503"}"#)).unwrap();
        faults.add(Fault::Clear).unwrap();
        assert_eq!(faults.after("a", On::Connect), None);
        assert!(!faults.switches.no_ack);
        assert_eq!(faults.login("a"), LoginMode::Ok);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(serde_json::from_str::<Fault>(r#"{"fault":"cut","after":1,"afer":2}"#).is_err());
        assert!(Faults::default().add(read(r#"{"fault":"status","status":200}"#)).is_err());
        assert!(Faults::default().add(read(r#"{"fault":"content-type","value":"a\nb"}"#)).is_err());
    }
}
