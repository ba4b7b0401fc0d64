//! CSV, read as the bytes arrive and written cell by cell.
//!
//! **Invariant:** the memory holds one row, not the whole file.
//!
//! **Invariant:** a cell that a spreadsheet would read as a formula is written with an apostrophe before the cell. Reading
//! removes the apostrophe.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// Maximum length of a row, in bytes.
const MAX_ROW: usize = 262_144;
/// Maximum number of cells of a row.
const MAX_CELLS: usize = 1_024;

/// A row with its position in the file.
pub(crate) struct Row {
    /// Number of the line in which the row begins, from 1.
    pub(crate) line: u64,
    /// Cells with their bytes in the file.
    pub(crate) cells: Vec<Vec<u8>>,
}

/// Error of a row that is too long. No further row can be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RowTooLong {
    /// Number of the line in which the row begins, approximately.
    pub(crate) line: u64,
}

/// Reader of a CSV file.
pub(crate) struct CsvReader {
    /// First bytes, until the separator is known.
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

impl CsvReader {
    pub(crate) fn new() -> Self {
        Self { head: Vec::new(), parser: None }
    }

    /// Reads the next bytes, and adds the rows that end in them.
    pub(crate) fn feed(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), RowTooLong> {
        if let Some(parser) = &mut self.parser {
            return parser.feed(bytes, rows);
        }
        self.head.extend_from_slice(bytes);
        if !self.head.contains(&b'\n') && !self.head.contains(&b'\r') {
            return if self.head.len() > MAX_ROW { Err(RowTooLong { line: 1 }) } else { Ok(()) };
        }
        self.begin(rows)
    }

    /// Reads the end of the file.
    pub(crate) fn finish(&mut self, rows: &mut Vec<Row>) -> Result<(), RowTooLong> {
        if self.parser.is_none() {
            self.begin(rows)?;
        }
        self.parser.as_mut().map_or(Ok(()), |parser| parser.feed(&[], rows))
    }

    fn begin(&mut self, rows: &mut Vec<Row>) -> Result<(), RowTooLong> {
        let head = std::mem::take(&mut self.head);
        // Some programs write a byte order mark before the first name.
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
    /// Reads bytes. An empty slice is the end of the file.
    fn feed(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), RowTooLong> {
        let is_last = bytes.is_empty();
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
                ReadRecordResult::InputEmpty if !is_last => return Ok(()),
                // `csv_core` reports the end only in the call after the one that read the end of the input.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => grow(&mut self.text, MAX_ROW, &self.reader)?,
                ReadRecordResult::OutputEndsFull => grow(&mut self.ends, MAX_CELLS, &self.reader)?,
                ReadRecordResult::Record => rows.push(self.take(ended_line)),
                ReadRecordResult::End => return Ok(()),
            }
            if left.is_empty() && !is_last {
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

fn grow<T: Clone + Default>(buffer: &mut Vec<T>, limit: usize, reader: &Reader) -> Result<(), RowTooLong> {
    if buffer.len() >= limit {
        return Err(RowTooLong { line: reader.line() });
    }
    buffer.resize(buffer.len().saturating_mul(2).min(limit), T::default());
    Ok(())
}

/// `true` if a spreadsheet would read a cell as a formula, apart from apostrophes at its start.
fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// Removes the apostrophe of [`write_cell`].
pub(crate) fn unescape_cell(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|_| is_formula(cell)).unwrap_or(cell)
}

/// Writes a cell. A spreadsheet does not read the cell as a formula.
pub(crate) fn write_cell(row: &mut String, cell: &str) {
    if is_formula(cell) {
        write_raw(row, &format!("'{cell}"));
    } else {
        write_raw(row, cell);
    }
}

/// Writes a cell that is known to be no formula, such as a phone number, without a change.
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
        let mut table = CsvReader::new();
        let mut rows = Vec::new();
        for bytes in text.chunks(n_at_once) {
            table.feed(bytes, &mut rows).expect("rows");
        }
        table.finish(&mut rows).expect("rows");
        let text = |cell: Vec<u8>| String::from_utf8(cell).expect("text");
        rows.into_iter().map(|row| (row.line, row.cells.into_iter().map(text).collect())).collect()
    }

    #[test]
    fn rows_have_their_line_numbers_for_any_chunk_size() {
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
    fn a_row_without_an_end_is_rejected() {
        let mut table = CsvReader::new();
        let mut rows = Vec::new();
        table.feed(b"a,b\n1,\"", &mut rows).expect("a row");
        let end = (0..1_000).try_for_each(|_| table.feed(&[b'x'; 1_000], &mut rows));
        assert_eq!(end, Err(RowTooLong { line: 2 }));
    }

    #[test]
    fn a_formula_is_written_as_text() {
        let mut row = String::new();
        for cell in ["=1+1", "+5", "'=x", "-", "@a", "it's", "a,b", ""] {
            write_cell(&mut row, cell);
        }
        assert_eq!(row, "'=1+1,'+5,''=x,'-,'@a,it's,\"a,b\",\"\"");
        assert_eq!(unescape_cell("'=1+1"), "=1+1");
        assert_eq!(unescape_cell("'tis"), "'tis");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn written_cells_are_read_back(cells in prop::collection::vec("['=+@\",;a\\n\\r -]{0,6}", 1..5), n in 1..9_usize) {
            let mut text = "a,b\n".to_owned();
            for cell in &cells {
                write_cell(&mut text, cell);
            }
            text.push('\n');
            let rows = read(text.as_bytes(), n);
            let back: Vec<_> = rows[1].1.iter().map(|cell| unescape_cell(cell).to_owned()).collect();
            prop_assert_eq!(back, cells);
        }
    }
}
