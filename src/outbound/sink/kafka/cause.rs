//! What Kafka's error codes mean for the lane.
//!
//! Deliberately absent: broker's own texts, which may name a user.

use super::super::{Cause, Outcome};
use rdkafka::error::RDKafkaErrorCode as Code;

/// The outcome of a record that was not delivered. After a fatal error everything fails until a new producer.
pub fn of(code: Code, fatal: bool) -> Outcome {
    if fatal || is_fatal(code) {
        let detail = format!("the producer can not go on: {code}");
        return Outcome::Reconnect { cause: Cause::new("fatal", detail) };
    }
    let cause = Cause::new(reason(code), code.to_string());
    match code {
        Code::InvalidMessage | Code::InvalidTimestamp | Code::InvalidTopic => Outcome::Reject { cause },
        _ => Outcome::Retry { cause, after: None },
    }
}

/// Errors after which an idempotent producer is of no more use.
pub fn is_fatal(code: Code) -> bool {
    matches!(
        code,
        Code::Fatal
            | Code::Fenced
            | Code::OutOfOrderSequenceNumber
            | Code::UnknownProducerId
            | Code::InvalidProducerEpoch
            | Code::GaplessGuarantee
            | Code::Inconsistent
            | Code::State
    )
}

/// A broker's refusal that may concern the whole batch a record travelled in.
pub fn is_size(code: Code) -> bool {
    matches!(code, Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize)
}

/// Every word that [`reason`] and the sink itself give.
pub const REASONS: &[&str] = &[
    "authentication",
    "brokers-down",
    "closed",
    "fatal",
    "invalid-record",
    "invalid-topic",
    "kafka",
    "not-authorized",
    "not-encodable",
    "policy",
    "purged",
    "replicas",
    "resolve",
    "timeout",
    "tls",
    "too-large",
    "unknown-topic",
];

/// A word of a closed set, for metrics.
pub fn reason(code: Code) -> &'static str {
    match code {
        Code::AllBrokersDown | Code::BrokerTransportFailure | Code::NetworkException => "brokers-down",
        Code::Resolve => "resolve",
        Code::SSL => "tls",
        Code::Authentication | Code::SaslAuthenticationFailed => "authentication",
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => "not-authorized",
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => "unknown-topic",
        Code::InvalidTopic => "invalid-topic",
        Code::InvalidMessage | Code::InvalidTimestamp => "invalid-record",
        Code::MessageTimedOut | Code::RequestTimedOut | Code::OperationTimedOut | Code::TimedOutQueue => {
            "timeout"
        }
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend | Code::ISRInsufficient => "replicas",
        Code::PurgeQueue | Code::PurgeInflight => "purged",
        Code::PolicyViolation => "policy",
        _ => "kafka",
    }
}

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
            Code::UnknownTopic,
            Code::InvalidTopic,
            Code::InvalidMessage,
            Code::MessageTimedOut,
            Code::NotEnoughReplicas,
            Code::PurgeQueue,
            Code::PolicyViolation,
            Code::Unknown,
        ];
        for code in codes {
            assert!(REASONS.contains(&reason(code)), "{code}");
        }
    }

    #[test]
    fn topics_and_rights_are_tried_again_and_a_fatal_error_asks_for_a_new_producer() {
        for code in [Code::UnknownTopicOrPartition, Code::TopicAuthorizationFailed, Code::AllBrokersDown] {
            assert!(matches!(of(code, false), Outcome::Retry { .. }), "{code}");
            assert!(matches!(of(code, true), Outcome::Reconnect { .. }), "{code}");
        }
        assert!(matches!(of(Code::Fatal, false), Outcome::Reconnect { .. }));
        assert!(matches!(of(Code::InvalidMessage, false), Outcome::Reject { .. }));
    }
}
