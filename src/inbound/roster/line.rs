//! One line of the roster → one agent.
//!
//! Deliberately absent: what two lines may not share (see `parse`). No message repeats a user name.

use super::Agent;
use crate::base::link::is_loopback;
use crate::base::secret::SecretRef;
use crate::inbound::settings::SiteConfig;
use url::Url;

/// Every column there is.
pub const COLUMNS: [&str; 8] = [
    "agent",
    "username",
    "password_file",
    "password_env",
    "password_credential",
    "group",
    "base_url",
    "exclude",
];
const PASSWORDS: [&str; 3] = ["password_file", "password_env", "password_credential"];

/// Characters of a user name: it goes out with each login, and a proxy takes a header of some KiB only.
const MAX_USERNAME: usize = 256;

/// The line is there to be checked, its agent is not held.
pub(super) const EXCLUDED: bool = true;

pub(super) struct Line<'a> {
    pub headers: &'a csv::StringRecord,
    pub record: &'a csv::StringRecord,
    pub site: &'a SiteConfig,
}

impl Line<'_> {
    /// The agent, and whether it is [`EXCLUDED`].
    pub(super) fn agent(&self) -> Result<(Agent, bool), String> {
        let key = self.field("agent").ok_or("the field agent is empty")?;
        if key.len() > 200 || key.chars().any(char::is_control) {
            return Err("agent: at most 200 characters, none of them a control character".to_owned());
        }
        let username = self.field("username").ok_or("the field username is empty")?;
        if username.contains(':') || username.chars().any(char::is_control) {
            return Err("username: no colon and no control character (HTTP Basic allows neither)".to_owned());
        }
        if username.chars().count() > MAX_USERNAME {
            return Err(format!("username: at most {MAX_USERNAME} characters"));
        }
        let excluded = self.excluded()?;
        let agent = Agent {
            key: key.to_owned(),
            username: username.to_owned(),
            password: self.password(excluded)?,
            group: self.group()?,
            base_url: self.base_url()?,
        };
        Ok((agent, excluded))
    }

    fn field(&self, name: &str) -> Option<&str> {
        let fields = self.headers.iter().zip(self.record.iter());
        fields.filter(|(header, _)| *header == name).map(|(_, value)| value).find(|value| !value.is_empty())
    }

    /// An agent that is not held needs no password.
    fn password(&self, excluded: bool) -> Result<Option<SecretRef>, String> {
        let given: Vec<(&str, &str)> =
            PASSWORDS.iter().filter_map(|name| self.field(name).map(|value| (*name, value))).collect();
        Ok(match given.as_slice() {
            [] if excluded || self.site.roster.passwords.is_some() => None,
            [] => return Err("no password: fill password_file, password_env or password_credential, or set passwords in [site.X.roster]".to_owned()),
            [("password_file", value)] => Some(SecretRef::File(value.into())),
            [("password_env", value)] => Some(SecretRef::Env((*value).to_owned())),
            [(_, value)] => Some(SecretRef::Credential((*value).to_owned())),
            _ => return Err("more than one password column is filled; one is enough".to_owned()),
        })
    }

    fn group(&self) -> Result<Option<String>, String> {
        let Some(name) = self.field("group") else { return Ok(None) };
        if self.site.groups.contains_key(name) {
            return Ok(Some(name.to_owned()));
        }
        let shown: String = name.chars().take(64).collect();
        let known: Vec<&str> = self.site.groups.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "it has none".to_owned() } else { known.join(", ") };
        let site = &self.site.name;
        Err(format!("group \"{}\" is none of site {site}'s ({known})", shown.escape_debug()))
    }

    /// The URL is not repeated: somebody may have put a password into it.
    fn base_url(&self) -> Result<Option<Url>, String> {
        let Some(text) = self.field("base_url") else { return Ok(None) };
        let url = Url::parse(text).map_err(|error| format!("base_url: not a URL: {error}"))?;
        let fault = if !matches!(url.scheme(), "http" | "https") {
            "only http and https are spoken here".to_owned()
        } else if !url.username().is_empty() || url.password().is_some() {
            "user name and password do not belong into a URL".to_owned()
        } else if url.query().is_some() || url.fragment().is_some() {
            "no ?query and no #fragment: paths are appended to it".to_owned()
        } else if url.scheme() == "http" && !self.site.allow_plaintext && !is_loopback(&url) {
            let site = &self.site.name;
            format!("plain http beyond this machine: use https, or set site.{site}.allow_plaintext = true")
        } else {
            return Ok(Some(url));
        };
        Err(format!("base_url: {fault}"))
    }

    fn excluded(&self) -> Result<bool, String> {
        match self.field("exclude") {
            None => Ok(false),
            Some(word) => match word.to_ascii_lowercase().as_str() {
                "true" | "yes" => Ok(EXCLUDED),
                "false" | "no" => Ok(!EXCLUDED),
                _ => Err("exclude: expected true, false, yes or no".to_owned()),
            },
        }
    }
}
