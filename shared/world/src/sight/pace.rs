//! How often players are shown what happens.

use std::{fmt, str::FromStr};

/// How often players are shown what happens: what to do about too much to do.
///
/// Whatever the pace, nobody is shown less than happens: a later snapshot tells of all that those
/// left out would have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pace {
    /// Every tick.
    #[default]
    Full,
    /// In the tick in which something that the player did was taken in, and else every second one.
    Eased,
    /// Every fourth tick.
    Sparse,
}

/// The longest of [`Pace::gaps`].
pub(super) const MOST_GAP: u32 = 4;

/// A text that names no [`Pace`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pace: use full, eased or sparse")]
pub struct InvalidPace(String);

impl FromStr for Pace {
    type Err = InvalidPace;

    fn from_str(text: &str) -> Result<Self, InvalidPace> {
        let paces = [Self::Full, Self::Eased, Self::Sparse];
        let named = paces.into_iter().find(|pace| pace.name() == text);
        named.ok_or_else(|| InvalidPace(text.to_owned()))
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Pace {
    fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Eased => "eased",
            Self::Sparse => "sparse",
        }
    }

    /// Ticks from one snapshot to the next, of whom has done something and of anybody else.
    pub(super) fn gaps(self) -> (u32, u32) {
        match self {
            Self::Full => (1, 1),
            Self::Eased => (1, 2),
            Self::Sparse => (MOST_GAP, MOST_GAP),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_read_by_its_name_and_another_name_is_told_which_there_are() {
        for pace in [Pace::Full, Pace::Eased, Pace::Sparse] {
            assert_eq!(pace.to_string().parse(), Ok(pace));
        }
        let error = "slow".parse::<Pace>().unwrap_err();
        assert_eq!(error.to_string(), "`slow` is no pace: use full, eased or sparse");
    }
}
