//! What lies between the bridge and a site: TLS, client certificates, proxies, what each request carries.
//!
//! Where a link works, events come through it. Where it does not, nothing is said over it, and one message names the
//! place, the fault and the key to set.

mod certificates;
mod client_certificates;
mod headers;
mod passwords;
mod proxies;
mod stage;
