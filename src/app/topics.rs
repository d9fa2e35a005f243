//! `cometbridge topics`: what has to be made in Kafka before the bridge can write there. Asks nobody.
//!
//! Deliberately absent: making it; topics and rights belong to those who run the cluster.

use crate::app::cli::Topics;
use crate::app::run::settings;
use crate::app::{Fault, print};
use crate::outbound::sink::kafka::needs::{self, Need};
use std::fmt::Write;

pub fn topics(arguments: &Topics) -> Result<(), Fault> {
    let settings = settings(&arguments.configured)?;
    let sites: Vec<&str> = settings.sites.iter().map(|site| site.name.as_str()).collect();
    let named = |name: &str| arguments.sink.as_deref().is_none_or(|wanted| wanted == name);
    let sinks = settings.sinks.iter().filter(|sink| named(&sink.name));
    let needs: Vec<Need> = sinks.filter_map(|sink| needs::of(sink, &sites)).collect();
    if needs.is_empty() {
        let which = arguments.sink.as_deref().map_or_else(String::new, |name| format!(" named {name}"));
        return Err(Fault::Failed(anyhow::anyhow!("there is no Kafka sink{which} in the configuration")));
    }
    let mut out = String::new();
    for need in &needs {
        if arguments.json {
            for line in need.lines() {
                let _ = writeln!(out, "{line}");
            }
        } else {
            out.push_str(&need.text());
        }
    }
    print(&out)
}
