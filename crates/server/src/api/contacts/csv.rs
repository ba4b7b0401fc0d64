//! Tables of comma-separated values, read as their bytes come in and written cell by cell.
//!
//! **Invariant:** what is held is one row, never the table.
//!
//! **Invariant:** a cell that a spreadsheet would take for a formula is written with an apostrophe before it, and reading
//! takes that away again.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// The longest row, in bytes.
const MAX_ROW: usize = 262_144;
/// The most cells of a row.
const MAX_CELLS: usize = 1_024;

/// A row, and where it began.
pub(crate) struct Row {
    /// The line of the file, from 1.
    pub(crate) line: u64,
    /// The cells as they stand in the file.
    pub(crate) cells: Vec<Vec<u8>>,
}

/// A row that cannot be read. Nothing after it can, either.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong {
    /// The line at which it began, or thereabouts.
    pub(crate) line: u64,
}

/// A table that is being read.
pub(crate) struct Table {
    /// The first bytes, until the separator is known.
    head: Vec<u8>,
    parser: Option<Parser>,
}

struct Parser {
    reader: Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    n_text: usize,
    n_ends: usize,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self { head: Vec::new(), parser: None }
    }

    /// Takes the next bytes, and gives out the rows that they end.
    pub(crate) fn feed(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), TooLong> {
        if let Some(parser) = &mut self.parser {
            return parser.feed(bytes, rows);
        }
        self.head.extend_from_slice(bytes);
        if !self.head.contains(&b'\n') && !self.head.contains(&b'\r') {
            return if self.head.len() > MAX_ROW { Err(TooLong { line: 1 }) } else { Ok(()) };
        }
        self.begin(rows)
    }

    /// The bytes have ended.
    pub(crate) fn finish(&mut self, rows: &mut Vec<Row>) -> Result<(), TooLong> {
        if self.parser.is_none() {
            self.begin(rows)?;
        }
        self.parser.as_mut().map_or(Ok(()), |parser| parser.feed(&[], rows))
    }

    fn begin(&mut self, rows: &mut Vec<Row>) -> Result<(), TooLong> {
        let head = std::mem::take(&mut self.head);
        // Some programs put a mark of the encoding before the first name.
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
        let line = head.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        let n = |separator: u8| line.iter().filter(|byte| **byte == separator).count();
        let separator = if n(b';') > n(b',') { b';' } else { b',' };
        let parser = self.parser.insert(Parser {
            reader: ReaderBuilder::new().delimiter(separator).build(),
            text: vec![0; 4_096],
            ends: vec![0; 64],
            n_text: 0,
            n_ends: 0,
        });
        if head.is_empty() { Ok(()) } else { parser.feed(head, rows) }
    }
}

impl Parser {
    /// Takes bytes; none at all are the end of the table.
    fn feed(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), TooLong> {
        let is_end = bytes.is_empty();
        let mut left = bytes;
        loop {
            let text = self.text.get_mut(self.n_text..).unwrap_or_default();
            let ends = self.ends.get_mut(self.n_ends..).unwrap_or_default();
            let (result, n_read, n_text, n_ends) = self.reader.read_record(left, text, ends);
            let ended_line = n_read.checked_sub(1).and_then(|last| left.get(last)) == Some(&b'\n');
            left = left.get(n_read..).unwrap_or_default();
            self.n_text = self.n_text.saturating_add(n_text);
            self.n_ends = self.n_ends.saturating_add(n_ends);
            match result {
                ReadRecordResult::InputEmpty if !is_end => return Ok(()),
                // Only the end of the input, asked for again, tells that nothing comes after it.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => grow(&mut self.text, MAX_ROW, &self.reader)?,
                ReadRecordResult::OutputEndsFull => grow(&mut self.ends, MAX_CELLS, &self.reader)?,
                ReadRecordResult::Record => rows.push(self.take(ended_line)),
                ReadRecordResult::End => return Ok(()),
            }
            if left.is_empty() && !is_end {
                return Ok(());
            }
        }
    }

    fn take(&mut self, ended_line: bool) -> Row {
        let text = self.text.get(..self.n_text).unwrap_or_default();
        let ends = self.ends.get(..self.n_ends).unwrap_or_default();
        let mut start = 0;
        let mut cells = Vec::with_capacity(ends.len());
        for end in ends {
            cells.push(text.get(start..*end).unwrap_or_default().to_vec());
            start = *end;
        }
        let n_inside = text.iter().filter(|byte| **byte == b'\n').count();
        let n_after = n_inside.saturating_add(usize::from(ended_line));
        let line = self.reader.line().saturating_sub(u64::try_from(n_after).unwrap_or(0));
        (self.n_text, self.n_ends) = (0, 0);
        Row { line, cells }
    }
}

fn grow<T: Clone + Default>(buffer: &mut Vec<T>, most: usize, reader: &Reader) -> Result<(), TooLong> {
    if buffer.len() >= most {
        return Err(TooLong { line: reader.line() });
    }
    buffer.resize(buffer.len().saturating_mul(2).min(most), T::default());
    Ok(())
}

/// Whether a cell would be a formula, apart from apostrophes before it.
fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// A cell as it was before it was written.
pub(crate) fn plain(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|_| is_formula(cell)).unwrap_or(cell)
}

/// Writes a cell that says what it says: no formula.
pub(crate) fn write_cell(row: &mut String, cell: &str) {
    if is_formula(cell) {
        write_raw(row, &format!("'{cell}"));
    } else {
        write_raw(row, cell);
    }
}

/// Writes a cell that is known to be no formula, such as a phone number.
pub(crate) fn write_raw(row: &mut String, cell: &str) {
    if !row.is_empty() && !row.ends_with('\n') {
        row.push(',');
    }
    let needs_quotes = cell.is_empty() || cell.contains(['"', ',', ';', '\n', '\r']) || cell.trim() != cell;
    if !needs_quotes {
        row.push_str(cell);
        return;
    }
    row.push('"');
    row.push_str(&cell.replace('"', "\"\""));
    row.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8], n_at_once: usize) -> Vec<(u64, Vec<String>)> {
        let mut table = Table::new();
        let mut rows = Vec::new();
        for bytes in text.chunks(n_at_once) {
            table.feed(bytes, &mut rows).expect("rows");
        }
        table.finish(&mut rows).expect("rows");
        let text = |cell: Vec<u8>| String::from_utf8(cell).expect("text");
        rows.into_iter().map(|row| (row.line, row.cells.into_iter().map(text).collect())).collect()
    }

    #[test]
    fn rows_know_their_lines_however_they_come() {
        let text = b"\xef\xbb\xbfa,b\r\n1,\"x\r\ny\"\n\n3,\"q\"\"q\"\n4,";
        for n_at_once in [1, 2, 3, 7, 100] {
            let rows = read(text, n_at_once);
            let lines: Vec<_> = rows.iter().map(|(line, _)| *line).collect();
            assert_eq!(lines, [1, 2, 5, 6], "{n_at_once}");
            assert_eq!(rows[0].1, ["a", "b"]);
            assert_eq!(rows[1].1, ["1", "x\r\ny"]);
            assert_eq!(rows[2].1, ["3", "q\"q"]);
            assert_eq!(rows[3].1, ["4", ""]);
        }
        assert_eq!(read(b"a;b;c,d\n1;2;3", 2)[1].1, ["1", "2", "3"]);
        assert_eq!(read(b"a", 1), [(1, vec!["a".to_owned()])]);
        assert_eq!(read(b"", 1), []);
    }

    #[test]
    fn a_row_without_end_is_not_held() {
        let mut table = Table::new();
        let mut rows = Vec::new();
        table.feed(b"a,b\n1,\"", &mut rows).expect("a row");
        let end = (0..1_000).try_for_each(|_| table.feed(&[b'x'; 1_000], &mut rows));
        assert_eq!(end, Err(TooLong { line: 2 }));
    }

    #[test]
    fn a_formula_is_text() {
        let mut row = String::new();
        for cell in ["=1+1", "+5", "'=x", "-", "@a", "it's", "a,b", ""] {
            write_cell(&mut row, cell);
        }
        assert_eq!(row, "'=1+1,'+5,''=x,'-,'@a,it's,\"a,b\",\"\"");
        assert_eq!(plain("'=1+1"), "=1+1");
        assert_eq!(plain("'tis"), "'tis");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn what_is_written_reads_back(cells in prop::collection::vec("['=+@\",;a\\n\\r -]{0,6}", 1..5), n in 1..9_usize) {
            let mut text = "a,b\n".to_owned();
            for cell in &cells {
                write_cell(&mut text, cell);
            }
            text.push('\n');
            let rows = read(text.as_bytes(), n);
            let back: Vec<_> = rows[1].1.iter().map(|cell| plain(cell).to_owned()).collect();
            prop_assert_eq!(back, cells);
        }
    }
}
