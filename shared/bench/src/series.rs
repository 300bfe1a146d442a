//! A number a round.

/// What was measured of one thing, round by round.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series(Vec<f64>);

impl Series {
    /// Adds a round's number.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The number in the middle; 0 of nothing.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    /// The median of how this compares with `other` in the same round.
    pub fn ratio_to(&self, other: &Self) -> f64 {
        Self(self.0.iter().zip(&other.0).map(|(own, other)| own / other).collect()).median()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_compares_neighbours_in_time() {
        // The machine was busy in the second round: both were slow, and the ratio is the same.
        let (own, other) = (Series(vec![90.0, 9.0, 92.0]), Series(vec![100.0, 10.0, 100.0]));
        assert!((own.ratio_to(&other) - 0.9).abs() < 1e-9);
        assert!((own.median() - 90.0).abs() < 1e-9);
        assert!(Series::default().median().abs() < 1e-9);
    }
}
