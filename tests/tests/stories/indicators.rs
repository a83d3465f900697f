//! The daily indicators in several processes on one Redis, while a file is revised.

use std::collections::BTreeMap;
use std::path::Path;

use mystocks_indicators::{BarSource, CsvBars, Symbol};
use mystocks_testkit::RedisServer;

use crate::bars;
use crate::raw::Raw;
use crate::worker::{Answer, Worker};

const SYMBOLS: [&str; 2] = ["600519.SH", "000001.SZ"];

type Values = BTreeMap<(String, String), BTreeMap<String, Vec<u64>>>;

/// Computes what every process must answer, with neither a cache nor a service.
async fn computed(folder: &Path) -> Values {
    let mut values = Values::new();
    for name in SYMBOLS {
        let bars = CsvBars::open(folder).unwrap().load(&Symbol::new(name).unwrap()).await.unwrap().bars;
        assert_eq!(bars.len(), bars::DAYS);
        for (indicator, params) in mystocks_ta::daily_defaults() {
            let output = indicator.compute(&bars, &params).unwrap();
            let bits = |series: &mystocks_ta::Series| {
                (series.name.to_owned(), series.values.iter().map(|value| value.to_bits()).collect())
            };
            let outputs = output.series.iter().map(bits).collect();
            values.insert((name.to_owned(), indicator.label(&params)), outputs);
        }
    }
    assert_eq!(values.len(), 18);
    values
}

fn values(answers: &BTreeMap<(String, String), Answer>) -> Values {
    answers.iter().map(|(name, answer)| (name.clone(), answer.outputs.clone())).collect()
}

fn tiers(answers: &BTreeMap<(String, String), Answer>, symbol: &str) -> Vec<String> {
    let of_symbol = answers.iter().filter(|((of, _), _)| of == symbol);
    let mut tiers: Vec<String> = of_symbol.map(|(_, answer)| answer.tier.clone()).collect();
    tiers.dedup();
    tiers
}

#[tokio::test]
async fn every_process_answers_what_is_computed_also_right_after_a_revision() {
    let server = RedisServer::start().await;
    let folder = bars::folder(&SYMBOLS);
    let url = server.url();
    let start = || Worker::with_indicators(&url, folder.path());
    let (mut a, mut b, mut c) = tokio::join!(start(), start(), start());

    let before = computed(folder.path()).await;
    let (from_a, from_b, from_c) = tokio::join!(a.daily(&SYMBOLS), b.daily(&SYMBOLS), c.daily(&SYMBOLS));
    for answers in [&from_a, &from_b, &from_c] {
        assert_eq!(values(answers), before);
    }
    let mut fresh = start().await;
    let answers = fresh.daily(&SYMBOLS).await;
    assert_eq!(values(&answers), before);
    assert_eq!(
        (tiers(&answers, SYMBOLS[0]), tiers(&answers, SYMBOLS[1])),
        (vec!["L2".into()], vec!["L2".into()])
    );

    // One close of one symbol; every process has the old numbers in L1, and Redis has them too.
    bars::write(folder.path(), SYMBOLS[0], &bars::csv(1, Some(bars::DAYS - 2)));
    let after = computed(folder.path()).await;
    for (name, outputs) in &after {
        assert_eq!(outputs == &before[name], name.0 == SYMBOLS[1], "{name:?}");
    }
    let answers = a.daily(&SYMBOLS).await;
    assert_eq!(values(&answers), after);
    assert_eq!(
        (tiers(&answers, SYMBOLS[0]), tiers(&answers, SYMBOLS[1])),
        (vec!["L3".into()], vec!["L1".into()])
    );
    let (from_b, from_c) = tokio::join!(b.daily(&SYMBOLS), c.daily(&SYMBOLS));
    for answers in [from_b, from_c] {
        assert_eq!(values(&answers), after);
        assert_eq!(
            (tiers(&answers, SYMBOLS[0]), tiers(&answers, SYMBOLS[1])),
            (vec!["L2".into()], vec!["L1".into()])
        );
    }

    // And back: the bars are what they were, so the old entries are right again.
    bars::write(folder.path(), SYMBOLS[0], &bars::csv(1, None));
    let answers = fresh.daily(&SYMBOLS).await;
    assert_eq!(values(&answers), before);
    assert_eq!(tiers(&answers, SYMBOLS[0]), ["L1"]);
}

#[tokio::test]
async fn two_symbols_with_the_same_bars_share_no_entry() {
    let server = RedisServer::start().await;
    let folder = bars::folder(&[]);
    for symbol in SYMBOLS {
        bars::write(folder.path(), symbol, &bars::csv(1, None));
    }
    let mut worker = Worker::with_indicators(&server.url(), folder.path()).await;
    let answers = worker.daily(&SYMBOLS).await;
    assert_eq!(values(&answers), computed(folder.path()).await);
    assert_eq!(
        (tiers(&answers, SYMBOLS[0]), tiers(&answers, SYMBOLS[1])),
        (vec!["L3".into()], vec!["L3".into()])
    );
    let entries: usize = Raw::connect(&server.url()).await.ask(&["DBSIZE"]).await;
    assert_eq!(entries, 18);
}
