//! The day, its faults, and a bridge that is quick to notice and to repair.
//!
//! Deliberately absent: running them.

use crate::harness::daemon::Home;
use std::fmt::Write as _;
use std::time::Duration;

/// How long the server holds a poll, and how much later the bridge gives it up, in milliseconds.
pub const POLL: i64 = 1_000 + 2_000;
/// In one second, at most.
pub const BUDGET: u64 = 2_000;

pub struct Size {
    pub agents: usize,
    /// At least so many have to strike.
    pub faults: usize,
    pub seconds: u64,
}

impl Size {
    pub fn chosen() -> Size {
        match std::env::var_os("COMETBRIDGE_CAMPAIGN") {
            Some(_) => Size { agents: 200, faults: 1_000, seconds: 150 },
            None => Size { agents: 12, faults: 60, seconds: 18 },
        }
    }

    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.seconds * 3 + 60)
    }

    /// Of each kind, a minute.
    fn rate(&self) -> f64 {
        1.6 * 60.0 * self.faults as f64 / self.seconds as f64 / KINDS.len() as f64
    }
}

/// Faults that strike one agent, with their values.
const KINDS: &[(&str, &str)] = &[
    ("cut", "after = { from = 0, to = 3000 }"),
    ("lost-reply", "on = \"connect\""),
    ("lost-reply", ""),
    ("drip", "bytes = 200\nmillis = 5"),
    ("garbage", ""),
    ("malformed", "on = \"connect\""),
    ("content-type", "value = [\"text/html\", \"text/plain\", \"application/octet-stream\"]"),
    ("no-id", ""),
    ("no-reply-ack", ""),
    ("advice", "value = [{ reconnect = \"retry\", interval = 0 }, { reconnect = \"handshake\" }]"),
    ("advice", ""),
    ("advice-none", ""),
    ("reply-first", ""),
    ("status", "status = [403, 408, 429, 500, 502, 503, 504]\nretry_after = 1"),
    ("status", "status = [401, 403, 500, 503]\non = \"connect\""),
    ("status", "status = [429, 500, 503]\non = \"rest\""),
    ("redirect", "status = [302, 307]"),
    ("delay", "millis = { from = 10, to = 2500 }"),
    ("hang-up", ""),
    ("silence", "on = \"connect\""),
    ("unknown", "on = \"connect\""),
    ("misroute", ""),
    ("drop", "users = 2"),
    ("expire", ""),
    ("sweep", ""),
    ("overlap", ""),
    ("cookie", "how = [\"forget\", \"rename\", \"swap\"]"),
    ("csrf", ""),
    ("odd", "variant = { from = 0, to = 7 }"),
    ("batch", "messages = { from = 5, to = 60 }"),
    ("huge", "channel = \"/v2/me/facebooksession\"\nbytes = 100000"),
    ("huge-item", "bytes = { from = 100, to = 20000 }"),
    ("logout", ""),
];

/// Faults of the whole server, by tenths of the day.
const GREAT: &[(&str, u64, &str)] = &[
    ("handshake-data", 1, "enabled = true"),
    ("restart", 3, "millis = 400"),
    ("outage", 3, "millis = 1500"),
    ("silence-all", 5, "millis = 1500"),
    ("handshake-without-advice", 6, "enabled = true"),
    ("restart", 7, "millis = 1500"),
];

/// The scenario file.
pub fn text(size: &Size, seed: u64, ack: bool) -> String {
    let mut text = format!(
        "seed = {seed}\nagents = {}\n[server]\nack = {ack}\ntimeout = \"1s\"\nmax_interval = \"4s\"\ncsrf = true\nnodes = 2\n\
         lock_after = 5\n[day]\nspeed = 60.0\nlength = \"{}s\"\nwait_for_sessions = {}\nconversations_per_hour = 40.0\n\
         states_per_hour = 20.0\npause = \"40s\"\nmessages = [4, 30]\nmax_open = 4\ntransfer = 0.06\nconsult = 0.06\n",
        size.agents,
        size.seconds * 60,
        size.agents,
    );
    for (kind, values) in KINDS {
        let _ = writeln!(
            text,
            "[[fault]]\nkind = \"{kind}\"\nrate_per_minute = {:.3}\nuntil = \"{}s\"\n{values}",
            size.rate(),
            size.seconds
        );
    }
    for (kind, tenth, values) in GREAT {
        let at = size.seconds * 100 * tenth;
        let _ = writeln!(text, "[[fault]]\nkind = \"{kind}\"\nat = \"{at}ms\"\n{values}");
    }
    text
}

/// Of the admin server: pardons ask for one.
pub const TOKEN: &str = "a-token-of-these-tests";

/// The bridge's configuration; stdout has everything that it publishes.
pub fn config(home: &Home, url: &str, _size: &Size) -> String {
    format!(
        "state_dir = \"{state}\"\nstop_grace = \"20s\"\n[admin]\nlisten = \"127.0.0.1:{admin}\"\n\
         token = {{ file = \"{token}\" }}\n[site.main]\nbase_url = \"{url}\"\nrequests_per_second = {BUDGET}\nlogins_per_second = {BUDGET}\n\
         network_delay = \"2s\"\nconnect_timeout = \"2s\"\nmax_backoff = \"2s\"\nserver_window = \"4s\"\nask_window = \"0s\"\n\
         max_message = \"64KiB\"\nkeep_alive = \"7s\"\nreconcile_every = \"6s\"\nmax_handshakes = 200\n\
         settle_after_outage = \"1s\"\nmax_disturbed = 100000\n\
         [site.main.roster]\nfile = \"{roster}\"\npasswords = {{ file = \"{passwords}\" }}\n\
         [sink.stdout.all]\nprivacy = \"full\"\nraw = true\nstart = \"earliest\"\n",
        state = home.state_dir().display(),
        admin = home.admin_port,
        token = home.write("admin.token", TOKEN).display(),
        roster = home.path("agents.csv").display(),
        passwords = home.path("passwords.csv").display(),
    )
}
