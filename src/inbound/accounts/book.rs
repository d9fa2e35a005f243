//! What is known of each account: digests of the secret that worked and of the one that was refused, kept in the
//! journal.
//!
//! A digest is keyed with the journal's own key and bound to site and user name, so that two agents with one secret are
//! not seen to have one, and another user name on an agent's line is another account. Deliberately absent: secrets, and
//! the decision whether to try one.

use crate::base::digest::Digest;
use crate::base::time::Millis;
use crate::journal::{Account, Journal};
use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// What an agent logs in with.
pub struct Credentials {
    pub username: String,
    pub password: SecretString,
}

/// One agent's account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub worked: Option<Digest>,
    pub refused: Option<Digest>,
    /// Empty where nothing is refused.
    pub reason: String,
    pub at: Millis,
    /// It was marked in this process: what is on disk may lag behind.
    pub touched: bool,
    /// Its agent is not held now: it is remembered, and not shown.
    pub absent: bool,
}

/// The accounts of one site, by agent.
pub struct Book {
    site: String,
    key: hmac::Key,
    entries: HashMap<String, Entry>,
}

impl Book {
    pub fn new(site: &str, key: [u8; 32], stored: Vec<Account>) -> Book {
        let prefix = format!("{site}/");
        let of_site = stored.into_iter().filter_map(|account| {
            let agent = account.session.strip_prefix(&prefix)?.to_owned();
            let Account { worked, refused, reason, at, .. } = account;
            Some((agent, Entry { worked, refused, reason, at, ..Entry::default() }))
        });
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        Book { site: site.to_owned(), key, entries: of_site.collect() }
    }

    /// The keyed digest of an account and its secret. GWS does not tell user names apart by case.
    pub fn digest(&self, secret: &Credentials) -> Digest {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [self.site.as_bytes(), secret.username.to_lowercase().as_bytes()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.update(secret.password.expose_secret().as_bytes());
        let tag = context.sign();
        let mut cut = [0u8; 16];
        for (to, from) in cut.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        Digest(cut)
    }

    pub fn get(&self, agent: &str) -> Option<&Entry> {
        self.entries.get(agent)
    }

    pub fn worked_before(&self, agent: &str, secret: Digest) -> bool {
        self.get(agent).is_some_and(|entry| entry.worked == Some(secret))
    }

    /// The entry where this secret is refused.
    pub fn refusal(&self, agent: &str, secret: Digest) -> Option<&Entry> {
        self.get(agent).filter(|entry| entry.refused == Some(secret))
    }

    /// Those of agents that are held.
    pub fn refused(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.entries.iter().filter(|(_, entry)| entry.refused.is_some() && !entry.absent)
    }

    /// The secret logged in. `Some` where that is news, to be stored.
    pub fn worked(&mut self, agent: &str, secret: Digest, at: Millis) -> Option<Account> {
        let entry = self.entries.entry(agent.to_owned()).or_default();
        let known = entry.worked == Some(secret) && entry.refused.is_none() && !entry.touched;
        *entry = Entry { worked: Some(secret), at, ..Entry::default() };
        (!known).then(|| self.account(agent))
    }

    /// The secret is not to be tried again.
    pub fn mark(&mut self, agent: &str, secret: Digest, reason: &str, at: Millis) -> Account {
        let entry = self.entries.entry(agent.to_owned()).or_default();
        let worked = entry.worked;
        let reason = reason.to_owned();
        *entry = Entry { worked, refused: Some(secret), reason, at, touched: true, absent: false };
        self.account(agent)
    }

    /// No two lines of a roster have one user name, so a refusal of this account that stands with another agent was left
    /// behind there: it is this agent's now. What changes by it, to be stored.
    pub fn take_over(&mut self, agent: &str, secret: Digest) -> Vec<Account> {
        let left = |(other, entry): &(&String, &Entry)| *other != agent && entry.refused == Some(secret);
        let Some(former) = self.entries.iter().find(left).map(|(former, _)| former.clone()) else {
            return Vec::new();
        };
        let Some(Entry { reason, at, absent, .. }) = self.get(&former).cloned() else { return Vec::new() };
        self.clear(&former, at);
        if absent {
            self.entries.remove(&former);
        }
        vec![self.account(&former), self.mark(agent, secret, &reason, at)]
    }

    /// It may be tried again. `None` where nothing was refused.
    pub fn clear(&mut self, agent: &str, at: Millis) -> Option<Account> {
        let entry = self.entries.get_mut(agent)?;
        entry.refused.take()?;
        entry.reason.clear();
        entry.at = at;
        entry.touched = true;
        Some(self.account(agent))
    }

    /// Whether its agent is held now. Of one that is not, only a refusal is remembered: it holds when the agent
    /// comes back. Whether anything changes by it.
    pub fn held(&mut self, agent: &str, held: bool) -> bool {
        let Some(entry) = self.entries.get_mut(agent) else { return false };
        if !held && entry.refused.is_none() {
            self.entries.remove(agent);
            return true;
        }
        std::mem::replace(&mut entry.absent, !held) == held
    }

    fn account(&self, agent: &str) -> Account {
        let entry = self.get(agent).cloned().unwrap_or_default();
        let Entry { worked, refused, reason, at, .. } = entry;
        Account { session: format!("{}/{agent}", self.site), worked, refused, reason, at }
    }
}

/// Where it is kept.
#[derive(Clone)]
pub enum Store {
    Journal(Journal),
    /// For a session that leaves no trace (a pilot), and for tests.
    Memory(Memory),
}

/// Kept as long as this value or a clone of it.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    accounts: BTreeMap<String, Account>,
    notes: BTreeMap<String, String>,
}

impl Store {
    pub fn key(&self) -> [u8; 32] {
        match self {
            Store::Journal(journal) => journal.digest_key(),
            Store::Memory(_) => [0; 32],
        }
    }

    pub async fn accounts(&self) -> Result<Vec<Account>, crate::journal::Error> {
        match self {
            Store::Journal(journal) => journal.accounts().await,
            Store::Memory(memory) => Ok(memory.with(|kept| kept.accounts.values().cloned().collect())),
        }
    }

    /// The note of exactly this name.
    pub async fn note(&self, name: &str) -> Result<Option<String>, crate::journal::Error> {
        match self {
            Store::Journal(journal) => {
                let notes = journal.notes(name).await?;
                Ok(notes.into_iter().find(|(found, _)| found == name).map(|(_, value)| value))
            }
            Store::Memory(memory) => Ok(memory.with(|kept| kept.notes.get(name).cloned())),
        }
    }

    pub async fn set_account(&self, account: Account) -> Result<(), Arc<crate::journal::Error>> {
        match self {
            Store::Journal(journal) => journal.set_account(account).await,
            Store::Memory(memory) => {
                memory.with(|kept| kept.accounts.insert(account.session.clone(), account));
                Ok(())
            }
        }
    }

    pub async fn set_note(&self, name: &str, value: Option<&str>) -> Result<(), Arc<crate::journal::Error>> {
        match self {
            Store::Journal(journal) => journal.set_note(name, value).await,
            Store::Memory(memory) => {
                memory.with(|kept| match value {
                    Some(value) => kept.notes.insert(name.to_owned(), value.to_owned()),
                    None => kept.notes.remove(name),
                });
                Ok(())
            }
        }
    }
}

impl Memory {
    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_secrets_users_and_sites_apart_and_needs_the_key() {
        let digest = |site: &str, key: u8, user: &str, secret: &str| {
            let (username, password) = (user.to_owned(), SecretString::from(secret));
            Book::new(site, [key; 32], Vec::new()).digest(&Credentials { username, password })
        };
        let one = digest("main", 1, "ann", "x");
        assert_eq!(one, digest("main", 1, "Ann", "x"), "one account");
        for other in [
            digest("main", 1, "ann", "y"),
            digest("main", 1, "bob", "x"),
            digest("mai", 1, "nann", "x"),
            digest("main", 2, "ann", "x"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn another_sites_accounts_are_not_taken() {
        let account = |session: &str| Account {
            session: session.into(),
            worked: None,
            refused: Some(Digest([1; 16])),
            reason: "no".into(),
            at: 0,
        };
        let book =
            Book::new("main", [0; 32], vec![account("main/1"), account("main2/2"), account("other/3")]);
        assert_eq!(book.refused().map(|(agent, _)| agent.as_str()).collect::<Vec<_>>(), ["1"]);
    }
}
