//! Measuring in rounds, side by side, for the programs under `benches/`.
//!
//! A machine that does other work as well gives other numbers every minute. So what is compared
//! takes turns, round by round, in one process: [`Series::ratio_to`] compares neighbours in time
//! and takes the median. With `--smoke` (or `WAYSTONE_BENCH=smoke`) there is one short round: CI
//! runs it so that a benchmark cannot rot, and its numbers mean nothing.
//!
//! # Layout
//! - [`Plan`]: how many rounds and how long. [`Series`]: a number a round. [`Table`]: Markdown.

mod plan;
mod series;
mod table;

pub use plan::Plan;
pub use series::Series;
pub use table::Table;
