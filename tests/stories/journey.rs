//! The whole way of a player, by the program that a newcomer would try first.

use std::{process::ExitStatus, time::Duration};

use harness::{Program, Rig, program};
use serde_json::Value;

/// How long a journey may take in all.
const JOURNEY: Duration = Duration::from_secs(60);

/// Every step of the way, in its order.
const WAY: [&str; 13] = [
    "connect",
    "register",
    "character",
    "maps",
    "select",
    "enter",
    "walk",
    "say",
    "warp",
    "return",
    "leave",
    "validate",
    "logout",
];

/// A journey and what it printed.
struct Told {
    status: ExitStatus,
    steps: Vec<Value>,
}

impl Told {
    fn names(&self) -> Vec<&str> {
        self.steps.iter().map(|step| step["step"].as_str().unwrap()).collect()
    }

    fn step(&self, name: &str) -> &Value {
        let found = self.steps.iter().find(|step| step["step"] == name);
        found.unwrap_or_else(|| panic!("no step {name} in {:#?}", self.steps))
    }

    /// All steps held.
    fn held(&self) -> &Self {
        assert!(self.status.success(), "{:#?}", self.steps);
        assert!(self.steps.iter().all(|step| step["ok"] == true), "{:#?}", self.steps);
        self
    }

    /// The last step, which did not hold, and only that one.
    fn broke(&self) -> &Value {
        assert!(!self.status.success(), "{:#?}", self.steps);
        let (last, before) = self.steps.split_last().unwrap();
        assert!(before.iter().all(|step| step["ok"] == true), "{:#?}", self.steps);
        assert_eq!(last["ok"], false, "{last}");
        last
    }
}

/// `client journey --json` of somebody, as a program of its own.
fn client(rig: &Rig, name: &str, central: &str) -> Program {
    Program::new(format!("client-{name}"), program("client"), rig.folder())
        .args(["journey", "--json", "--central", central, "--account"])
        .arg(format!("account.{}", name.to_lowercase()))
        .env("MMO_PASSWORD", "correct horse")
}

async fn go(client: Program) -> Told {
    let (status, out, _) = client.run(JOURNEY).await;
    let steps: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    for step in &steps {
        assert!(step["step"].is_string() && step["ms"].is_number(), "{step}");
        println!("{step}");
    }
    Told { status, steps }
}

#[tokio::test]
async fn a_journey_goes_the_whole_way_and_a_second_one_goes_on_with_the_character() {
    let rig = Rig::with_maps("town,forest").await;
    let ada = || client(&rig, "Ada", &rig.central_address);

    let first = go(ada().args(["--character", "Ada"])).await;
    assert_eq!(first.held().names(), WAY);
    assert_eq!(first.step("register")["created"], true);
    assert_eq!(first.step("character")["created"], true);
    let maps = ["enter", "warp", "return"].map(|step| first.step(step)["map"].as_str().unwrap());
    assert_eq!(maps, ["town", "forest", "town"]);
    assert_eq!(first.step("validate")["saved_map"], "town");

    let second = go(ada()).await;
    let mut way = WAY.to_vec();
    way.insert(2, "login");
    assert_eq!(second.held().names(), way);
    assert_eq!(second.step("register")["created"], false);
    assert_eq!(second.step("character")["created"], false);
    assert_eq!(second.step("character")["name"], "Ada");
    // It begins where the first one left off: by the gate it came back through.
    let left = first.step("return");
    let entered = second.step("enter");
    assert_eq!((&entered["x"], &entered["y"]), (&left["x"], &left["y"]));

    let stranger = go(ada().env("MMO_PASSWORD", "wrong horse")).await;
    assert_eq!(stranger.broke()["step"], "login");
    assert_eq!(stranger.broke()["error"]["code"], "bad_credentials");
}

#[tokio::test]
async fn two_journeys_meet_and_hear_each_other() {
    let rig = Rig::with_maps("town,forest").await;
    let journey = |name, other| {
        let central = &rig.central_address;
        go(client(&rig, name, central).args(["--character", name, "--meet", other]))
    };
    let (ada, bob) = tokio::join!(journey("Ada", "Bob"), journey("Bob", "Ada"));
    for (told, other) in [(ada, "Bob"), (bob, "Ada")] {
        assert_eq!(told.held().step("meet")["other"], other);
        assert_eq!(told.step("hear")["other"], other);
        assert_eq!(told.step("hear")["text"], format!("hello from {other}"));
    }
}

#[tokio::test]
async fn a_journey_to_a_map_that_is_not_up_says_so_and_fails() {
    let rig = Rig::with_maps("town").await;
    let told = go(client(&rig, "Ada", &rig.central_address)).await;
    assert_eq!(told.broke()["step"], "warp");
    let error = &told.broke()["error"];
    assert_eq!(error["code"], "no_server");
    assert!(error["message"].as_str().unwrap().contains("forest"), "{error}");
}

#[tokio::test]
async fn without_central_the_first_step_says_where_it_looked() {
    let mut rig = Rig::with_central().await;
    rig.kill_central();
    let told = go(client(&rig, "Ada", &rig.central_address)).await;
    let step = told.broke();
    assert_eq!(step["step"], "connect");
    let message = step["error"]["message"].as_str().unwrap();
    assert!(
        message.contains(&rig.central_address) && message.contains("server is up"),
        "{message}"
    );
}
