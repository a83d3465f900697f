//! The scripts, each with the functions it calls.

pub(super) use mystocks_redis_core::Script;

macro_rules! script {
    ($($file:literal)*) => {
        Script::new(concat!($(include_str!($file)),*))
    };
}

pub(super) static TAKE: Script = script!("clock.lua" "sight.lua" "take.lua");
pub(super) static WAIT: Script = script!("wait.lua");
pub(super) static RENEW: Script = script!("renew.lua");
pub(super) static COMMIT: Script = script!("clock.lua" "wake.lua" "tell.lua" "sight.lua" "commit.lua");
pub(super) static RELEASE: Script = script!("wake.lua" "release.lua");
pub(super) static INVALIDATE: Script = script!("clock.lua" "wake.lua" "tell.lua" "invalidate.lua");
pub(super) static MARK: Script = script!("clock.lua" "mark.lua");
pub(super) static RECHECK: Script = script!("clock.lua" "recheck.lua");
