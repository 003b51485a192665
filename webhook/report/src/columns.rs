//! A table for a terminal: a word in its colour, then cells, each column as wide as the widest of it.

use std::io::{self, Write};

use anstyle::Style;

use crate::text::printable;

/// One line. The word's colour does not count for its width.
pub(crate) struct Row<const N: usize> {
    pub(crate) word: String,
    pub(crate) style: Style,
    pub(crate) cells: [String; N],
}

/// Writes the head and all lines; nothing where there are none.
pub(crate) fn write<const N: usize>(
    word: &str,
    head: [&str; N],
    mut rows: Vec<Row<N>>,
    out: &mut dyn Write,
) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    for cell in rows.iter_mut().flat_map(|row| &mut row.cells) {
        *cell = printable(cell).into_owned();
    }
    let mut widths = head.map(str::len);
    for (width, at) in widths.iter_mut().zip(0..) {
        let cells = rows.iter().filter_map(|row| row.cells.get::<usize>(at)).map(|cell| cell.chars().count());
        *width = cells.fold(*width, usize::max);
    }
    let first = rows.iter().map(|row| row.word.len()).fold(word.len(), usize::max);
    let bold = Style::new().bold();
    writeln!(out, "{bold}{word:first$}  {}{bold:#}", line(&head, &widths))?;
    for Row { word, style, cells } in &rows {
        let fill = " ".repeat(first - word.len());
        writeln!(out, "{style}{word}{style:#}{fill}  {}", line(cells, &widths))?;
    }
    writeln!(out)
}

/// Filled up, but for the end of the line.
fn line(cells: &[impl AsRef<str>], widths: &[usize]) -> String {
    let filled = cells.iter().zip(widths).map(|(cell, &width)| format!("{:width$}", cell.as_ref()));
    filled.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}
