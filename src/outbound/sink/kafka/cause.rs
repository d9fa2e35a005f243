//! What became of a record, in the lane's terms: try again, dead letter, build a new producer.
//!
//! A table in the README says the same. Deliberately absent: what is wrong with a connection (`trouble`), and
//! brokers' own texts, which may name a user.

use super::super::{Cause, Outcome};
use rdkafka::error::RDKafkaErrorCode as Code;

/// What an error of a record asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Time, or an operator, may mend it.
    Again,
    /// It will never get through.
    Never,
    /// This producer is of no more use, a new one may be.
    Rebuild,
    /// librdkafka let it go untried, as the producer ends.
    Untried,
}

/// The outcome of a record that librdkafka reported or refused; `fatal` is what ended the producer, if something
/// did: then everything fails until there is a new one.
pub fn of(code: Code, topic: &str, fatal: Option<Cause>) -> Outcome {
    let cause = told(code, topic);
    match class(code) {
        _ if fatal.is_some() => Outcome::Reconnect { cause: fatal.unwrap_or(cause) },
        Class::Rebuild => Outcome::Reconnect { cause },
        Class::Never => Outcome::Reject { cause },
        Class::Again => Outcome::Retry { cause, after: None },
        Class::Untried => Outcome::Held,
    }
}

/// What an error of a topic's records is, in words.
pub fn told(code: Code, topic: &str) -> Cause {
    Cause::new(reason(code), detail(code, topic))
}

fn class(code: Code) -> Class {
    match code {
        code if is_fatal(code) => Class::Rebuild,
        Code::InvalidMessage | Code::InvalidTimestamp | Code::InvalidTopic | Code::InvalidRecord => {
            Class::Never
        }
        // librdkafka has waited topic.metadata.propagation.max.ms for it. What a broker says (the code
        // UnknownTopicOrPartition) can be a broker's that is still starting: the next try ends up here.
        Code::UnknownTopic => Class::Never,
        Code::PurgeQueue | Code::PurgeInflight => Class::Untried,
        _ => Class::Again,
    }
}

/// Errors after which an idempotent producer is of no more use.
pub fn is_fatal(code: Code) -> bool {
    matches!(
        code,
        Code::Fatal
            | Code::ClusterAuthorizationFailed
            | Code::OutOfOrderSequenceNumber
            | Code::UnknownProducerId
            | Code::GaplessGuarantee
            | Code::Inconsistent
            | Code::State
    ) || is_fenced(code)
}

pub fn is_fenced(code: Code) -> bool {
    matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
}

/// A broker's refusal that may concern the whole batch a record travelled in.
pub fn is_size(code: Code) -> bool {
    matches!(code, Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize)
}

/// Every word that [`reason`], `trouble` and the sink itself give.
pub const REASONS: &[&str] = &[
    "authentication",
    "brokers-down",
    "closed",
    "fatal",
    "fenced",
    "invalid-record",
    "invalid-topic",
    "kafka",
    "not-authorized",
    "not-encodable",
    "policy",
    "position",
    "replicas",
    "resolve",
    "stranded",
    "timeout",
    "tls",
    "token",
    "too-large",
    "transaction",
    "unknown-topic",
];

/// A word of a closed set, for metrics.
pub fn reason(code: Code) -> &'static str {
    match code {
        Code::AllBrokersDown | Code::BrokerTransportFailure | Code::NetworkException => "brokers-down",
        Code::Resolve => "resolve",
        Code::SSL => "tls",
        Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism => {
            "authentication"
        }
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => "not-authorized",
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => "unknown-topic",
        Code::InvalidTopic => "invalid-topic",
        Code::InvalidMessage | Code::InvalidTimestamp | Code::InvalidRecord => "invalid-record",
        Code::MessageTimedOut | Code::RequestTimedOut | Code::OperationTimedOut | Code::TimedOutQueue => {
            "timeout"
        }
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend | Code::ISRInsufficient => "replicas",
        Code::PolicyViolation => "policy",
        code if is_fenced(code) => "fenced",
        code if is_fatal(code) => "fatal",
        _ => "kafka",
    }
}

/// What, where, what to do.
fn detail(code: Code, topic: &str) -> String {
    match code {
        Code::TopicAuthorizationFailed => not_allowed(topic),
        Code::ClusterAuthorizationFailed => NOT_A_PRODUCER.to_owned(),
        Code::UnknownTopic | Code::UnknownTopicOrPartition => no_topic(topic),
        Code::InvalidTopic => format!("the brokers refuse the name of topic \"{topic}\""),
        Code::PolicyViolation => format!("a policy of the brokers refuses records for topic \"{topic}\""),
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => {
            format!("topic \"{topic}\" has fewer replicas in sync than its min.insync.replicas")
        }
        code if is_fatal(code) => format!("the producer can not go on: {code}"),
        code => format!("topic \"{topic}\": {code}"),
    }
}

fn no_topic(topic: &str) -> String {
    format!("topic \"{topic}\" does not exist: create it (see cometbridge topics)")
}

fn not_allowed(topic: &str) -> String {
    format!(
        "this principal may not write to topic \"{topic}\": it needs the ACLs Describe and Write (see cometbridge topics)"
    )
}

/// What a producer is told that may write nowhere.
pub const NOT_A_PRODUCER: &str = "this principal may not produce at all: it needs the ACL Write on the sink's topics, and IdempotentWrite on the cluster where brokers are older than 2.8 (see cometbridge topics)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_in_the_closed_set() {
        let codes = [
            Code::AllBrokersDown,
            Code::Resolve,
            Code::SSL,
            Code::Authentication,
            Code::TopicAuthorizationFailed,
            Code::ClusterAuthorizationFailed,
            Code::UnknownTopic,
            Code::InvalidTopic,
            Code::InvalidMessage,
            Code::MessageTimedOut,
            Code::NotEnoughReplicas,
            Code::PolicyViolation,
            Code::ProducerFenced,
            Code::OutOfOrderSequenceNumber,
            Code::Unknown,
        ];
        for code in codes {
            assert!(REASONS.contains(&reason(code)), "{code}");
        }
    }

    #[test]
    fn what_may_pass_is_tried_again_what_can_not_is_put_aside_and_a_dead_producer_is_built_anew() {
        for code in [Code::UnknownTopicOrPartition, Code::TopicAuthorizationFailed, Code::AllBrokersDown] {
            assert!(matches!(of(code, "t", None), Outcome::Retry { .. }), "{code}");
            let fatal = of(code, "t", Some(Cause::new("fenced", "by another")));
            assert!(matches!(&fatal, Outcome::Reconnect { cause } if cause.reason == "fenced"), "{code}");
        }
        for code in [Code::UnknownTopic, Code::InvalidMessage, Code::InvalidRecord, Code::InvalidTopic] {
            assert!(matches!(of(code, "t", None), Outcome::Reject { .. }), "{code}");
        }
        assert_eq!(of(Code::PurgeQueue, "t", None), Outcome::Held);
        for (code, reason) in [
            (Code::Fatal, "fatal"),
            (Code::ClusterAuthorizationFailed, "not-authorized"),
            (Code::ProducerFenced, "fenced"),
        ] {
            let outcome = of(code, "t", None);
            assert!(
                matches!(&outcome, Outcome::Reconnect { cause } if cause.reason == reason),
                "{code}: {outcome:?}"
            );
        }
    }

    #[test]
    fn a_refusal_names_the_topic_and_the_right_that_is_missing() {
        let outcome = of(Code::TopicAuthorizationFailed, "gws.chat", None);
        let Outcome::Retry { cause, .. } = outcome else { panic!("{outcome:?}") };
        assert!(cause.detail.contains("\"gws.chat\"") && cause.detail.contains("Write"), "{cause}");
    }
}
