//! Saves a second, each on the disk when it is answered: as many at once as there are, against one
//! after the other. On SQLite those that wait at the same time share a transaction; PostgreSQL brings
//! the commits of several connections to the disk together.
//!
//! `cargo bench -p waystone-store --bench saves [-- --smoke]`. PostgreSQL is measured where
//! `WAYSTONE_TEST_POSTGRES` holds the URL of a database, in which it makes its tables.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use bench::{Plan, Series, Table};
use protocol::{
    CharacterId, CharacterState, Incarnation, Position,
    backbone::{
        Life,
        characters::{Claim, SaveCharacter},
    },
};
use store::Store;
use tokio::{sync::Mutex, task::JoinSet};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const FULL: Plan = Plan { rounds: 5, round: Duration::from_millis(600) };
const AT_ONCE: [usize; 4] = [1, 16, 64, 256];

#[tokio::main]
async fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    measure("SQLite", &format!("sqlite://{}/world.db", folder.path().display())).await?;
    match std::env::var("WAYSTONE_TEST_POSTGRES") {
        Ok(url) => measure("PostgreSQL", &url).await,
        Err(_) => Ok(()),
    }
}

async fn measure(engine: &str, url: &str) -> Outcome<()> {
    let (plan, store) = (Plan::or(FULL), Store::open(url).await?);
    // A database that is kept has the players of the last time.
    let run = uuid::Uuid::new_v4().simple();
    let mut table = Table::new(["at once", "one by one/s", "together/s", "together / one by one"]);
    for at_once in AT_ONCE {
        let mut players = Vec::new();
        for number in 0..at_once {
            players.push(Player::new(&store, &format!("{run}-{at_once}-{number}")).await?);
        }
        let (mut apart, mut together) = (Series::default(), Series::default());
        for _ in 0..plan.rounds {
            // Whoever holds the pen is the only one who waits in the store.
            let pen = Some(Arc::new(Mutex::new(())));
            apart.push(rate(&store, &mut players, plan.round, pen).await?);
            together.push(rate(&store, &mut players, plan.round, None).await?);
        }
        table.row([
            at_once.to_string(),
            format!("{:.0}", apart.median()),
            format!("{:.0}", together.median()),
            format!("{:.1}", together.ratio_to(&apart)),
        ]);
    }
    println!("{engine}\n{table}");
    Ok(())
}

/// Saves a second of all these players.
async fn rate(
    store: &Store,
    players: &mut Vec<Player>,
    round: Duration,
    pen: Option<Arc<Mutex<()>>>,
) -> Outcome<f64> {
    let (start, mut saving) = (Instant::now(), JoinSet::new());
    for mut player in players.drain(..) {
        let (store, pen) = (store.clone(), pen.clone());
        saving.spawn(async move {
            let mut saves = 0_u32;
            while start.elapsed() < round {
                let _held = match &pen {
                    Some(pen) => Some(pen.lock().await),
                    None => None,
                };
                player.save(&store).await?;
                saves += 1;
            }
            Outcome::Ok((saves, player))
        });
    }
    let mut saves = 0;
    while let Some(saved) = saving.join_next().await {
        let (count, player) = saved??;
        saves += count;
        players.push(player);
    }
    Ok(f64::from(saves) / start.elapsed().as_secs_f64())
}

struct Player {
    character: CharacterId,
    claim: Claim,
    state: CharacterState,
}

impl Player {
    async fn new(store: &Store, name: &str) -> Outcome<Self> {
        let town = "town".parse()?;
        let account = store.create_account(name, "no hash").await?;
        let character = store.create_character(account, name, name, &town, 1).await?.character;
        let owner = Life { server: "town-1".parse()?, incarnation: Incarnation::new() };
        let claim = store.claim(account, character, &owner, None).await?;
        let data = serde_json::json!({ "gold": 12, "inventory": ["sword", "lamp", "bread"] });
        let position = Some(Position { x: 1.5, y: 2.5 });
        Ok(Self { character, claim, state: CharacterState { map: town, position, data } })
    }

    async fn save(&mut self, store: &Store) -> Outcome<()> {
        let save = SaveCharacter {
            character: self.character,
            claim: self.claim.clone(),
            state: self.state.clone(),
            ledger: Vec::new(),
        };
        self.claim = store.save(save).await?;
        Ok(())
    }
}
