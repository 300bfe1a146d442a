//! What each role of nats/conf may say and hear: all that its work needs, and nothing more.

use std::{collections::BTreeSet, sync::Arc};

use async_nats::{Client, ConnectOptions, Event, ServerError};
use nats::{
    BackboneError,
    table::{LINES, PeerEvent},
};
use protocol::{
    Code, SpawnerId,
    backbone::{
        Done,
        maps::{ListPeers, Route},
        seats::EvictCharacter,
        spawners::{SpawnMap, StopChild},
    },
};
use tokio::sync::Mutex;

use crate::{
    said::{life, map_changed, peers, run, serve, serve_peers, session_ended},
    server::{ROLES, SOON, Server, Users, checks, on_each, until},
};

/// What a role does, in the words of the table; `*` at the end stands for any.
struct Work {
    role: &'static str,
    serves: &'static [&'static str],
    calls: &'static [&'static str],
    tells: &'static [&'static str],
    hears: &'static [&'static str],
}

const WORK: [Work; 5] = [
    Work {
        role: "central",
        serves: &["cluster.*", "characters.*"],
        calls: &[
            "spawner.*",
            "map.*",
            "cluster.peers",
            "cluster.more_peers",
            "cluster.fate",
            "cluster.queue",
        ],
        tells: &[
            "event.cluster.*",
            "event.map.*",
            "event.spawner.*",
            "event.session.*",
            "event.character.selected",
        ],
        hears: &["event.session.ended"],
    },
    Work {
        role: "spawner",
        serves: &["spawner.*"],
        calls: &["cluster.spawner.*", "cluster.map.leave", "cluster.peers"],
        tells: &["event.child.*"],
        hears: &["event.cluster.up"],
    },
    Work {
        role: "map",
        serves: &["map.*"],
        calls: &[
            "cluster.map.*",
            "cluster.peers",
            "cluster.more_peers",
            "cluster.route",
            "cluster.spawn",
            "cluster.stop",
            "characters.*",
            "map.*.reserve",
            "map.*.cancel",
        ],
        tells: &["event.character.entered", "event.character.warped", "event.character.left"],
        hears: &["event.cluster.up", "event.session.ended", "event.map.*"],
    },
    Work {
        role: "operator",
        serves: &[],
        calls: &[
            "cluster.spawn",
            "cluster.stop",
            "cluster.peers",
            "cluster.more_peers",
            "cluster.status",
            "cluster.desire*",
            "cluster.drain",
            "cluster.undrain",
            "cluster.rebalance",
            "spawner.*",
        ],
        tells: &[],
        hears: &["*"],
    },
    Work { role: "observer", serves: &[], calls: &[], tells: &[], hears: &["event.*"] },
];

fn named(words: &str, among: &[&[&str]]) -> bool {
    among.concat().iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => words.starts_with(start),
        None => words == *pattern,
    })
}

/// A client that collects what the server denies it.
struct Tester {
    client: Client,
    denied: Arc<Mutex<BTreeSet<String>>>,
}

impl Tester {
    async fn join(nats: &Server, role: &str) -> Self {
        let denied = Arc::new(Mutex::new(BTreeSet::new()));
        let kept = denied.clone();
        let options = ConnectOptions::new()
            .user_and_password(role.to_owned(), format!("pw-{role}"))
            .custom_inbox_prefix(format!("_INBOX_{role}"))
            .event_callback(move |event| {
                let kept = kept.clone();
                async move {
                    if let Event::ServerError(ServerError::Other(what)) = event {
                        let subject = what.split('"').nth(1).unwrap_or_default().to_owned();
                        kept.lock().await.insert(subject);
                    }
                }
            });
        let client = options.connect(nats.options(role, "1").url).await.unwrap();
        Self { client, denied }
    }

    async fn may_say(&self, subjects: &BTreeSet<String>) -> BTreeSet<String> {
        for subject in subjects {
            self.client.publish(subject.clone(), "{}".into()).await.unwrap();
        }
        self.allowed_of(subjects).await
    }

    async fn may_hear(&self, subjects: &BTreeSet<String>) -> BTreeSet<String> {
        let mut kept = Vec::new();
        for subject in subjects {
            kept.push(self.client.subscribe(subject.clone()).await.unwrap());
        }
        self.allowed_of(subjects).await
    }

    async fn allowed_of(&self, subjects: &BTreeSet<String>) -> BTreeSet<String> {
        // Denied to all. Denials come in order, so once this one is here, so are those before.
        self.client.publish("denied.to.all", "".into()).await.unwrap();
        until("the last denial", async || self.denied.lock().await.contains("denied.to.all")).await;
        let denied = std::mem::take(&mut *self.denied.lock().await);
        subjects.difference(&denied).cloned().collect()
    }
}

/// The table's subjects with ids in them, and the words of each.
fn subjects(realm: &str) -> Vec<(&'static str, String)> {
    let full = |words: &str| format!("mmo.v1.{realm}.{}", words.replace('*', "some-1"));
    LINES.iter().map(|line| (line.subject, full(line.subject))).collect()
}

#[tokio::test]
async fn each_role_may_say_and_hear_what_its_work_needs_and_nothing_more() {
    on_each(Users::Roles, async |nats| {
        for work in WORK {
            let tester = Tester::join(&nats, work.role).await;
            for realm in ["main", "another"] {
                let subjects = subjects(realm);
                let all: BTreeSet<String> = subjects.iter().map(|(_, full)| full.clone()).collect();
                let of = |among: &[&[&str]]| -> BTreeSet<String> {
                    let fitting = subjects.iter().filter(|(words, _)| named(words, among));
                    fitting.map(|(_, full)| full.clone()).collect()
                };
                let says = of(&[work.calls, work.tells]);
                assert_eq!(tester.may_say(&all).await, says, "{} says", work.role);
                let hears = of(&[work.serves, work.hears]);
                assert_eq!(tester.may_hear(&all).await, hears, "{} hears", work.role);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn no_role_hears_another_ones_answers_or_says_what_the_table_does_not_know() {
    on_each(Users::Roles, async |nats| {
        for role in ROLES {
            let tester = Tester::join(&nats, role).await;
            let others = ROLES.iter().filter(|other| **other != role);
            let inboxes: BTreeSet<String> =
                others.map(|other| format!("_INBOX_{other}.>")).collect();
            assert_eq!(tester.may_hear(&inboxes).await, BTreeSet::new(), "{role}");
            let wide = ["_INBOX.>", "_INBOX_*.>", ">", "mmo.>", "$SYS.>", "mmo.v1.main.>"];
            let wide: BTreeSet<String> = wide.map(str::to_owned).into();
            let expected: &[&str] =
                if role == "operator" { &["_INBOX.>", "mmo.>", "mmo.v1.main.>"] } else { &[] };
            let expected = expected.iter().map(|subject| (*subject).to_owned()).collect();
            assert_eq!(tester.may_hear(&wide).await, expected, "{role}");
            let strange =
                ["_INBOX_map.abc.1", "mmo.v1.main.event.map.moved", "mmo.v2.main.event.map.up"];
            let strange: BTreeSet<String> = strange.map(str::to_owned).into();
            assert_eq!(tester.may_say(&strange).await, BTreeSet::new(), "{role}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_roles_do_their_work_together() {
    on_each(Users::Roles, async |nats| {
        let (central, spawner) =
            (nats.join("central", "c1").await, nats.join("spawner", "s1").await);
        let (map, operator) = (nats.join("map", "town-1").await, nats.join("operator", "o1").await);
        let observer = nats.join("observer", "w1").await;

        let mut service = central.service("Central and Cluster").await.unwrap();
        service.add::<ListPeers, _, _>(&(), async |_| Ok(peers(1))).await.unwrap();
        service.add::<SpawnMap, _, _>(&(), async |_| no("no_spawner")).await.unwrap();
        let _central = run(service).await;
        let s1: SpawnerId = "s1".parse().unwrap();
        let _spawner = serve::<StopChild, _, _>(&spawner, &s1, async |_| Ok(Done {})).await;
        let t1 = "town-1".parse().unwrap();
        let _map = serve::<EvictCharacter, _, _>(&map, &t1, async |_| Ok(Done {})).await;
        let mut seen = observer.subscribe::<PeerEvent>().await.unwrap();
        observer.call(&(), ListPeers {}).await.unwrap_err(); // denied, so the line before is live

        assert_eq!(map.call(&(), ListPeers {}).await.unwrap(), peers(1));
        let spawn = SpawnMap { map: "town".parse().unwrap(), channel: None, instance: false };
        assert_eq!(operator.call(&(), spawn).await.unwrap_err().code, Code::NoSpawner);
        let stop = StopChild { server: "town-1".parse().unwrap(), epoch: None };
        assert_eq!(operator.call(&s1, stop.clone()).await.unwrap(), Done {});
        assert_eq!(central.call(&s1, stop).await.unwrap(), Done {});
        let (incarnation, character) = (life().incarnation, protocol::CharacterId::new());
        let evict = EvictCharacter { incarnation, character, reason: "a new login".into() };
        assert_eq!(central.call(&t1, evict).await.unwrap(), Done {});
        central.publish(&map_changed(5)).await.unwrap();
        let heard = tokio::time::timeout(SOON, seen.next()).await.unwrap();
        assert!(matches!(heard, Some(PeerEvent::Changed(_))), "{heard:?}");

        for role in ["operator", "observer"] {
            let onlooker = Tester::join(&nats, role).await.client;
            for name in ["central", "spawner", "map"] {
                for verb in ["PING", "INFO", "STATS"] {
                    let asked = onlooker.request(format!("$SRV.{verb}.{name}"), "".into());
                    let answer = tokio::time::timeout(SOON, asked).await.unwrap().unwrap();
                    let answer: serde_json::Value =
                        serde_json::from_slice(&answer.payload).unwrap();
                    assert_eq!(answer["name"], name);
                }
            }
        }
    })
    .await;
}

fn no<T>(_: &str) -> Result<T, protocol::Failure> {
    Err(protocol::Failure::new(Code::NoSpawner, "no spawner may run it"))
}

#[tokio::test]
async fn a_denied_call_is_told_at_once_and_names_the_subject() {
    on_each(Users::Roles, async |nats| {
        let central = nats.join("central", "c1").await;
        let (_serving, runs) = serve_peers(&central).await;
        let observer = nats.join("observer", "w1").await;
        for _ in 0..2 {
            let failure = observer.call_within(&(), ListPeers {}, SOON * 6).await.unwrap_err();
            assert_eq!(failure.code, Code::Internal, "{failure}");
            assert!(failure.message.contains("\"mmo.v1.main.cluster.peers\""), "{failure}");
            assert!(failure.message.contains("nats/conf"), "{failure}");
        }
        let spawner = nats.join("spawner", "spawn-1").await;
        let spawn = SpawnMap { map: "town".parse().unwrap(), channel: None, instance: false };
        let failure = spawner.call_again(&(), spawn, SOON * 6, 3).await.unwrap_err();
        assert!(failure.message.contains("\"mmo.v1.main.cluster.spawn\""), "{failure}");
        assert_eq!(runs.load(std::sync::atomic::Ordering::SeqCst), 0);
    })
    .await;
}

#[tokio::test]
async fn a_denied_event_reaches_nobody() {
    on_each(Users::Roles, async |nats| {
        let (map, central) = (nats.join("map", "town-1").await, nats.join("central", "c1").await);
        let mut ended = central.subscribe().await.unwrap();
        central.service("proves that it listens").await.unwrap().ready().await.unwrap();
        let (forged, real) = (session_ended(), session_ended());
        map.publish(&forged).await.unwrap(); // handed over; nothing is confirmed
        let service = map.service("a map").await.unwrap();
        let error = service.ready().await.unwrap_err();
        assert!(error.to_string().contains("\"mmo.v1.main.event.session.ended\""), "{error}");
        central.publish(&real).await.unwrap();
        assert_eq!(tokio::time::timeout(SOON, ended.next()).await.unwrap(), Some(real));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_subject_denied_at_start_makes_ready_fail_and_name_it() {
    on_each(Users::Roles, async |nats| {
        let map = nats.join("map", "town-1").await;
        map.service("a map").await.unwrap().ready().await.unwrap();
        for attempt in 0..50 {
            let map = nats.join("map", "town-1").await;
            let mut service = map.service("a map that would be Cluster").await.unwrap();
            service.add::<Route, _, _>(&(), async |_| no("")).await.unwrap();
            let error = service.ready().await.err();
            let Some(BackboneError::Forbidden(what)) = &error else {
                panic!("{attempt}: {error:?}");
            };
            assert!(what.contains("\"mmo.v1.main.cluster.route\""), "{what}");
        }
        let central = nats.join("central", "c1").await;
        let _peers = central.subscribe::<PeerEvent>().await.unwrap();
        let service = central.service("Central").await.unwrap();
        let error = service.ready().await.unwrap_err();
        assert!(error.to_string().contains("\"mmo.v1.main.event.map.*\""), "{error}");
    })
    .await;
}

#[test]
fn nats_server_itself_finds_the_configuration_valid_and_names_a_missing_password() {
    let passwords = [
        ("NATS_CENTRAL_PASSWORD", "pw-central"),
        ("NATS_SPAWNER_PASSWORD", "pw-spawner"),
        ("NATS_MAP_PASSWORD", "pw-map"),
        ("NATS_OPERATOR_PASSWORD", "pw-operator"),
        ("NATS_OBSERVER_PASSWORD", "pw-observer"),
    ];
    for (content, said) in checks(&passwords) {
        assert!(content, "{said}");
    }
    for (content, said) in checks(&passwords[..4]) {
        assert!(!content && said.contains("NATS_OBSERVER_PASSWORD"), "{said}");
    }
}
