//! The checked settings of a site, as `config` hands them over.

use crate::base::left_out::LeftOut;
use crate::base::link::Way;
use crate::base::secret::SecretRef;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// One GWS site.
#[derive(Clone, Debug)]
pub struct SiteConfig {
    pub name: String,
    /// Stands in `source`, ids and dedup; sites that are doors to one contact centre share it.
    pub realm: String,
    /// In order of preference; at least one.
    pub base_urls: Vec<Url>,
    /// Whether http:// is allowed beyond this machine.
    pub allow_plaintext: bool,
    /// Begins with a slash; appended to the base URL.
    pub notifications_path: String,
    /// Whether `/handshake`, `/connect`, … is appended, as CometD's own clients do.
    pub append_message_type: bool,
    /// Channels, the named sets expanded.
    pub channels: Vec<String>,
    pub roster: RosterConfig,
    /// Over all agents of the site; polls that are held or bring news do not count.
    pub requests_per_second: u32,
    pub logins_per_second: u32,
    pub ca: Option<PathBuf>,
    /// PEM with certificate and key.
    pub client_certificate: Option<SecretRef>,
    pub proxy: Option<Url>,
    pub proxy_password: Option<SecretRef>,
    pub headers: Vec<(String, HeaderValue)>,
    pub password_charset: Charset,
    /// Whether requests to CometD carry the Basic header too.
    pub basic_on_polls: bool,
    /// IANA name, for stamps without an offset.
    pub time_zone: jiff::tz::TimeZone,
    pub scope: Scope,
    /// Whether the text of `TypingStarted` (typed, not sent) is kept.
    pub typing_text: bool,
    /// What is not kept of events; then the sender's own JSON is not either, where it would stand once more.
    pub left_out: Option<Arc<LeftOut>>,
    /// Longest time without a byte beyond the server's own hold time.
    pub network_delay: Duration,
    pub connect_timeout: Duration,
    /// Largest reply body, after decompression.
    pub max_reply_bytes: u64,
    /// Largest single message; a larger one is published as `cometbridge.item.rejected.v1`.
    pub max_message_bytes: u64,
    /// Cap of the wait between tries after failures.
    pub max_backoff: Duration,
    /// Whether replies may come compressed.
    pub compression: bool,
    /// How long the server keeps a session between a connect's reply and the next connect, where nothing more
    /// was asked for: not announced by servers, CometD's default is 10 s.
    pub server_window: Duration,
    /// How much longer we ask the server to keep it (`advice.interval` in every connect); zero asks for nothing.
    pub ask_window: Duration,
    /// How long sessions are kept alive while storage stalls or a sink stops the intake; then they are let go.
    pub stall_hold: Duration,
    /// A `GET /me` of every session at least so often, so that the HTTP session does not end.
    pub keep_alive: Duration,
    /// How often each session's state is compared with REST; zero means never.
    pub reconcile_every: Duration,
    /// Handshakes under way at once.
    pub max_handshakes: u32,
    /// After an outage of the whole site: how long logins wait so that people get in first.
    pub settle_after_outage: Duration,
    /// More agents than this seen logged out right after our own login or expiry: logins stop.
    pub max_disturbed: u32,
    /// Pinning, by the roster's `group`.
    pub groups: BTreeMap<String, GroupConfig>,
}

impl SiteConfig {
    /// How the way to the site is set, for the words when it breaks.
    pub fn way(&self) -> Way<'_> {
        Way {
            party: "the server",
            key: "base_url",
            ca: self.ca.is_some(),
            client_certificate: self.client_certificate.is_some(),
            proxy: self.proxy.as_ref(),
        }
    }
}

/// Sites that leave something out make their digests with the secret of the journal that these stand in.
pub fn key_digests(sites: &[SiteConfig], secret: &[u8; 32]) {
    for left_out in sites.iter().filter_map(|site| site.left_out.as_ref()) {
        left_out.key_digests(secret);
    }
}

/// What a group of agents is sent with, to reach one node.
#[derive(Clone, Debug, Default)]
pub struct GroupConfig {
    /// In place of the site's `base_url`.
    pub base_url: Option<Url>,
    pub headers: Vec<(String, HeaderValue)>,
    /// Name and value; sent with every request.
    pub cookies: Vec<(String, String)>,
}

/// A static header: plain, or a secret by reference.
#[derive(Clone, Debug)]
pub enum HeaderValue {
    Plain(String),
    Secret(SecretRef),
}

#[derive(Clone, Debug)]
pub struct RosterConfig {
    pub file: PathBuf,
    /// One place for all passwords: a bundle file of `username,password` lines, or a command per user.
    pub passwords: Option<SecretRef>,
    /// How often the file is compared with what is held.
    pub watch: Duration,
    /// A change that removes more than this share of the agents is held until it is accepted.
    pub max_removed_percent: u32,
}

/// How user name and password become bytes for Basic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    Utf8,
    Latin1,
}

/// Whether two agents' copies of one log item are one event or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Interaction,
    Agent,
}

/// Settings for tests.
#[cfg(test)]
pub mod testing {
    use super::*;

    /// A site `main` with the defaults.
    pub fn site() -> SiteConfig {
        let seconds = Duration::from_secs;
        SiteConfig {
            name: "main".into(),
            realm: "main".into(),
            base_urls: Url::parse("https://gws.example.com").into_iter().collect(),
            allow_plaintext: false,
            notifications_path: "/api/v2/notifications".into(),
            append_message_type: true,
            channels: vec!["/v2/me/*".into()],
            roster: RosterConfig {
                file: "agents.csv".into(),
                passwords: None,
                watch: seconds(5),
                max_removed_percent: 10,
            },
            requests_per_second: 15,
            logins_per_second: 5,
            ca: None,
            client_certificate: None,
            proxy: None,
            proxy_password: None,
            headers: Vec::new(),
            password_charset: Charset::Utf8,
            basic_on_polls: true,
            time_zone: jiff::tz::TimeZone::UTC,
            scope: Scope::Interaction,
            typing_text: false,
            left_out: None,
            network_delay: seconds(10),
            connect_timeout: seconds(10),
            max_reply_bytes: 1 << 24,
            max_message_bytes: 1 << 20,
            max_backoff: seconds(60),
            compression: true,
            server_window: seconds(10),
            ask_window: seconds(60),
            stall_hold: seconds(300),
            keep_alive: seconds(600),
            reconcile_every: seconds(1800),
            max_handshakes: 50,
            settle_after_outage: seconds(60),
            max_disturbed: 3,
            groups: BTreeMap::new(),
        }
    }
}
