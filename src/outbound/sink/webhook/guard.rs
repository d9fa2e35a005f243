//! `allow_networks`: a receiver's name is resolved here, and only addresses within the networks are dialled.
//!
//! Checked on what is dialled, each time: a name that is pointed elsewhere later (into the bridge's own network,
//! say) opens nothing. Deliberately absent: literal addresses, which are never resolved and which `config` checks.

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::error::Error;
use std::fmt::{Display, Formatter};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Addresses that a message tells.
const MOST_TOLD: usize = 3;

pub struct Guard(Arc<[IpNet]>);

/// All that a name leads to lies outside.
#[derive(Debug)]
pub struct Outside(Vec<IpAddr>);

impl Display for Outside {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let mut told: Vec<String> = self.0.iter().take(MOST_TOLD).map(ToString::to_string).collect();
        if self.0.len() > MOST_TOLD {
            told.push(format!("{} more", self.0.len() - MOST_TOLD));
        }
        write!(f, "its name leads to {}, in none of the networks of allow_networks", told.join(", "))
    }
}

impl Error for Outside {}

impl Guard {
    pub fn new(networks: &[IpNet]) -> Guard {
        Guard(networks.into())
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let networks = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(within(&networks, &found)?.into_iter()) as Addrs)
        })
    }
}

fn within(networks: &[IpNet], found: &[SocketAddr]) -> Result<Vec<SocketAddr>, Outside> {
    let inside = |at: &&SocketAddr| {
        let address = at.ip().to_canonical();
        networks.iter().any(|network| network.contains(&address))
    };
    let allowed: Vec<SocketAddr> = found.iter().filter(inside).copied().collect();
    if allowed.is_empty() {
        return Err(Outside(found.iter().map(SocketAddr::ip).collect()));
    }
    Ok(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 0)
    }

    #[test]
    fn only_addresses_within_the_networks_are_left() {
        let networks: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap()).to_vec();
        let found = ["127.0.0.1", "10.1.2.3", "fd00::7", "::1", "::ffff:10.9.9.9"].map(at);
        let left = within(&networks, &found).unwrap();
        assert_eq!(left, ["10.1.2.3", "fd00::7", "::ffff:10.9.9.9"].map(at));
        let said = within(&networks, &["127.0.0.1", "::1", "::ffff:127.0.0.1", "1.1.1.1"].map(at));
        let said = said.unwrap_err().to_string();
        assert!(
            said.starts_with("its name leads to 127.0.0.1, ::1, ::ffff:127.0.0.1, 1 more, in none"),
            "{said}"
        );
    }
}
