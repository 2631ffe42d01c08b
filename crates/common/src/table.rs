//! Plain aligned columns for people, cut to the terminal's width; programs use `--json`.

use comfy_table::{ContentArrangement, Table, presets};

use crate::out::sanitize;

/// A table under construction.
pub struct Columns(Table);

impl Columns {
    /// A table with these headings.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(headings);
        Self(table)
    }

    /// Adds a row; what it holds is made safe for a terminal.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.add_row(cells.map(|cell| sanitize(&cell).into_owned()));
    }

    /// The table as text, without trailing blanks, without a final newline.
    pub fn render(&mut self) -> String {
        for column in self.0.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let lines: Vec<String> = self.0.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::Columns;

    #[test]
    fn columns_align_and_hostile_cells_are_escaped() {
        let mut table = Columns::new(["NAME", "STATE"]);
        table.row(["reviewer".into(), "ok".into()]);
        table.row(["日本".into(), "a\u{1b}[31mb".into()]);
        assert_eq!(table.render(), "NAME      STATE\nreviewer  ok\n日本      a\\u{1b}[31mb");
    }
}
