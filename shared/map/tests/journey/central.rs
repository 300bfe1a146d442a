//! A Central in memory: a Cluster that registers whoever asks, and characters with claims.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use nats::{Backbone, Options, Service};
use protocol::{
    AccessToken, AccountId, CharacterId, CharacterState, Code, Failure, Incarnation, ServerId,
    backbone::{Done, Life, View, characters::*, maps::*},
};
use tokio_util::sync::CancellationToken;

/// A character, and what its player shows.
#[derive(Clone)]
pub(crate) struct Hero {
    pub(crate) account: AccountId,
    /// Shown instead of the real one.
    pub(crate) forged: Option<AccessToken>,
    pub(crate) character: CharacterId,
    pub(crate) name: String,
}

#[derive(Clone)]
pub(crate) struct Row {
    account: AccountId,
    name: String,
    pub(crate) owner: Option<Life>,
    epoch: u64,
    version: u64,
    pub(crate) state: CharacterState,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<CharacterId, Row>,
    maps: BTreeMap<ServerId, MapServer>,
    sequence: u64,
}

pub(crate) struct Central {
    state: Arc<Mutex<State>>,
    pub(crate) backbone: Backbone,
    life: Incarnation,
    stop: CancellationToken,
}

type Shared = Arc<Mutex<State>>;

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap()
}

impl Central {
    pub(crate) async fn start(nats_url: &str) -> Self {
        let options = Options {
            url: nats_url.to_owned(),
            credentials: None,
            realm: "main".parse().unwrap(),
            role: "central".to_owned(),
            id: "central-1".to_owned(),
        };
        let backbone = Backbone::connect(options).await.unwrap();
        let stop = CancellationToken::new();
        let life = Incarnation::new();
        let mut central = Self { state: Shared::default(), backbone, life, stop };
        central.come_back().await;
        central
    }

    /// Ends its services; its memory stays.
    pub(crate) async fn go(&mut self) {
        self.stop.cancel();
        let gone = || async {
            let asked = self.backbone.call(&(), ListPeers {}).await;
            matches!(asked, Err(failure) if failure.code == Code::Unavailable)
        };
        while !gone().await {}
        // As a Central that starts anew, it has forgotten who is registered.
        lock(&self.state).maps.clear();
    }

    pub(crate) async fn come_back(&mut self) {
        let mut service = self.backbone.service("Central in memory").await.unwrap();
        self.life = Incarnation::new();
        serve_cluster(&mut service, &self.state, self.life).await;
        serve_characters(&mut service, &self.state).await;
        service.ready().await.unwrap();
        self.stop = service.stop_token();
        tokio::spawn(service.run());
    }

    pub(crate) fn create(&self, name: &str, map: &str) -> Hero {
        let hero = Hero {
            account: AccountId::new(),
            forged: None,
            character: CharacterId::new(),
            name: name.to_owned(),
        };
        let state = CharacterState {
            map: map.parse().unwrap(),
            position: None,
            data: serde_json::Value::Null,
        };
        let (account, name) = (hero.account, hero.name.clone());
        let row = Row { account, name, owner: None, epoch: 0, version: 0, state };
        lock(&self.state).rows.insert(hero.character, row);
        hero
    }

    pub(crate) fn own(&self, hero: &Hero, owner: Life) {
        let mut state = lock(&self.state);
        let row = state.rows.get_mut(&hero.character).unwrap();
        assert_eq!(row.owner, None);
        (row.owner, row.epoch) = (Some(owner), row.epoch + 1);
    }

    pub(crate) fn row(&self, hero: &Hero) -> Row {
        lock(&self.state).rows[&hero.character].clone()
    }

    pub(crate) fn knows(&self, server: &str) -> bool {
        lock(&self.state).maps.contains_key(&server.parse().unwrap())
    }

    pub(crate) fn map(&self, server: &str) -> MapServer {
        lock(&self.state).maps[&server.parse::<ServerId>().unwrap()].clone()
    }
}

/// Serves one kind of request from the state.
async fn on<R>(
    service: &mut Service,
    state: &Shared,
    answer: impl Fn(&mut State, R) -> Result<R::Reply, Failure> + Send + Sync + Copy + 'static,
) where
    R: nats::Request<To = ()>,
{
    let state = state.clone();
    let handle = move |request: R| {
        let state = state.clone();
        async move { answer(&mut lock(&state), request) }
    };
    service.add::<R, _, _>(&(), handle).await.unwrap();
}

async fn serve_cluster(service: &mut Service, state: &Shared, cluster: Incarnation) {
    let view = move |state: &State| View { cluster, sequence: state.sequence };
    on(service, state, move |state, register: RegisterMap| {
        state.sequence += 1;
        let server = register.server;
        let others = state.maps.values().filter(|other| other.server != server.server);
        let peers = others.cloned().collect();
        let channel = server.channel;
        state.maps.insert(server.server.clone(), server);
        Ok(MapRegistered { view: view(state), channel, peers, more: false })
    })
    .await;
    on(service, state, move |state, beat: MapBeat| {
        let known = state.maps.contains_key(&beat.life.server);
        Ok(BeatHeard { known, view: view(state) })
    })
    .await;
    on(service, state, |state, leave: LeaveMap| {
        state.maps.remove(&leave.life.server);
        Ok(Done {})
    })
    .await;
    on(service, state, move |state, _: ListPeers| {
        let maps = state.maps.values().cloned().collect();
        Ok(Peers { view: view(state), maps, spawners: vec![], more: false })
    })
    .await;
    on(service, state, |state, route: Route| {
        let server = state.maps.values().find(|server| server.map == route.map).cloned();
        let none = || Failure::new(Code::NoServer, "no Map Server for that map is up");
        server.map(|server| Routed { server }).ok_or_else(none)
    })
    .await;
}

/// The row, if the claim holds.
fn claimed<'a>(
    state: &'a mut State,
    id: CharacterId,
    claim: &Claim,
) -> Result<&'a mut Row, Failure> {
    let row = state.rows.get_mut(&id).unwrap();
    let fits = row.owner.as_ref() == Some(&claim.owner)
        && (row.epoch, row.version) == (claim.epoch, claim.version);
    if fits { Ok(row) } else { Err(Failure::new(Code::Fenced, "another owner or version")) }
}

async fn serve_characters(service: &mut Service, state: &Shared) {
    on(service, state, |state, load: LoadCharacter| {
        let row = &state.rows[&load.character];
        if row.owner.as_ref() != Some(&load.owner) {
            return Err(Failure::new(Code::Fenced, "another owner"));
        }
        let claim = Claim { owner: load.owner, epoch: row.epoch, version: row.version };
        let (account, name, state) = (row.account, row.name.clone(), row.state.clone());
        Ok(LoadedCharacter { character: load.character, account, name, claim, state })
    })
    .await;
    on(service, state, |state, save: SaveCharacter| {
        let row = claimed(state, save.character, &save.claim)?;
        (row.state, row.version) = (save.state, row.version + 1);
        Ok(CharacterSaved { claim: Claim { version: row.version, ..save.claim } })
    })
    .await;
    on(service, state, |state, transfer: TransferCharacter| {
        let row = claimed(state, transfer.character, &transfer.claim)?;
        (row.state, row.version, row.epoch) = (transfer.state, row.version + 1, row.epoch + 1);
        row.owner = Some(transfer.to.clone());
        Ok(CharacterSaved {
            claim: Claim { owner: transfer.to, epoch: row.epoch, version: row.version },
        })
    })
    .await;
    on(service, state, |state, release: ReleaseCharacter| {
        let row = claimed(state, release.character, &release.claim)?;
        (row.state, row.version, row.owner) = (release.state, row.version + 1, None);
        Ok(Done {})
    })
    .await;
    on(service, state, |state, abandon: AbandonCharacter| {
        let row = state.rows.get_mut(&abandon.character).unwrap();
        if row.owner.as_ref() == Some(&abandon.owner) {
            row.owner = None;
        }
        Ok(Done {})
    })
    .await;
}
