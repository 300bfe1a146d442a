//! Connections that are lost, and clients that come back.

use serde::{Deserialize, Serialize};
use world::{Context, PLAYER, atlas::PlaceError};

use super::{super::links::Silence, *};

/// A game that shows whose connection is lost, and takes everybody to the forest when told to.
#[derive(Debug, Serialize, Deserialize)]
struct Inn {
    log: Vec<String>,
}

impl world::World for Inn {
    type Config = serde_json::Value;
    type Input = String;
    type Output = String;
    type Player = serde_json::Value;

    fn open(_: serde_json::Value, _: &mut Context<'_, Self>) -> Result<Self, PlaceError> {
        Ok(Self { log: Vec::new() })
    }

    fn tick(&mut self, _: &mut Context<'_, Self>) {}

    fn input(&mut self, player: EntityId, input: String, ctx: &mut Context<'_, Self>) {
        let party: Vec<EntityId> = ctx.players().collect();
        match input.as_str() {
            "away" => {
                let forest = "forest".parse().unwrap();
                party.iter().for_each(|player| ctx.warp(*player, &forest, None));
            }
            "dungeon" => ctx.spawn_instance(&"dungeon".parse().unwrap(), &party),
            other => ctx.set_look(player, other),
        }
    }

    fn link_lost(&mut self, player: EntityId, ctx: &mut Context<'_, Self>) {
        self.log.push(format!("lost {player}"));
        if ctx.entity(player).is_some_and(|entity| entity.look() == "outlaw") {
            return ctx.kick(player, "no bed for outlaws");
        }
        ctx.set_look(player, "asleep");
        ctx.send(player, &"good night".to_owned());
    }

    fn resumed(&mut self, player: EntityId, ctx: &mut Context<'_, Self>) {
        self.log.push(format!("back {player}"));
        ctx.set_look(player, PLAYER);
        ctx.send(player, &"good morning".to_owned());
    }
}

const GRACE: u32 = 20 * 30;

impl Rig<Inn> {
    fn inn() -> Self {
        Self::on(server("town-1", "town"), town())
    }
}

impl<W: World> Rig<W> {
    /// A player, and the ticket with which it may come back.
    fn guest(&mut self) -> (Client, ResumeTicket) {
        let mut client = self.enter(CharacterId::new(), SessionId::new()).unwrap();
        let ticket = resume_ticket(&client.read()[0]);
        (client, ticket)
    }

    fn resume(&mut self, client: &Client, ticket: ResumeTicket) -> Result<Client, Failure> {
        let Client { account, character, session, .. } = *client;
        let back = Resumption {
            account,
            character,
            session,
            note: Note::default(),
            ticket,
            encoding: Encoding::Json,
        };
        let Admitted { link, messages } = self.host.resume(&back, self.now)?;
        Ok(Client { entity: link.entity, link, account, character, session, messages })
    }

    fn refused(&mut self, client: &Client, ticket: &ResumeTicket) -> Code {
        self.resume(client, ticket.clone()).err().expect("it was let in").code
    }

    fn hear(&mut self, link: LinkId, input: PlayInput) {
        self.host.hear(link, Ok(input), self.now);
    }

    fn ended(&mut self, link: LinkId, ending: Ending) {
        self.host.handle(Command::Ended(link, ending), self.now);
    }

    fn lose(&mut self, client: &Client) {
        self.ended(client.link, Ending::Lost("reset".to_owned(), None));
    }

    fn position(&self, client: &Client) -> Position {
        self.host.stage.entity(client.entity).unwrap().position()
    }
}

fn resume_ticket(message: &PlayMessage) -> ResumeTicket {
    match message {
        PlayMessage::Entered { resume_ticket, link_grace_ms: 30_000, .. } => resume_ticket.clone(),
        other => panic!("{other:?}"),
    }
}

fn walk(x: f32, y: f32) -> PlayInput {
    PlayInput::Walk { to: Position { x, y }, seq: 1 }
}

fn looks(told: &[PlayMessage]) -> Vec<&str> {
    let looks = told.iter().map(|message| match message {
        PlayMessage::Appeared { sights } => sights[0].look.as_str(),
        other => panic!("{other:?}"),
    });
    looks.collect()
}

#[test]
fn who_lost_its_connection_stands_still_in_sight_is_saved_and_comes_back_to_where_it_was() {
    let mut inn = Rig::inn();
    let (ada, ticket) = inn.guest();
    let (mut bob, _) = inn.guest();
    inn.ticks(4);
    inn.hear(ada.link, walk(22.0, 5.0));
    inn.ticks(10);
    bob.read();
    // Its connection is gone, which the host notices by itself.
    let Client { messages, .. } = ada;
    drop(messages);
    let ada = Client { messages: Outbox::new(Encoding::Json).1, ..ada };
    inn.ticks(2);
    let there = inn.position(&ada);
    inn.hear(ada.link, walk(1.0, 1.0));
    inn.ticks(20 * 20);
    assert_eq!((inn.position(&ada), inn.host.population()), (there, 2));
    assert_eq!(looks(&bob.told()), ["asleep"], "and it did not vanish");
    let saved = inn.host.jobs.drain(..).find_map(|job| match job {
        Job::Write(character, write) if character == ada.character => Some(*write),
        _ => None,
    });
    let Some(Write::Save { state, .. }) = saved else { panic!("{saved:?}") };
    assert_eq!(state.position, Some(there));

    let mut back = inn.resume(&ada, ticket.clone()).unwrap();
    inn.ticks(1);
    let read = back.read();
    let [PlayMessage::Entered { you, position, others, .. }, PlayMessage::Game { .. }, ..] =
        &read[..]
    else {
        panic!("{read:?}")
    };
    assert_eq!((*you, *position, others[0].entity), (ada.entity, there, bob.entity));
    assert_ne!(resume_ticket(&read[0]), ticket);
    assert_eq!(looks(&bob.told()), [PLAYER]);
    inn.hear(back.link, walk(22.0, 5.0));
    inn.ticks(GRACE + 20);
    assert_eq!(inn.position(&back), Position { x: 22.0, y: 5.0 }, "it stays after the grace");
    let shown = PlayMessage::Snapshot { view: protocol::snapshot::Snapshot::default() };
    let is_shown =
        |message: &PlayMessage| std::mem::discriminant(message) == std::mem::discriminant(&shown);
    assert!(back.read().iter().any(is_shown));
    assert_eq!(inn.host.stage.world().log, ["lost 1", "back 1"]);
}

#[test]
fn only_its_account_with_the_last_ticket_takes_a_character_over() {
    let mut inn = Rig::inn();
    let (ada, first) = inn.guest();
    let (bob, others) = inn.guest();
    inn.lose(&ada);
    let made_up = ResumeTicket::from_bytes([9; 32]);
    assert_eq!(inn.refused(&ada, &made_up), Code::TicketInvalid);
    assert_eq!(inn.refused(&ada, &others), Code::TicketInvalid);
    let thief = Client { account: bob.account, messages: Outbox::new(Encoding::Json).1, ..ada };
    assert_eq!(inn.refused(&thief, &first), Code::TicketInvalid);
    let nobody = Client { character: CharacterId::new(), ..thief };
    assert_eq!(inn.refused(&nobody, &first), Code::TicketInvalid);

    // None of that has cost its owner anything.
    let ada = Client { account: ada.account, character: ada.character, ..nobody };
    let mut back = inn.resume(&ada, first.clone()).unwrap();
    let second = resume_ticket(&back.read()[0]);
    assert_eq!(inn.refused(&ada, &first), Code::TicketInvalid, "it was used");
    inn.lose(&back);
    assert_eq!(inn.refused(&ada, &first), Code::TicketInvalid);
    inn.resume(&ada, second).unwrap();
}

#[test]
fn who_does_not_come_back_in_time_leaves_saved() {
    let mut inn = Rig::inn();
    let (ada, ticket) = inn.guest();
    let (mut bob, _) = inn.guest();
    inn.ticks(4);
    inn.lose(&ada);
    inn.pass(GRACE - 1);
    bob.read();
    assert_eq!(inn.host.population(), 2);
    inn.host.news.clear();
    inn.pass(1);
    assert_eq!(inn.released_state().position, Some(Position { x: 22.0, y: 15.0 }));
    assert_eq!(inn.refused(&ada, &ticket), Code::TicketInvalid, "it is being saved");
    inn.outcome(Outcome::Written(ada.character, Written::Released(Ok(()))));
    assert!(matches!(&inn.host.news[..], [News::Left(left)] if left.reason == "reset"));
    inn.ticks(1);
    assert!(matches!(bob.told()[..], [PlayMessage::Vanished { .. }]));
    assert_eq!(inn.refused(&ada, &ticket), Code::TicketInvalid);
}

#[test]
fn without_grace_a_lost_connection_ends_the_stay() {
    let mut inn = Rig::inn();
    inn.host.link_grace = Duration::ZERO;
    let mut ada = inn.enter(CharacterId::new(), SessionId::new()).unwrap();
    assert!(matches!(ada.read()[..], [PlayMessage::Entered { link_grace_ms: 0, .. }]));
    inn.lose(&ada);
    inn.released_state();
    assert_eq!((inn.host.population(), inn.host.stage.world().log.len()), (0, 1));
}

#[test]
fn a_connection_that_hangs_is_replaced_and_not_heard_any_more() {
    let mut inn = Rig::inn();
    let (mut ada, ticket) = inn.guest();
    inn.hear(ada.link, walk(22.0, 5.0));
    inn.ticks(4);
    ada.read();
    let there = inn.position(&ada);
    let mut back = inn.resume(&ada, ticket).unwrap();
    assert_eq!(goodbye_code(&ada.told()), Some(Code::CharacterInUse));
    assert!(ada.messages.is_closed());
    assert!(matches!(back.read()[0], PlayMessage::Entered { you, .. } if you == ada.entity));
    assert_eq!(inn.host.stage.world().log, ["lost 1", "back 1"], "the game hears of both");

    inn.hear(ada.link, walk(1.0, 1.0));
    inn.hear(ada.link, PlayInput::Leave);
    inn.lose(&ada);
    inn.ended(ada.link, Ending::Broken(fail(Code::Malformed)));
    inn.ticks(GRACE + 1);
    assert_eq!((inn.position(&back), inn.host.population()), (there, 1));
    assert!(!back.messages.is_closed());
}

#[test]
fn who_is_waited_for_is_taken_away_at_once_by_whoever_may() {
    type Taking = fn(&mut Rig<Inn>, &Client);
    let replaced = Code::SessionReplaced;
    let taken: [(Taking, Code); 3] = [
        (|inn, ada| drop(inn.evict(ada)), Code::TicketInvalid),
        (|inn, ada| inn.host.end_session(ada.session, Code::SessionReplaced, inn.now), replaced),
        (|inn, _| inn.host.drain(inn.now), Code::Draining),
    ];
    for (take, code) in taken {
        let mut inn = Rig::inn();
        let (ada, ticket) = inn.guest();
        inn.lose(&ada);
        take(&mut inn, &ada);
        inn.released_state();
        assert_eq!(inn.refused(&ada, &ticket), code);
        inn.outcome(Outcome::Written(ada.character, Written::Released(Ok(()))));
        assert!(inn.host.is_empty() && inn.host.lost.is_empty());
    }
}

#[test]
fn a_session_that_was_found_over_takes_nobody_over_and_a_newer_one_of_the_account_does() {
    let mut inn = Rig::inn();
    let (ada, ticket) = inn.guest();
    inn.lose(&ada);
    let over = SessionId::new();
    inn.host.end_session(over, Code::LoggedOut, inn.now);
    let older = Client { session: over, messages: Outbox::new(Encoding::Json).1, ..ada };
    assert_eq!(inn.refused(&older, &ticket), Code::LoggedOut);

    let newer = Client { session: SessionId::new(), ..older };
    inn.resume(&newer, ticket).unwrap();
    inn.host.end_session(ada.session, Code::SessionReplaced, inn.now);
    assert_eq!(inn.host.population(), 1, "the end of the older one is not the newer one's");
    inn.host.end_session(newer.session, Code::LoggedOut, inn.now);
    assert_eq!(inn.host.population(), 0);
}

#[test]
fn a_breach_of_the_rules_has_no_grace_and_silence_has() {
    let mut inn = Rig::inn();
    let (mut ada, ticket) = inn.guest();
    inn.host.silence = Silence::of(Duration::from_secs(30), inn.now);
    for _ in 0..2 {
        inn.pass(599);
        assert!(!inn.host.is_lost(ada.entity));
        inn.hear(ada.link, PlayInput::Ping { nonce: 1 });
        assert!(matches!(ada.told()[..], [PlayMessage::Pong { .. }]));
    }
    // A server that was held up has not listened meanwhile.
    inn.now += Duration::from_secs(60);
    inn.pass(599);
    assert!(!inn.host.is_lost(ada.entity));
    inn.pass(40);
    assert!(inn.host.is_lost(ada.entity));
    assert_eq!(goodbye_code(&ada.told()), Some(Code::Silent));
    let mut ada = inn.resume(&ada, ticket).unwrap();
    ada.read();
    inn.ended(ada.link, Ending::Broken(fail(Code::Malformed)));
    inn.released_state();
    inn.outcome(Outcome::Written(ada.character, Written::Released(Ok(()))));
    assert_eq!(goodbye_code(&ada.told()), Some(Code::Malformed));
}

#[test]
fn a_game_may_send_away_who_lost_its_connection() {
    let mut inn = Rig::inn();
    let (ada, ticket) = inn.guest();
    let act = |text: &str| PlayInput::Act { action: text.into(), seq: 0 };
    inn.hear(ada.link, act("outlaw"));
    inn.lose(&ada);
    assert!(matches!(inn.job(), Job::Write(..)));
    assert_eq!(inn.refused(&ada, &ticket), Code::TicketInvalid);

    // So it is where the loss is noticed only by the return.
    let (mut bob, ticket) = inn.guest();
    inn.hear(bob.link, act("outlaw"));
    assert_eq!(inn.refused(&bob, &ticket), Code::TicketInvalid);
    bob.read();
    assert!(bob.messages.is_closed());
    assert_eq!(inn.host.population(), 0);
}

#[test]
fn who_cannot_be_told_where_to_go_is_not_handed_over() {
    for (action, is_asked) in [
        ("away", (|job| matches!(job, Job::Route(..))) as fn(&Job) -> bool),
        ("dungeon", |job| matches!(job, Job::Spawn(..))),
    ] {
        let mut inn = Rig::inn();
        let (ada, ticket) = inn.guest();
        let (bob, _) = inn.guest();
        inn.lose(&ada);
        inn.hear(bob.link, PlayInput::Act { action: action.into(), seq: 0 });
        assert!(is_asked(&inn.job()), "Bob goes alone");
        let back = inn.resume(&ada, ticket).unwrap();
        inn.hear(back.link, walk(20.0, 15.0));
        inn.ticks(20);
        assert_eq!(inn.position(&back), Position { x: 20.0, y: 15.0 }, "she is not frozen");
        // Bob, who is frozen, loses his connection: there is nowhere to wait.
        inn.host.jobs.clear();
        inn.lose(&bob);
        inn.released_state();
        assert_eq!(inn.host.population(), 1);
    }
}

#[test]
fn who_waits_for_a_warp_may_take_it_along_to_another_connection() {
    let mut world = Rig::new();
    let (ada, ticket) = world.guest();
    let warp = world.walk_into_portal(&ada);
    let mut back = world.resume(&ada, ticket).unwrap();
    world.reach_transfer(warp);
    world.outcome(Outcome::Transferred(warp, Ok(())));
    let read = back.read();
    assert!(
        matches!(read[..], [PlayMessage::Entered { .. }, PlayMessage::WarpTo { .. }]),
        "{read:?}"
    );
}

#[test]
fn nobody_is_kept_whose_entering_nobody_waited_for() {
    let mut world = Rig::new();
    let (character, account) = (CharacterId::new(), AccountId::new());
    let ticket = world.reserve(character, account).unwrap().ticket;
    world.host.take_seat(&Shown { account, character, ticket }, world.now).unwrap();
    let owner = world.host.own.life();
    let claim = Claim { owner, epoch: 1, version: 1 };
    let state = CharacterState {
        map: "town".parse().unwrap(),
        position: None,
        data: serde_json::Value::Null,
    };
    let loaded = LoadedCharacter { character, account, name: "Ada".to_owned(), claim, state };
    let entry = Entry {
        loaded,
        session: SessionId::new(),
        note: Note::default(),
        encoding: Encoding::Json,
    };
    let (reply, answer) = oneshot::channel();
    drop(answer);
    world.host.handle(Command::Enter(Box::new(entry), reply), world.now);
    world.released_state();
}
