//! The whole journey with accounts and characters in PostgreSQL.

use std::time::Duration;

use harness::{Postgres, Program, Rig, program};
use serde_json::Value;

#[tokio::test]
async fn the_journey_holds_on_postgres_and_again_with_what_it_made() {
    let Some(postgres) = Postgres::start().await else { return };
    let mut rig = Rig::empty().await;
    let central = rig.central_program().env("DATABASE_URL", postgres.url());
    rig.start_central_as(central).await;
    rig.start_spawner("spawn-1", "town,forest");
    rig.maps_up(2).await;
    assert!(journey(&rig).await["created"] == true);

    // Another Central finds it all again.
    rig.kill_central();
    let central = rig.central_program().env("DATABASE_URL", postgres.url());
    rig.start_central_as(central).await;
    rig.maps_up(2).await;
    assert!(journey(&rig).await["created"] == false);
    drop(rig);
    postgres.end().await;
}

/// Goes the whole way, and returns what was told of the character.
async fn journey(rig: &Rig) -> Value {
    let (status, out, log) = Program::new("client", program("client"), rig.folder())
        .args(["journey", "--json", "--central", &rig.central_address])
        .args(["--account", "ada", "--character", "Ada"])
        .env("MMO_PASSWORD", "correct horse")
        .run(Duration::from_secs(60))
        .await;
    assert!(status.success(), "{out}{log}");
    assert!(!out.contains("correct horse"), "{out}");
    let steps = out.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let mut character = Value::Null;
    for step in steps {
        assert_ne!(step["ok"], false, "{step}");
        if step["step"] == "character" {
            character = step;
        }
    }
    character
}
