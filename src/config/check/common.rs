//! The keys that every kind of sink has.
//!
//! Deliberately absent: what they mean (see `sink`).

use crate::config::raw;

pub(super) struct Common<'a> {
    pub privacy: Option<raw::Privacy>,
    pub rules: &'a [raw::Rule],
    pub userdata: &'a [String],
    pub matching: &'a raw::Match,
    pub except: &'a raw::Match,
    pub raw: bool,
    pub context: &'a [String],
    pub transcripts: bool,
    pub start: &'a str,
    pub max_lag: &'a raw::MaxLag,
    pub retry: &'a raw::Retry,
    pub park: &'a raw::Park,
}

impl<'a> From<&'a raw::Kafka> for Common<'a> {
    fn from(raw: &'a raw::Kafka) -> Common<'a> {
        Common {
            privacy: raw.privacy,
            rules: &raw.privacy_rules,
            userdata: &raw.userdata,
            matching: &raw.matching,
            except: &raw.except,
            raw: raw.raw,
            context: &raw.context,
            transcripts: raw.transcripts,
            start: &raw.start,
            max_lag: &raw.max_lag,
            retry: &raw.retry,
            park: &raw.park,
        }
    }
}

impl<'a> From<&'a raw::Stdout> for Common<'a> {
    fn from(raw: &'a raw::Stdout) -> Common<'a> {
        Common {
            privacy: raw.privacy,
            rules: &raw.privacy_rules,
            userdata: &raw.userdata,
            matching: &raw.matching,
            except: &raw.except,
            raw: raw.raw,
            context: &raw.context,
            transcripts: raw.transcripts,
            start: &raw.start,
            max_lag: &raw.max_lag,
            retry: &raw.retry,
            park: &raw.park,
        }
    }
}

impl<'a> From<&'a raw::Webhook> for Common<'a> {
    fn from(raw: &'a raw::Webhook) -> Common<'a> {
        Common {
            privacy: raw.privacy,
            rules: &raw.privacy_rules,
            userdata: &raw.userdata,
            matching: &raw.matching,
            except: &raw.except,
            raw: raw.raw,
            context: &raw.context,
            transcripts: raw.transcripts,
            start: &raw.start,
            max_lag: &raw.max_lag,
            retry: &raw.retry,
            park: &raw.park,
        }
    }
}
