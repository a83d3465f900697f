//! From the text of one file to raw bars, or to the line and column that are wrong.
//!
//! A row of bars is one line here, also where the CSV grammar would let a quoted field run over several: so a line
//! number in an error is always right, and a quote that nobody closed cannot swallow the rest of the file.

use jiff::civil::Date;
use mystocks_ta::RawBar;

use crate::symbol::Symbol;

const NEEDED: [&str; 6] = ["date", "open", "high", "low", "close", "volume"];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What was wrong, and in which line (the first is 1).
#[derive(Debug)]
pub(super) struct Wrong {
    line: usize,
    what: String,
}

impl Wrong {
    pub(super) fn into_detail(self) -> String {
        format!("line {}{}", self.line, self.what)
    }
}

/// Reads the rows of `content`, none longer than `longest_line` bytes, all of `symbol`.
pub(super) fn parse(content: &[u8], symbol: &Symbol, longest_line: usize) -> Result<Vec<RawBar>, Wrong> {
    let content = content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(content);
    let mut columns: Option<Columns> = None;
    let mut fields = Vec::new();
    let mut bars = Vec::new();
    for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
        let at = |what: String| Wrong { line: index + 1, what };
        let line = text(line, longest_line).map_err(at)?;
        if line.trim().is_empty() {
            continue;
        }
        split(line, &mut fields).map_err(at)?;
        match &columns {
            None => columns = Some(Columns::locate(&fields).map_err(at)?),
            Some(columns) => bars.push(columns.bar(&fields, symbol).map_err(at)?),
        }
    }
    let empty = match columns {
        None => format!(": the file is empty, expected a header with {}", NEEDED.join(", ")),
        Some(_) if bars.is_empty() => {
            ": there is only a header, expected at least one row of bars".to_owned()
        }
        Some(_) => return Ok(bars),
    };
    Err(Wrong { line: 1, what: empty })
}

fn text(line: &[u8], longest: usize) -> Result<&str, String> {
    if line.len() > longest {
        return Err(format!(": it has {} bytes, expected at most {longest}", line.len()));
    }
    std::str::from_utf8(line)
        .map(|text| text.strip_suffix('\r').unwrap_or(text))
        .map_err(|error| format!(", byte {}: not UTF-8, expected UTF-8 text", error.valid_up_to() + 1))
}

/// Splits `line` at the commas outside quotes.
fn split<'a>(line: &'a str, fields: &mut Vec<&'a str>) -> Result<(), String> {
    fields.clear();
    let (mut quoted, mut opened, mut at_start) = (false, false, true);
    fields.extend(line.split(|c: char| match c {
        // Only a field that starts with a quote is a quoted one; in it a doubled quote toggles twice.
        '"' => {
            quoted = if at_start { true } else { quoted ^ opened };
            (opened, at_start) = (opened || at_start, false);
            false
        }
        ',' if !quoted => {
            (opened, at_start) = (false, true);
            true
        }
        _ => {
            at_start &= c.is_whitespace();
            false
        }
    }));
    if quoted {
        return Err(format!(
            ", field {}: a quote is not closed, expected one more \" in the same line",
            fields.len()
        ));
    }
    for field in fields {
        let trimmed = field.trim();
        *field =
            trimmed.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).map_or(trimmed, str::trim);
    }
    Ok(())
}

/// Where the needed columns stand.
#[derive(Debug)]
struct Columns {
    count: usize,
    symbol: Option<usize>,
    /// In the order of [`NEEDED`].
    needed: [usize; NEEDED.len()],
}

impl Columns {
    fn locate(header: &[&str]) -> Result<Self, String> {
        let mut missing = Vec::new();
        let mut needed = [0; NEEDED.len()];
        for (place, name) in needed.iter_mut().zip(NEEDED) {
            match find(header, name)? {
                Some(index) => *place = index,
                None => missing.push(name),
            }
        }
        if !missing.is_empty() {
            return Err(format!(
                ": the header has no column {}, expected {} in any order",
                missing.join(", "),
                NEEDED.join(", ")
            ));
        }
        Ok(Self { count: header.len(), symbol: find(header, "symbol")?, needed })
    }

    fn bar(&self, fields: &[&str], symbol: &Symbol) -> Result<RawBar, String> {
        if fields.len() != self.count {
            return Err(format!(
                ": it has {} fields, expected {} as in the header",
                fields.len(),
                self.count
            ));
        }
        let field = |index: usize| fields.get(index).copied().unwrap_or_default();
        if self.symbol.is_some_and(|index| field(index) != symbol.as_str()) {
            return Err(format!(
                ", column \"symbol\": another symbol, expected {symbol} as in the file's name"
            ));
        }
        let [date, open, high, low, close, volume] = self.needed;
        Ok(RawBar {
            date: day(field(date))
                .ok_or(", column \"date\": expected a day of the calendar as YYYY-MM-DD".to_owned())?,
            open: number(field(open), "open")?.unwrap_or(f64::NAN),
            high: number(field(high), "high")?.unwrap_or(f64::NAN),
            low: number(field(low), "low")?.unwrap_or(f64::NAN),
            close: number(field(close), "close")?.unwrap_or(f64::NAN),
            volume: number(field(volume), "volume")?,
        })
    }
}

fn find(header: &[&str], name: &str) -> Result<Option<usize>, String> {
    let mut places = header
        .iter()
        .enumerate()
        .filter(|(_, column)| column.eq_ignore_ascii_case(name))
        .map(|(index, _)| index);
    let first = places.next();
    if places.next().is_some() {
        return Err(format!(", column \"{name}\": it is there more than once, expected one"));
    }
    Ok(first)
}

/// Reads a finite number; a blank field is a missing one, for the cleaning to count.
fn number(field: &str, column: &str) -> Result<Option<f64>, String> {
    if field.is_empty() {
        return Ok(None);
    }
    match field.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Some(number)),
        _ => Err(format!(", column \"{column}\": expected a finite number, or nothing")),
    }
}

fn day(field: &str) -> Option<Date> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = field.as_bytes() else {
        return None;
    };
    let digits = |digits: &[u8]| {
        digits.iter().try_fold(0i16, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i16::from(*digit - b'0'))
        })
    };
    Date::new(
        digits(&[*y0, *y1, *y2, *y3])?,
        i8::try_from(digits(&[*m0, *m1])?).ok()?,
        i8::try_from(digits(&[*d0, *d1])?).ok()?,
    )
    .ok()
}
