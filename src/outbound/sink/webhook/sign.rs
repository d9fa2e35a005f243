//! Standard Webhooks signatures: HMAC-SHA256 over `id.timestamp.body`, the exact bytes that are sent.
//!
//! Deliberately absent: the asymmetric scheme (`v1a`).

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes of a secret, as the standard has them.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A signing key from `whsec_…` or plain base64. The error never repeats the secret.
pub fn key(secret: &str) -> Result<hmac::Key, String> {
    let text = secret.trim();
    if text.starts_with("whsk_") || text.starts_with("whpk_") {
        return Err(
            "a key of the asymmetric scheme, which is not spoken here; use a secret, whsec_…".to_owned()
        );
    }
    let bytes = STANDARD
        .decode(text.strip_prefix("whsec_").unwrap_or(text))
        .map_err(|_| "not base64; a secret is whsec_ and base64, or base64 alone".to_owned())?;
    if !BYTES.contains(&bytes.len()) {
        return Err(format!("{} bytes; a secret of Standard Webhooks has 24 to 64", bytes.len()));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// The `webhook-signature` header: one `v1,<base64>` for each key.
pub fn header(keys: &[hmac::Key], id: &str, timestamp: u64, body: &[u8]) -> String {
    let before = format!("{id}.{timestamp}.");
    let one = |key: &hmac::Key| {
        let mut context = hmac::Context::with_key(key);
        context.update(before.as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    };
    keys.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use standardwebhooks::Webhook;

    const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NEW: &str = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    proptest! {
        /// Each signature in the header is the one the reference implementation makes.
        #[test]
        fn the_reference_implementation_agrees(id in "[a-z0-9/]{1,40}", body in ".{0,200}", at in 0u32..u32::MAX) {
            let keys = [key(OLD).unwrap(), key(NEW).unwrap()];
            let ours = header(&keys, &id, u64::from(at), body.as_bytes());
            let theirs: Vec<_> = [OLD, NEW].iter()
                .map(|secret| Webhook::new(secret).unwrap().sign(&id, i64::from(at), body.as_bytes()).unwrap())
                .collect();
            prop_assert_eq!(ours, theirs.join(" "));
        }
    }

    #[test]
    fn a_bad_secret_is_refused_without_repeating_it() {
        let long = STANDARD.encode([7; 65]);
        for bad in ["whsec_hunter2!", "c2hvcnQ=", "whsk_c2hvcnQ=", &STANDARD.encode([7; 23]), &long] {
            let error = key(bad).map(|_| ()).unwrap_err();
            assert!(
                !error.contains("hunter2") && !error.contains("c2hvcnQ") && !error.contains("BwcH"),
                "{error}"
            );
        }
    }
}
