//! What `Debug` shows of the seam: never a token, because whoever has it can release the lock.

use std::fmt::{Debug, Formatter, Result};

use super::{Acquire, Holder, Keep, Release, Signal};

struct Hidden;

impl Debug for Hidden {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("***")
    }
}

impl Debug for Acquire<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { spot, token: _, ttl, fence, owner, fair, place } = self;
        f.debug_struct("Acquire")
            .field("spot", spot)
            .field("token", &Hidden)
            .field("ttl", ttl)
            .field("fence", fence)
            .field("owner", owner)
            .field("fair", fair)
            .field("place", place)
            .finish()
    }
}

impl Debug for Keep<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Held { spot, token: _, ttl, is_least, owner } => f
                .debug_struct("Held")
                .field("spot", spot)
                .field("token", &Hidden)
                .field("ttl", ttl)
                .field("is_least", is_least)
                .field("owner", owner)
                .finish(),
            Self::Waiting { spot, token: _, ttl, lease } => f
                .debug_struct("Waiting")
                .field("spot", spot)
                .field("token", &Hidden)
                .field("ttl", ttl)
                .field("lease", lease)
                .finish(),
        }
    }
}

impl Debug for Release<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { spot, token, leaves } = self;
        f.debug_struct("Release")
            .field("spot", spot)
            .field("token", &token.map(|_| Hidden))
            .field("leaves", leaves)
            .finish()
    }
}

impl Debug for Holder {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { token: _, weight, ttl, grant } = self;
        f.debug_struct("Holder")
            .field("token", &Hidden)
            .field("weight", weight)
            .field("ttl", ttl)
            .field("grant", grant)
            .finish()
    }
}

impl Debug for Signal {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Up => f.write_str("Up"),
            Self::Down => f.write_str("Down"),
            Self::Handed { token: _, fence } => {
                f.debug_struct("Handed").field("token", &Hidden).field("fence", fence).finish()
            }
            Self::Taken(_) => f.debug_tuple("Taken").field(&Hidden).finish(),
            Self::Touched(key) => f.debug_tuple("Touched").field(key).finish(),
            Self::AllTouched => f.write_str("AllTouched"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::backend::{Kind, LockBackend, Spot, State};
    use crate::memory::MemoryLocks;

    #[tokio::test]
    async fn nothing_shows_a_token() {
        let (spot, token, ttl) =
            (Spot { key: "k", kind: Kind::Exclusive }, "a-secret", Duration::from_secs(9));
        let want = Acquire { spot, token, ttl, fence: Some(7), owner: "{}", fair: true, place: None };
        let holder = Holder { token: token.to_owned(), weight: 3, ttl: None, grant: None };
        let locks = MemoryLocks::new();
        locks.acquire(&want).await.unwrap();
        let shown = [
            format!("{want:?}"),
            format!("{:?}", Keep::Held { spot, token, ttl, is_least: true, owner: None }),
            format!("{:?}", Release { spot, token: Some(token), leaves: Some(ttl) }),
            format!("{:?}", State { holders: vec![holder], waiters: 2 }),
            format!("{:?}", Signal::Taken(token.to_owned())),
            format!("{:?}", Signal::Handed { token: token.to_owned(), fence: 7 }),
            format!("{:?}", Keep::Waiting { spot, token, ttl, lease: ttl }),
            format!("{locks:?}"),
        ];
        for text in &shown {
            assert!(text.contains("***") && !text.contains(token), "{text}");
        }
        assert!(shown[0].contains("fence: Some(7)") && shown[2].contains("leaves: Some(9s)"), "{shown:?}");
        assert!(format!("{:?}", Release { spot, token: None, leaves: None }).contains("token: None"));
    }
}
