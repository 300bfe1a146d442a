use std::ops::Range;

use super::*;

fn plan(name: &str) -> MapPlan {
    let atlas = Atlas::embedded(crate::PLANS).unwrap();
    atlas.plan(&name.parse().unwrap()).unwrap().clone()
}

/// What happens in a tick: players come and go, walk to coins, buy and agree on words.
fn happenings(stage: &Stage<Demo>, tick: u32) -> Vec<Happening> {
    let nth = tick as usize;
    let is_gone = |entity: &&Entity| entity.is_frozen();
    let players = stage.entities().filter(|entity| entity.is_player());
    let (gone, players): (Vec<_>, Vec<_>) = players.partition(is_gone);
    let mut all: Vec<_> = gone.into_iter().map(|gone| Happening::Leave(gone.id())).collect();
    if tick.is_multiple_of(50) {
        let places = &stage.plan().places;
        let (name, at) = (format!("P{tick}"), Some(places[nth / 50 % places.len()].middle()));
        all.push(Happening::Enter { name, at, data: json!({ "coins": 9 }) });
    }
    let coins: Vec<_> = stage.entities().filter(|entity| entity.look() == "coin").collect();
    if let (Some(player), Some(coin)) =
        (players.get(nth % players.len().max(1)), coins.get(nth * 7 % coins.len().max(1)))
    {
        let (player, seq) = (player.id(), tick);
        let [buy, agree] = [json!({ "type": "buy" }), json!({ "type": "party", "word": "owls" })];
        all.push(match tick % 15 {
            0 => Happening::Walk { player, to: coin.position(), seq },
            1..8 => Happening::Act { player, action: buy, seq },
            _ => Happening::Act { player, action: agree, seq },
        });
    }
    all
}

/// Lets ticks pass, and gives all that was asked of others. What is to be stored is.
fn play(stage: &mut Stage<Demo>, ticks: Range<u32>) -> Vec<Effect> {
    let mut asked = Vec::new();
    for tick in ticks {
        let from = asked.len();
        for happening in happenings(stage, tick).iter().chain([&Happening::Tick]) {
            stage.apply(happening, &mut asked);
        }
        for place in from..asked.len() {
            if let Effect::Commit(commit, _) = asked[place] {
                stage.apply(&Happening::Committed(commit, Ok(())), &mut asked);
            }
        }
    }
    asked
}

/// The same inputs come to the same end, and so do those after a state was written and read.
#[test]
fn each_map_runs_again_to_the_same_end() {
    for name in ["town", "forest", "dungeon"] {
        let plan = Arc::new(plan(name));
        let mut stages = [1, 1, 2].map(|seed| Stage::<Demo>::open(plan.clone(), seed).unwrap());
        let mut told = String::new();
        for round in 0..20 {
            let effects =
                stages.each_mut().map(|stage| play(stage, round * 100..round * 100 + 100));
            assert_eq!(effects[0], effects[1], "{name} from tick {round}00 on");
            told.push_str(&format!("{effects:?}"));
            stages[0] = Stage::restore(plan.clone(), &stages[0].state().unwrap()).unwrap();
        }
        let kind = if name == "town" { "bought" } else { "caught" };
        assert!(told.contains("coins") && told.contains(kind), "{name}: nobody was {kind}");
        let hashes = stages.map(|stage| recording::hash(&stage).unwrap());
        assert_eq!(hashes[0], hashes[1], "{name}");
        assert_ne!(hashes[0], hashes[2], "{name} leaves nothing to chance");
    }
}
