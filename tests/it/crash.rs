//! Kill -9, full disks, shortened journals and stops under load: what is acknowledged is never lost, and nothing
//! comes twice under two identities. Asked from outside, of the real Java CometD server and real receivers.
//!
//! `story` publishes and remembers, `seen` reads what the receivers have, and the other modules break things.

mod disk_full;
mod fsync;
mod gaps;
mod kills;
mod seen;
mod short_lives;
mod state_dir;
mod stop;
mod story;

use crate::fleet::stage::campaign;
use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::Home;
use crate::harness::receiver::Receiver;
use crate::harness::sinks::TOLD;
use crate::harness::workload;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use story::Story;

/// The seed of a run, printed: `COMETBRIDGE_SEED`; else another one for each campaign, and the same for each run of
/// the tests.
fn seed() -> u64 {
    let given = std::env::var("COMETBRIDGE_SEED")
        .ok()
        .map(|text| text.parse().expect("COMETBRIDGE_SEED is a number"));
    let seed = given.unwrap_or_else(|| if campaign() { fastrand::u64(..) } else { 20_261_130 });
    println!("COMETBRIDGE_SEED={seed}");
    seed
}

/// A server, a webhook receiver and the home of a daemon with these and stdout as sinks.
struct Stage {
    server: Arc<Cometd>,
    receiver: Receiver,
    home: Home,
    story: Arc<Story>,
    agents: usize,
}

impl Stage {
    async fn set(agents: usize, arguments: &[&str], more: &str) -> Stage {
        Stage::on(Kind::Java, agents, arguments, more).await
    }

    async fn on(kind: Kind, agents: usize, arguments: &[&str], more: &str) -> Stage {
        let server = Arc::new(Cometd::start(kind, arguments));
        let receiver = Receiver::start().await;
        let home = Home::new();
        let users = workload::users(agents);
        home.write_roster(&users);
        home.write_config(&server.url, &format!("{}{more}", sinks(&receiver.url)));
        let story = Arc::new(Story::new(server.clone(), users, seed()));
        Stage { server, receiver, home, story, agents }
    }

    /// What the webhook got, in the order of arrival.
    fn webhook_events(&self) -> Vec<Value> {
        self.receiver.received().into_iter().map(|received| received.event).collect()
    }

    fn webhook_ids(&self) -> BTreeSet<String> {
        self.webhook_events().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// A webhook and stdout.
fn sinks(url: &str) -> String {
    let mine = format!("{TOLD}privacy = \"full\"\n");
    format!(
        "[sink.webhook.crm]\nurl = \"{url}\"\nsecrets = [{{ env = \"CRM_SECRET\" }}]\nallow_plaintext = true\n\
         concurrency = 32\nretry = {{ initial = \"100ms\", max = \"1s\", max_attempts = 1000 }}\n{mine}\
         [sink.stdout.console]\n{mine}"
    )
}
