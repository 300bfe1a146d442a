//! Every server is a NATS micro service, as `nats micro` sees it, and each role gets along with
//! what its NATS user may do, on every nats-server at hand.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use harness::{Program, Rig, micro::ask_everybody, program};
use nats::table::{LINES, ROOT};
use serde_json::Value;

const SERVERS: [(&str, &str); 5] = [
    ("central", "central-1"),
    // The Central that leads.
    ("cluster", "central-1"),
    ("map", "spawn-1-forest-1"),
    ("map", "spawn-1-town-1"),
    ("spawner", "spawn-1"),
];

/// Each answerer's kind, and its own id among that kind.
fn who(answers: &[Value], id: impl Fn(&Value) -> &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    answers.iter().map(|said| (text(&said["name"]), text(id(said)))).collect()
}

/// The subjects that a server must serve, by the table.
fn subjects(service: &str, id: &str) -> BTreeSet<String> {
    let families: &[&str] = match service {
        "central" => &["characters."],
        "cluster" => &["cluster."],
        "spawner" => &["spawner."],
        _ => &["map."],
    };
    let requests = LINES.iter().filter(|line| line.reply.is_some()).map(|line| line.subject);
    let own = requests.filter(|words| families.iter().any(|family| words.starts_with(family)));
    own.map(|words| format!("{ROOT}.main.{}", words.replace('*', id))).collect()
}

#[tokio::test]
async fn every_server_answers_ping_info_and_stats_and_names_its_endpoints() {
    let rig = Rig::with_maps("town,forest").await;
    let nats = rig.nats.address();
    let all = SERVERS.map(|(name, id)| (name.to_owned(), id.to_owned())).into();
    let own: fn(&Value) -> &Value = |said| &said["metadata"]["id"];
    assert_eq!(who(&ask_everybody(nats, "$SRV.PING", SERVERS.len()).await, own), all);
    let infos = ask_everybody(nats, "$SRV.INFO", SERVERS.len()).await;
    assert_eq!(who(&infos, own), all);
    // Statistics name a service by the id that the library gave it.
    let stats = ask_everybody(nats, "$SRV.STATS", SERVERS.len()).await;
    let given: fn(&Value) -> &Value = |said| &said["id"];
    assert_eq!(who(&stats, given), who(&infos, given));

    for info in infos {
        let (name, id) = (info["name"].as_str().unwrap(), info["metadata"]["id"].as_str().unwrap());
        assert!(!info["description"].as_str().unwrap().is_empty() && info["version"].is_string());
        let endpoints = info["endpoints"].as_array().unwrap();
        let served: BTreeSet<String> = endpoints
            .iter()
            .inspect(|endpoint| assert!(endpoint["name"].is_string(), "{endpoint}"))
            .map(|endpoint| endpoint["subject"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(served, subjects(name, id), "{name} {id}");
    }

    let cluster = &ask_everybody(nats, "$SRV.STATS.cluster", 1).await[0];
    let endpoints = cluster["endpoints"].as_array().unwrap();
    let register = endpoints.iter().find(|one| one["name"] == "cluster-map-register").unwrap();
    assert!(register["num_requests"].as_u64() >= Some(2), "{register}");
}

/// The nats-servers at hand: the one on PATH, and the one that `./check` may name.
fn nats_servers(folder: &Path) -> Vec<(String, String)> {
    let path = std::env::var("PATH").unwrap();
    let mut servers = vec![("on PATH".to_owned(), path.clone())];
    match std::env::var_os("WAYSTONE_NATS_CURRENT").map(PathBuf::from) {
        Some(current) => {
            let bin = folder.join("bin");
            fs::create_dir(&bin).unwrap();
            symlink(&current, bin.join("nats-server")).unwrap();
            servers.push((current.display().to_string(), format!("{}:{path}", bin.display())));
        }
        None => println!("a current nats-server was skipped: WAYSTONE_NATS_CURRENT is not set"),
    }
    servers
}

#[tokio::test]
async fn the_journey_holds_with_role_users_on_every_nats_server_and_nothing_is_denied() {
    let folder = tempfile::Builder::new().prefix("waystone-story").tempdir().unwrap();
    for (number, (server, path)) in nats_servers(folder.path()).into_iter().enumerate() {
        let run = folder.path().join(number.to_string());
        let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nats/conf");
        let (status, _, talk) = Program::new("mmo", program("mmo"), folder.path())
            .env("PATH", path)
            .args(["up", "--once", "--dir"])
            .arg(&run)
            .arg("--nats-conf")
            .arg(conf)
            .run(Duration::from_secs(120))
            .await;
        assert!(status.success() && talk.contains("the journey held"), "{server}: {talk}");
        let logs: Vec<PathBuf> =
            fs::read_dir(run.join("logs")).unwrap().map(|file| file.unwrap().path()).collect();
        for name in ["nats", "central", "spawn-1"] {
            assert!(logs.contains(&run.join(format!("logs/{name}.log"))), "{logs:?}");
        }
        for file in logs {
            let log = fs::read_to_string(&file).unwrap();
            let denied: Vec<&str> = log
                .lines()
                .filter(|l| l.to_lowercase().contains("permissions violation"))
                .collect();
            assert!(denied.is_empty(), "{}: {denied:#?}", file.display());
        }
        let log = fs::read_to_string(run.join("logs/nats.log")).unwrap();
        let version = log.lines().find(|line| line.contains("Version:")).unwrap_or_default();
        println!("held on {server}: {version}");
    }
}
