//! Bots that walk, and the bounds that they are held to.

use std::{process::ExitStatus, time::Duration};

use harness::{Program, Rig, SOON, program};
use serde_json::Value;

/// How long a run may take in all; most of it is the hashing of passwords.
const RUN: Duration = Duration::from_secs(60);

/// `bots walk` of twenty for three seconds.
fn twenty(rig: &Rig, name: &str, more: &[&str]) -> Program {
    Program::new(name, program("bots"), rig.folder())
        .args(["walk", "--clients", "20", "--seconds", "3", "--settle", "1", "--json"])
        .args(more)
}

async fn measured(bots: Program) -> (ExitStatus, Value, String) {
    let (status, out, err) = bots.run(RUN).await;
    let report = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    println!("{report}");
    (status, report, err)
}

fn number(report: &Value, path: &str) -> f64 {
    report.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {path} in {report}"))
}

#[tokio::test]
async fn twenty_walk_and_a_bound_that_is_missed_fails() {
    let rig = Rig::with_maps("town").await;
    let central = ["--central", &rig.central_address];

    let (status, report, err) = measured(twenty(&rig, "walk", &central)).await;
    assert!(status.success(), "{err}");
    assert_eq!(report["connected"], 20);
    assert!(number(&report, "/hz") > 10.0, "{report}");
    // Ten a second from each; whichever came at the window's edge is not told.
    assert!((590.0..=620.0).contains(&number(&report, "/echo_ms/count")), "{report}");
    assert_eq!(report["disconnects"], 0);
    assert_eq!(report["neighbours"]["odd_positions"], 0);
    assert_eq!(report["unanswered"], 0);
    // All came in at the same place; what the town has of its own is in sight too.
    assert!(number(&report, "/neighbours/max") >= 19.0, "{report}");

    // The same accounts again; nothing is as fast as that.
    let strict = [&central[..], &["--max-p99-ms", "0", "--pattern", "crowd"]].concat();
    let (status, report, err) = measured(twenty(&rig, "strict", &strict)).await;
    assert!(!status.success());
    assert_eq!(report["connected"], 20);
    assert!(err.contains("the echo's p99 is") && err.contains("above --max-p99-ms 0"), "{err}");
}

#[tokio::test]
async fn without_central_it_says_where_it_looked() {
    let mut rig = Rig::with_central().await;
    rig.kill_central();
    let bots = ["walk", "--clients", "1", "--central", &rig.central_address];
    let (status, _, err) =
        Program::new("bots", program("bots"), rig.folder()).args(bots).run(RUN).await;
    assert!(!status.success());
    assert!(err.contains("no bot could come") && err.contains(&rig.central_address), "{err}");
}

#[tokio::test]
async fn a_bare_server_answers_every_input() {
    let rig = Rig::empty().await;
    let mut server =
        Program::new("raw", program("raw-fanout"), rig.folder()).args(["--bytes", "300"]).start();
    let ready: Value = serde_json::from_str(&server.first_line(SOON).await).unwrap();
    let pid = server.id().to_string();
    let raw = ["--raw", ready["listen"].as_str().unwrap(), "--server-pid", &pid];

    let (status, report, err) = measured(twenty(&rig, "walk", &raw)).await;
    assert!(status.success(), "{err}");
    assert_eq!(report["connected"], 20);
    assert!(number(&report, "/hz") > 10.0, "{report}");
    assert!((590.0..=620.0).contains(&number(&report, "/echo_ms/count")), "{report}");
    assert_eq!(report["unanswered"], 0);
    let bytes = number(&report, "/bytes_per_s") / number(&report, "/hz");
    assert!((299.0..301.0).contains(&bytes), "{bytes} for each snapshot");
    assert!(number(&report, "/server/resident") > 100_000.0, "{report}");

    // It ends when the last one has left, and says what it measured.
    assert!(server.ended(SOON).await.success());
    let out = server.stdout();
    let all = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let all = all.filter(|line| line["of"] == "all").collect::<Vec<_>>();
    assert!(matches!(&all[..], [one] if one["clients"] == 20), "{out}");
}

#[tokio::test]
async fn a_killed_map_is_replaced_and_a_bound_that_is_missed_fails() {
    let rig = Rig::with_maps("forest:2").await;
    let replace = |name: &str, more: &[&str]| {
        Program::new(name, program("bots"), rig.folder())
            .args(["replace", "--nats", &rig.nats.url(), "--count", "3", "--rest-s", "0", "--json"])
            .args(more)
    };
    let (status, report, err) = measured(replace("replace", &[])).await;
    assert!(status.success(), "{err}");
    assert_eq!(report["missed"]["count"], 3);
    let (missed, replaced) =
        (number(&report, "/missed/p99_ms"), number(&report, "/replaced/p99_ms"));
    assert!(missed < 1_000.0 && missed < replaced, "{report}");
    rig.maps_up(2).await;
    let (status, _, err) = measured(replace("strict", &["--max-p99-ms", "0"])).await;
    assert!(!status.success() && err.contains("more than 0 ms"), "{err}");
}
