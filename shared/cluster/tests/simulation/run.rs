//! One seed, from its start to the verdict.

use std::{fmt, mem::discriminant};

use cluster::Caller;

use crate::{
    mind::Bug,
    promises,
    theatre::{CALM, Theatre},
};

/// Soon after all is well again, registry and reality agree.
const HEALED: u64 = CALM + 5_000;
/// By then, desired and living agree.
pub(crate) const END: u64 = CALM + 60_000;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A waiter had no answer by its deadline.
    Unanswered(Caller),
    AnsweredTwice(Caller),
    /// One channel of two servers, or one id of two processes.
    Twice(String),
    OverTheCap(String),
    /// A drain that was answered is not written down for the next leader.
    Forgotten(String),
    /// 5 s after the last fault.
    RegistryIsWrong(String),
    ViewIsWrong(String),
    /// In the end.
    TooMany(String),
    TooFew(String),
    Orphan(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

macro_rules! kinds {
    ($($name:ident = $kind:expr;)*) => {$(
        pub(crate) fn $name() -> Self {
            $kind
        }
    )*};
}

impl Broken {
    kinds! {
        unanswered = Self::Unanswered(Caller(0));
        twice = Self::Twice(String::new());
        over_the_cap = Self::OverTheCap(String::new());
        forgotten = Self::Forgotten(String::new());
        registry_is_wrong = Self::RegistryIsWrong(String::new());
        view_is_wrong = Self::ViewIsWrong(String::new());
        too_many = Self::TooMany(String::new());
        too_few = Self::TooFew(String::new());
        orphan = Self::Orphan(String::new());
    }

    pub(crate) fn is_like(&self, other: &Self) -> bool {
        discriminant(self) == discriminant(other)
    }
}

/// Runs one seed. `aloud`: prints what happens.
pub(crate) fn seed(seed: u64, bug: Option<Bug>, aloud: bool) -> Result<(), Broken> {
    let mut theatre = Theatre::new(seed, bug);
    theatre.aloud = aloud;
    play(&mut theatre)
}

/// What happens in one seed, line by line.
pub(crate) fn story(seed: u64) -> Vec<String> {
    let mut theatre = Theatre::new(seed, None);
    theatre.keeps = true;
    let outcome = play(&mut theatre);
    theatre.lines.push(format!("{outcome:?}"));
    theatre.lines
}

fn play(theatre: &mut Theatre) -> Result<(), Broken> {
    theatre.run_until(HEALED)?;
    promises::registry_is_right(theatre)?;
    theatre.run_until(END)?;
    promises::all_is_as_desired(theatre)
}
