use protocol::{
    AccountId, Channel, Code, ConnectionKey, Incarnation, Position, ResumeTicket, Ticket,
    backbone::{
        characters::{Claim, LoadedCharacter},
        seats::{CancelSeat, EvictCharacter, ReserveSeat, SeatReserved},
    },
    frame::Encoding,
    play::PlayInput,
};
use tokio::sync::oneshot;
use world::{
    Quiet,
    atlas::{MapPlan, PortalPlan},
};

use std::sync::Arc;

use super::{outbox::Inbox, *};
use crate::keeper::{Write, Written};

mod committing;
mod crashing;
mod emptying;
mod instances;
mod reconnecting;
mod together;
mod warping;

fn town() -> MapPlan {
    let mut town = MapPlan::field("town".parse().unwrap(), 40.0, 30.0);
    let portal = |x, to: &str, instance| PortalPlan {
        at: Position { x, y: 15.0 },
        radius: 1.0,
        to: to.parse().unwrap(),
        arrive: Some(Position { x: 8.0, y: 20.0 }),
        instance,
    };
    town.portals = vec![portal(26.0, "forest", false), portal(10.0, "dungeon", true)];
    town
}

/// A Map Server as it registers.
pub(crate) fn server(id: &str, map: &str) -> MapServer {
    MapServer {
        server: id.parse().unwrap(),
        incarnation: Incarnation::new(),
        map: map.parse().unwrap(),
        channel: Channel::FIRST,
        address: "127.0.0.1".to_owned(),
        port: 7100,
        connection_key: ConnectionKey::from_bytes([1; 32]),
        population: 0,
        capacity: 2,
        spawner: None,
        version: "0".to_owned(),
        claimed: false,
    }
}

/// A host whose time the test moves.
struct Rig<W: World = Quiet> {
    host: Host<W>,
    now: Instant,
    /// What is stored of whoever comes.
    data: serde_json::Value,
}

impl Rig {
    fn new() -> Self {
        Self::on(server("town-1", "town"), town())
    }
}

/// A player, and what its client reads.
struct Client {
    entity: EntityId,
    link: LinkId,
    account: AccountId,
    character: CharacterId,
    session: SessionId,
    messages: Inbox,
}

impl Client {
    fn read(&mut self) -> Vec<PlayMessage> {
        self.messages.read(Encoding::Json)
    }

    /// What it was told since the last read, movements left out.
    fn told(&mut self) -> Vec<PlayMessage> {
        let mut told = self.read();
        told.retain(|message| !matches!(message, PlayMessage::Snapshot { .. }));
        told
    }
}

impl<W: World> Rig<W> {
    fn on(own: MapServer, plan: MapPlan) -> Self {
        let (short, long) = (Duration::from_secs(10), Duration::from_secs(30));
        let times = Times {
            save_every: short,
            seat_kept: short,
            instance_idle: long,
            link_grace: long,
            idle: Duration::from_secs(300),
            slowest: Pace::Sparse,
        };
        let now = Instant::now();
        let stage = Stage::open(Arc::new(plan), 1).unwrap();
        let host = Host::new(own, stage, Recorder::none(), times, now);
        Self { host, now, data: serde_json::json!({ "hp": 7 }) }
    }

    fn reserve(
        &mut self,
        character: CharacterId,
        account: AccountId,
    ) -> Result<SeatReserved, Failure> {
        let incarnation = self.host.own.incarnation;
        let seat = ReserveSeat {
            incarnation,
            account,
            character,
            name: "Ada".to_owned(),
            instance: false,
        };
        self.host.reserve(&seat, self.now)
    }

    fn enter(&mut self, character: CharacterId, session: SessionId) -> Result<Client, Failure> {
        let account = AccountId::new();
        let ticket = self.reserve(character, account)?.ticket;
        self.enter_with(character, account, session, ticket)
    }

    fn enter_with(
        &mut self,
        character: CharacterId,
        account: AccountId,
        session: SessionId,
        ticket: Ticket,
    ) -> Result<Client, Failure> {
        self.host.take_seat(&Shown { account, character, ticket }, self.now)?;
        let life = self.host.own.life();
        let state = CharacterState {
            map: "town".parse().unwrap(),
            position: Some(Position { x: 22.0, y: 15.0 }),
            data: self.data.clone(),
        };
        let claim = Claim { owner: life, epoch: 1, version: 1 };
        let loaded = LoadedCharacter { character, account, name: "Ada".to_owned(), claim, state };
        let entry = Entry { loaded, session, note: Note::default(), encoding: Encoding::Json };
        let Admitted { link, messages } = self.host.enter(entry, self.now)?;
        Ok(Client { entity: link.entity, link, account, character, session, messages })
    }

    fn player_with(&mut self, data: serde_json::Value) -> Client {
        self.data = data;
        self.player()
    }

    fn player(&mut self) -> Client {
        let mut client = self.enter(CharacterId::new(), SessionId::new()).unwrap();
        assert!(matches!(client.read()[..], [PlayMessage::Entered { .. }]));
        client
    }

    fn ticks(&mut self, count: u32) {
        for _ in 0..count {
            self.now += Duration::from_millis(50);
            self.host.tick(self.now);
        }
    }

    /// Ticks, while whoever stands still is found to be owned here, and all sessions hold.
    fn pass(&mut self, count: u32) {
        for _ in 0..count {
            self.ticks(1);
            for job in std::mem::take(&mut self.host.jobs) {
                match job {
                    Job::Write(character, write) if *write == Write::Check => {
                        let claim = Claim { owner: self.host.own.life(), epoch: 1, version: 1 };
                        self.outcome(Outcome::Written(character, Written::Checked(Ok(claim))));
                    }
                    Job::Sweep(_) => {}
                    job => self.host.jobs.push(job),
                }
            }
        }
    }

    fn job(&mut self) -> Job {
        assert_eq!(self.host.jobs.len(), 1, "{:?}", self.host.jobs);
        self.host.jobs.pop().unwrap()
    }

    fn outcome(&mut self, outcome: Outcome) {
        self.host.outcome(outcome, self.now);
    }

    /// The release that was asked for.
    fn released_state(&mut self) -> CharacterState {
        match self.job() {
            Job::Write(_, write) => match *write {
                Write::Release { state, .. } => state,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Walks a player into the portal; gives the warp and whom it was routed to.
    fn walk_into_portal(&mut self, client: &Client) -> WarpId {
        let to = Position { x: 26.0, y: 15.0 };
        self.host.input(client.entity, PlayInput::Walk { to, seq: 0 }, self.now);
        self.ticks(16);
        match self.job() {
            Job::Route(warp, map) if map.as_str() == "forest" => warp,
            other => panic!("{other:?}"),
        }
    }

    /// To where the other server has a seat.
    fn reach_seat(&mut self, warp: WarpId) -> CharacterId {
        self.outcome(Outcome::Routed(warp, Ok(Box::new(server("forest-1", "forest")))));
        let Job::Seat(_, target, seat) = self.job() else { panic!() };
        let answer = Ok(SeatReserved { ticket: protocol::Ticket::from_bytes([5; 32]), kept_ms: 9 });
        let (target, character) = (target.server, seat.character);
        self.outcome(Outcome::Reserved { warp, target, character, answer });
        character
    }

    /// The same; gives what is saved before the hand-over.
    fn reach_settling(&mut self, warp: WarpId) -> (CharacterId, Claim) {
        let character = self.reach_seat(warp);
        let Job::Write(saved, write) = self.job() else { panic!() };
        let Write::Save { claim, state, .. } = *write else { panic!() };
        assert_eq!((saved, state.map.as_str()), (character, "town"));
        (character, claim)
    }

    fn reach_transfer(
        &mut self,
        warp: WarpId,
    ) -> protocol::backbone::characters::TransferCharacter {
        let (character, claim) = self.reach_settling(warp);
        let claim = Claim { version: claim.version + 1, ..claim };
        self.outcome(Outcome::Written(character, Written::Saved(Ok(claim))));
        let Job::Transfer { transfer, again: false, .. } = self.job() else { panic!() };
        *transfer
    }

    fn evict(&mut self, client: &Client) -> oneshot::Receiver<Result<Done, Failure>> {
        let (reply, answer) = oneshot::channel();
        let evict = EvictCharacter {
            incarnation: self.host.own.incarnation,
            character: client.character,
            reason: "you selected it elsewhere".to_owned(),
        };
        self.host.evict(&evict, reply, self.now);
        answer
    }
}

fn fail(code: Code) -> Failure {
    Failure::new(code, "as it is")
}

fn goodbye_code(told: &[PlayMessage]) -> Option<Code> {
    match told {
        [PlayMessage::Goodbye { failure }] => failure.as_ref().map(|failure| failure.code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn players_see_each_other_come_walk_speak_and_leave() {
    let mut world = Rig::new();
    let mut ada = world.player();
    let mut bob = world.player();
    world.ticks(1);
    assert!(matches!(ada.read()[..], [PlayMessage::Appeared { .. }]));
    let to = Position { x: 22.0, y: 10.0 };
    world.host.input(bob.entity, PlayInput::Walk { to, seq: 0 }, world.now);
    world.ticks(1);
    let moved = ada.read();
    assert!(
        matches!(&moved[..], [PlayMessage::Snapshot { view }] if view.moves[0].entity == bob.entity)
    );
    assert_eq!(bob.read(), moved);

    world.host.input(bob.entity, PlayInput::Say { text: "hi".to_owned() }, world.now);
    let said =
        PlayMessage::Said { entity: bob.entity, name: "Ada".to_owned(), text: "hi".to_owned() };
    assert_eq!((ada.read(), bob.read()), (vec![said.clone()], vec![said]));
    world.host.input(bob.entity, PlayInput::Say { text: "\n".to_owned() }, world.now);
    let refused = bob.read();
    assert!(
        matches!(&refused[..], [PlayMessage::Refused { failure }] if failure.code == Code::TextInvalid)
    );
    world.host.input(bob.entity, PlayInput::Leave, world.now);
    world.ticks(1);
    assert_eq!(ada.read(), [PlayMessage::Vanished { entities: vec![bob.entity] }]);
}

#[test]
fn where_ticks_take_long_who_looks_on_is_shown_less_often() {
    let mut world = Rig::new();
    let (mut ada, bob) = (world.player(), world.player());
    let mut shown_in_20_ticks = |world: &mut Rig<Quiet>| {
        world.ticks(4);
        ada.read();
        let mut shown = 0;
        for n in 0..20 {
            let to = Position { x: 22.0, y: if n % 2 == 0 { 14.0 } else { 15.0 } };
            world.host.input(bob.entity, PlayInput::Walk { to, seq: n }, world.now);
            world.ticks(1);
            shown += ada.read().len();
        }
        shown
    };
    assert_eq!(shown_in_20_ticks(&mut world), 20);
    (0..70).for_each(|_| world.host.ticked(world::TICK));
    assert_eq!(shown_in_20_ticks(&mut world), 10);
    (0..150).for_each(|_| world.host.ticked(Duration::ZERO));
    assert_eq!(shown_in_20_ticks(&mut world), 20);
}

#[test]
fn who_leaves_is_told_goodbye_once_its_last_state_is_saved() {
    let mut world = Rig::new();
    let mut ada = world.player();
    world.host.news.clear();
    world.host.input(ada.entity, PlayInput::Leave, world.now);
    let state = world.released_state();
    assert_eq!(state.position, Some(Position { x: 22.0, y: 15.0 }));
    assert_eq!(state.data["hp"], 7);
    assert_eq!((ada.read(), world.host.is_empty()), (vec![], false));
    world.outcome(Outcome::Written(ada.character, Written::Released(Ok(()))));
    assert_eq!(goodbye_code(&ada.read()), None);
    assert!(world.host.is_empty() && ada.messages.is_closed());
    assert!(matches!(&world.host.news[..], [News::Left(left)] if left.reason == "left"));
}

#[test]
fn while_central_is_away_a_leaving_client_is_let_go_and_the_save_goes_on() {
    let mut world = Rig::new();
    let mut ada = world.player();
    world.host.input(ada.entity, PlayInput::Leave, world.now);
    for _ in 0..80 {
        world.ticks(1);
        for job in std::mem::take(&mut world.host.jobs) {
            if let Job::Write(character, _) = job {
                let away = Err(fail(Code::Unavailable));
                world.outcome(Outcome::Written(character, Written::Released(away)));
            }
        }
    }
    assert_eq!(goodbye_code(&ada.read()), Some(Code::Unavailable));
    assert_eq!(world.host.leftovers().characters.len(), 1);
}

#[test]
fn a_fenced_copy_is_dropped_unsaved_and_its_client_told() {
    let mut world = Rig::new();
    let mut ada = world.player();
    world.host.input(
        ada.entity,
        PlayInput::Walk { to: Position { x: 1.0, y: 1.0 }, seq: 0 },
        world.now,
    );
    world.ticks(200);
    world.host.jobs.clear();
    let fenced = Written::Saved(Err(fail(Code::Fenced)));
    world.outcome(Outcome::Written(ada.character, fenced));
    assert_eq!(goodbye_code(&ada.told()), Some(Code::Fenced));
    assert!(
        world.host.is_empty()
            && world.host.jobs.is_empty()
            && world.host.leftovers().characters.is_empty()
    );
    assert!(world.reserve(CharacterId::new(), AccountId::new()).is_ok(), "its place is free");
}

#[test]
fn an_evicted_character_is_saved_before_the_answer_and_its_client_told_why() {
    let mut world = Rig::new();
    let mut ada = world.player();
    let mut answers = [world.evict(&ada), world.evict(&ada)];
    world.released_state();
    assert!(answers.iter_mut().all(|answer| answer.try_recv().is_err()), "it is not saved yet");
    world.outcome(Outcome::Written(ada.character, Written::Released(Ok(()))));
    for answer in &mut answers {
        assert_eq!(answer.try_recv().unwrap(), Ok(Done {}));
    }
    assert_eq!(goodbye_code(&ada.told()), Some(Code::CharacterInUse));
    assert_eq!(world.evict(&ada).try_recv().unwrap(), Ok(Done {}), "not here");
}

#[test]
fn an_eviction_takes_the_seat_of_who_is_on_its_way() {
    let mut world = Rig::new();
    let (character, account) = (CharacterId::new(), AccountId::new());
    let ticket = world.reserve(character, account).unwrap().ticket;
    world.host.take_seat(&Shown { account, character, ticket }, world.now).unwrap();
    let (reply, mut answer) = oneshot::channel();
    let incarnation = world.host.own.incarnation;
    let evict = EvictCharacter { incarnation, character, reason: "elsewhere".to_owned() };
    world.host.evict(&evict, reply, world.now);
    assert_eq!(answer.try_recv().unwrap(), Ok(Done {}));
    assert!(!world.host.seats.enter(character), "it could enter after it was taken away");
}

#[test]
fn a_session_that_ended_takes_its_players_along_and_lets_nobody_in_afterwards() {
    let mut world = Rig::new();
    let mut ada = world.player();
    let (session, character) = (ada.session, ada.character);
    world.host.end_session(session, Code::SessionReplaced, world.now);
    world.released_state();
    world.outcome(Outcome::Written(character, Written::Released(Ok(()))));
    assert_eq!(goodbye_code(&ada.told()), Some(Code::SessionReplaced));
    // It was validated before the end, and comes to enter after it.
    let refused = world.enter(CharacterId::new(), session).err().unwrap();
    assert_eq!(refused.code, Code::SessionReplaced);
    world.ticks(1);
    assert!(matches!(world.job(), Job::Abandon(_)), "what was handed over is given up");
}

#[test]
fn a_seat_without_its_client_is_given_up_until_done_and_free_again() {
    let mut world = Rig::new();
    let (ada, bob) = (CharacterId::new(), CharacterId::new());
    world.reserve(ada, AccountId::new()).unwrap();
    world.reserve(bob, AccountId::new()).unwrap();
    assert_eq!(
        world.reserve(CharacterId::new(), AccountId::new()).unwrap_err().code,
        Code::MapFull
    );
    world.ticks(199);
    assert!(world.host.jobs.is_empty());
    world.ticks(1);
    assert_eq!(world.host.jobs.len(), 2);
    world.host.jobs.clear();
    let busy = world.reserve(ada, AccountId::new()).unwrap_err();
    assert_eq!(busy.code, Code::Busy, "a hand-over now could be undone by the abandon in flight");
    world.outcome(Outcome::Abandoned(ada, Err(fail(Code::Unavailable))));
    world.outcome(Outcome::Abandoned(bob, Ok(Done {})));
    world.ticks(20);
    assert!(matches!(world.job(), Job::Abandon(character) if character == ada));
}

#[test]
fn a_cancelled_seat_gives_the_character_up_and_a_stranger_cancels_nothing() {
    let mut world = Rig::new();
    let ada = CharacterId::new();
    let ticket = world.reserve(ada, AccountId::new()).unwrap().ticket;
    let wrong = CancelSeat { character: ada, ticket: protocol::Ticket::from_bytes([9; 32]) };
    world.host.cancel(&wrong, world.now);
    assert!(world.host.seats.expects(ada));
    world.host.cancel(&CancelSeat { character: ada, ticket }, world.now);
    world.ticks(1);
    assert!(matches!(world.job(), Job::Abandon(character) if character == ada));
}

#[test]
fn a_drain_lets_nobody_in_and_ends_when_everybody_is_saved() {
    let mut world = Rig::new();
    let mut ada = world.player();
    let bob = CharacterId::new();
    world.reserve(bob, AccountId::new()).unwrap();
    world.host.drain(world.now);
    let refused = world.reserve(CharacterId::new(), AccountId::new()).unwrap_err();
    assert_eq!(refused.code, Code::Draining);
    world.released_state();
    world.outcome(Outcome::Written(ada.character, Written::Released(Ok(()))));
    assert_eq!(goodbye_code(&ada.told()), Some(Code::Draining));
    assert!(!world.host.is_empty(), "a seat is to be given up still");
    world.ticks(1);
    assert!(matches!(world.job(), Job::Abandon(character) if character == bob));
    world.outcome(Outcome::Abandoned(bob, Ok(Done {})));
    assert!(world.host.is_empty());
}

#[test]
fn a_client_that_does_not_read_loses_its_connection_and_nobody_elses() {
    let mut world = Rig::new();
    let mut deaf = world.player();
    let mut ada = world.player();
    for _ in 0..1000 {
        world.host.input(ada.entity, PlayInput::Say { text: "hi".to_owned() }, world.now);
        assert!(ada.read().len() <= 2);
    }
    assert!(deaf.messages.is_closed() && !ada.messages.is_closed());
    let waiting = deaf.read();
    assert_eq!(waiting.len(), outbox::LETTERS + 1);
    assert_eq!(goodbye_code(&waiting[outbox::LETTERS..]), Some(Code::Busy));
    // Its character stays for a while, and is saved like any other's.
    assert_eq!(world.host.population(), 2);
    world.pass(20 * 30);
    assert_eq!(world.host.population(), 1);
    assert_eq!(world.released_state().data["hp"], 7);
}

#[test]
fn another_life_of_this_server_is_refused() {
    let mut world = Rig::new();
    let incarnation = Incarnation::new();
    let (account, character) = (AccountId::new(), CharacterId::new());
    let seat =
        ReserveSeat { incarnation, account, character, name: "Ada".to_owned(), instance: false };
    assert_eq!(world.host.reserve(&seat, world.now).unwrap_err().code, Code::ServerUnknown);
}
