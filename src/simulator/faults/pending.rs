//! The faults not yet spent, by the user they wait for.
//!
//! Deliberately absent: the damage itself.

use super::{Coming, CookieLoss, Fault, LoginMode, On};
use serde_json::Value;
use std::collections::HashMap;
use tokio::time::Instant;

/// More faults than this waiting are refused.
const MAX_PENDING: usize = 10_000;

/// Done to a request in place of processing it, or before.
#[derive(Clone, Debug, PartialEq)]
pub enum Before {
    Status { status: u16, retry_after: Option<u32> },
    Redirect { status: u16, location: Option<String> },
    Delay { millis: u32 },
    HangUp,
    Silence,
    Unknown,
    Misroute,
}

impl Before {
    /// Answered in place of the server, at once.
    pub fn answers(&self) -> bool {
        match self {
            Before::Status { .. } | Before::Redirect { .. } | Before::HangUp | Before::Unknown => true,
            Before::Delay { .. } | Before::Silence | Before::Misroute => false,
        }
    }
}

/// Done to the reply on its way out.
#[derive(Clone, Debug, PartialEq)]
pub enum After {
    Cut(usize),
    Garbage,
    Malformed,
    ContentType(String),
    Lost,
    Drip { bytes: usize, millis: u32 },
    RenameCookie,
    SwapCookie,
}

/// Done to the content of a connect reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Within {
    NoId,
    NoReplyAck,
    AdviceNone,
    ReplyFirst,
    Advice(Option<Value>),
}

#[derive(Clone, Debug)]
enum Kind {
    Before(Before),
    After(After),
    Within(Within),
}

#[derive(Debug)]
struct Pending {
    name: String,
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
    pub handshake_data: bool,
    /// The balancer ignores the node in the cookie.
    pub not_sticky: bool,
}

/// Faults not yet spent.
#[derive(Debug, Default)]
pub struct Faults {
    /// The empty name stands for whoever comes first.
    pending: HashMap<String, Vec<Pending>>,
    waiting: usize,
    logins: HashMap<String, LoginMode>,
    logouts: HashMap<String, Coming>,
    pub switches: Switches,
    pub outage: Option<(Instant, u16)>,
    pub silence: Option<Instant>,
    /// How many have struck a request or reply.
    pub struck: u64,
    /// Struck and not yet written down: name and user.
    pub fresh: Vec<(String, String)>,
}

impl Faults {
    /// Takes in a fault that waits for a request. Says no with a reason; what is done at once is not for here
    /// and is ignored.
    pub fn add(&mut self, fault: Fault) -> Result<(), String> {
        if self.waiting >= MAX_PENDING {
            return Err(format!("{MAX_PENDING} faults are waiting; clear them first"));
        }
        fault.check()?;
        match fault {
            Fault::Login { user, mode } => {
                self.logins.insert(user, mode);
            }
            Fault::Logout { user, on: Some(on) } => {
                self.logouts.insert(user, on);
            }
            Fault::NoAck { enabled } => self.switches.no_ack = enabled,
            Fault::DataAnywhere { enabled } => self.switches.data_anywhere = enabled,
            Fault::HandshakeWithoutAdvice { enabled } => self.switches.handshake_without_advice = enabled,
            Fault::HandshakeData { enabled } => self.switches.handshake_data = enabled,
            Fault::Balancer { sticky } => self.switches.not_sticky = !sticky,
            Fault::Clear => *self = Faults { struck: self.struck, ..Faults::default() },
            other => {
                let name = other.name();
                if let Some((user, on, left, kind)) = armed(other).filter(|(_, _, left, _)| *left > 0) {
                    let list = self.pending.entry(user.unwrap_or_default()).or_default();
                    list.push(Pending { name, on, left, kind });
                    self.waiting += 1;
                }
            }
        }
        Ok(())
    }

    pub fn login(&self, user: &str) -> LoginMode {
        self.logins.get(user).copied().unwrap_or(LoginMode::Ok)
    }

    /// Whether this coming of a client throws the user out.
    pub fn logs_out(&mut self, user: &str, coming: Coming) -> bool {
        let strikes = self.logouts.get(user) == Some(&coming) && self.logouts.remove(user).is_some();
        if strikes {
            self.struck += 1;
            self.fresh.push(("logout".to_owned(), user.to_owned()));
        }
        strikes
    }

    /// The status that Basic logins get while the directory is out.
    pub fn outage(&self) -> Option<u16> {
        self.outage.filter(|(until, _)| *until > Instant::now()).map(|(_, status)| status)
    }

    /// Nothing is answered now.
    pub fn silent(&self) -> bool {
        self.silence.is_some_and(|until| until > Instant::now())
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
    pub fn within(&mut self, user: &str, wanted: &Within) -> bool {
        let found = self.take(user, On::Connect, |kind| match kind {
            Kind::Within(within) if within == wanted => Some(()),
            _ => None,
        });
        found.is_some()
    }

    /// The advice, or its absence, that the connect reply being written shall have.
    pub fn advice(&mut self, user: &str) -> Option<Option<Value>> {
        self.take(user, On::Connect, |kind| match kind {
            Kind::Within(Within::Advice(value)) => Some(value.clone()),
            _ => None,
        })
    }

    fn take<T>(&mut self, user: &str, on: On, wanted: impl Fn(&Kind) -> Option<T>) -> Option<T> {
        let fits = |pending: &Pending| pending.on == on || (pending.on == On::Any && on != On::Rest);
        for key in [user, ""] {
            let Some(list) = self.pending.get_mut(key) else { continue };
            let at = list.iter().position(|pending| fits(pending) && wanted(&pending.kind).is_some());
            let Some((at, pending)) = at.and_then(|at| Some((at, list.get_mut(at)?))) else { continue };
            let taken = wanted(&pending.kind);
            pending.left = pending.left.saturating_sub(1);
            self.fresh.push((pending.name.clone(), user.to_owned()));
            if pending.left == 0 {
                list.remove(at);
                self.waiting = self.waiting.saturating_sub(1);
                if list.is_empty() {
                    self.pending.remove(key);
                }
            }
            self.struck += 1;
            return taken;
        }
        None
    }
}

type Armed = (Option<String>, On, u32, Kind);

/// Whom and what a fault waits for; `None` for one that waits for nothing.
fn armed(fault: Fault) -> Option<Armed> {
    within(fault.clone()).or_else(|| after(fault.clone())).or_else(|| before(fault))
}

fn before(fault: Fault) -> Option<Armed> {
    let (user, on, count, before) = match fault {
        Fault::Status { user, status, retry_after, on, count } => {
            (user, on, count, Before::Status { status, retry_after })
        }
        Fault::Redirect { user, status, location, on, count } => {
            (user, on, count, Before::Redirect { status, location })
        }
        Fault::Delay { user, millis, on, count } => (user, on, count, Before::Delay { millis }),
        Fault::HangUp { user, on, count } => (user, on, count, Before::HangUp),
        Fault::Silence { user, on, count } => (user, on, count, Before::Silence),
        Fault::Unknown { user, on, count } => (user, on, count, Before::Unknown),
        Fault::Misroute { user, on, count } => (user, on, count, Before::Misroute),
        _ => return None,
    };
    Some((user, on.unwrap_or(On::Any), count, Kind::Before(before)))
}

fn after(fault: Fault) -> Option<Armed> {
    let (user, on, count, after) = match fault {
        Fault::Cut { user, after, on, count } => (user, on, count, After::Cut(after)),
        Fault::Garbage { user, on, count } => (user, on, count, After::Garbage),
        Fault::Malformed { user, on, count } => (user, on, count, After::Malformed),
        Fault::ContentType { user, value, on, count } => (user, on, count, After::ContentType(value)),
        Fault::LostReply { user, on, count } => (user, on, count, After::Lost),
        Fault::Drip { user, bytes, millis, on, count } => (user, on, count, After::Drip { bytes, millis }),
        Fault::Cookie { user, how: CookieLoss::Rename, count } => (user, None, count, After::RenameCookie),
        Fault::Cookie { user, how: CookieLoss::Swap, count } => (user, None, count, After::SwapCookie),
        _ => return None,
    };
    Some((user, on.unwrap_or(On::Connect), count, Kind::After(after)))
}

fn within(fault: Fault) -> Option<Armed> {
    let (user, count, within) = match fault {
        Fault::NoId { user, count } => (user, count, Within::NoId),
        Fault::NoReplyAck { user, count } => (user, count, Within::NoReplyAck),
        Fault::AdviceNone { user, count } => (user, count, Within::AdviceNone),
        Fault::ReplyFirst { user, count } => (user, count, Within::ReplyFirst),
        Fault::Advice { user, value, count } => (user, count, Within::Advice(value)),
        _ => return None,
    };
    Some((user, On::Connect, count, Kind::Within(within)))
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
