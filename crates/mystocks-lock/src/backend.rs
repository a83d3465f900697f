//! The seam between the locks and whoever keeps them.

mod shown;

use std::any::Any;
use std::fmt::{self, Debug};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Error;

/// Keeps locks, semaphores and read-write locks for every process that shares it.
///
/// Memory, Redis and a quorum of others implement it; `conformance` holds one function per promise. It knows whole keys and
/// tokens; resources, guards and renewal are the [`Locker`](crate::Locker)'s. One value stands for one process.
///
/// Times to live are at least a millisecond and whole milliseconds; the locker sees to that.
#[async_trait]
pub trait LockBackend: Debug + Send + Sync + 'static {
    /// Takes what is asked for if it is free, and else, when a [`Place`] is asked for too, takes or keeps a place in the queue.
    ///
    /// # Behavior
    /// - Asked again with the token that holds it, it grants it again, with no smaller fence, for at least the time to live: an
    ///   acquisition whose answer was lost can be repeated, and one that comes late shortens nothing. So can one that got a place.
    /// - The fence is greater than every one granted before for this spot, also when all data was lost in between.
    /// - Who is granted has no place in the queue any more, however that came about.
    /// - Who asks for a place overtakes who has one, unless that is to be [fair](Acquire::fair) or the first has waited for 0.5 s.
    /// - Whose process does not [`listen`](Self::listen) when its turn comes is passed over, and loses its place. When it has waited
    ///   for 2 s it gets it all the same, but only for as long as its place is kept: asking again shows that it is alive.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether it was granted; [`release`](Self::release) takes both back.
    async fn acquire(&self, want: &Acquire<'_>) -> Result<Acquired, Error>;

    /// Sets the times to live of what is held, and of places in queues; answers as many as asked, in that order.
    async fn keep(&self, leases: &[Keep<'_>]) -> Result<Vec<Kept>, Error>;

    /// Releases what is held and leaves the queue; answers how each stood.
    ///
    /// What is free then is handed to those at the head of the queue for whom there is enough, each for the time to live that it asked for,
    /// and they are told ([`Signal::Handed`]).
    async fn release(&self, releases: &[Release<'_>]) -> Result<Vec<Standing>, Error>;

    /// Returns who holds each spot and how many wait for it.
    async fn inspect(&self, spots: &[Spot<'_>]) -> Result<Vec<State>, Error>;

    /// Returns some of the locks ([`Kind::Exclusive`]) that are held and whose keys begin with `beginning`, and where to go on:
    /// `None` at the end. A lock that is held during the whole walk is among them, perhaps twice.
    async fn scan(&self, beginning: &str, cursor: Option<u64>) -> Result<(Vec<String>, Option<u64>), Error>;

    /// Calls `hear` with what concerns this process, from now on until what it returns is dropped; the first signal is `Up` or
    /// `Down`.
    ///
    /// A signal that is lost costs time only: [`keep`](Self::keep) says of who was handed something that its place is gone, and
    /// asking again grants what is held.
    fn listen(&self, hear: Hear) -> Listening;
}

/// Takes in what a process is told. It is called by whoever reads the connection: it has to be quick, and must neither wait nor call
/// the backend nor end the listening.
pub type Hear = Arc<dyn Fn(Signal) + Send + Sync>;

/// Ends the listening when it is dropped.
pub struct Listening {
    _until: Box<dyn Any + Send + Sync>,
}

impl Listening {
    /// Makes a listening that ends with `what`.
    pub fn until_dropped(what: impl Any + Send + Sync) -> Self {
        Self { _until: Box::new(what) }
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listening")
    }
}

/// In which way a resource is shared. Spots of different kinds under one key know nothing of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// By nobody: a lock, as the platform's other programs know it.
    Exclusive,
    /// By holders of permits: a semaphore.
    Permits(Share),
    /// By readers, or by one writer who takes it all: a read-write lock.
    ReadWrite(Share),
}

/// What part of a resource somebody takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Share {
    /// How much is taken, at least 1 and at most `of`.
    pub weight: u32,
    /// How much there is.
    pub of: u32,
}

impl Kind {
    /// Returns the part that is taken; all of it of a lock.
    pub fn share(self) -> Share {
        match self {
            Self::Exclusive => Share { weight: 1, of: 1 },
            Self::Permits(share) | Self::ReadWrite(share) => share,
        }
    }
}

/// A place that can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spot<'a> {
    /// The whole key.
    pub key: &'a str,
    /// How it is shared.
    pub kind: Kind,
}

/// A wish to hold a spot.
#[derive(Clone, Copy)]
pub struct Acquire<'a> {
    /// What is wanted.
    pub spot: Spot<'a>,
    /// By which the holder is known; nobody else's.
    pub token: &'a str,
    /// For how long it is held.
    pub ttl: Duration,
    /// What the fence is at least; `None` for no fence.
    pub fence: Option<u64>,
    /// Who asks, for [`Grant::owner`]; kept together with the fence.
    pub owner: &'a str,
    /// Whether those who wait in the queue come first, all of them or those before the own place.
    pub fair: bool,
    /// A place in the queue when it is busy.
    pub place: Option<Place>,
}

/// A place in a queue, known by the token of who waits and the time to live that it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What it drew when it came, 0 before: who lost the place gets it back.
    pub ticket: u64,
    /// For how long it is kept without being heard of.
    pub lease: Duration,
}

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acquired {
    /// It is held. The fence is there if one was asked for.
    Granted {
        /// Greater than every one before.
        fence: Option<NonZeroU64>,
    },
    /// Somebody else holds it, or comes first.
    Busy {
        /// When there may be a change that nobody will be told of, such as the end of the holder's time to live.
        retry_after: Option<Duration>,
        /// The place, if one was asked for and there are queues.
        queued: Option<Queued>,
    },
}

/// A place that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// To be shown when the place is asked for again.
    pub ticket: u64,
    /// Whether nobody is before it: only the first looks after what nobody is told of.
    pub is_first: bool,
    /// The last fence that was granted, 0 when none is known: what was handed with no greater one is no longer held.
    pub last: u64,
}

/// A lease to be kept.
#[derive(Clone, Copy)]
pub enum Keep<'a> {
    /// What is held.
    Held {
        /// What it is.
        spot: Spot<'a>,
        /// Who holds it.
        token: &'a str,
        /// For how long from now on.
        ttl: Duration,
        /// Whether it is held for at least so long: what ends later is left as it is. So a request that comes late shortens
        /// nothing.
        is_least: bool,
        /// Who holds it, for [`Grant::owner`], when that is not known yet: it was handed over.
        owner: Option<&'a str>,
    },
    /// A place in the queue of a spot.
    Waiting {
        /// What is waited for.
        spot: Spot<'a>,
        /// Who waits.
        token: &'a str,
        /// For how long it asked to hold it.
        ttl: Duration,
        /// For how long the place is kept from now on.
        lease: Duration,
    },
}

/// How a lease stands after [`LockBackend::keep`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// What was held is held.
    Held,
    /// The place is kept, with somebody before it.
    Waiting,
    /// The place is kept, and it is the first.
    First,
    /// It is nobody's any more.
    Gone,
    /// Somebody else holds it.
    TakenOver,
}

/// What is to be given back.
#[derive(Clone, Copy)]
pub struct Release<'a> {
    /// What it is.
    pub spot: Spot<'a>,
    /// Who holds it; `None` takes it from whoever does, all of them. Whoever took it last is told so.
    pub token: Option<&'a str>,
    /// For how long it asked to hold it, when it may have a place in the queue: it leaves it.
    pub leaves: Option<Duration>,
}

/// How what was given back stood before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It was held.
    Held,
    /// It was nobody's any more.
    Gone,
    /// Somebody else holds it.
    TakenOver,
    /// It was taken by force, from these.
    Forced(State),
}

/// Who holds a spot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The holders: one of a lock at most.
    pub holders: Vec<Holder>,
    /// How many live waiters there are in the queue.
    pub waiters: u64,
}

/// One holder of a spot.
#[derive(Clone, PartialEq, Eq)]
pub struct Holder {
    /// By which it is known.
    pub token: String,
    /// What part it holds.
    pub weight: u32,
    /// For how long from now; `None` for ever, which only other programs do.
    pub ttl: Option<Duration>,
    /// What is known of who took it with a fence.
    pub grant: Option<Grant>,
}

/// What is known of who took a spot with a fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The fence.
    pub fence: u64,
    /// When it was granted, in milliseconds since the Unix epoch, on the backend's clock.
    pub at: u64,
    /// What [`Acquire::owner`] said.
    pub owner: String,
}

/// What a process is told.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// From now on nothing is missed.
    Up,
    /// Something may have been missed since some time before.
    Down,
    /// What was waited for with this token is held. It was handed over after the last answer that said it was waited for, for the time
    /// to live that was asked for then.
    Handed {
        /// Who waited.
        token: String,
        /// The fence it was granted with, whether or not one was asked for.
        fence: u64,
    },
    /// What was held with this token was taken away.
    Taken(String),
    /// The lock with this whole key was written or removed by somebody else.
    Touched(String),
    /// Any lock may have been.
    AllTouched,
}
