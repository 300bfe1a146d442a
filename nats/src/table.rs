//! Every message's subject, reply and version, in one table.
//!
//! A subject is `mmo.v1.<realm>.` and the words of the table, broad to narrow; `*` stands for the
//! id of the server that is meant. The AsyncAPI document is made from the same table.

use protocol::{
    Realm, ServerId, SpawnerId,
    backbone::{Done, characters, desired, events, maps, operations, seats, spawners},
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

/// The first words of every subject: the system and the version of its subjects.
pub const ROOT: &str = "mmo.v1";

/// Every subject of every realm.
pub const EVERYTHING: &str = "mmo.>";

/// A message that is answered.
pub trait Request: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// What it is answered with.
    type Reply: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;
    /// Whom it is for: `()` for the one service of the realm, or a server's id.
    type To: Target;
    /// The words after the realm.
    const SUBJECT: &'static str;
    /// The version of its shape.
    const VERSION: u16;
}

/// A message for whoever listens.
pub trait Event: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The words after the realm.
    const SUBJECT: &'static str;
    /// The version of its shape.
    const VERSION: u16;
}

/// Whom a request is for.
pub trait Target {
    /// The word in the place of `*`.
    fn word(&self) -> &str;
}

impl Target for () {
    fn word(&self) -> &str {
        ""
    }
}

impl Target for ServerId {
    fn word(&self) -> &str {
        self.as_str()
    }
}

impl Target for SpawnerId {
    fn word(&self) -> &str {
        self.as_str()
    }
}

/// What can be listened for: one event, or a family of them in the order they were sent.
pub trait Heard: Sized + Send + 'static {
    /// The words after the realm, wildcards included.
    const SUBJECTS: &'static str;

    /// Reads a message from the words of its subject after the realm. `None`: not one of these.
    fn hear(words: &str, payload: &[u8]) -> Option<Result<Self, serde_json::Error>>;
}

/// The subject of a request in a realm.
pub fn request<R: Request>(realm: &Realm, to: &R::To) -> String {
    in_realm(realm, &R::SUBJECT.replacen('*', to.word(), 1))
}

/// The subject of an event in a realm.
pub fn event<E: Event>(realm: &Realm) -> String {
    in_realm(realm, E::SUBJECT)
}

/// The subjects to listen on in a realm.
pub fn heard<H: Heard>(realm: &Realm) -> String {
    in_realm(realm, H::SUBJECTS)
}

/// The words of a subject after the realm; `None` for a subject that is not ours.
pub fn words<'a>(realm: &Realm, subject: &'a str) -> Option<&'a str> {
    subject.strip_prefix(ROOT)?.strip_prefix('.')?.strip_prefix(realm.as_str())?.strip_prefix('.')
}

fn in_realm(realm: &Realm, words: &str) -> String {
    format!("{ROOT}.{realm}.{words}")
}

/// A line of the table, for documents.
pub struct Line {
    /// The words after the realm.
    pub subject: &'static str,
    /// The message's type.
    pub name: &'static str,
    /// The version of its shape.
    pub version: u16,
    /// Its schema, and its reply's name and schema if it is a request.
    pub schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// The reply, of a request.
    pub reply: Option<Reply>,
}

/// A request's reply, for documents.
pub struct Reply {
    /// The reply's type.
    pub name: &'static str,
    /// Its schema.
    pub schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
}

macro_rules! table {
    (
        requests { $($subject:literal @$version:literal $request:ty => $reply:ty, to $to:ty;)* }
        events { $($event_subject:literal @$event_version:literal $event:ty;)* }
    ) => {
        $(impl Request for $request {
            type Reply = $reply;
            type To = $to;
            const SUBJECT: &'static str = $subject;
            const VERSION: u16 = $version;
        })*
        $(impl Event for $event {
            const SUBJECT: &'static str = $event_subject;
            const VERSION: u16 = $event_version;
        }
        impl Heard for $event {
            const SUBJECTS: &'static str = $event_subject;

            fn hear(words: &str, payload: &[u8]) -> Option<Result<Self, serde_json::Error>> {
                (words == $event_subject).then(|| serde_json::from_slice(payload))
            }
        })*

        /// The whole table, in its order.
        pub const LINES: &[Line] = &[
            $(Line {
                subject: $subject,
                name: stringify!($request),
                version: $version,
                schema: |generator| generator.subschema_for::<$request>(),
                reply: Some(Reply {
                    name: stringify!($reply),
                    schema: |generator| generator.subschema_for::<$reply>(),
                }),
            },)*
            $(Line {
                subject: $event_subject,
                name: stringify!($event),
                version: $event_version,
                schema: |generator| generator.subschema_for::<$event>(),
                reply: None,
            },)*
        ];
    };
}

table! {
    requests {
        "cluster.map.register" @1 maps::RegisterMap => maps::MapRegistered, to ();
        "cluster.map.beat" @1 maps::MapBeat => maps::BeatHeard, to ();
        "cluster.map.leave" @1 maps::LeaveMap => Done, to ();
        "cluster.spawner.register" @1 spawners::RegisterSpawner => spawners::SpawnerRegistered, to ();
        "cluster.spawner.beat" @1 spawners::SpawnerBeat => maps::BeatHeard, to ();
        "cluster.spawner.leave" @1 spawners::LeaveSpawner => Done, to ();
        "cluster.peers" @1 maps::ListPeers => maps::Peers, to ();
        "cluster.more_peers" @1 maps::MorePeers => maps::Peers, to ();
        "cluster.route" @1 maps::Route => maps::Routed, to ();
        "cluster.spawn" @1 spawners::SpawnMap => spawners::MapSpawned, to ();
        "cluster.stop" @1 spawners::StopMap => Done, to ();
        "cluster.status" @1 operations::GetStatus => operations::ClusterStatus, to ();
        "cluster.desired" @1 desired::GetDesired => desired::DesiredState, to ();
        "cluster.desire" @1 desired::SetDesired => desired::DesiredState, to ();
        "cluster.drain" @1 operations::Drain => operations::Draining, to ();
        "cluster.undrain" @1 operations::AbortDrain => operations::Draining, to ();
        "cluster.rebalance" @1 operations::Rebalance => operations::Draining, to ();
        "cluster.fate" @1 operations::AskFate => operations::LifesFate, to ();
        "cluster.queue" @1 operations::Enqueue => operations::Placed, to ();
        "characters.load" @1 characters::LoadCharacter => characters::LoadedCharacter, to ();
        "characters.save" @1 characters::SaveCharacter => characters::CharacterSaved, to ();
        "characters.commit" @1 characters::CommitCharacters => characters::CharactersCommitted, to ();
        "characters.transfer" @1 characters::TransferCharacter => characters::CharacterSaved, to ();
        "characters.release" @1 characters::ReleaseCharacter => Done, to ();
        "characters.abandon" @1 characters::AbandonCharacter => Done, to ();
        "spawner.*.start" @1 spawners::StartChild => spawners::MapSpawned, to SpawnerId;
        "spawner.*.stop" @1 spawners::StopChild => Done, to SpawnerId;
        "spawner.*.hung" @1 spawners::EndHungChild => Done, to SpawnerId;
        "spawner.*.clear" @1 spawners::ClearChild => Done, to SpawnerId;
        "spawner.*.list" @1 spawners::ListChildren => spawners::Children, to SpawnerId;
        "map.*.reserve" @1 seats::ReserveSeat => seats::SeatReserved, to ServerId;
        "map.*.cancel" @1 seats::CancelSeat => Done, to ServerId;
        "map.*.evict" @1 seats::EvictCharacter => Done, to ServerId;
        "map.*.drain" @1 operations::DrainMap => Done, to ServerId;
    }
    events {
        "event.cluster.up" @1 events::ClusterUp;
        "event.map.up" @1 events::MapUp;
        "event.map.changed" @1 events::MapChanged;
        "event.map.down" @1 events::MapDown;
        "event.spawner.up" @1 events::SpawnerUp;
        "event.spawner.down" @1 events::SpawnerDown;
        "event.child.started" @1 events::ChildStarted;
        "event.child.ended" @1 events::ChildEnded;
        "event.session.opened" @1 events::SessionOpened;
        "event.session.ended" @1 events::SessionEnded;
        "event.character.selected" @1 events::CharacterSelected;
        "event.character.entered" @1 events::CharacterEntered;
        "event.character.warped" @1 events::CharacterWarped;
        "event.character.left" @1 events::CharacterLeft;
    }
}

/// What the Cluster tells peers, as one family: their order is what the view numbers count.
#[derive(Debug, Clone, PartialEq)]
pub enum PeerEvent {
    /// A newcomer.
    Up(events::MapUp),
    /// Another population.
    Changed(events::MapChanged),
    /// Gone.
    Down(events::MapDown),
}

impl Heard for PeerEvent {
    const SUBJECTS: &'static str = "event.map.*";

    fn hear(words: &str, payload: &[u8]) -> Option<Result<Self, serde_json::Error>> {
        None.or_else(|| Some(events::MapUp::hear(words, payload)?.map(Self::Up)))
            .or_else(|| Some(events::MapChanged::hear(words, payload)?.map(Self::Changed)))
            .or_else(|| Some(events::MapDown::hear(words, payload)?.map(Self::Down)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_subject_is_built_and_parsed_back() {
        let realm: Realm = "main".parse().unwrap();
        let subject = request::<seats::ReserveSeat>(&realm, &"town-1".parse().unwrap());
        assert_eq!(subject, "mmo.v1.main.map.town-1.reserve");
        assert_eq!(words(&realm, &subject), Some("map.town-1.reserve"));
        assert_eq!(words(&"mai".parse().unwrap(), &subject), None);
        assert_eq!(words(&realm, "mmo.v2.main.x"), None);
    }

    #[test]
    fn no_two_lines_share_a_subject_and_each_keeps_the_form() {
        let mut seen = BTreeSet::new();
        for line in LINES {
            assert!(seen.insert(line.subject), "{} stands twice", line.subject);
            let fits = |word: &str| {
                word == "*" || word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            };
            assert!(line.subject.split('.').all(fits), "{}", line.subject);
        }
    }

    #[test]
    fn peer_events_are_told_apart_by_their_subject() {
        let down = r#"{"view":{"cluster":"0198c0de-0000-7000-8000-000000000001","sequence":4},
            "server":"town-1","incarnation":"0198c0de-0000-7000-8000-000000000002",
            "map":"town","channel":1,"reason":"silent"}"#;
        let heard = PeerEvent::hear("event.map.down", down.as_bytes());
        assert!(matches!(heard, Some(Ok(PeerEvent::Down(_)))), "{heard:?}");
        assert!(PeerEvent::hear("event.map.moved", b"{}").is_none());
        assert!(matches!(PeerEvent::hear("event.map.up", b"{}"), Some(Err(_))));
    }
}
