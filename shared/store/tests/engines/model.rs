//! Two lives do whatever they like with one character: the store must do what a few lines of
//! memory say, and only one of them may save at any time.

use proptest::{
    prelude::*,
    sample::Index,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use protocol::{
    AccountId, CharacterId,
    backbone::{Life, characters::Claim},
};
use store::{Store, StoreError};

use crate::database::{
    Database, a_character, life, on_each_engine, release, save, state, transfer,
};

on_each_engine!(the_store_does_what_the_model_says);

const CASES: usize = 40;
const STEPS: usize = 24;

#[derive(Debug, Clone)]
enum Step {
    Claim { by: usize, seen: bool },
    Save { claim: Index, state: i32 },
    Transfer { claim: Index, state: i32, to: usize },
    Release { claim: Index, state: i32 },
    Abandon { by: usize },
    Load { by: usize },
}

fn step() -> impl Strategy<Value = Step> {
    // Few states, so that repetitions in the same words occur by chance.
    let (claim, state, who) = (any::<Index>(), 0..2_i32, 0..2_usize);
    prop_oneof![
        2 => (who.clone(), any::<bool>()).prop_map(|(by, seen)| Step::Claim { by, seen }),
        5 => (claim.clone(), state.clone())
            .prop_map(|(claim, state)| Step::Save { claim, state }),
        3 => (claim.clone(), state.clone(), who.clone())
            .prop_map(|(claim, state, to)| Step::Transfer { claim, state, to }),
        2 => (claim, state).prop_map(|(claim, state)| Step::Release { claim, state }),
        1 => who.clone().prop_map(|by| Step::Abandon { by }),
        1 => who.prop_map(|by| Step::Load { by }),
    ]
}

/// The row as it should be.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    owner: Option<Life>,
    epoch: u64,
    version: u64,
    state: Option<i32>,
}

impl Row {
    fn holds(&self, claim: &Claim) -> bool {
        self.owner.as_ref() == Some(&claim.owner)
            && (self.epoch, self.version) == (claim.epoch, claim.version)
    }

    fn write(&mut self, claim: &Claim, outcome: Self) -> Result<(), StoreError> {
        if self.holds(claim) {
            *self = outcome;
            Ok(())
        } else if *self == outcome {
            Ok(())
        } else {
            Err(StoreError::Fenced)
        }
    }
}

struct World {
    store: Store,
    account: AccountId,
    character: CharacterId,
    lives: [Life; 2],
    /// Every claim ever given, most of them stale.
    claims: Vec<Claim>,
    row: Row,
}

impl World {
    async fn new(store: &Store) -> Self {
        let (account, character) = a_character(store).await;
        let row = Row { owner: None, epoch: 0, version: 0, state: None };
        let lives = [life("town-1"), life("cave-1")];
        Self { store: store.clone(), account, character, lives, claims: Vec::new(), row }
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Claim { by, seen } => self.claim(*by, *seen).await,
            Step::Abandon { by } => {
                let owns = self.row.owner.as_ref() == Some(&self.lives[*by]);
                let done = self.store.abandon(self.character, &self.lives[*by], None).await;
                assert_eq!(done, Ok(owns));
                if owns {
                    self.row.owner = None;
                    self.row.epoch += 1;
                }
            }
            Step::Load { by } => {
                let owner = &self.lives[*by];
                let loaded = self.store.load(self.character, owner).await;
                let owns = self.row.owner.as_ref() == Some(owner);
                let expected = if owns { Ok(self.current()) } else { Err(StoreError::Fenced) };
                assert_eq!(loaded.map(|it| it.claim), expected);
            }
            Step::Save { .. } | Step::Transfer { .. } | Step::Release { .. } => {
                self.write(step).await;
            }
        }
        let saved = self.store.character(self.account, self.character).await.unwrap().unwrap();
        assert_eq!(
            (saved.owner, saved.epoch, saved.version),
            (self.row.owner.clone(), self.row.epoch, self.row.version)
        );
        assert_eq!(saved.state.position, self.row.state.and_then(|it| state(it).position));
    }

    async fn claim(&mut self, by: usize, seen: bool) {
        let expected = if seen { self.row.owner.clone() } else { Some(self.lives[by].clone()) };
        let (to, expected) = (&self.lives[by], expected.as_ref());
        let claimed = self.store.claim(self.account, self.character, to, expected).await;
        if self.row.owner.as_ref() == expected {
            self.row.owner = Some(to.clone());
            self.row.epoch += 1;
            assert_eq!(claimed, Ok(self.current()));
            self.claims.push(self.current());
        } else {
            assert_eq!(claimed, Err(StoreError::Fenced));
        }
    }

    async fn write(&mut self, step: &Step) {
        let (Step::Save { claim, state: number }
        | Step::Transfer { claim, state: number, .. }
        | Step::Release { claim, state: number }) = step
        else {
            return;
        };
        if self.claims.is_empty() {
            return;
        }
        let (store, character, saved) = (&self.store, self.character, state(*number));
        let claim = claim.get(&self.claims).clone();
        let (owner, moved) = match step {
            Step::Transfer { to, .. } => (Some(self.lives[*to].clone()), 1),
            Step::Release { .. } => (None, 1),
            _ => (Some(claim.owner.clone()), 0),
        };
        let (epoch, version) = (claim.epoch + moved, claim.version + 1);
        let outcome = Row { owner: owner.clone(), epoch, version, state: Some(*number) };
        let expected = self.row.write(&claim, outcome);
        let given = match step {
            Step::Save { .. } => store.save(save(character, &claim, &saved)).await.map(Some),
            Step::Transfer { to, .. } => store
                .transfer(transfer(character, &claim, &saved, &self.lives[*to]))
                .await
                .map(Some),
            _ => store.release(release(character, &claim, &saved)).await.map(|()| None),
        };
        let next = owner.map(|owner| Claim { owner, epoch, version });
        assert_eq!(given, expected.map(|()| next.clone()));
        if given.is_ok() {
            self.claims.extend(next.filter(|next| !self.claims.contains(next)));
        }
    }

    /// The claim that holds, of a character that is owned.
    fn current(&self) -> Claim {
        let Row { owner, epoch, version, .. } = self.row.clone();
        Claim { owner: owner.unwrap(), epoch, version }
    }

    /// Of all claims ever given, one at most still saves something new.
    async fn one_at_most_can_save(self) {
        let mut saved = Vec::new();
        for claim in &self.claims {
            if self.store.save(save(self.character, claim, &state(99))).await.is_ok() {
                saved.push(claim);
            }
        }
        let right = self.claims.iter().filter(|claim| self.row.holds(claim)).collect::<Vec<_>>();
        assert!(saved.len() <= 1, "{saved:?} all saved");
        assert_eq!(saved, right);
    }
}

async fn the_store_does_what_the_model_says(database: Database) {
    let store = database.open().await;
    let mut runner = TestRunner::new(Config::default());
    let steps = proptest::collection::vec(step(), 1..=STEPS);
    for _ in 0..CASES {
        let steps = steps.new_tree(&mut runner).unwrap().current();
        println!("steps: {steps:?}");
        let mut world = World::new(&store).await;
        for step in &steps {
            world.take(step).await;
        }
        world.one_at_most_can_save().await;
    }
}
