//! What a folder of CSV files may look like, and when a file is read again.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::civil::date;
use mystocks_indicators::{BarSource, CsvBars, CsvLimits, ErrorKind, Symbol};
use mystocks_ta::{CleaningPolicy, SuspendedDays};
use tempfile::TempDir;

const PLAIN: &str =
    "date,open,high,low,close,volume\n2024-01-02,10,12,9,11,1000\n2024-01-03,11,13,10,12,1100\n";

fn stock() -> Symbol {
    Symbol::new("AAPL").unwrap()
}

fn folder(content: impl AsRef<[u8]>) -> (TempDir, CsvBars) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("AAPL.csv"), content).unwrap();
    let bars = CsvBars::open(folder.path()).unwrap();
    (folder, bars)
}

#[tokio::test]
async fn the_layout_of_a_file_makes_no_difference() {
    let (_folder, plain) = folder(PLAIN);
    let expected = plain.load(&stock()).await.unwrap();
    assert_eq!(expected.bars.dates(), [date(2024, 1, 2), date(2024, 1, 3)]);
    assert_eq!(expected.bars.high(), [12.0, 13.0]);
    assert_eq!(expected.bars.volume(), [1000.0, 1100.0]);
    for (what, content) in [
        (
            "windows",
            "\u{feff}date,open,high,low,close,volume\r\n2024-01-02,10,12,9,11,1000\r\n2024-01-03,11,13,10,12,1100\r\n",
        ),
        (
            "order and case",
            "Volume,CLOSE,low,High,open,Date\n1000,11,9,12,10,2024-01-02\n1100,12,10,13,11,2024-01-03\n",
        ),
        (
            "more columns",
            "symbol,date,open,high,low,close,volume,adj_close,note\nAAPL,2024-01-02,10,12,9,11,1000,1.5,\"a, b\"\nAAPL,2024-01-03,11,13,10,12,1100,,\"say \"\"x\"\",\"\n",
        ),
        (
            "quotes and spaces",
            "\"date\", \"open\" ,high,low,close,volume\n\"2024-01-02\",\"10.0\", 12 ,9,11,\"1000\"\n2024-01-03,11,13,10,12,1100\n",
        ),
        (
            "blank lines, no last newline",
            "\ndate,open,high,low,close,volume\n\n2024-01-02,10,12,9,11,1000\n   \n2024-01-03,11,13,10,12,1100",
        ),
        (
            "newest first",
            "date,open,high,low,close,volume\n2024-01-03,11,13,10,12,1100\n2024-01-02,10,12,9,11,1000\n",
        ),
        (
            "a quote inside a field",
            "date,open,high,low,close,volume,note\n2024-01-02,10,12,9,11,1000,5\" pipe\n2024-01-03,11,13,10,12,1100,x\n",
        ),
    ] {
        let (_folder, bars) = folder(content);
        let loaded = bars.load(&stock()).await.unwrap();
        assert_eq!(loaded.bars, expected.bars, "{what}");
        assert_eq!(loaded.version, expected.version, "{what}");
    }
}

#[tokio::test]
async fn blank_numbers_are_left_to_the_cleaning_and_counted() {
    let (_folder, bars) =
        folder("date,open,high,low,close,volume\n2024-01-02,10,12,9,11,\n2024-01-03,11,13,,12,1100\n");
    let loaded = bars.load(&stock()).await.unwrap();
    assert_eq!(loaded.bars.dates(), [date(2024, 1, 2)]);
    assert_eq!(loaded.bars.volume(), [0.0]);
    assert_eq!(loaded.report.blank_volume_traded.count, 1);
    assert_eq!(loaded.report.unusable_price.count, 1);
}

#[tokio::test]
async fn the_way_of_cleaning_is_part_of_the_version() {
    let (_folder, keep) = folder(PLAIN);
    let drop = keep.clone().with_policy(CleaningPolicy { suspended: SuspendedDays::Drop });
    let (keep, drop) = (keep.load(&stock()).await.unwrap(), drop.load(&stock()).await.unwrap());
    assert_eq!(keep.bars, drop.bars);
    assert_ne!(keep.version, drop.version);
    assert_eq!(keep.version.as_str().len(), 32);
}

#[tokio::test]
async fn only_files_named_as_symbols_are_listed() {
    let (folder, bars) = folder(PLAIN);
    fs::create_dir(folder.path().join("us")).unwrap();
    fs::create_dir(folder.path().join("DIR.csv")).unwrap();
    for name in ["README.md", ".hidden.csv", "a b.csv", "MSFT.CSV", "us/IBM.csv", "600519.SH.csv"] {
        fs::write(folder.path().join(name), PLAIN).unwrap();
    }
    let expected = ["600519.SH", "AAPL"].map(|name| Symbol::new(name).unwrap());
    assert_eq!(bars.symbols().await.unwrap(), expected);
    let error = bars.load(&Symbol::new("DIR").unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("expected a regular file"), "{error}");
}

#[tokio::test]
async fn what_ends_in_csv_and_is_no_symbol_is_listed_with_the_reason() {
    let (folder, bars) = folder(PLAIN);
    assert_eq!(bars.skipped().await.unwrap(), []);
    fs::create_dir(folder.path().join("DIR.csv")).unwrap();
    let long = format!("{}.csv", "x".repeat(33));
    for name in
        ["notes.txt", "csv", "IBM.csv.bak", "^GSPC.csv", "BRK.B.CSV", "贵州茅台.csv", ".csv", ".a.csv", &long]
    {
        fs::write(folder.path().join(name), PLAIN).unwrap();
    }
    let rule = "a symbol is 1 to 32 of A-Z a-z 0-9 . _ - and does not start with a dot";
    let expected = [
        (".a.csv", format!("it starts with a dot; {rule}")),
        (".csv", format!("it is empty; {rule}")),
        ("BRK.B.CSV", "expected the ending .csv in lower case".to_owned()),
        ("DIR.csv", "expected a regular file".to_owned()),
        ("^GSPC.csv", format!("it contains '^'; {rule}")),
        (&long, format!("it has 33 bytes; {rule}")),
        ("贵州茅台.csv", format!("it contains '贵'; {rule}")),
    ]
    .map(|(file, reason)| (file.to_owned(), reason));
    assert_eq!(bars.skipped().await.unwrap(), expected);
    assert_eq!(bars.symbols().await.unwrap(), [stock()]);

    fs::remove_dir_all(folder.path()).unwrap();
    assert_eq!(bars.skipped().await.unwrap_err().kind(), ErrorKind::Source);
}

#[cfg(unix)]
#[tokio::test]
async fn a_name_that_is_no_text_is_listed_too() {
    use std::os::unix::ffi::OsStrExt;

    let (folder, bars) = folder(PLAIN);
    let name = std::ffi::OsStr::from_bytes(b"A\xff.csv");
    // Some file systems take no such name.
    let expected = match fs::write(folder.path().join(name), PLAIN) {
        Ok(()) => vec![("A\u{fffd}.csv".to_owned(), "expected a name in UTF-8".to_owned())],
        Err(_) => vec![],
    };
    assert_eq!(bars.skipped().await.unwrap(), expected);
}

#[tokio::test]
async fn a_folder_that_is_none_is_refused_at_once() {
    let (folder, _) = folder(PLAIN);
    for wrong in [folder.path().join("missing"), folder.path().join("AAPL.csv")] {
        let error = CsvBars::open(&wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("SYMBOL.csv"), "{error}");
    }
}

#[tokio::test]
async fn a_settled_file_is_read_once_and_a_touched_one_again() {
    let (folder, bars) = folder(PLAIN);
    let path = folder.path().join("AAPL.csv");
    // The change time cannot be set, so the only way to a settled file is to wait for it.
    settle(&path).await;
    let version = bars.version(&stock()).await.unwrap();
    assert_eq!(bars.reads(), 1);
    let loaded = bars.load(&stock()).await.unwrap();
    assert_eq!(loaded.version, version);
    for _ in 0..10 {
        assert_eq!(bars.version(&stock()).await.unwrap(), version);
    }
    assert_eq!(bars.reads(), 1, "the version of an unchanged file is remembered");

    // The same length, and the old modification time put back: only the change time tells.
    let before = fs::metadata(&path).unwrap();
    fs::write(&path, PLAIN.replace("1100", "1101")).unwrap();
    let file = fs::File::options().append(true).open(&path).unwrap();
    file.set_times(fs::FileTimes::new().set_modified(before.modified().unwrap())).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), before.len());
    let revised = bars.load(&stock()).await.unwrap();
    assert_eq!(revised.bars.volume(), [1000.0, 1101.0]);
    assert_ne!(revised.version, version);
    assert_eq!(bars.version(&stock()).await.unwrap(), revised.version);

    // A file that was replaced by renaming.
    fs::write(folder.path().join("next"), PLAIN.replace("1100", "1102")).unwrap();
    fs::rename(folder.path().join("next"), &path).unwrap();
    assert_eq!(bars.load(&stock()).await.unwrap().bars.volume(), [1000.0, 1102.0]);
}

#[tokio::test]
async fn a_rewrite_within_one_tick_of_the_clock_is_never_missed() {
    let (folder, bars) = folder(PLAIN);
    let mut versions = Vec::new();
    for round in 0..300 {
        let volume = 1100 + round;
        fs::write(folder.path().join("AAPL.csv"), PLAIN.replace("1100", &volume.to_string())).unwrap();
        let version = bars.version(&stock()).await.unwrap();
        assert!(!versions.contains(&version), "round {round} was answered with an old version");
        versions.push(version);
        let loaded = bars.load(&stock()).await.unwrap();
        assert_eq!(loaded.bars.volume()[1], f64::from(volume));
    }
}

#[tokio::test]
async fn a_file_from_the_future_is_read_again_each_time() {
    let (folder, bars) = folder(PLAIN);
    let file = fs::File::options().append(true).open(folder.path().join("AAPL.csv")).unwrap();
    let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
    file.set_times(fs::FileTimes::new().set_modified(tomorrow)).unwrap();
    for reads in 1..=3 {
        bars.version(&stock()).await.unwrap();
        assert_eq!(bars.reads(), reads);
    }
}

#[tokio::test]
async fn limits_are_kept_to_the_byte() {
    let (_folder, bars) = folder(PLAIN);
    let length = PLAIN.len() as u64;
    let limited = |file_bytes, line_bytes| bars.clone().with_limits(CsvLimits { file_bytes, line_bytes });
    assert!(limited(length, 31).load(&stock()).await.is_ok());
    let error = limited(length - 1, 31).load(&stock()).await.unwrap_err();
    assert!(error.to_string().contains(&format!("at most {} bytes", length - 1)), "{error}");
    let error = limited(length, 30).load(&stock()).await.unwrap_err();
    assert!(error.to_string().contains("line 1: it has 31 bytes, expected at most 30"), "{error}");
}

/// Waits until two seconds lie between now and the last change of the file at `path`, by the clock.
async fn settle(path: &Path) {
    let changed = fs::metadata(path).unwrap().modified().unwrap();
    while changed.elapsed().unwrap_or_default() < Duration::from_millis(2_100) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
