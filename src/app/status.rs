//! What the admin page and systemd are told of the service as a whole.

use crate::base::health::Status;
use crate::inbound::fleet::SiteNumbers;
use std::collections::BTreeMap;

/// A site's health from its sessions: down where nobody is connected, degraded where some are not.
pub fn of_site(numbers: &SiteNumbers) -> Status {
    let count = |state: &str| numbers.by_phase.get(state).copied().unwrap_or_default();
    let (connected, refused) = (count("connected"), count("refused"));
    let opening = count("starting") + count("login") + count("handshake") + count("subscribe");
    if numbers.agents == 0 || connected == numbers.agents {
        return Status::Ok;
    }
    if connected > 0 {
        return Status::Degraded(format!("{connected} of {} agents connected, {refused} refused", numbers.agents));
    }
    if opening > 0 {
        return Status::Starting;
    }
    Status::Down(format!("none of {} agents is connected, {refused} refused", numbers.agents))
}

/// One line for `systemctl status`.
pub fn line(sites: &BTreeMap<String, SiteNumbers>) -> String {
    let agents: usize = sites.values().map(|site| site.agents).sum();
    let connected: usize = sites.values().filter_map(|site| site.by_phase.get("connected")).sum();
    format!("{connected} of {agents} agents connected")
}
