//! Notifications with a planted value in every field of a class, in unknown fields, in keys of maps, and where something
//! else is expected.
//!
//! Deliberately absent: looking for them.

use crate::harness::cometd::Publish;
use serde_json::{Value, json};

/// Every planted text begins so; no signature and no hash can hold it.
pub const PLANTED: &str = "zq-";
/// Every planted number begins so.
pub const NUMBER: &str = "497770055";
/// Every agent's key and device begins so.
pub const AGENT: &str = "kyagent";
/// What the last notification of each agent says.
pub const LAST: &str = "zq-last";
/// The kinds of planted texts.
pub const KINDS: &[&str] =
    &["zq-name", "zq-text", "zq-url", "zq-key", "zq-value", "zq-unknown", "zq-reason", "zq-odd"];

/// So many notifications in a row are of the same conversations.
const TOGETHER: usize = 512;

fn to(user: &str, channel: &str, data: &Value) -> Publish {
    Publish { user: user.to_owned(), channel: channel.to_owned(), data: data.clone(), tag: String::new() }
}

pub fn last(user: &str) -> Publish {
    to(user, "/v2/me/chats", &json!({"messageType": "SomethingNew", "text": LAST}))
}

/// How many chats so many notifications are of.
pub fn chats(notifications: usize) -> usize {
    notifications.div_ceil(TOGETHER)
}

/// The end of a chat for a user.
pub fn completed(nth: usize, user: &str) -> Publish {
    let chat = json!({"id": Plant(nth * TOGETHER).conversation(), "state": "Completed"});
    let data =
        json!({"messageType": "ChatStateChangeMessage", "notificationType": "StatusChange", "chat": chat});
    to(user, "/v2/me/chats", &data)
}

/// The forms take turns; every value is another one each time.
pub fn notification(nth: usize, user: &str) -> Publish {
    let (channel, data) = FORMS[nth % FORMS.len()](&Plant(nth));
    to(user, channel, &data)
}

/// The number of a notification: all its values are made of it.
struct Plant(usize);

type Form = fn(&Plant) -> (&'static str, Value);

/// An odd number of them, so that each comes to each of four users.
const FORMS: [Form; 23] = [
    log,
    chat,
    device,
    facebooksession,
    novelty,
    odd_devices,
    odd_log,
    odd_chat,
    numbers,
    channel,
    error,
    list,
    call,
    user_event,
    nameless_error,
    smssession_error,
    email,
    imsession_log,
    outbound,
    workbin_subscription,
    workbin_item,
    password_error,
    tweet_response,
];

impl Plant {
    fn m(&self, kind: &str) -> String {
        format!("zq-{kind}{}", self.0)
    }

    fn phone(&self) -> String {
        format!("+{NUMBER}{:05}", self.0)
    }

    fn conversation(&self) -> String {
        format!("0000T{:04}", self.0 / TOGETHER)
    }

    fn metrics(&self) -> Value {
        json!({"eventProcessing": {"serverGenerationTimestamp": 1_769_554_688_150_i64 + self.0 as i64}})
    }

    fn user_data(&self) -> Value {
        json!({self.m("key"): self.m("value"), "PhoneNumber": self.phone(), "WWE_PARTY_1": {self.m("key"): [self.m("value")]}})
    }

    /// An interaction with all that any medium's has.
    fn session(&self) -> Value {
        json!({"id": self.conversation(), "state": "Chatting", "comment": self.m("text"), "subject": self.m("unknown"),
            "capabilities": ["Transfer"], "chatType": "Standard", "receivedDate": "2014-01-02T14:23:20.126-0800",
            "userData": self.user_data(), "participants": [{"type": "Customer", "nickname": self.m("name"),
                "participantId": "009", "phoneNumber": self.phone(), self.m("key"): 1}]})
    }

    fn state(&self, medium: &str, kind: &str, word: &str, session: &Value) -> Value {
        json!({"messageType": format!("{kind}StateChangeMessage"), "notificationType": word,
            "phoneNumber": self.phone(), "metrics": self.metrics(), medium: session})
    }

    fn chat_log(&self, items: &Value) -> Value {
        let id = self.conversation();
        json!({"messageType": "MessageLogUpdated", "notificationType": "NewMessages", "chatId": id,
            "metrics": self.metrics(), "customer": self.m("unknown"), "chat": {"id": id}, "messages": items})
    }
}

fn log(p: &Plant) -> (&'static str, Value) {
    let item = json!({"index": p.0, "type": "Text", "text": p.m("text"), "noticeText": p.m("text"), "url": p.m("url"),
        "visibility": "All", "timestamp": "2014-01-02T14:23:20.126-0800", p.m("key"): p.m("unknown"),
        "from": {"type": "Customer", "nickname": p.m("name"), "participantId": "009", "userName": p.m("unknown")}});
    ("/v2/me/chats", p.chat_log(&json!([item])))
}

fn chat(p: &Plant) -> (&'static str, Value) {
    ("/v2/me/chats", p.state("chat", "Chat", "PropertiesUpdated", &p.session()))
}

fn facebooksession(p: &Plant) -> (&'static str, Value) {
    let data = p.state("facebooksession", "Facebooksession", "PropertiesUpdated", &p.session());
    ("/v2/me/facebooksession", data)
}

fn device(p: &Plant) -> (&'static str, Value) {
    let device = json!({"id": format!("kyagentdevice{}", p.0 % 50), "deviceState": "Active", "phoneNumber": p.phone(),
        "e164Number": p.phone(), "telephonyNetwork": "Private", "channels": ["voice"], "description": p.m("text"),
        "dynamicPhoneNumber": p.phone(), "userState": {"displayName": p.m("reason"), "state": format!("S{}", p.0),
            "reason": p.m("reason"), "by": p.m("unknown")}});
    ("/v2/me/devices", json!({"messageType": "DeviceStateChangeMessage", "devices": [device]}))
}

fn channel(p: &Plant) -> (&'static str, Value) {
    let state = json!({"state": format!("S{}", p.0), "displayName": p.m("reason"), "reason": [p.m("odd")]});
    let channel = json!({"channel": "chat", "dndState": "Off", "phoneNumber": p.phone(), "userState": state});
    let data =
        json!({"messageType": "ChannelStateChangeMessageV2", "metrics": p.metrics(), "channels": [channel]});
    ("/v2/me/channels", data)
}

fn novelty(p: &Plant) -> (&'static str, Value) {
    let data = json!({"messageType": "SomethingNew", p.m("key"): p.m("unknown"), "phone": p.phone()});
    ("/v2/me/chats", data)
}

fn odd_devices(p: &Plant) -> (&'static str, Value) {
    let devices = json!([p.m("odd"), {"phoneNumber": p.phone()}, {"id": {p.m("key"): 1}}, [p.m("odd")]]);
    let data = json!({"messageType": "DeviceStateChangeMessage", "metrics": p.metrics(), "devices": devices});
    ("/v2/me/devices", data)
}

/// A word for an index stays on a tape, as words do; a text does not.
fn odd_log(p: &Plant) -> (&'static str, Value) {
    let items = json!([p.m("odd"),
        {"index": p.m("odd") + " or so", "text": {p.m("key"): p.m("odd")}, "from": p.m("odd")},
        {"index": p.0, "type": {p.m("key"): p.m("odd")}, "text": [p.m("odd")], "from": [p.m("odd")], "url": 5}]);
    ("/v2/me/chats", p.chat_log(&items))
}

fn odd_chat(p: &Plant) -> (&'static str, Value) {
    let odd = json!({"id": p.conversation(), "state": {p.m("key"): p.m("odd")}, "participants": p.m("odd"),
        "userData": [p.m("odd")], "comment": {p.m("key"): p.m("odd")}, "capabilities": {p.m("key"): p.m("odd")},
        "chatType": [p.m("odd") + " or so"], "receivedDate": {"a": p.m("odd")}});
    ("/v2/me/chats", p.state("chat", "Chat", "PropertiesUpdated", &odd))
}

fn numbers(p: &Plant) -> (&'static str, Value) {
    let number: u64 = format!("{NUMBER}{:05}", p.0).parse().unwrap();
    let odd = json!({"id": p.conversation(), "state": format!("S{}", p.0),
        "userData": {"Phone": number, "a": null, "b": [number]},
        "participants": [{"nickname": number, "type": "Agent"}, p.m("odd"), [p.m("odd")]]});
    ("/v2/me/chats", p.state("chat", "Chat", "PropertiesUpdated", &odd))
}

fn list(p: &Plant) -> (&'static str, Value) {
    ("/v2/me/chats", json!([p.m("odd"), {p.m("key"): p.m("value")}]))
}

fn error(p: &Plant) -> (&'static str, Value) {
    let chat = json!({"id": p.conversation(), "comment": p.m("text")});
    let data = json!({"messageType": "ErrorMessage", "errorMessage": p.m("text"), "metrics": p.metrics(),
        "notificationType": "Error", "chat": chat});
    ("/v2/me/chats", data)
}

fn nameless_error(p: &Plant) -> (&'static str, Value) {
    let data = json!({"messageType": "ChatStateChangeMessage", "notificationType": "Error", "errorCode": 12,
        "chat": {"errorMessage": p.m("text"), "comment": p.m("text")}});
    ("/v2/me/chats", data)
}

fn smssession_error(p: &Plant) -> (&'static str, Value) {
    let mut data = p.state("smssession", "SMSsession", "Error", &p.session());
    data["errorMessage"] = p.m("text").into();
    ("/v2/me/smssession", data)
}

fn email(p: &Plant) -> (&'static str, Value) {
    let mut email = p.session();
    email["body"] = p.m("unknown").into();
    email["subject"] = p.m("text").into();
    email["from"] = p.phone().into();
    email["to"] = json!([p.phone(), [p.m("odd")]]);
    email["cc"] = json!([p.phone()]);
    email["attachments"] = json!([{"id": "0000A1", "name": p.m("text"), "uri": p.m("unknown")}, p.m("odd")]);
    ("/v2/me/emails", p.state("email", "Email", "EmailSaved", &email))
}

fn imsession_log(p: &Plant) -> (&'static str, Value) {
    let data = json!({"messageType": "IMLogUpdateMessage", "notificationType": "NewMessage",
        "imSessionPath": format!("/im-sessions/{}", p.conversation()), "messages": [{"text": p.m("text")}]});
    ("/v2/me/im-sessions", data)
}

/// The same calls all the time, so that attached data changes.
fn call(p: &Plant) -> (&'static str, Value) {
    let party = json!({"phoneNumber": p.phone(), "formattedPhoneNumber": p.phone(), "digits": p.phone(),
        "e164Number": p.phone(), "name": p.m("unknown")});
    let call = json!({"id": "0000C1", "state": format!("S{}", p.0), "ani": p.phone(), "dnis": p.phone(),
        "participants": [party, p.phone()], "userData": p.user_data(), "callType": "Inbound"});
    let mut data = p.state("call", "Call", "StatusChange", &call);
    data["extensions"] = json!({"OriginationDN": p.phone(), p.m("key"): p.m("value")});
    ("/v2/me/calls", data)
}

fn user_event(p: &Plant) -> (&'static str, Value) {
    let data = json!({"messageType": "DeviceUserEventMessage", "deviceId": "kyagentdevice1", "userData": p.user_data(),
        "metrics": p.metrics()});
    ("/v2/me/devices", data)
}

fn outbound(p: &Plant) -> (&'static str, Value) {
    let record = json!({"recordHandle": p.0, "state": "ReadyToCall", "phone": p.phone(), "campaignName": p.m("value"),
        "callingList": p.m("value"), "applicationId": p.m("value"), "customFields": {p.m("key"): p.m("value")},
        "name": p.m("unknown")});
    let data = json!({"messageType": "OutboundRecordMessage", "notificationType": "StatusChanged", "record": record});
    ("/v2/me/outbound", data)
}

fn workbin_subscription(p: &Plant) -> (&'static str, Value) {
    let data = json!({"messageType": "WorkbinSubscriptionStateChangeMessage", "id": "w1",
        "stateResource": "Subscribed", "workbinUserId": p.m("name"), "owner": p.m("unknown"),
        "errorMessage": p.m("text")});
    ("/v2/me/workbins", data)
}

fn workbin_item(p: &Plant) -> (&'static str, Value) {
    let data = json!({"messageType": "WorkbinStateChangeMessage", "id": "w1", "action": "ItemAdded",
        "emailStateResourceV2": {"id": p.conversation(), "subject": p.m("unknown"), "from": p.m("unknown")}});
    ("/v2/me/workbins", data)
}

fn password_error(p: &Plant) -> (&'static str, Value) {
    let data = json!({"notificationType": "PasswordChangeError", "userId": p.m("name"), "errorCode": 2,
        "errorMessage": p.m("text"), "metrics": p.metrics()});
    ("/v2/users", data)
}

fn tweet_response(p: &Plant) -> (&'static str, Value) {
    let data = json!({"messageType": "TweetOperationResponse", "errorCode": 3, "errorMessage": p.m("text"),
        "tweet": {"text": p.m("unknown")}});
    ("/v2/me/twitter", data)
}
