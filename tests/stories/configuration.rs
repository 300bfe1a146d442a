//! Settings, logs, health, numbers and signals of every server, as an operator meets them.

use std::{fs, path::PathBuf, time::Duration};

use harness::{Admin, Process, Program, Rig, SOON};
use rustix::process::Signal;
use serde_json::Value;

/// Every server of a cluster, to be changed and started.
fn everybody(rig: &Rig) -> [Program; 3] {
    [rig.central_program(), rig.spawner_program("spawn-1", "town"), rig.map_program("hand", "town")]
}

/// One file for a whole cluster.
fn file(rig: &Rig, text: &str) -> PathBuf {
    let path = rig.folder().join("waystone.toml");
    fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn every_value_is_shown_with_its_origin_and_secrets_are_masked() {
    let rig = Rig::empty().await;
    let path = file(&rig, "drain_s = 7\nlog = \"warn\"\nadmin_address = \"127.0.0.1:1\"\n");
    for program in everybody(&rig) {
        let program = program
            .args(["--realm", "other", "--print-config", "--config"])
            .arg(&path)
            .env("MMO_ADMIN_ADDRESS", "127.0.0.1:2")
            .env("NATS_URL", "nats://me:s3cret@h:4222,nats://me:s3cret@i:4222")
            .env("REDIS_URL", "redis://:s3cret@h:6379")
            .env("MMO_MAP_NATS_URL", "nats://map:s3cret@h:4222")
            .env("DATABASE_URL", "postgres://me:s3cret@h/d");
        let (status, out, log) = program.run(SOON).await;
        assert!(status.success(), "{log}");
        for line in [
            "realm = \"other\"  # from flag\n",
            "admin_address = \"127.0.0.1:2\"  # from env MMO_ADMIN_ADDRESS\n",
            "nats_url = \"nats://me:***@h:4222,nats://me:***@i:4222\"  # from env NATS_URL\n",
            "redis_url = \"redis://:***@h:6379\"  # from env REDIS_URL\n",
            &format!("drain_s = 7  # from file {}\n", path.display()),
            "log_format = \"human\"  # from default\n",
        ] {
            assert!(out.contains(line), "{line}is not in:\n{out}");
        }
        assert!(!out.contains("s3cret") && !log.contains("s3cret"), "{out}{log}");
    }
}

#[tokio::test]
async fn an_unknown_key_is_refused_by_name_with_the_nearest_one_that_is_known() {
    let rig = Rig::empty().await;
    let path = file(&rig, "realm = \"main\"\ndrian_s = 7\n");
    for program in everybody(&rig) {
        let (status, _, log) = program.arg("--config").arg(&path).run(SOON).await;
        assert_eq!(status.code(), Some(2), "{log}");
        let says = format!("{}: unknown key `drian_s`; did you mean `drain_s`?", path.display());
        assert!(log.contains(&says), "{log}");
    }
}

#[tokio::test]
async fn help_names_every_flag_and_no_password() {
    let rig = Rig::empty().await;
    for program in everybody(&rig) {
        let program = program.env("NATS_URL", "nats://me:s3cret@h").arg("--help");
        let (status, out, _) = program.run(SOON).await;
        assert!(status.success(), "{out}");
        for word in ["Usage:", "--print-config", "--config", "--nats-url", "NATS_URL", "--drain-s"]
        {
            assert!(out.contains(word), "{word} is not in:\n{out}");
        }
        assert!(!out.contains("s3cret"), "{out}");
    }
}

#[tokio::test]
async fn json_logs_are_an_object_a_line() {
    let mut rig = Rig::empty().await;
    let json = ["--log-format", "json"];
    let [central, spawner, map] = everybody(&rig).map(|program| program.args(json));
    rig.start_central_as(central).await;
    rig.start_spawner_as("spawn-1", spawner.env("MMO_LOG_FORMAT", "json"));
    rig.start_map_as(map).await;
    rig.maps_up(2).await;
    let ada = rig.player_on_map("Ada").await;
    ada.client.leave().await.unwrap();

    // The spawner's map logs into the spawner's log.
    let logs = [rig.central.as_ref().unwrap(), &rig.spawners[0].1, &rig.maps[0]].map(Process::log);
    for log in logs {
        assert!(log.lines().count() > 3, "{log}");
        // The last line may still be written.
        for line in log[..=log.rfind('\n').unwrap()].lines() {
            let said: Value = serde_json::from_str(line).expect(line);
            assert!(said["level"].is_string() && said["timestamp"].is_string(), "{line}");
        }
    }
}

#[tokio::test]
async fn health_readiness_and_numbers_are_on_the_admin_port() {
    let mut rig = Rig::with_maps("town").await;
    rig.start_map("hand", "forest").await;
    let ada = rig.player_on_map("Ada").await;
    ada.warp_to("forest").await;

    let central = Admin::of(rig.central.as_ref().unwrap()).await;
    let spawner = Admin::of(&rig.spawners[0].1).await;
    let map = Admin::of(&rig.maps[0]).await;
    for admin in [&central, &spawner, &map] {
        assert_eq!(admin.get("/healthz").await, (200, "ok".to_owned()));
        admin.is_ready(SOON).await;
        assert_eq!(admin.get("/nothing").await.0, 404);
    }
    has(&central, "mmo_central_logins_total 1").await;
    has(&central, "mmo_central_selects_total 1").await;
    has(&central, "mmo_instance_info{role=\"central\"").await;
    has(&spawner, "mmo_spawner_children{spawner=\"spawn-1\",state=\"ready\"} 1").await;
    has(&map, "mmo_map_players 1").await;
    has(&map, "mmo_map_peers 1").await;
    has(&map, "mmo_map_tick_seconds").await;
    has(&map, "mmo_map_unsaved_seconds").await;
}

/// Waits for a line of `/metrics` that begins so.
async fn has(admin: &Admin, start: &str) {
    harness::until(SOON, start, async || {
        let (_, page) = admin.get("/metrics").await;
        page.lines().any(|line| line.starts_with(start)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn sigterm_drains_and_exits_with_0() {
    let mut rig = Rig::with_maps("town").await;
    rig.start_map("hand", "forest").await;
    let mut servers = [rig.maps.remove(0), rig.spawners.remove(0).1, rig.central.take().unwrap()];
    for server in &mut servers {
        server.signal(Signal::TERM);
        let status = server.ended(SOON).await;
        assert_eq!(status.code(), Some(0), "{}", server.log());
        assert!(server.log().contains("stopped after a drain of"), "{}", server.log());
    }
}

/// NATS hangs, so that the drain waits for it; a second signal does not.
#[tokio::test]
async fn a_second_signal_exits_at_once_with_130() {
    let mut rig = Rig::with_central().await;
    let spawner = Program::new("spawn-1", harness::program("map-spawn"), rig.folder());
    rig.start_spawner_as("spawn-1", spawner.env("NATS_URL", rig.nats.url()));
    rig.start_map("hand", "forest").await;
    rig.spawner("spawn-1").logged("registered with the Cluster", SOON).await;
    let mut servers = [rig.maps.remove(0), rig.spawners.remove(0).1, rig.central.take().unwrap()];
    rig.nats.hang().await;
    for server in &mut servers {
        server.signal(Signal::TERM);
        server.logged("draining", SOON).await;
        assert_eq!(server.status(), None, "it did not wait for NATS");
        server.signal(Signal::INT);
        let status = server.ended(Duration::from_secs(2)).await;
        assert_eq!(status.code(), Some(130), "{}", server.log());
    }
}
