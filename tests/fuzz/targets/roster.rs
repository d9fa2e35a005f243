//! A roster file: agents, or faults by line that name no user.

#![no_main]

use cometbridge::inbound::roster;
use cometbridge_fuzz::{bounded, site};
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;
use std::path::Path;

fuzz_target!(|input: &[u8]| {
    // Not on this input's account.
    let _ = site();
    bounded(input, 100, || match roster::parse(input, Path::new("agents.csv"), site()) {
        Ok(agents) => {
            let keys: HashSet<&str> = agents.iter().map(|agent| agent.key.as_str()).collect();
            assert!(keys.len() == agents.len(), "keys stand once each");
            for agent in &agents {
                assert!(!agent.username.contains(':') && !agent.username.is_empty());
            }
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.lines().all(|line| line.starts_with("agents.csv")), "no place: {text:?}");
        }
    });
});
