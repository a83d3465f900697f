//! Every family of keys and every channel stands in docs/wire-format.md.

use mystocks_keys::{ChannelName, Json, Keyspace, Sidecar};

const DOCS: &str = include_str!("../../../docs/wire-format.md");
const KEYS: &str = include_str!("../src/key.rs");

#[test]
fn every_method_that_makes_a_name_is_documented() {
    let sources = [include_str!("../src/keyspace.rs"), KEYS, include_str!("../src/channel.rs")];
    let mut checked = 0;
    for line in sources.iter().flat_map(|source| source.lines()) {
        let makes = ["Key", "Sidecar", "Pattern", "Channel"].iter().any(|name| {
            line.contains(&format!("-> Result<{name},")) || line.contains(&format!("-> {name} "))
        });
        // What stands beside a key is made by the type of the result itself.
        let makes = makes || (line.contains("-> Self") && KEYS.contains(line));
        if let Some(rest) = line.trim_start().strip_prefix("pub fn ") {
            let (method, _) = rest.split_once(['(', '<']).unwrap();
            // A signature that rustfmt has broken over lines shows its result further down.
            if makes || line.ends_with('(') {
                assert!(DOCS.contains(&format!("`{method}(")), "docs/wire-format.md lacks `{method}(…)`");
                checked += 1;
            }
        }
    }
    assert!(checked >= 30, "only {checked} methods found");
}

#[test]
fn the_examples_in_the_document_are_real() {
    let keys = Keyspace::default();
    let params = Json::parse(br#"{"timeperiod": 20}"#).unwrap();
    let key = keys.indicator("600519.SH", "SMA", &params).unwrap();
    let examples = [
        keys.entry("hot:600519.SH").unwrap(),
        key.clone(),
        keys.api("/api/stocks/000001", &params).unwrap(),
        keys.own("averages", &["600519.SH", "v3"], Some(&params)).unwrap(),
        keys.lock("nightly").unwrap(),
        keys.lock_indicator("600519.SH", "SMA", &params).unwrap(),
        keys.lock_task("b-17").unwrap(),
        keys.lock_resource("portfolio", "42").unwrap(),
        keys.rate("token", "dashboard").unwrap(),
        keys.session("5f0c").unwrap(),
        keys.session_user("7b1e").unwrap(),
    ];
    let lock = keys.lock("nightly").unwrap();
    let permits = Sidecar::permits_of(lock.as_str());
    let sidecars = [
        key.lease(),
        key.fence(),
        key.queue(),
        Sidecar::waiters_of(lock.as_str()),
        Sidecar::strangers_of(lock.as_str()),
        Sidecar::shared_of(lock.as_str()),
        permits.fence(),
        permits,
        keys.lock_trusted(),
    ];
    let names = examples.iter().map(AsRef::as_ref);
    for name in names.chain(sidecars.iter().map(AsRef::as_ref)) {
        assert!(DOCS.contains(&format!("`{name}`")), "docs/wire-format.md lacks `{name}`");
    }
}

#[test]
fn every_channel_is_documented() {
    let keys = Keyspace::default();
    let source = include_str!("../src/channel.rs");
    let (_, variants) = source.split_once("pub enum ChannelName").unwrap();
    let (variants, _) = variants.split_once("\n}").unwrap();
    let documented = variants.lines().filter_map(|line| line.trim().strip_prefix("/// `"));
    let names: Vec<&str> = documented.filter_map(|line| line.split_once('`')).map(|(name, _)| name).collect();
    assert_eq!(names.len(), variants.lines().filter(|line| line.ends_with(',')).count());
    for name in &names {
        assert!(DOCS.contains(&format!("`{name}`")), "docs/wire-format.md lacks channel `{name}`");
    }
    let task = keys.channel(ChannelName::Task("b-17")).unwrap();
    assert!(DOCS.contains(&format!("`{task}`")));
}
