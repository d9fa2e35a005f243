//! A webhook's part of a sink → its settings: where it posts, how fast, how it shows who it is.
//!
//! Deliberately absent: whether a receiver answers (`check --live`).

use super::http::Header;
use super::{Check, HOUR, MILLI, MINUTE};
use crate::base::secret::SecretRef;
use crate::config::raw;
use crate::config::tree::Path;
use crate::outbound::settings::{
    Auth, BatchLimits, HeaderSource, OAuth2, Rate, Refusal, Refusals, WebhookConfig, WebhookMode,
};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;
use url::{Host, Url};

/// Headers that the webhook sets itself.
const OWN_HEADERS: [&str; 8] = [
    "host",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

/// Statuses whose meaning is fixed, and what it is.
const FIXED: [(u16, &str); 7] = [
    (401, "our credentials are at fault, not the event"),
    (403, "our credentials are at fault, not the event"),
    (407, "the proxy's login is at fault, not the event"),
    (408, "the receiver asks for another try"),
    (410, "the receiver wants no more: the sink ends"),
    (425, "the receiver asks for another try"),
    (429, "the receiver asks for another try, later"),
];

impl Check<'_> {
    pub(super) fn webhook(&mut self, at: &Path, raw: &raw::Webhook) -> Option<WebhookConfig> {
        let url = self.webhook_url(at, raw);
        self.signed(at, raw);
        let secrets = at.key("secrets");
        let places = raw.secrets.iter().enumerate();
        let places: Vec<_> =
            places.filter_map(|(index, place)| self.secret(&secrets.index(index), place, false)).collect();
        let headers = self.webhook_headers(at, raw);
        let concurrency = self.number(&at.key("concurrency"), raw.concurrency, 1, 1_000);
        let (proxy, proxy_password) = self.proxy(at, raw.proxy.as_ref(), raw.proxy_password.as_ref());
        let certificate = raw.client_certificate.as_ref();
        let auth = raw.auth.as_ref().and_then(|auth| self.auth(at, auth, raw.allow_plaintext));
        let allow_networks = self.networks(at, raw, [url.as_ref(), token_url(auth.as_ref())]);
        let (mode, batch) = self.batch(at, raw);
        Some(WebhookConfig {
            secrets: places,
            mode,
            batch,
            timeout: self.span(&at.key("timeout"), raw.timeout, MILLI, 10 * MINUTE),
            connect_timeout: self.span(&at.key("connect_timeout"), raw.connect_timeout, MILLI, 10 * MINUTE),
            concurrency: usize::try_from(concurrency).unwrap_or(1),
            rate: self.rate(&at.key("rate"), raw.rate.as_ref()),
            max_retry_after: self.span(&at.key("max_retry_after"), raw.max_retry_after, MILLI, 24 * HOUR),
            refusals: self.refusals(at, raw),
            ca: self.authorities(&at.key("ca"), raw.ca.as_ref()),
            client_certificate: certificate
                .and_then(|place| self.secret(&at.key("client_certificate"), place, false)),
            proxy,
            proxy_password,
            allow_networks,
            headers,
            auth,
            url: url?,
        })
    }

    fn webhook_url(&mut self, at: &Path, raw: &raw::Webhook) -> Option<Url> {
        let key = at.key("url");
        let Some(url) = &raw.url else {
            let what = "url is missing: where events are posted to, e.g. \"https://crm.example.com/hooks\"";
            self.missing(&key, what);
            return None;
        };
        self.url(at, &key, url, raw.allow_plaintext)
    }

    fn signed(&mut self, at: &Path, raw: &raw::Webhook) {
        match (raw.secrets.is_empty(), raw.unsigned) {
            (true, false) => {
                let what = format!(
                    "at least one secret is needed to sign with; without signatures set {} = true",
                    at.key("unsigned")
                );
                self.missing(&at.key("secrets"), what);
            }
            (false, true) => {
                self.fault(&at.key("unsigned"), "unsigned, and yet there are secrets: drop one of the two");
            }
            _ => {}
        }
    }

    fn webhook_headers(&mut self, at: &Path, raw: &raw::Webhook) -> Vec<(String, HeaderSource)> {
        let at = at.key("headers");
        for name in raw.headers.keys().filter(|name| name.eq_ignore_ascii_case("authorization")) {
            if raw.auth.as_ref().is_some_and(|auth| auth.ways() > 0) {
                let what = "auth sets this header: drop one of the two";
                self.fault(&at.key(name), what).hidden();
            }
        }
        let headers = self.headers(&at, &raw.headers, &OWN_HEADERS);
        let of = |(name, value)| match value {
            Header::Plain(text) => (name, HeaderSource::Plain(text)),
            Header::Secret(place) => (name, HeaderSource::Secret(place)),
        };
        headers.into_iter().map(of).collect()
    }

    fn batch(&mut self, at: &Path, raw: &raw::Webhook) -> (WebhookMode, BatchLimits) {
        let (key, limits) = (at.key("batch"), raw.batch);
        let mode = match raw.mode {
            raw::WebhookMode::Structured => WebhookMode::Structured,
            raw::WebhookMode::Batch => WebhookMode::Batch,
        };
        let events = self.number(&key.key("events"), limits.events, 1, 1_000);
        let bytes = self.size(&key.key("bytes"), limits.bytes, 1 << 10, 1 << 24);
        (mode, BatchLimits { events: usize::try_from(events).unwrap_or(1), bytes })
    }

    fn rate(&mut self, at: &Path, text: Option<&String>) -> Option<Rate> {
        let text = text?;
        let rate = rate(text);
        if rate.is_none() {
            self.fault(at, format!("{text:?} is not a rate"))
                .allowed(["1 to 100000 requests per s, m or h, such as \"50/s\" or \"600/m\""]);
        }
        rate
    }

    fn refusals(&mut self, at: &Path, raw: &raw::Webhook) -> Refusals {
        let refusal = |raw| match raw {
            raw::Refusal::Retry => Refusal::Retry,
            raw::Refusal::DeadLetter => Refusal::DeadLetter,
        };
        let mut statuses = BTreeMap::new();
        for (text, raw) in &raw.on_status {
            let at = at.key("on_status").key(text);
            let status = text.parse::<u16>().ok().filter(|status| (400..500).contains(status));
            let Some(status) = status else {
                self.fault(&at, format!("{text:?} is not a status that this can be set for"))
                    .allowed(["\"400\" to \"499\""]);
                continue;
            };
            match FIXED.iter().find(|(fixed, _)| *fixed == status) {
                Some((_, why)) => {
                    self.fault(&at, format!("what {status} means is fixed: {why}"));
                }
                None => {
                    statuses.insert(status, refusal(*raw));
                }
            }
        }
        Refusals { others: refusal(raw.on_4xx), statuses }
    }

    fn auth(&mut self, sink: &Path, raw: &raw::Auth, allow_plaintext: bool) -> Option<Auth> {
        let at = sink.key("auth");
        if raw.ways() > 1 {
            let what = "auth names more than one way to show who we are";
            self.fault(&at, what).hidden().allowed(["one of bearer, basic and oauth2"]);
            return None;
        }
        if let Some(place) = &raw.bearer {
            return self.secret(&at.key("bearer"), place, false).map(Auth::Bearer);
        }
        if let Some(basic) = raw.basic.as_ref().filter(|basic| basic.is_given()) {
            let at = at.key("basic");
            let username = self.needed(&at, "username", basic.username.as_ref());
            if username.as_ref().is_some_and(|name| name.contains(':')) {
                self.fault(&at.key("username"), "Basic can not carry a user name with a colon");
            }
            let password = self.needed_secret(&at, "password", basic.password.as_ref());
            return Some(Auth::Basic { username: username?, password: password? });
        }
        let oauth2 = raw.oauth2.as_ref().filter(|oauth2| oauth2.is_given())?;
        self.oauth2(sink, &at.key("oauth2"), oauth2, allow_plaintext).map(Auth::OAuth2)
    }

    fn oauth2(&mut self, sink: &Path, at: &Path, raw: &raw::OAuth2, allow_plaintext: bool) -> Option<OAuth2> {
        let key = at.key("token_url");
        let url = self.needed(at, "token_url", raw.token_url.as_ref());
        let url = url.and_then(|url| self.url(sink, &key, &url, allow_plaintext));
        let client_id = self.needed(at, "client_id", raw.client_id.as_ref());
        let client_secret = self.needed_secret(at, "client_secret", raw.client_secret.as_ref());
        for (index, scope) in raw.scopes.iter().enumerate() {
            if scope.is_empty() || !scope.bytes().all(in_scope) {
                let what = format!("{scope:?} is not one scope: no blanks, quotes or backslashes");
                self.fault(&at.key("scopes").index(index), what);
            }
        }
        Some(OAuth2 {
            token_url: url?,
            client_id: client_id?,
            client_secret: client_secret?,
            scopes: raw.scopes.clone(),
            audience: raw.audience.clone(),
            in_body: raw.client_auth == Some(raw::ClientAuth::Body),
        })
    }

    fn needed(&mut self, table: &Path, key: &str, text: Option<&String>) -> Option<String> {
        if text.is_none_or(String::is_empty) {
            self.missing(&table.key(key), format!("{key} is missing"));
        }
        text.filter(|text| !text.is_empty()).cloned()
    }

    fn needed_secret(&mut self, table: &Path, key: &str, place: Option<&raw::Secret>) -> Option<SecretRef> {
        if place.is_none() {
            self.missing(&table.key(key), format!("{key} is missing"));
        }
        self.secret(&table.key(key), place?, false)
    }

    /// Where receiver and token endpoint may be. Literal addresses are looked at here, names when they are resolved.
    fn networks(&mut self, sink: &Path, raw: &raw::Webhook, urls: [Option<&Url>; 2]) -> Vec<IpNet> {
        let at = sink.key("allow_networks");
        let mut networks = Vec::new();
        for (index, text) in raw.allow_networks.iter().enumerate() {
            match network(text) {
                Ok(network) => networks.push(network),
                Err(what) => {
                    self.fault(&at.index(index), what).allowed([
                        "a network such as \"10.0.0.0/8\" or \"fd00::/8\"",
                        "or an address such as \"192.0.2.7\"",
                    ]);
                }
            }
        }
        if !raw.allow_networks.is_empty() && raw.proxy.is_some() {
            let what = "with a proxy it is the proxy that finds the receiver's address: nothing could be checked here; have the proxy allow it, and drop one of the two";
            self.fault(&at, what);
        }
        if networks.len() < raw.allow_networks.len() || networks.is_empty() {
            return networks;
        }
        for (url, key) in
            urls.into_iter().zip([sink.key("url"), sink.key("auth").key("oauth2").key("token_url")])
        {
            let address = url.and_then(literal);
            if let Some(address) = address.filter(|at| !networks.iter().any(|one| one.contains(at))) {
                self.fault(&key, format!("{address} is in none of the networks of {at}"));
            }
        }
        networks
    }
}

fn token_url(auth: Option<&Auth>) -> Option<&Url> {
    match auth {
        Some(Auth::OAuth2(oauth2)) => Some(&oauth2.token_url),
        _ => None,
    }
}

/// `50/s`.
fn rate(text: &str) -> Option<Rate> {
    let (number, unit) = text.split_once('/')?;
    let per = match unit {
        "s" => Duration::from_secs(1),
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    };
    let digits = !number.is_empty() && number.bytes().all(|at| at.is_ascii_digit());
    let requests = number.parse().ok().filter(|requests| digits && (1..=100_000).contains(requests))?;
    Some(Rate { requests, per })
}

fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let network: IpNet = text.parse().map_err(|_| format!("{text:?} is not a network"))?;
    match network.trunc() {
        whole if whole == network => Ok(network),
        whole => Err(format!("{text:?} has bits beyond its prefix; the network is {whole}")),
    }
}

/// The address that stands in a URL in place of a name.
fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(IpAddr::from(address).to_canonical()),
        Host::Domain(_) => None,
    }
}

/// The octets of a scope (RFC 6749, appendix A.4).
fn in_scope(octet: u8) -> bool {
    octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\')
}
