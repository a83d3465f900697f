//! Files that are no bars: a clear error each, no panic, and nothing remembered.

use std::fs;

use mystocks_indicators::{BarSource, CsvBars, DateRange, ErrorKind, IndicatorService, Symbol};

const HEADER: &str = "date,open,high,low,close,volume\n";
const ROW: &str = "2024-01-02,10,12,9,11,1000\n";
const COLUMNS: &str = "date, open, high, low, close, volume";

/// Each file with what its error must say.
fn cases() -> Vec<(&'static str, Vec<u8>, Vec<String>)> {
    let text = |what, content: String, expected: &[&str]| {
        let expected = expected.iter().map(|part| (*part).to_owned()).collect();
        (what, content.into_bytes(), expected)
    };
    let row = |row: &str| format!("{HEADER}{ROW}{row}\n");
    let mut not_utf8 = format!("{HEADER}{ROW}2024-01-03,10,12,9,11,").into_bytes();
    not_utf8.extend(b"\xff\xfe1000\n");
    let utf16: Vec<u8> = HEADER.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let long = "1".repeat(10_000_000);
    vec![
        text("empty", String::new(), &["line 1", "empty", COLUMNS]),
        text("only a byte order mark", "\u{feff}".to_owned(), &["line 1", "empty"]),
        text("only blank lines", "\n \r\n\n".to_owned(), &["line 1", "empty"]),
        text("only a header", HEADER.to_owned(), &["line 1", "only a header", "at least one row"]),
        text("no header", ROW.repeat(2), &["line 1", "no column date, open, high, low, close, volume"]),
        text(
            "a column missing",
            "date,open,high,low,close\n".to_owned(),
            &["line 1", "no column volume", COLUMNS],
        ),
        text(
            "two columns missing",
            "date,open,close,volume\n".to_owned(),
            &["line 1", "no column high, low"],
        ),
        text(
            "a column twice",
            "date,open,high,low,close,volume,Close\n".to_owned(),
            &["line 1", "column \"close\"", "more than once"],
        ),
        text("semicolons", HEADER.replace(',', ";"), &["line 1", "no column"]),
        text("another language", "日期,开盘,最高,最低,收盘,成交量\n".to_owned(), &["line 1", "no column"]),
        text(
            "text in a price",
            row("2024-01-03,ten,12,9,11,1000"),
            &["line 3", "column \"open\"", "a finite number"],
        ),
        text(
            "text in the volume",
            row("2024-01-03,10,12,9,11,1k"),
            &["line 3", "column \"volume\"", "a finite number"],
        ),
        text(
            "not a number",
            row("2024-01-03,10,NaN,9,11,1000"),
            &["line 3", "column \"high\"", "a finite number"],
        ),
        text(
            "infinity",
            row("2024-01-03,10,12,-inf,11,1000"),
            &["line 3", "column \"low\"", "a finite number"],
        ),
        text(
            "beyond a float",
            row("2024-01-03,10,12,9,1e999,1000"),
            &["line 3", "column \"close\"", "a finite number"],
        ),
        text(
            "a thousands separator",
            row("2024-01-03,10,12,9,11,\"1,000\""),
            &["line 3", "column \"volume\""],
        ),
        text(
            "a day that is none",
            row("2024-02-30,10,12,9,11,1000"),
            &["line 3", "column \"date\"", "YYYY-MM-DD"],
        ),
        text(
            "a date in another order",
            row("03.01.2024,10,12,9,11,1000"),
            &["line 3", "column \"date\"", "YYYY-MM-DD"],
        ),
        text("a date without dashes", row("20240103,10,12,9,11,1000"), &["line 3", "column \"date\""]),
        text("a date with a time", row("2024-01-03 00:00,10,12,9,11,1000"), &["line 3", "column \"date\""]),
        text("a blank date", row(",10,12,9,11,1000"), &["line 3", "column \"date\""]),
        text("a field too few", row("2024-01-03,10,12,9,11"), &["line 3", "5 fields", "expected 6"]),
        text("a field too many", row("2024-01-03,10,12,9,11,1000,7"), &["line 3", "7 fields", "expected 6"]),
        text("cut short", format!("{HEADER}{ROW}2024-01-0"), &["line 3", "1 fields", "expected 6"]),
        text("a quote not closed", row("2024-01-03,10,12,9,11,\"1000"), &["line 3", "field 6", "quote"]),
        text("two words", format!("{HEADER}{ROW}\0\0\0\0\n"), &["line 3", "1 fields"]),
        text(
            "a row of another symbol",
            format!("symbol,{HEADER}AAPL,{ROW}MSFT,{ROW}"),
            &["line 3", "column \"symbol\"", "expected AAPL"],
        ),
        text(
            "a row of no symbol",
            format!("{},symbol\n{},\n", HEADER.trim(), ROW.trim()),
            &["line 2", "column \"symbol\"", "expected AAPL"],
        ),
        text(
            "a line of 10 MB",
            row(&format!("2024-01-03,10,12,9,11,{long}")),
            &["line 3", "10000022 bytes", "at most 65536"],
        ),
        text("a header of 10 MB", long.clone(), &["line 1", "10000000 bytes", "at most 65536"]),
        ("not UTF-8", not_utf8, vec!["line 3, byte 23".to_owned(), "not UTF-8".to_owned()]),
        ("UTF-16", utf16, vec!["line 1".to_owned()]),
        (
            "an image",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(),
            vec!["line 1, byte 1".to_owned(), "not UTF-8".to_owned()],
        ),
    ]
}

#[tokio::test]
async fn every_malformed_file_is_an_error_that_says_where_and_what() {
    let folder = tempfile::tempdir().unwrap();
    let (path, stock) = (folder.path().join("AAPL.csv"), Symbol::new("AAPL").unwrap());
    let bars = CsvBars::open(folder.path()).unwrap();
    let service = IndicatorService::builder(bars.clone()).build().unwrap();
    for (what, content, expected) in cases() {
        fs::write(&path, content).unwrap();
        for error in [
            bars.load(&stock).await.expect_err(what),
            bars.version(&stock).await.expect_err(what),
            service.get(&stock, "OBV", &[], DateRange::ALL).await.expect_err(what),
        ] {
            assert_eq!(error.kind(), ErrorKind::Malformed, "{what}: {error}");
            let text = error.to_string();
            assert!(text.contains("AAPL.csv"), "{what}: {text}");
            for part in &expected {
                assert!(text.contains(part), "{what}: {text:?} lacks {part:?}");
            }
            assert!(text.len() < 400, "{what}: {} bytes", text.len());
            assert!(!error.is_retryable(), "{what}");
        }
        // The next good file is read as if nothing had been.
        fs::write(&path, format!("{HEADER}{ROW}")).unwrap();
        let obv = service.get(&stock, "OBV", &[], DateRange::ALL).await.unwrap();
        assert_eq!(obv.values("obv"), Some(&[1000.0][..]), "after {what}");
    }
}

#[tokio::test]
async fn no_bytes_make_it_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (path, stock) = (folder.path().join("AAPL.csv"), Symbol::new("AAPL").unwrap());
    let bars = CsvBars::open(folder.path()).unwrap();
    let good = format!("symbol,{HEADER}AAPL,{ROW}AAPL,{}", ROW.replace("-02", "-03"));
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let special = b",\"\n\r\0-.eE+ \xff\xc3019Nai\xef\xbb\xbf";
    for _ in 0..2_000 {
        let mut content = good.clone().into_bytes();
        for _ in 0..=draw(4) {
            let place = draw(content.len());
            match draw(3) {
                0 => content[place] = special[draw(special.len())],
                1 => content.insert(place, special[draw(special.len())]),
                _ => content.truncate(place.max(1)),
            }
        }
        fs::write(&path, &content).unwrap();
        if let Err(error) = bars.load(&stock).await {
            assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        }
    }
}
