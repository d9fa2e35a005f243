//! Sealing what must not be read on disk: AES-256-GCM under a key made from a configured secret.
//!
//! Deliberately absent: where the secret comes from, and changing keys (what an old key sealed can not be opened).

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// Seals and opens short texts.
pub struct Sealer(RandomizedNonceKey);

/// The shortest secret that a key is made from.
pub const MIN_SECRET: usize = 16;
const NONCE: usize = 12;

/// Why a key can not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("shorter than {MIN_SECRET} characters")]
    Short,
    #[error("the cipher does not take the key")]
    Key,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    pub fn new(secret: &SecretString) -> Result<Sealer, Error> {
        if secret.expose_secret().chars().count() < MIN_SECRET {
            return Err(Error::Short);
        }
        let mut hash = Context::new(&SHA256);
        hash.update(b"cometbridge state key 1\0");
        hash.update(secret.expose_secret().as_bytes());
        let key = RandomizedNonceKey::new(&AES_256_GCM, hash.finish().as_ref()).map_err(|_| Error::Key)?;
        Ok(Sealer(key))
    }

    /// The text sealed, as base64; `None` where the cipher fails. `about` must be the same when it is opened.
    pub fn seal(&self, text: &str, about: &str) -> Option<String> {
        let mut bytes = text.as_bytes().to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(about.as_bytes()), &mut bytes).ok()?;
        let mut out = nonce.as_ref().to_vec();
        out.append(&mut bytes);
        Some(STANDARD.encode(out))
    }

    /// The text again; `None` where it was sealed with another key, about something else, or was changed.
    pub fn open(&self, sealed: &str, about: &str) -> Option<Zeroizing<String>> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, body) = bytes.split_at_checked(NONCE)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = Zeroizing::new(body.to_vec());
        let text = self.0.open_in_place(nonce, Aad::from(about.as_bytes()), &mut body).ok()?;
        String::from_utf8(text.to_vec()).ok().map(Zeroizing::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_key_about_the_same_thing_and_in_no_other_way() {
        let sealer = Sealer::new(&SecretString::from("a secret of some length")).unwrap();
        let sealed = sealer.seal("JSESSIONID=1", "main/1001").unwrap();
        assert!(
            !sealed.contains("JSESSIONID") && sealed != sealer.seal("JSESSIONID=1", "main/1001").unwrap()
        );
        assert_eq!(sealer.open(&sealed, "main/1001").unwrap().as_str(), "JSESSIONID=1");
        assert!(sealer.open(&sealed, "main/1002").is_none());
        let other = Sealer::new(&SecretString::from("another secret of length")).unwrap();
        assert!(other.open(&sealed, "main/1001").is_none());
        assert!(sealer.open("", "").is_none() && sealer.open("AAAA", "").is_none());
        assert!(Sealer::new(&SecretString::from("short")).is_err());
    }
}
