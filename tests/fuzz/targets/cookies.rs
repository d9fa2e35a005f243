//! `Set-Cookie` lines into a jar and out into a `Cookie` header, with the calls that the transport makes.

#![no_main]

use cometbridge_fuzz::bounded;
use cookie_store::CookieStore;
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use url::Url;

static BASE: LazyLock<Url> =
    LazyLock::new(|| Url::parse("https://gws.example.com/api/v2/me").expect("a URL"));

fuzz_target!(|input: &[u8]| {
    bounded(input, 500, || {
        let mut jar = CookieStore::new();
        for line in input.split(|byte| *byte == b'\n') {
            // Only what HTTP lets through reaches the jar.
            let Ok(value) = HeaderValue::from_bytes(line) else { continue };
            if let Ok(text) = value.to_str() {
                let _ = jar.parse(text, &BASE);
            }
        }
        let pairs: Vec<String> =
            jar.get_request_values(&BASE).map(|(name, value)| format!("{name}={value}")).collect();
        if !pairs.is_empty() {
            assert!(HeaderValue::from_str(&pairs.join("; ")).is_ok(), "no header: {pairs:?}");
        }
    });
});
