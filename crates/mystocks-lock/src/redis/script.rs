//! The scripts, each with the functions it calls.

pub(super) use mystocks_redis_core::Script;

use crate::backend::Kind;

macro_rules! script {
    ($($file:literal)*) => {
        Script::new(concat!($(include_str!($file)),*))
    };
}

/// How what is held stands in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A token in a key.
    Lock,
    /// Holders of permits in a sorted set.
    Permits,
}

impl Shape {
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Exclusive => Self::Lock,
            Kind::Permits(_) | Kind::ReadWrite(_) => Self::Permits,
        }
    }

    pub(super) fn fits(self, kind: Kind) -> bool {
        Self::of(kind) == self
    }
}

/// One script for each shape.
pub(super) struct Pair {
    lock: Script,
    permits: Script,
}

impl Pair {
    pub(super) fn of(&self, kind: Kind) -> &Script {
        self.shape(Shape::of(kind))
    }

    pub(super) fn shape(&self, shape: Shape) -> &Script {
        match shape {
            Shape::Lock => &self.lock,
            Shape::Permits => &self.permits,
        }
    }
}

macro_rules! pair {
    (lock $($lock:literal)*; permits $($permits:literal)*; both $($file:literal)*) => {
        Pair {
            lock: script!($($lock)* "lock.lua" $($file)*),
            permits: script!($($permits)* "permits.lua" $($file)*),
        }
    };
}

pub(super) static ACQUIRE: Pair = pair!(
    lock "clock.lua" "fence.lua" "asked.lua" "free.lua";
    permits "clock.lua" "fence.lua" "asked.lua";
    both "queue.lua" "strangers.lua" "hand.lua" "quarantine.lua" "acquire.lua"
);
pub(super) static KEEP: Pair = pair!(lock; permits "clock.lua"; both "keep.lua");
pub(super) static ADOPT: Pair = pair!(lock "clock.lua"; permits "clock.lua"; both "fence.lua" "adopt.lua");
pub(super) static RELEASE: Pair = pair!(
    lock "unwanted.lua" "clock.lua";
    permits "clock.lua";
    both "fence.lua" "queue.lua" "strangers.lua" "hand.lua" "release.lua"
);
pub(super) static FORCE: Pair = pair!(lock "clock.lua"; permits "clock.lua"; both "fence.lua" "queue.lua" "strangers.lua" "hand.lua" "seen.lua" "force.lua");
pub(super) static WAIT: Script = script!("clock.lua" "queue.lua" "wait.lua");
pub(super) static INSPECT: Script = script!("clock.lua" "seen.lua" "inspect.lua");
