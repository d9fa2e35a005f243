//! A site's table → its settings.
//!
//! Deliberately absent: the roster's lines (read and checked by `inbound`, as they change while running).

use super::group::site_headers;
use super::{Check, HOUR, MILLI, MINUTE};
use crate::config::findings::nearest;
use crate::config::raw::{self, OneOrMore};
use crate::config::tree::Path;
use crate::inbound::settings::{Charset, RosterConfig, Scope, SiteConfig};
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

/// Headers that the session sets itself.
pub(super) const OWN_HEADERS: [&str; 9] = [
    "accept",
    "authorization",
    "host",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "cookie",
    "accept-encoding",
];

impl Check<'_> {
    pub(super) fn sites(&mut self, at: &Path, raw: BTreeMap<String, raw::Site>) -> Vec<SiteConfig> {
        if raw.is_empty() {
            self.missing(
                at,
                "there is no site: add a table [site.NAME] with base_url, and [site.NAME.roster]",
            );
        }
        let mut sites = Vec::new();
        for (name, raw) in raw {
            let at = at.key(&name);
            sites.extend(self.site(&at, name, raw));
        }
        sites
    }

    fn site(&mut self, at: &Path, name: String, raw: raw::Site) -> Option<SiteConfig> {
        let base_urls = self.base_urls(at, &raw);
        let channels = self.channels(&at.key("subscribe"), &raw.subscribe);
        let (requests, logins) = self.rates(at, &raw);
        let (max_reply, max_message) = self.sizes(at, &raw);
        let roster = self.roster(&at.key("roster"), &raw.roster);
        let groups = self.groups(at, &raw);
        let (proxy, proxy_password) = self.proxy(at, raw.proxy.as_ref(), raw.proxy_password.as_ref());
        let (keep_alive, reconcile_every) = (self.keep_alive(at, &raw), self.reconcile_every(at, &raw));
        let headers = self.headers(&at.key("headers"), &raw.headers, &OWN_HEADERS);
        let ca = self.authorities(&at.key("ca"), raw.ca.as_ref());
        let client_certificate = raw
            .client_certificate
            .and_then(|place| self.secret(&at.key("client_certificate"), &place, false));
        let zone = self.time_zone(&at.key("time_zone"), &raw.time_zone);
        self.path(&at.key("notifications_path"), &raw.notifications_path);
        Some(SiteConfig {
            realm: self.realm(&at.key("realm"), raw.realm, &name),
            name,
            base_urls,
            notifications_path: raw.notifications_path,
            append_message_type: raw.append_message_type,
            channels,
            requests_per_second: requests,
            logins_per_second: logins,
            ca,
            client_certificate,
            proxy,
            proxy_password,
            headers: site_headers(headers),
            password_charset: charset(raw.password_charset),
            basic_on_polls: raw.basic_on_polls,
            time_zone: zone?,
            scope: scope(raw.dedup_scope),
            typing_text: raw.collect.typing_text,
            left_out: self.left_out(&at.key("collect"), &raw.collect),
            network_delay: self.span(&at.key("network_delay"), raw.network_delay, MILLI, 10 * MINUTE),
            connect_timeout: self.span(&at.key("connect_timeout"), raw.connect_timeout, MILLI, 10 * MINUTE),
            max_reply_bytes: max_reply,
            max_message_bytes: max_message,
            max_backoff: self.span(&at.key("max_backoff"), raw.max_backoff, MILLI, HOUR),
            compression: raw.compression,
            server_window: self.span(&at.key("server_window"), raw.server_window, 100 * MILLI, HOUR),
            ask_window: self.span(&at.key("ask_window"), raw.ask_window, Duration::ZERO, HOUR),
            stall_hold: self.span(&at.key("stall_hold"), raw.stall_hold, Duration::ZERO, 24 * HOUR),
            keep_alive,
            reconcile_every,
            max_handshakes: self.number(&at.key("max_handshakes"), raw.max_handshakes, 1, 10_000),
            settle_after_outage: self.span(
                &at.key("settle_after_outage"),
                raw.settle_after_outage,
                Duration::ZERO,
                HOUR,
            ),
            max_disturbed: self.number(&at.key("max_disturbed"), raw.max_disturbed, 1, 100_000),
            allow_plaintext: raw.allow_plaintext,
            groups,
            roster: roster?,
        })
    }

    fn base_urls(&mut self, table: &Path, raw: &raw::Site) -> Vec<Url> {
        let at = table.key("base_url");
        let written: Vec<(Path, &String)> = match &raw.base_url {
            None => {
                self.missing(
                    &at,
                    "base_url is missing: where the server is, e.g. \"https://gws.example.com\"",
                );
                return Vec::new();
            }
            Some(OneOrMore::One(text)) => vec![(at, text)],
            Some(OneOrMore::More(list)) => {
                if list.is_empty() {
                    self.fault(&at, "the list is empty: at least one URL is needed");
                }
                list.iter().enumerate().map(|(index, text)| (at.index(index), text)).collect()
            }
        };
        let mut urls = Vec::new();
        for (at, text) in written {
            let Some(url) = self.url(table, &at, text, raw.allow_plaintext) else { continue };
            if url.query().is_some() {
                self.fault(&at, "a base URL has no ?query: paths are appended to it");
            }
            urls.push(url);
        }
        urls
    }

    fn rates(&mut self, at: &Path, raw: &raw::Site) -> (u32, u32) {
        let (all, logins) = (at.key("requests_per_second"), at.key("logins_per_second"));
        let faults = self.found.list.len();
        self.number(&all, raw.requests_per_second, 1, 10_000);
        self.number(&logins, raw.logins_per_second, 1, 10_000);
        if self.found.list.len() == faults && raw.logins_per_second > raw.requests_per_second {
            let at = if self.given(&logins) { &logins } else { &all };
            let what = format!(
                "logins_per_second ({}) is more than requests_per_second ({}): a login is several requests",
                raw.logins_per_second, raw.requests_per_second
            );
            self.fault(at, what);
        }
        (raw.requests_per_second, raw.logins_per_second)
    }

    fn sizes(&mut self, at: &Path, raw: &raw::Site) -> (u64, u64) {
        let (reply, message) = (at.key("max_reply"), at.key("max_message"));
        let faults = self.found.list.len();
        let sizes = (
            self.size(&reply, raw.max_reply, 1 << 10, 1 << 30),
            self.size(&message, raw.max_message, 256, 1 << 30),
        );
        if self.found.list.len() == faults && raw.max_message.0 > raw.max_reply.0 {
            let at = if self.given(&message) { &message } else { &reply };
            let what = format!(
                "max_message ({}) is more than max_reply ({}): no such message could come",
                raw.max_message, raw.max_reply
            );
            self.fault(at, what);
        }
        sizes
    }

    fn roster(&mut self, at: &Path, raw: &raw::Roster) -> Option<RosterConfig> {
        let passwords =
            raw.passwords.as_ref().and_then(|place| self.secret(&at.key("passwords"), place, true));
        let Some(file) = &raw.file else {
            self.missing(
                &at.key("file"),
                "the roster's file is missing: CSV with agent,username, one agent a line",
            );
            return None;
        };
        Some(RosterConfig {
            file: self.file(&at.key("file"), file),
            passwords,
            watch: self.span(&at.key("watch"), raw.watch, 100 * MILLI, HOUR),
            max_removed_percent: self.number(&at.key("max_removed_percent"), raw.max_removed_percent, 0, 100),
        })
    }

    fn realm(&mut self, at: &Path, realm: Option<String>, name: &str) -> String {
        let realm = realm.unwrap_or_else(|| name.to_owned());
        let fits = |at: u8| at.is_ascii_alphanumeric() || at == b'-' || at == b'_';
        if !(1..=64).contains(&realm.len()) || !realm.bytes().all(fits) {
            let what = format!("{realm:?} can not stand in event ids");
            self.fault(at, what).allowed(["1 to 64 of the characters a-z, A-Z, 0-9, \"-\" and \"_\""]);
        }
        realm
    }

    fn path(&mut self, at: &Path, path: &str) {
        let plain = |at: char| at.is_ascii_graphic() && !matches!(at, '?' | '#' | '"' | '<' | '>' | '\\');
        if !path.starts_with('/') || path.len() < 2 || path.ends_with('/') || !path.chars().all(plain) {
            let what = format!("{path:?} is not a path below base_url");
            self.fault(at, what)
                .allowed(["a path such as \"/api/v2/notifications\", without ?, # and a slash at the end"]);
        }
    }

    fn time_zone(&mut self, at: &Path, name: &str) -> Option<jiff::tz::TimeZone> {
        let zone = if name == "UTC" { Ok(jiff::tz::TimeZone::UTC) } else { jiff::tz::TimeZone::get(name) };
        if zone.is_err() {
            let names: Vec<_> = jiff::tz::db().available().map(|name| name.to_string()).collect();
            let what = if names.is_empty() {
                format!("{name:?}: this machine has no time zone database (install tzdata)")
            } else {
                format!("{name:?} is not a time zone this machine knows")
            };
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let nearest = nearest(name, &names).map(str::to_owned);
            let finding = self.fault(at, what);
            finding.nearest = nearest;
            finding.allowed(["\"UTC\" or an IANA name such as \"Europe/Berlin\""]);
        }
        zone.ok()
    }
}

fn charset(raw: raw::Charset) -> Charset {
    match raw {
        raw::Charset::Utf8 => Charset::Utf8,
        raw::Charset::Latin1 => Charset::Latin1,
    }
}

fn scope(raw: raw::Scope) -> Scope {
    match raw {
        raw::Scope::Interaction => Scope::Interaction,
        raw::Scope::Agent => Scope::Agent,
    }
}
