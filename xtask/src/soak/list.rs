//! Which long runs there are.

pub(super) const MINUTES: &str = "MYSTOCKS_MINUTES";

/// A test target that takes its length and its seed from the environment.
pub(super) struct Soak {
    pub(super) name: &'static str,
    pub(super) package: &'static str,
    pub(super) test: &'static str,
    /// The feature it stands behind, when `test` is not to build it.
    pub(super) feature: Option<&'static str>,
    /// Those of its tests that are to run, one after the other.
    pub(super) tests: &'static [&'static str],
    /// How long it runs when nobody says for how many minutes.
    pub(super) length: (&'static str, u64),
    pub(super) redis: bool,
}

pub(super) const SOAKS: [Soak; 7] = [
    Soak {
        name: "fuzz",
        package: "mystocks-cache",
        test: "fuzz",
        feature: None,
        tests: &["fuzzed_"],
        length: ("MYSTOCKS_PAYLOADS", 1_000_000),
        redis: false,
    },
    Soak {
        name: "interleavings",
        package: "mystocks-cache",
        test: "interleavings",
        feature: None,
        tests: &["no_read_is_older_"],
        length: ("MYSTOCKS_INTERLEAVINGS", 100_000),
        redis: false,
    },
    Soak {
        name: "law",
        package: "mystocks-cache",
        test: "cache",
        feature: None,
        tests: &["law::nothing_is_served_past_its_time"],
        length: ("MYSTOCKS_STEPS", 1_000_000),
        redis: false,
    },
    Soak {
        name: "cache",
        package: "mystocks-tests",
        test: "soak",
        feature: Some("soak"),
        tests: &["cache"],
        length: (MINUTES, 10),
        redis: true,
    },
    Soak {
        name: "lock",
        package: "mystocks-tests",
        test: "locks",
        feature: None,
        tests: &[
            "held::thousands_are_held_by_one_task_and_few_commands",
            "permits::a_killed_holder_leaks_no_permit",
            "register::stale_writes_are_refused",
            "restarted::two_servers_that_forgot",
            "stopped::who_was_stopped_past_the_end_knows_it_at_once",
        ],
        length: (MINUTES, 10),
        redis: true,
    },
    Soak {
        name: "bus",
        package: "mystocks-tests",
        test: "bus",
        feature: None,
        tests: &[
            "chaos::killed_stopped_and_cut_off_they_handle_everything",
            "gaps::what_a_lost_connection_costs_is_told",
            "handling::poison_lies_aside_and_takes_nothing_with_it",
            "handling::what_takes_long_is_handled_once",
            "gaps::what_a_restarted_server_costs_is_told",
            "lanes::killed_and_stopped_they_keep_the_order_of_each_key",
        ],
        length: (MINUTES, 10),
        redis: true,
    },
    Soak {
        name: "fixation",
        package: "mystocks-tests",
        test: "fixation",
        feature: None,
        tests: &["outage::nothing_is_lost_and_nothing_is_there_twice"],
        // It is as long as its outage asks for, whatever the minutes.
        length: (MINUTES, 2),
        redis: true,
    },
];
