//! Aligned columns that fit the terminal. Wide characters count as two.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::screen::harmless;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: impl IntoIterator<Item = String>) -> Self {
        Self { head: head.into_iter().collect(), rows: Vec::new() }
    }

    /// A row with as many cells as the head.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        // A line end in a cell would break the table; `harmless` leaves line ends alone.
        let flat = |cell: String| harmless(&cell).replace('\n', " ");
        self.rows.push(cells.into_iter().map(flat).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, without a last line end. `width`: columns of the terminal; without one nothing is cut.
    pub(crate) fn render(&self, width: Option<usize>) -> String {
        let mut widths = self.natural_widths();
        if let Some(width) = width {
            shrink(&mut widths, width);
        }
        let lines = std::iter::once(&self.head).chain(&self.rows);
        lines.map(|cells| line(cells, &widths)).collect::<Vec<_>>().join("\n")
    }

    fn natural_widths(&self) -> Vec<usize> {
        let widest = |column: usize| {
            let cells = std::iter::once(&self.head).chain(&self.rows).filter_map(|row| row.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or(0)
        };
        (0..self.head.len()).map(widest).collect()
    }
}

/// `text` filled with spaces to `width` columns.
pub(crate) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// Takes columns from the widest cells until the line fits, but leaves each readable.
fn shrink(widths: &mut [usize], terminal: usize) {
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > terminal {
        let Some(widest) = widths.iter_mut().max().filter(|width| **width > NARROWEST) else { return };
        *widest -= 1;
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let fitted: Vec<String> =
        cells.iter().zip(widths).map(|(cell, width)| padded(&cut(cell, *width), *width)).collect();
    fitted.join(GAP).trim_end().to_owned()
}

/// As much of `text` as fits, with `…` where something is left out.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        out.push(c);
    }
    out + "…"
}

const GAP: &str = "  ";
/// An id is still told from others at this width.
const NARROWEST: usize = 12;

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["申請".to_owned(), "account".into(), "purpose".into()]);
        table.row(["req_0123456789".to_owned(), "root@db1".into(), "ディスク増設のため".into()]);
        table.row(["req_9876543210".to_owned(), "postgres@shop-db".into(), "a\nb\u{1b}[2J".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_by_what_they_take_on_the_screen() {
        expect![[r#"
            申請            account           purpose
            req_0123456789  root@db1          ディスク増設のため
            req_9876543210  postgres@shop-db  a b\u{1b}[2J"#]]
        .assert_eq(&table().render(None));
    }

    #[test]
    fn a_narrow_terminal_gets_shorter_cells() {
        expect![[r#"
            申請          account       purpose
            req_0123456…  root@db1      ディスク増…
            req_9876543…  postgres@sh…  a b\u{1b}[2J"#]]
        .assert_eq(&table().render(Some(40)));
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(cells: [String; 3], terminal in 40..200usize) {
            let mut table = Table::new(["a".to_owned(), "b".into(), "c".into()]);
            table.row(cells);
            prop_assert_eq!(table.render(Some(terminal)).lines().count(), 2);
            for line in table.render(Some(terminal)).lines() {
                prop_assert!(line.width() <= terminal, "{line:?}");
            }
        }
    }
}
