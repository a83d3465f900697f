//! Every family of keys and channels, spelled out.

use mystocks_keys::{ChannelName, Json, Keyspace, Prefixes, Sidecar};

fn params() -> Json {
    Json::Object(vec![("timeperiod".to_owned(), Json::from(20))])
}

#[test]
fn shared_keys() {
    let keys = Keyspace::default();
    let is = |key: Result<mystocks_keys::Key, _>, expected: &str| {
        assert_eq!(key.unwrap().as_str(), expected);
    };
    is(keys.entry("hot:quotes:600519.SH"), "mystocks:hot:quotes:600519.SH");
    is(keys.entry("indicator:600519:SMA:00000000"), "mystocks:indicator:600519:SMA:00000000");
    is(keys.entry("api:/x:00000000"), "mystocks:api:/x:00000000");
    is(keys.entry("lock"), "mystocks:lock");
    is(keys.entry("价格"), "mystocks:价格");
    is(keys.indicator("600519.SH", "SMA", &params()), "mystocks:indicator:600519.SH:SMA:ecdf2aa9");
    is(keys.api("/api/stocks/000001", &params()), "mystocks:api:/api/stocks/000001:ecdf2aa9");
    is(keys.api("quotes:list", &params()), "mystocks:api:quotes:list:ecdf2aa9");
    is(keys.lock("indicator:calc:x"), "mystocks:lock:indicator:calc:x");
    is(
        keys.lock_indicator("600519.SH", "SMA", &params()),
        "mystocks:lock:indicator:calc:600519.SH:SMA:ecdf2aa9",
    );
    is(keys.lock_task("b-17"), "mystocks:lock:task:batch:b-17");
    is(keys.lock_resource("portfolio", "42"), "mystocks:lock:resource:update:portfolio:42");
    is(keys.session("f00"), "mystocks:session:f00");
    is(keys.session_user("f00"), "mystocks:session:user:f00");
}

#[test]
fn own_keys_carry_the_long_digest() {
    let keys = Keyspace::default();
    let key = keys.own("indicators", &["600519.SH", "SMA", "v3"], Some(&params()));
    // printf '{"timeperiod": 20}' | sha256sum
    assert_eq!(
        key.unwrap().as_str(),
        "mystocks:own:indicators:600519.SH:SMA:v3:afee8c7d15bf47700aaab5a0a85faad0"
    );
    let key = keys.own("bars", &["600519.SH"], None).unwrap();
    assert_eq!(key.as_str(), "mystocks:own:bars:600519.SH");
    let key = keys.own("all", &[""; 0], Some(&params())).unwrap();
    assert_eq!(key.as_str(), "mystocks:own:all:afee8c7d15bf47700aaab5a0a85faad0");
}

#[test]
fn sidecars_hold_the_whole_key_in_braces() {
    let key = Keyspace::default().lock("nightly").unwrap();
    assert_eq!(key.lease().as_str(), "{mystocks:lock:nightly}:lease");
    assert_eq!(key.fence().as_str(), "{mystocks:lock:nightly}:fence");
    assert_eq!(key.queue().as_str(), "{mystocks:lock:nightly}:queue");
    assert_eq!(Sidecar::lease_of(key.as_str()), key.lease());
    assert_eq!(Sidecar::queue_of(key.as_str()), key.queue());
    assert_eq!(Sidecar::fence_of(key.as_str()), key.fence());
    assert_eq!(Sidecar::waiters_of(key.as_str()).as_str(), "{mystocks:lock:nightly}:waiters");
    assert_eq!(Sidecar::strangers_of(key.as_str()).as_str(), "{mystocks:lock:nightly}:strangers");
}

#[test]
fn what_is_shared_has_sidecars_in_the_same_slot() {
    let key = Keyspace::default().lock("nightly").unwrap();
    let (permits, shared) = (Sidecar::permits_of(key.as_str()), Sidecar::shared_of(key.as_str()));
    assert_eq!(permits.as_str(), "{mystocks:lock:nightly}:permits");
    assert_eq!(permits.fence().as_str(), "{mystocks:lock:nightly}:permits:fence");
    assert_eq!(permits.queue().as_str(), "{mystocks:lock:nightly}:permits:queue");
    assert_eq!(permits.waiters().as_str(), "{mystocks:lock:nightly}:permits:waiters");
    assert_eq!(shared.as_str(), "{mystocks:lock:nightly}:shared");
    assert_eq!(shared.fence().as_str(), "{mystocks:lock:nightly}:shared:fence");
    assert_eq!(shared.queue().as_str(), "{mystocks:lock:nightly}:shared:queue");
    assert_eq!(shared.waiters().as_str(), "{mystocks:lock:nightly}:shared:waiters");
}

#[test]
fn locks_are_found_by_the_beginning_of_their_resource() {
    let keys = Keyspace::default();
    assert_eq!(keys.locks("").unwrap().as_str(), "mystocks:lock:*");
    assert_eq!(keys.locks("task:batch:").unwrap().as_str(), "mystocks:lock:task:batch:*");
    assert_eq!(keys.locks("task:ba").unwrap().as_str(), "mystocks:lock:task:ba*");
    for refused in ["*", "a::", ":a", "a{", "a?"] {
        assert!(keys.locks(refused).is_err(), "{refused}");
    }
    assert!(keys.locks(&"x".repeat(512)).is_err(), "no lock has such a name");
    let key = keys.lock_task("b-17").unwrap();
    assert_eq!(keys.resource_of(key.as_str()), Some("task:batch:b-17"));
    assert_eq!(keys.resource_of("mystocks:indicator:x"), None);
    assert_eq!(keys.lock_trusted().as_str(), "{mystocks:lock:}:trusted");
}

#[test]
fn channels() {
    let keys = Keyspace::default();
    for (name, expected) in [
        (ChannelName::IndicatorCalculated, "indicator:calculated"),
        (ChannelName::PriceUpdate, "price:update"),
        (ChannelName::TaskUpdated, "task:updated"),
        (ChannelName::ConfigReloaded, "config:reloaded"),
        (ChannelName::Tasks, "events:tasks"),
        (ChannelName::Task("t-1"), "events:task:t-1"),
        (ChannelName::Indicators, "events:indicators"),
        (ChannelName::Market, "events:market"),
        (ChannelName::MarketOf("600519.SH"), "events:market:600519.SH"),
        (ChannelName::System, "events:system"),
        (ChannelName::CacheInvalidated, "cache:invalidated"),
        (ChannelName::CacheFreed("00ff"), "cache:freed:00ff"),
        (ChannelName::LockFreed("00ff"), "lock:freed:00ff"),
    ] {
        let channel = keys.channel(name).unwrap();
        assert_eq!(channel.as_str(), format!("mystocks:{expected}"));
        assert_eq!(channel.name(), expected);
        assert_eq!(keys.channel_of(channel.as_str()), Some(channel.clone()));
        assert_eq!(keys.channel_named(expected), Ok(channel));
    }
    assert!(keys.channel(ChannelName::LockFreed("a:b")).is_err(), "a node is one segment");
    assert_eq!(keys.channel_of("other:events:tasks"), None);
    assert_eq!(keys.channel_of("mystocks:"), None);
}

#[test]
fn a_channel_name_that_repeats_the_prefix_keeps_it() {
    let channel = Keyspace::default().channel_named("mystocks:x").unwrap();
    assert_eq!(channel.as_str(), "mystocks:mystocks:x");
    assert_eq!(channel.name(), "mystocks:x");
}

#[test]
fn prefixes_stand_before_everything() {
    let keys = Keyspace::new(Prefixes {
        cache: "app_".into(),
        bus: "app_bus:".into(),
        lock: "app_lock:".into(),
        session: "sess:".into(),
    })
    .unwrap();
    assert_eq!(keys.entry("a").unwrap().as_str(), "app_a");
    assert_eq!(keys.lock("a").unwrap().as_str(), "app_lock:a");
    assert_eq!(keys.session("a").unwrap().as_str(), "sess:a");
    assert_eq!(keys.channel(ChannelName::Tasks).unwrap().as_str(), "app_bus:events:tasks");
    assert_eq!(keys.pattern("indicator:*").unwrap().as_str(), "app_indicator:*");
    // A bus prefix of its own inside the cache prefix is not the cache's.
    assert!(keys.entry("bus:x").is_err());
    assert!(keys.is_foreign("app_bus:x"));
}

#[test]
fn foreign_is_what_a_pattern_finds_and_the_cache_must_not_touch() {
    let keys = Keyspace::default();
    let lock = keys.lock("nightly").unwrap();
    let session = keys.session("f00").unwrap();
    let entry = keys.entry("lock").unwrap();
    let own = keys.own("bars", &["600519.SH"], None).unwrap();
    let user = keys.session_user("f00").unwrap();
    assert!(keys.entry("session:user:f00").is_err());
    for key in [
        lock.as_str(),
        session.as_str(),
        user.as_str(),
        lock.lease().as_str(),
        entry.lease().as_str(),
        "celery",
    ] {
        assert!(keys.is_foreign(key), "{key}");
    }
    for key in [entry.as_str(), own.as_str(), "mystocks:locksmith"] {
        assert!(!keys.is_foreign(key), "{key}");
    }
}

#[test]
fn what_the_typed_caches_keep_beside_their_entries_is_out_of_reach() {
    let keys = Keyspace::default();
    let marks = [
        (keys.cache_clock().unwrap(), "mystocks:own:_clock"),
        (keys.cache_probe().unwrap(), "mystocks:own:_probe"),
        (keys.cache_cleared("bars").unwrap(), "mystocks:own:_clear:bars"),
        (keys.cache_tag("symbol:600519").unwrap(), "mystocks:own:_tag:symbol:600519"),
        (keys.hot("quote", "600519.SH").unwrap(), "mystocks:own:_hot:quote:600519.SH"),
        (keys.rate("token", "dashboard").unwrap(), "mystocks:own:_rate:token:dashboard"),
    ];
    for (mark, expected) in marks {
        assert_eq!(mark.as_str(), expected);
        assert!(keys.is_foreign(mark.as_str()), "{mark}");
    }
    assert!(keys.own("_tag", &["symbol"], None).is_err());
    assert!(keys.cache_tag("").is_err() && keys.cache_cleared("a:b").is_err());
    let pattern = keys.own_pattern("bars", "6005*").unwrap();
    assert_eq!(pattern.as_str(), "mystocks:own:bars:6005*");
    assert_eq!(pattern.leases().as_str(), "{mystocks:own:bars:6005*}:lease");
    let entry = keys.own("bars", &["600519"], None).unwrap();
    assert_eq!(entry.queue().as_str(), "{mystocks:own:bars:600519}:queue");
}
