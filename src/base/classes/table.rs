//! The table itself: every field of every payload, with its class.
//!
//! Deliberately absent: what the classes mean (see `Class`).

use super::Class::{Business, Contact, Content, Identity, Plain, Pseudonym};
use super::Family;

/// By family, in the order of the types in `data`.
pub const TABLE: &[Family] = &[
    Family {
        types: &["genesys.gws.*.message.v1"],
        fields: &[
            ("interactionId", Plain),
            ("message.index", Plain),
            ("message.kind", Plain),
            ("message.text", Content),
            ("message.noticeText", Content),
            ("message.url", Content),
            ("message.visibility", Plain),
            ("message.sentAt", Plain),
            ("message.from.kind", Plain),
            ("message.from.nickname", Identity),
            ("message.from.participantId", Plain),
            ("message.from.visibility", Plain),
        ],
    },
    Family {
        types: &[
            "genesys.gws.call.status_change.v1",
            "genesys.gws.call.participants_updated.v1",
            "genesys.gws.call.attached_data_changed.v1",
            "genesys.gws.call.recording_state_change.v1",
        ],
        fields: &[
            ("interactionId", Plain),
            ("notificationType", Plain),
            ("state", Plain),
            ("callUuid", Plain),
            ("connId", Plain),
            ("callType", Plain),
            ("ani", Contact),
            ("dnis", Contact),
            ("phoneNumber", Contact),
            ("participants.phoneNumber", Contact),
            ("participants.formattedPhoneNumber", Contact),
            ("participants.digits", Contact),
            ("participants.e164Number", Contact),
            ("capabilities", Plain),
            ("duration", Plain),
            ("mute", Plain),
            ("supervisorListeningIn", Plain),
            ("monitoredUserMuted", Plain),
            ("monitoring", Plain),
            ("recordingState", Plain),
            ("userData.*", Business),
            // Numbers stand in it (`OriginationDN`).
            ("extensions.*", Contact),
        ],
    },
    Family {
        types: &["genesys.gws.agent.error.v1", "genesys.gws.tweet.operation_response.v1"],
        fields: &[("errorCode", Plain), ("errorMessage", Content)],
    },
    Family {
        types: &[
            "genesys.gws.*.status_change.v1",
            "genesys.gws.*.participants_updated.v1",
            "genesys.gws.*.properties_updated.v1",
            "genesys.gws.*.error.v1",
            "genesys.gws.*.saved.v1",
            "genesys.gws.*.attachment_added.v1",
            "genesys.gws.*.attachment_removed.v1",
            "genesys.gws.*.attached_data_changed.v1",
            "genesys.gws.*.log_update.v1",
        ],
        fields: &[
            ("interactionId", Plain),
            ("notificationType", Plain),
            ("state", Plain),
            ("capabilities", Plain),
            ("participants.kind", Plain),
            ("participants.nickname", Identity),
            ("participants.participantId", Plain),
            ("participants.visibility", Plain),
            ("comment", Content),
            ("receivedDate", Plain),
            ("userData.*", Business),
            ("errorCode", Plain),
            ("errorMessage", Content),
        ],
    },
    Family {
        types: &["genesys.gws.agent.state_change.v1"],
        fields: &[
            ("deviceId", Pseudonym),
            ("channel", Plain),
            ("deviceState", Plain),
            ("userState.id", Plain),
            // Sites word these two freely, and a reason can say why a person is away.
            ("userState.displayName", Content),
            ("userState.reason", Content),
            ("userState.state", Plain),
            ("userState.workMode", Plain),
            ("doNotDisturb", Plain),
            ("phoneNumber", Contact),
            ("capabilities", Plain),
        ],
    },
    Family {
        types: &["genesys.gws.agent.user_event.v1"],
        fields: &[("deviceId", Pseudonym), ("userData.*", Business)],
    },
    Family {
        types: &["genesys.gws.user.password_changed.v1", "genesys.gws.user.password_error.v1"],
        fields: &[
            ("notificationType", Plain),
            ("userId", Identity),
            ("errorCode", Plain),
            ("errorMessage", Content),
        ],
    },
    Family {
        types: &["genesys.gws.workbin.subscription_change.v1"],
        fields: &[("workbinId", Plain), ("stateResource", Plain), ("workbinUserId", Identity)],
    },
    Family {
        types: &["genesys.gws.workbin.action.v1"],
        fields: &[("workbinId", Plain), ("action", Plain), ("itemMedium", Plain), ("interactionId", Plain)],
    },
    Family {
        types: &["genesys.gws.outbound.record.v1"],
        fields: &[
            ("notificationType", Plain),
            ("recordHandle", Plain),
            ("recordId", Plain),
            ("state", Plain),
            ("phone", Contact),
            // Sites name these three freely.
            ("campaignName", Business),
            ("callingList", Business),
            ("applicationId", Business),
            ("customFields.*", Business),
        ],
    },
    Family {
        types: &["genesys.gws.service.state_change.v1"],
        fields: &[
            ("messageType", Plain),
            ("notificationType", Plain),
            ("serviceName", Plain),
            ("serviceState", Plain),
        ],
    },
    Family {
        types: &["genesys.gws.unknown.v1"],
        fields: &[("topic", Plain), ("messageType", Plain), ("notificationType", Plain), ("reason", Plain)],
    },
    Family {
        types: &["cometbridge.session.gap_opened.v1", "cometbridge.session.gap_closed.v1"],
        fields: &[
            ("agent", Pseudonym),
            ("gapid", Plain),
            ("from", Plain),
            ("to", Plain),
            ("cause", Plain),
            ("certainty", Plain),
            ("firstSequence", Plain),
            ("lastSequence", Plain),
        ],
    },
    Family {
        types: &["genesys.gws.*.gap.v1"],
        fields: &[
            ("interactionId", Plain),
            ("agent", Pseudonym),
            ("gapid", Plain),
            ("phase", Plain),
            ("cause", Plain),
            ("certainty", Plain),
            ("from", Plain),
            ("to", Plain),
            ("lastIndexBefore", Plain),
            ("firstIndexAfter", Plain),
            ("recovered", Plain),
        ],
    },
    Family {
        types: &["genesys.gws.*.ended_unseen.v1"],
        fields: &[("interactionId", Plain), ("agent", Pseudonym), ("lastState", Plain), ("lastIndex", Plain)],
    },
    Family {
        types: &["cometbridge.session.silent.v1"],
        fields: &[("agent", Pseudonym), ("since", Plain), ("differing.*", Plain)],
    },
    Family {
        types: &["cometbridge.sink.lost.v1"],
        fields: &[
            ("sink", Plain),
            ("firstSequence", Plain),
            ("lastSequence", Plain),
            ("count", Plain),
            ("bytes", Plain),
            ("limit", Plain),
        ],
    },
    Family {
        types: &["cometbridge.item.rejected.v1"],
        fields: &[
            ("agent", Pseudonym),
            ("topic", Plain),
            ("bytes", Plain),
            ("sha256", Plain),
            ("reason", Plain),
        ],
    },
];
