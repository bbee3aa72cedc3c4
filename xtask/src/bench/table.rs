//! Tables in Markdown, and how a figure stands against its target.

use std::fmt;

/// Rows under a heading, with the columns aligned so that the source reads as a table too.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    /// A table with `heading` as its first row and no other yet.
    pub(super) fn new(heading: &[&str]) -> Self {
        let heading = heading.iter().map(|&cell| cell.to_owned()).collect();
        Self { rows: vec![heading], notes: Vec::new() }
    }

    /// Adds a row. Cells that are missing at its end are empty.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Adds a sentence below the table.
    pub(super) fn note(&mut self, sentence: String) {
        self.notes.push(sentence);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
        let widths: Vec<_> = (0..columns)
            .map(|column| self.rows.iter().map(|row| cell(row, column).chars().count()).max())
            .map(|width| width.unwrap_or_default().max(3))
            .collect();
        for (index, row) in self.rows.iter().enumerate() {
            for (column, width) in widths.iter().enumerate() {
                // Names to the left, figures to the right.
                let text = cell(row, column);
                match column {
                    0 => write!(f, "| {text:<width$} ")?,
                    _ => write!(f, "| {text:>width$} ")?,
                }
            }
            writeln!(f, "|")?;
            if index == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let end = if column == 0 { '-' } else { ':' };
                    write!(f, "|{}{end}", "-".repeat(width + 1))?;
                }
                writeln!(f, "|")?;
            }
        }
        self.notes.iter().try_for_each(|note| write!(f, "\n{note}\n"))
    }
}

/// `OK` where `figure` is at most `limit`; a figure that could not be had is missed too.
pub(super) fn verdict(figure: f64, limit: f64) -> String {
    if figure <= limit { "OK".into() } else { "**MISSED**".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["server", "µs"]);
        table.row(["gannet".into(), "8.10".into()]);
        table.row(["h2o".into()]);
        table.note("A note.".into());
        let expect = "| server |   µs |\n|--------|-----:|\n| gannet | 8.10 |\n\
                      | h2o    |      |\n\nA note.\n";
        assert_eq!(table.to_string(), expect);
    }

    #[test]
    fn a_figure_meets_its_limit_or_misses_it() {
        for (figure, limit, expect) in
            [(0.5, 0.5, "OK"), (0.51, 0.5, "**MISSED**"), (f64::NAN, 0.5, "**MISSED**")]
        {
            assert_eq!(verdict(figure, limit), expect);
        }
    }
}
