//! An agent's device and channels, and the notifications of their changes.
//!
//! Deliberately absent: conversations.

use super::conversation::Medium;
use super::{Note, World};
use crate::simulator::ledger::Label;
use crate::simulator::script::{CHANNELS, DEVICES};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// As the vendor names a user's state on a device or channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    NotReady,
    LoggedOut,
}

impl Readiness {
    /// Id, display name and state.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Readiness::Ready => ("9430250E-0000-4000-8000-000000000001", "Ready", "Ready"),
            Readiness::NotReady => ("900D55CC-2BB0-431F-8BF9-D3525B383BE6", "Not Ready", "NotReady"),
            Readiness::LoggedOut => ("0F7F5003-0000-4000-8000-000000000001", "Logged Out", "LoggedOut"),
        }
    }

    fn json(self) -> Value {
        let (id, name, state) = self.names();
        json!({"id": id, "displayName": name, "state": state})
    }
}

/// Where a state changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Device,
    Channel(Medium),
}

#[derive(Debug)]
pub struct Agent {
    pub name: Arc<str>,
    device: Readiness,
    channels: [Readiness; 3],
    pub open: Vec<Arc<str>>,
    /// The last `referenceId` of the agent's own requests.
    pub reference: u64,
}

impl Agent {
    pub fn new(name: &str) -> Agent {
        let state = Readiness::NotReady;
        Agent { name: name.into(), device: state, channels: [state; 3], open: Vec::new(), reference: 10 }
    }
}

impl World {
    /// Changes a state and tells the agent; nothing where it is so already.
    pub fn set_state(&mut self, agent: usize, place: Place, state: Readiness, at: Timestamp) -> Vec<Note> {
        let Some(of) = self.agents.get_mut(agent) else { return Vec::new() };
        let now = match place {
            Place::Device => &mut of.device,
            Place::Channel(medium) => match (&mut of.channels, medium) {
                ([chat, _, _], Medium::Chat) => chat,
                ([_, facebook, _], Medium::Facebook) => facebook,
                ([_, _, sms], Medium::Sms) => sms,
            },
        };
        if std::mem::replace(now, state) == state {
            return Vec::new();
        }
        match place {
            Place::Device => self.device_of(agent, at).into_iter().collect(),
            Place::Channel(_) => self.channels_of(agent, at).into_iter().collect(),
        }
    }

    /// The state on the device, or of one channel.
    pub fn state(&self, agent: usize, place: Place) -> Readiness {
        let Some(of) = self.agents.get(agent) else { return Readiness::LoggedOut };
        let [chat, facebook, sms] = of.channels;
        match place {
            Place::Device => of.device,
            Place::Channel(Medium::Chat) => chat,
            Place::Channel(Medium::Facebook) => facebook,
            Place::Channel(Medium::Sms) => sms,
        }
    }

    /// Out of the device and all channels.
    pub fn log_out(&mut self, user: &str, at: Timestamp) -> Vec<Note> {
        let Some(agent) = self.place(user) else { return Vec::new() };
        let mut notes = self.set_state(agent, Place::Device, Readiness::LoggedOut, at);
        let Some(of) = self.agents.get_mut(agent) else { return notes };
        let out = [Readiness::LoggedOut; 3];
        if std::mem::replace(&mut of.channels, out) != out {
            notes.extend(self.channels_of(agent, at));
        }
        notes
    }

    /// The notification that tells the state of the user's device as it is.
    pub fn device_note(&self, user: &str, at: Timestamp) -> Option<Note> {
        self.device_of(self.place(user)?, at)
    }

    fn device_of(&self, agent: usize, at: Timestamp) -> Option<Note> {
        let data = json!({"messageType": "DeviceStateChangeMessage", "devices": self.devices(agent)?,
            "metrics": metrics(at)});
        Some(Note {
            user: self.name(agent),
            channel: DEVICES,
            data,
            label: label("DeviceStateChangeMessage", &[self.agents.get(agent)?.device]),
        })
    }

    fn channels_of(&self, agent: usize, at: Timestamp) -> Option<Note> {
        let data = json!({"messageType": "ChannelStateChangeMessageV2", "channels": self.channels(agent)?,
            "metrics": metrics(at)});
        Some(Note {
            user: self.name(agent),
            channel: CHANNELS,
            data,
            label: label("ChannelStateChangeMessageV2", &self.agents.get(agent)?.channels),
        })
    }

    /// As `GET /api/v2/me/devices` shows them.
    pub fn devices(&self, agent: usize) -> Option<Value> {
        let state = self.agents.get(agent)?.device;
        let number = 5001 + agent;
        let active = if state == Readiness::LoggedOut { "Inactive" } else { "Active" };
        Some(json!([{"id": format!("8f3c2d10-0000-4000-8000-{number:012}"), "deviceState": active,
            "userState": state.json(), "phoneNumber": number.to_string(), "e164Number": "",
            "telephonyNetwork": "Private", "doNotDisturb": "Off",
            "voiceEnvironmentUri": format!("{}/api/v2/voice-environments/1", self.url),
            "capabilities": ["DoNotDisturbOn", "ForwardCallsOn"], "channels": ["voice"]}]))
    }

    /// As `GET /api/v2/me/channels` shows them.
    pub fn channels(&self, agent: usize) -> Option<Value> {
        let of = self.agents.get(agent)?;
        let shown = Medium::ALL.iter().zip(of.channels);
        let list: Vec<Value> = shown
            .map(|(medium, state)| json!({"channel": medium.key(), "userState": state.json(), "dndState": "Off"}))
            .collect();
        Some(list.into())
    }
}

fn label(message_type: &'static str, states: &[Readiness]) -> Label {
    let says: Vec<&str> = states.iter().map(|state| state.names().2).collect();
    Label { message_type, says: Some(says.join(",").into()), ..Label::default() }
}

fn metrics(at: Timestamp) -> Value {
    json!({"eventProcessing": {"nodeProcessingTimeNanos": 465_232,
        "serverGenerationTimestamp": at.as_millisecond(), "serverProcessingTimeTotalMs": 3}})
}
