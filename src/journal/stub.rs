//! stub
use super::*;
#[derive(Clone)]
pub struct Journal;
pub struct Lookup;
impl Journal {
    pub fn lookup(&self) -> Result<Lookup, Error> {
        Ok(Lookup)
    }
    pub fn append(&self, _a: Append) -> Pending<Committed> {
        tokio::sync::oneshot::channel().1
    }
}
impl crate::inbound::dedup::Memory for Lookup {
    fn conversation(
        &self,
        _: &crate::base::digest::Digest,
    ) -> Result<std::collections::HashMap<i64, crate::inbound::dedup::Seen>, Error> {
        Ok(Default::default())
    }
    fn state(&self, _: &crate::base::digest::Digest) -> Result<Option<crate::base::digest::Digest>, Error> {
        Ok(None)
    }
}
