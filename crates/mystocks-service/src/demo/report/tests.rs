//! What the report says, of figures made up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

fn report(skipped: Vec<(String, String)>) -> Report {
    let took = |micros| {
        let mut latencies = Latencies::default();
        latencies.add(Duration::from_micros(micros));
        latencies
    };
    let baseline = Baseline { recomputing: took(100), computing_alone: took(30) };
    let computed = Reads::default();
    let reads = |tier, micros| {
        let mut reads = Reads::default();
        reads.latencies = took(micros);
        reads.tiers = BTreeMap::from([(tier, 1)]);
        TierReport::new(tier, &reads, &baseline, &computed)
    };
    Report {
        l2: "memory",
        symbols: 1,
        skipped: Skipped::all(skipped),
        indicators: vec!["SMA".to_owned()],
        results: 0,
        cleaning: Cleaning { rows: 3, bars: 2, totals: BTreeMap::new(), found: BTreeMap::new() },
        failures: Vec::new(),
        store_errors: 0,
        recomputing: baseline.recomputing.summary(),
        computing_alone: baseline.computing_alone.summary(),
        tiers: [reads(Tier::L3, 60), reads(Tier::L2, 40), reads(Tier::L1, 1)],
        second_process: None,
    }
}

#[test]
fn l3_has_no_factor_because_it_reads_the_bars_once_a_symbol() {
    let report = report(Vec::new());
    let json = serde_json::to_value(&report).unwrap();
    let factors = |tier: usize| {
        let tier = &json["tiers"][tier];
        (tier["factor_over_recomputing"].as_f64(), tier["factor_over_computing_alone"].as_f64())
    };
    assert_eq!(factors(0), (None, None));
    assert!(json["tiers"][0]["factor_over_recomputing"].is_null());
    assert_eq!(factors(1), (Some(2.5), Some(0.75)));
    assert_eq!(factors(2), (Some(100.0), Some(30.0)));

    let text = report.text();
    let columns = |start: &str| -> Vec<&str> {
        text.lines().find_map(|line| line.strip_prefix(start)).unwrap().split_whitespace().collect()
    };
    assert_eq!(
        columns("L3: compute, store (bars read once a symbol)"),
        ["1", "1", "60.00", "60.00", "-", "-"]
    );
    assert_eq!(columns("L2: read, decode"), ["1", "1", "40.00", "40.00", "2.50", "0.75"]);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().position(|line| line.starts_with("L1: ")).unwrap();
    assert_eq!(lines[last + 1], NOTE);
    assert_eq!(text.matches("A read from ").count(), 2);
}

#[test]
fn skipped_files_are_counted_and_named_and_no_failure() {
    let none = report(Vec::new());
    assert!(none.text().starts_with("1 series, 2 bars of 3 rows;"), "{}", none.text());
    assert!(!none.text().contains("skipped"), "{}", none.text());

    let two = [("^GSPC.csv", "it contains '^'"), ("贵\n.csv", "it contains '贵'")];
    let report = report(two.map(|(file, reason)| (file.to_owned(), reason.to_owned())).to_vec());
    let text = report.text();
    assert!(text.starts_with("1 series (skipped files: 2), 2 bars of 3 rows;"), "{text}");
    let said: Vec<&str> = text.lines().filter(|line| line.starts_with("skipped: ")).collect();
    assert_eq!(said, ["skipped: ^GSPC.csv: it contains '^'", "skipped: 贵\\n.csv: it contains '贵'"]);
    let json = serde_json::to_value(&report).unwrap();
    let expected = two.map(|(file, reason)| serde_json::json!({ "file": file, "reason": reason }));
    assert_eq!(json["skipped"], serde_json::json!(expected));
    assert_eq!(report.is_sound(), none.is_sound());
    assert!(report.is_sound());
}
