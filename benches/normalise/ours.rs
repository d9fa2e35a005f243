//! The daemon's own way, from the reply's bytes to the envelopes' bytes.
//!
//! Deliberately absent: what stands between in the daemon, dedup and the journal.

use crate::{AGENT, RECORDED, SEQUENCE};
use cometbridge::base::encode::put_structured;
use cometbridge::config::{self, Sources};
use cometbridge::inbound::normalise::{Context, event_id, normalise};
use cometbridge::inbound::session::bayeux::{Message, parse};
use cometbridge::inbound::settings::SiteConfig;
use cometbridge::inbound::users::Users;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::LazyLock;

/// 2026-11-22T07:00:00Z.
const RECEIVED: i64 = 1_795_330_800_000;

/// A site as the configuration makes it of its defaults.
static SITE: LazyLock<SiteConfig> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        let mut options = std::fs::OpenOptions::new();
        options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        path
    };
    let (roster, passwords) = (write("agents.csv", "x"), write("passwords.csv", "x"));
    let text = format!(
        "state_dir = \"{}\"\n[site.main]\nbase_url = \"https://gws.example.com\"\n[site.main.roster]\nfile = \"{}\"\n\
         passwords = {{ file = \"{}\" }}\n[sink.stdout.out]\nprivacy = \"full\"\n",
        dir.path().display(),
        roster.display(),
        passwords.display(),
    );
    let sources = Sources { file: Some(write("cometbridge.toml", &text)), ..Sources::default() };
    config::load(&sources).unwrap_or_else(|problems| panic!("{problems}")).sites.remove(0)
});

/// Nobody else is held.
static USERS: LazyLock<Users> = LazyLock::new(Users::default);

pub fn envelopes(body: &[u8], out: &mut Vec<u8>) {
    let cx = Context { site: &SITE, agent: AGENT, users: &USERS, received: RECEIVED };
    for message in parse(body).unwrap() {
        let Message::Data { channel, data } = message else { continue };
        for mut candidate in normalise(&cx, &channel, &data) {
            candidate.event.id = event_id(&candidate.identity, 1);
            candidate.event.recordedtime = RECORDED.to_owned();
            put_structured(&candidate.event, SEQUENCE, out).unwrap();
            out.push(b'\n');
        }
    }
}
