//! Places on this server: kept for a character on its way, or held by one that came. Pure.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use protocol::{AccountId, CharacterId, Code, Failure, Ticket};

/// How long a client that has shown its ticket may take until it stands on the map. Its character
/// is loaded meanwhile, so this is longer than any load.
const ARRIVAL: Duration = Duration::from_secs(10);

/// All places. `kept + held` never exceeds the capacity.
#[derive(Debug)]
pub(crate) struct Seats {
    capacity: usize,
    kept_for: Duration,
    kept: HashMap<CharacterId, Kept>,
    held: HashMap<CharacterId, Held>,
}

#[derive(Debug)]
struct Kept {
    account: AccountId,
    ticket: Ticket,
    until: Instant,
}

#[derive(Debug)]
enum Held {
    /// The ticket was shown; the character is being loaded.
    Arriving { until: Instant },
    /// It came.
    Present,
}

impl Seats {
    pub(crate) fn new(capacity: u32, kept_for: Duration) -> Self {
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        Self { capacity, kept_for, kept: HashMap::new(), held: HashMap::new() }
    }

    /// How long a seat is kept.
    pub(crate) fn kept_for(&self) -> Duration {
        self.kept_for
    }

    /// Keeps a seat. A second one for the same character replaces the first, whose ticket is void.
    pub(crate) fn reserve(
        &mut self,
        character: CharacterId,
        account: AccountId,
        ticket: Ticket,
        now: Instant,
    ) -> Result<(), Failure> {
        let replaces = self.kept.contains_key(&character);
        if !replaces && self.taken() >= self.capacity {
            let message = format!("all {} places are taken; try again shortly", self.capacity);
            return Err(Failure::new(Code::MapFull, message));
        }
        let until = now + self.kept_for;
        self.kept.insert(character, Kept { account, ticket, until });
        Ok(())
    }

    /// Gives up the seat of this ticket. False when there is no such seat.
    pub(crate) fn cancel(&mut self, character: CharacterId, ticket: &Ticket) -> bool {
        let is_it = self.kept.get(&character).is_some_and(|seat| seat.ticket == *ticket);
        is_it && self.kept.remove(&character).is_some()
    }

    /// Gives up whatever seat is kept for a character. False when there is none.
    pub(crate) fn give_up(&mut self, character: CharacterId) -> bool {
        self.kept.remove(&character).is_some()
    }

    /// Takes a seat with its ticket, which is void from then on.
    pub(crate) fn take(
        &mut self,
        character: CharacterId,
        account: AccountId,
        ticket: &Ticket,
        now: Instant,
    ) -> Result<(), Failure> {
        let fits = self.kept.get(&character).is_some_and(|seat| {
            seat.account == account && seat.ticket == *ticket && now < seat.until
        });
        if !fits {
            let message = "that ticket was used, has expired or is not yours: select again";
            return Err(Failure::new(Code::TicketInvalid, message));
        }
        if self.held.contains_key(&character) {
            let message = "that character is still here; try again shortly";
            return Err(Failure::new(Code::CharacterInUse, message));
        }
        self.kept.remove(&character);
        self.held.insert(character, Held::Arriving { until: now + ARRIVAL });
        Ok(())
    }

    /// The character stands on the map. False when it took too long, or never took a seat.
    pub(crate) fn enter(&mut self, character: CharacterId) -> bool {
        match self.held.get_mut(&character) {
            Some(held @ Held::Arriving { .. }) => {
                *held = Held::Present;
                true
            }
            _ => false,
        }
    }

    /// Frees the place that a character holds.
    pub(crate) fn leave(&mut self, character: CharacterId) {
        self.held.remove(&character);
    }

    /// Whether a seat is kept for a character, or it holds one.
    pub(crate) fn expects(&self, character: CharacterId) -> bool {
        self.kept.contains_key(&character) || self.held.contains_key(&character)
    }

    /// Whether no place is kept or held.
    pub(crate) fn taken(&self) -> usize {
        self.kept.len() + self.held.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.held.is_empty()
    }

    /// Frees what nobody came for. The characters were perhaps handed over to this server already
    /// and must be given up.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<CharacterId> {
        let late =
            self.kept.extract_if(|_, seat| seat.until <= now).map(|(character, _)| character);
        let mut gone: Vec<CharacterId> = late.collect();
        let stuck = |held: &Held| matches!(held, Held::Arriving { until } if *until <= now);
        gone.extend(self.held.extract_if(|_, held| stuck(held)).map(|(character, _)| character));
        gone.retain(|character| !self.expects(*character));
        gone
    }

    /// Frees every seat that is kept or being taken, as when the server drains.
    pub(crate) fn clear(&mut self) -> Vec<CharacterId> {
        let mut gone: Vec<CharacterId> =
            self.kept.drain().map(|(character, _)| character).collect();
        let arriving = self.held.extract_if(|_, held| matches!(held, Held::Arriving { .. }));
        gone.extend(arriving.map(|(character, _)| character));
        gone.retain(|character| !self.expects(*character));
        gone
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEPT: Duration = Duration::from_secs(10);

    fn ticket(seed: u8) -> Ticket {
        Ticket::from_bytes([seed; 32])
    }

    #[test]
    fn a_ticket_admits_its_account_once_and_only_in_time() {
        let (now, mut seats) = (Instant::now(), Seats::new(9, KEPT));
        let (ada, owner) = (CharacterId::new(), AccountId::new());
        let code = |taken: Result<(), Failure>| taken.unwrap_err().code;
        seats.reserve(ada, owner, ticket(1), now).unwrap();
        assert_eq!(code(seats.take(ada, owner, &ticket(2), now)), Code::TicketInvalid);
        assert_eq!(code(seats.take(ada, AccountId::new(), &ticket(1), now)), Code::TicketInvalid);
        seats.take(ada, owner, &ticket(1), now).unwrap();
        assert_eq!(code(seats.take(ada, owner, &ticket(1), now)), Code::TicketInvalid);

        let bob = CharacterId::new();
        seats.reserve(bob, owner, ticket(3), now).unwrap();
        assert_eq!(code(seats.take(bob, owner, &ticket(3), now + KEPT)), Code::TicketInvalid);
    }

    #[test]
    fn a_second_reservation_replaces_the_first_even_when_full() {
        let (now, mut seats) = (Instant::now(), Seats::new(1, KEPT));
        let (ada, owner) = (CharacterId::new(), AccountId::new());
        seats.reserve(ada, owner, ticket(1), now).unwrap();
        seats.reserve(ada, owner, ticket(2), now).unwrap();
        assert!(seats.take(ada, owner, &ticket(1), now).is_err());
        let other = seats.reserve(CharacterId::new(), owner, ticket(3), now);
        assert_eq!(other.unwrap_err().code, Code::MapFull);
        assert!(!seats.cancel(ada, &ticket(1)) && seats.cancel(ada, &ticket(2)));
        seats.reserve(CharacterId::new(), owner, ticket(3), now).unwrap();
    }

    #[test]
    fn a_seat_nobody_came_for_is_freed_and_told() {
        let (now, mut seats) = (Instant::now(), Seats::new(3, KEPT));
        let (ada, bob, cyd) = (CharacterId::new(), CharacterId::new(), CharacterId::new());
        for (character, seed) in [(ada, 1), (bob, 2), (cyd, 3)] {
            seats.reserve(character, AccountId::from(ada.uuid()), ticket(seed), now).unwrap();
        }
        seats.take(bob, AccountId::from(ada.uuid()), &ticket(2), now).unwrap();
        seats.take(cyd, AccountId::from(ada.uuid()), &ticket(3), now).unwrap();
        assert!(seats.enter(cyd) && !seats.enter(cyd) && !seats.enter(ada));
        assert_eq!(seats.expire(now + KEPT - Duration::from_millis(1)), []);
        let mut gone = seats.expire(now + KEPT.max(ARRIVAL));
        gone.sort();
        assert_eq!(gone, [ada, bob], "who stands on the map stays");
        assert!(!seats.enter(bob));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Reserve(u8),
        Cancel(u8),
        Take(u8),
        Enter(u8),
        Leave(u8),
        Wait(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let who = 0_u8..6;
        prop_oneof![
            who.clone().prop_map(Step::Reserve),
            who.clone().prop_map(Step::Cancel),
            who.clone().prop_map(Step::Take),
            who.clone().prop_map(Step::Enter),
            who.prop_map(Step::Leave),
            (0_u8..12).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn places_are_never_overshot_and_a_ticket_admits_once(
            capacity in 0_u32..5,
            steps in prop::collection::vec(step(), 0..200),
        ) {
            let mut seats = Seats::new(capacity, KEPT);
            let (mut now, mut next) = (Instant::now(), 0_u8);
            let characters: Vec<CharacterId> = (0..6).map(|_| CharacterId::new()).collect();
            let owner = AccountId::new();
            let mut latest: HashMap<u8, Ticket> = HashMap::new();
            let mut admitted: Vec<Ticket> = Vec::new();
            for step in steps {
                match step {
                    Step::Reserve(who) => {
                        next = next.wrapping_add(1);
                        let character = characters[usize::from(who)];
                        if seats.reserve(character, owner, ticket(next), now).is_ok() {
                            latest.insert(who, ticket(next));
                        }
                    }
                    Step::Cancel(who) => if let Some(ticket) = latest.get(&who) {
                        seats.cancel(characters[usize::from(who)], ticket);
                    },
                    Step::Take(who) => {
                        let ticket = latest.get(&who).cloned().unwrap_or_else(|| ticket(0));
                        let character = characters[usize::from(who)];
                        if seats.take(character, owner, &ticket, now).is_ok() {
                            prop_assert!(!admitted.contains(&ticket), "a ticket admitted twice");
                            admitted.push(ticket);
                        }
                    }
                    Step::Enter(who) => { seats.enter(characters[usize::from(who)]); }
                    Step::Leave(who) => seats.leave(characters[usize::from(who)]),
                    Step::Wait(seconds) => {
                        now += Duration::from_secs(seconds.into());
                        seats.expire(now);
                    }
                }
                prop_assert!(seats.kept.len() + seats.held.len() <= seats.capacity);
            }
        }
    }
}
