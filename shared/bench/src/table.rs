//! A table, in Markdown: what a benchmark prints goes into `docs/PERFORMANCE.md` as it is.

use std::fmt;

/// Rows under a heading.
#[derive(Debug, Clone)]
pub struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// An empty table.
    pub fn new(heading: [&str; COLUMNS]) -> Self {
        Self { rows: vec![heading.map(str::to_owned)] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells);
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        for (number, row) in self.rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(widths) {
                write!(f, "| {cell:>width$} ")?;
            }
            writeln!(f, "|")?;
            if number == 0 {
                let rule = |width: usize| format!("|{}:", "-".repeat(width + 1));
                writeln!(f, "{}|", widths.map(rule).concat())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_markdown_and_reads_as_text() {
        let mut table = Table::new(["at once", "calls/s"]);
        table.row(["16".to_owned(), "55000".to_owned()]);
        let lines = ["| at once | calls/s |", "|--------:|--------:|", "|      16 |   55000 |", ""];
        assert_eq!(table.to_string(), lines.join("\n"));
    }
}
