//! A trial of one agent at a real site: the same login, handshake, subscriptions and polls as in service, nothing
//! stored, nothing sent on, and REST looked at beside them.
//!
//! Only reads. It leaves with a farewell, and looks once more whether the agent is still logged in.
//! Deliberately absent: the sheet's words and the verdict (see `sheet`).

mod facts;
mod look;
mod sheet;
#[cfg(test)]
mod tests;
mod watch;

pub use sheet::{Sheet, Verdict};

use crate::base::time::Clock;
use crate::inbound::accounts::Tried;
use crate::inbound::roster::Agent;
use crate::inbound::rules;
use crate::inbound::session::login::{authorize, login};
use crate::inbound::session::machine::Machine;
use crate::inbound::session::protocol::{Before, Failure, FailureKind, Input, LoginFailure, Moment};
use crate::inbound::session::transport::Transport;
use crate::inbound::site::{Errand, Site, node_of};
use facts::Facts;
use look::Looker;
use secrecy::SecretString;
use serde_json::value::RawValue;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use watch::Watch;

/// After the farewell the agent is looked at once more so late: an effect of our leaving shows within it.
pub const AFTERMATH: Duration = Duration::from_secs(35);
/// REST is looked at so often, at least.
const LOOK: Duration = Duration::from_secs(60);

/// How long after the last look a doubt is looked at once more.
const SECOND_LOOK: Duration = Duration::from_secs(10);

/// Is told of each notification as it came: channel and data.
pub type Heard = Arc<dyn Fn(&str, &RawValue) + Send + Sync>;

/// Is told of a secret that the server refused.
pub type Refused = Arc<dyn Fn(&Agent, &SecretString, Tried) + Send + Sync>;

/// What a trial needs.
pub struct Trial {
    pub site: Arc<Site>,
    pub agent: Agent,
    pub length: Duration,
    /// How long after the farewell the agent is looked at again; the usual time where it is `None`.
    pub aftermath: Option<Duration>,
    /// Who listens along.
    pub heard: Option<Heard>,
    /// Who keeps in mind which secrets are not to be tried again.
    pub refused: Option<Refused>,
    /// Ends the trial as if its time were over.
    pub stop: CancellationToken,
}

/// Who logs in, and by which way.
pub(super) struct Entrance<'a> {
    pub site: &'a Arc<Site>,
    pub agent: &'a Agent,
    pub transport: &'a Transport,
    refused: Option<Refused>,
}

/// Runs the trial; `say` is told of each step. A login that is refused ends it, with that in the sheet.
pub async fn run(trial: Trial, clock: &Clock, mut say: impl FnMut(&str)) -> Sheet {
    let Trial { site, agent, length, aftermath, heard, refused, stop } = trial;
    let pin = site.pin(agent.group.as_deref(), agent.base_url.as_ref());
    let transport = Arc::new(Transport::new(Arc::clone(&site), pin));
    let mut sheet = Sheet::new(&site.config, &agent.key, clock.now());
    sheet.version = version(&site, &transport).await;
    say("logging in");
    let entrance = Entrance { site: &site, agent: &agent, transport: &transport, refused };
    if let Err(failure) = entrance.enter().await {
        sheet.login = Err(reason(failure));
        sheet.ended = clock.now();
        return sheet;
    }
    sheet.seen(&transport);
    let looker = Looker { site: &site, agent: &agent, transport: &transport, clock };
    let before = looker.look().await.map(|look| look.facts);
    sheet.before = before.as_ref().map(Facts::states).map_err(Clone::clone);
    say("logged in; opening a session and listening");
    let shared = Mutex::new(Watch::new(sheet, before.ok(), heard));
    let mut machine = Machine::new(rules(&site.config), Before::default());
    let (door, mut inside) = tokio::sync::watch::channel(true);
    let polls = watch::polls(&entrance, clock, (&shared, &door), &mut machine);
    let looks = looks(&looker, &shared, &mut inside, (length, &stop));
    // The looks end with the trial; polls end by themselves only where the login is refused.
    tokio::select! {
        () = polls => {}
        () = looks => {}
    }
    say("saying farewell, then looking at the agent once more");
    farewell(machine, clock, &transport).await;
    let mut watch = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    watch.sheet.node = node(&transport);
    if watch.sheet.login.is_err() {
        // A look would try the refused secret once more.
        return watch.end(Err("the login was refused".to_owned()), clock.now());
    }
    if !*inside.borrow() {
        let reason = "there was no login any more".to_owned();
        watch.sheet.unread = Some(reason.clone());
        return watch.end(Err(reason), clock.now());
    }
    tokio::time::sleep(aftermath.unwrap_or(AFTERMATH)).await;
    let after = looker.look().await.map(|look| look.facts);
    watch.end(after, clock.now())
}

impl Entrance<'_> {
    /// The login as in service. A secret that can not be read now may be there later.
    pub(super) async fn enter(&self) -> Result<(), LoginFailure> {
        let Entrance { site, agent, transport, .. } = self;
        let passing = |text| Failure { kind: FailureKind::Network, text, retry_after: None };
        let password = site.passwords.read(&site.config, agent).await;
        let password = password.map_err(|text| LoginFailure::Passing(passing(text)))?;
        site.admit(Errand::Login).await;
        let (charset, timeout) = (site.config.password_charset, site.config.network_delay);
        let entered = login(transport, agent, &password, charset, timeout).await;
        let tried = match &entered {
            Err(LoginFailure::Refused(text)) => Some(Tried::Refused(text.clone())),
            Err(LoginFailure::Stale(text)) => Some(Tried::Stale(text.clone())),
            _ => None,
        };
        if let (Some(told), Some(tried)) = (&self.refused, tried) {
            told(agent, &password, tried);
        }
        entered?;
        authorize(transport, agent, &password, charset)
    }
}

/// Why there was no login, in words.
fn reason(failure: LoginFailure) -> String {
    match failure {
        LoginFailure::Refused(text)
        | LoginFailure::Stale(text)
        | LoginFailure::Unusable(text)
        | LoginFailure::OtherUser(text) => by_hand(&text),
        LoginFailure::Passing(failure) => failure.text,
    }
}

/// A refusal in words, without what only the service does.
pub fn by_hand(text: &str) -> String {
    text.replace("it is then tried by itself", "then try again")
}

/// Whether the trial is logged in: false while it logs in anew.
type Inside = tokio::sync::watch::Receiver<bool>;

/// Looks at the state over REST until the trial is over.
async fn looks(
    looker: &Looker<'_>,
    watch: &Mutex<Watch>,
    inside: &mut Inside,
    (length, stop): (Duration, &CancellationToken),
) {
    let end = tokio::time::Instant::now() + length;
    loop {
        let next = tokio::time::Instant::now() + LOOK.min(length / 4).max(Duration::from_millis(100));
        let stopped = tokio::select! {
            () = tokio::time::sleep_until(next.min(end)) => false,
            () = stop.cancelled() => true,
        };
        look(looker, watch, inside).await;
        if stopped || tokio::time::Instant::now() >= end {
            break;
        }
    }
    if lock(watch).doubts() {
        // While the session still listens: what is on its way may come yet.
        tokio::time::sleep(SECOND_LOOK.min(length / 4)).await;
        look(looker, watch, inside).await;
    }
}

/// Without a login the server would refuse every list, which says nothing of the site: no look is made then, and one
/// that a new login overtakes is dropped.
async fn look(looker: &Looker<'_>, watch: &Mutex<Watch>, inside: &mut Inside) {
    let look = tokio::select! {
        biased;
        // An end of the polls ends the looks, too.
        _ = inside.wait_for(|inside| !inside) => return,
        look = looker.look() => look,
    };
    lock(watch).looked(look);
}

async fn farewell(machine: Machine, clock: &Clock, transport: &Transport) {
    let moment = Moment { now: clock.now(), random: fastrand::f64() };
    let (_, actions) = machine.step(moment, Input::Leave);
    for action in actions {
        if let crate::inbound::session::protocol::Action::Send { request, timeout } = action {
            // Whether it is heard or not: the server ends the session by itself a little later.
            let _ = transport.post(&request, timeout).await;
        }
    }
}

async fn version(site: &Site, transport: &Transport) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Version {
        version: String,
    }
    site.admit(Errand::Open).await;
    let answer = transport.get("/api/v2/diagnostics/version", site.config.network_delay).await.ok()?;
    let found = serde_json::from_slice::<Version>(&answer.body).ok()?.version;
    let plain = found.len() <= 40 && found.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    plain.then_some(found)
}

fn node(transport: &Transport) -> Option<String> {
    let cookies = transport.cookies();
    node_of(cookies.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

fn lock(watch: &Mutex<Watch>) -> std::sync::MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}
