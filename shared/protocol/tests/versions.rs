//! Servers of the version before and of this one run side by side: each reads what the other says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

use protocol::backbone::{
    Command,
    events::{ChildEnded, ClusterUp, MapUp},
    maps::{MapBeat, MapRegistered, RegisterMap},
    spawners::{RegisterSpawner, SpawnMap, SpawnerBeat, SpawnerRegistered, StartChild, StopChild},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

const MAP: &str = r#"{"server":"town-1","incarnation":"0198c0de-0000-7000-8000-000000000001",
    "map":"town","channel":1,"address":"127.0.0.1","port":7100,
    "connection_key":"KEY","population":0,"capacity":200,"spawner":"s","version":"0.1.0"}"#;
const VIEW: &str = r#"{"cluster":"0198c0de-0000-7000-8000-000000000002","sequence":7}"#;
const SPAWNER: &str = r#"{"spawner":"s","incarnation":"0198c0de-0000-7000-8000-000000000003",
    "address":"127.0.0.1","maps":["town"],"slots":16,"used":1}"#;
const LIFE: &str = r#""server":"town-1","incarnation":"0198c0de-0000-7000-8000-000000000001""#;

/// Reads a line of the version before; what this one makes of it still has all that was in there,
/// unchanged, for the version before to read.
fn reads<T: Serialize + DeserializeOwned>(line: &str) {
    let line = line.replace("KEY", &"7a".repeat(32));
    let message: T = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let before: Value = serde_json::from_str(&line).unwrap();
    let now = serde_json::to_value(&message).unwrap();
    assert!(holds(&now, &before), "{now} lacks something of {before}");
}

fn holds(now: &Value, before: &Value) -> bool {
    match (now, before) {
        (Value::Object(now), Value::Object(before)) => {
            before.iter().all(|(key, value)| now.get(key).is_some_and(|known| holds(known, value)))
        }
        (Value::Array(now), Value::Array(before)) => {
            let mut pairs = now.iter().zip(before);
            now.len() == before.len() && pairs.all(|(now, before)| holds(now, before))
        }
        (Value::Number(now), Value::Number(before)) => now.as_f64() == before.as_f64(),
        (now, before) => now == before,
    }
}

#[test]
fn what_the_version_before_says_is_read_and_what_it_reads_is_said() {
    reads::<Command<RegisterMap>>(&format!(r#"{{"server":{MAP},"deadline_ms":1}}"#));
    reads::<MapRegistered>(&format!(r#"{{"view":{VIEW},"channel":1,"peers":[{MAP}]}}"#));
    reads::<MapBeat>(&format!(r#"{{{LIFE},"population":3,"load":0.5}}"#));
    reads::<MapUp>(&format!(r#"{{"view":{VIEW},"server":{MAP}}}"#));
    reads::<RegisterSpawner>(&format!(r#"{{"spawner":{SPAWNER}}}"#));
    reads::<SpawnerRegistered>(&format!(r#"{{"view":{VIEW}}}"#));
    reads::<SpawnerBeat>(
        r#"{"spawner":"s","incarnation":"0198c0de-0000-7000-8000-000000000003","used":2}"#,
    );
    reads::<SpawnMap>(r#"{"map":"town","channel":2}"#);
    reads::<StartChild>(r#"{"map":"town","channel":2}"#);
    reads::<StopChild>(r#"{"server":"town-1"}"#);
    reads::<ClusterUp>(
        r#"{"central":"central-1","incarnation":"0198c0de-0000-7000-8000-000000000002"}"#,
    );
    reads::<ChildEnded>(
        r#"{"spawner":"s","server":"town-1","how":"it ended","restart_in_ms":200}"#,
    );
}
