//! The seam between durable topics and whoever keeps their entries.

use std::fmt::{self, Debug};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Error;

/// Keeps the entries of durable topics, and who is to handle them, for every process that shares it.
///
/// A topic may be a lane of another: `orders#3` is lane 3 of `orders`. Its entries and its groups are its own; idempotency keys and dead letters are
/// those of the topic.
///
/// Memory and Redis Streams implement it; `conformance` holds one function per promise. It knows bytes and ids; events, handlers and
/// retries are the durable topic's. docs/decisions/0014 says how it works and why.
#[async_trait]
pub trait Log: Debug + Send + Sync + 'static {
    /// Appends entries to a topic, in their order, all of them or none; answers as many as asked.
    ///
    /// # Behavior
    /// - What was appended under the same idempotency key within its window is not appended again ([`Appended::Before`]).
    /// - A [dead letter](Once::Letter) is moved: its entry stands there, and the letter does not any more.
    /// - With [`Room::Safe`], when there is no room for all that is new, even after what all groups have acknowledged was trimmed, all are
    ///   [`Appended::Full`]. With [`Room::Latest`] the oldest give way, and what a group was not given yet is counted ([`GroupState::trimmed`]).
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether they were appended; when each is to be there [once](Append::once) it can be repeated.
    async fn append(&self, topic: &str, room: Room, entries: &[Append<'_>]) -> Result<Vec<Appended>, Error>;

    /// Gives `consumer` at most `count` entries that nobody of its group was given, waiting for one for at most `wait`.
    ///
    /// A consumer that has not [joined](Tend::join), or was taken away, may be given entries that others are given soon after; a
    /// [sole](Consumer::is_sole) one is given nothing then. Its reads do not wait either: [`Shelf::News`] does.
    ///
    /// # Errors
    /// [`ErrorKind::Transport`](crate::ErrorKind::Transport) when the group is not there.
    ///
    /// # Cancel safety
    /// Dropping the future may leave entries with the consumer that it does not know of; see [`Tend::keeps`].
    async fn read(&self, consumer: &Consumer<'_>, count: usize, wait: Duration) -> Result<Vec<Entry>, Error>;

    /// Settles entries that the consumer was given, all of them or, when it was taken away, none. What it has settled before stays as it is.
    async fn settle(&self, consumer: &Consumer<'_>, settlements: &[Settle<'_>]) -> Result<Settled, Error>;

    /// Renews the lease of a consumer, takes away consumers whose leases have ended, and gives this one what is due.
    async fn tend(&self, consumer: &Consumer<'_>, tend: &Tend<'_>) -> Result<Tended, Error>;

    /// Returns entries of a shelf.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    async fn range(&self, shelf: Shelf<'_>, part: Part) -> Result<Vec<Entry>, Error>;

    /// Returns how a group stands.
    async fn state(&self, topic: &str, group: &str) -> Result<GroupState, Error>;
}

/// Where an entry stands in its topic; later entries have greater ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// When it was appended, in milliseconds since the epoch by the server's clock.
    pub millis: u64,
    /// Which one of that millisecond.
    pub sequence: u64,
}

/// An entry to append.
#[derive(Debug, Clone, Copy)]
pub struct Append<'a> {
    /// What it is.
    pub payload: &'a [u8],
    /// How it is known that it stands there before; without, each call appends it.
    pub once: Option<Once<'a>>,
}

/// What keeps an entry from being appended twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once<'a> {
    /// A key that is known for so long.
    Key(&'a str, Duration),
    /// The dead letter that it takes the place of: it is there for this group alone, as if it were new.
    Letter {
        /// Whose dead letter it is.
        group: &'a str,
        /// Which.
        id: Id,
    },
}

/// How many entries a topic keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// At most so many, and nothing is taken that a group has not acknowledged.
    Safe(u64),
    /// The latest ones, so many and at most a hundredth and never 128 more; a group that does not follow loses what is older.
    Latest(u64),
}

/// Which entries to read, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The first ones that come after this one.
    After {
        /// The one before; without, it begins with the first.
        id: Option<Id>,
        /// How many at most.
        count: usize,
        /// How long one is waited for when there is none; what a group has is not waited for.
        wait: Duration,
    },
    /// The last one.
    Last,
}

/// What became of an entry to append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It stands there now.
    Now(Id),
    /// It stood there before.
    Before(Id),
    /// The dead letter is not there (any more): it was moved before, or by somebody else.
    Gone,
    /// There is no room.
    Full,
}

impl Appended {
    /// Returns where it stands, if it does.
    pub fn id(&self) -> Option<Id> {
        match self {
            Self::Now(id) | Self::Before(id) => Some(*id),
            Self::Gone | Self::Full => None,
        }
    }
}

/// One incarnation of a consumer.
#[derive(Debug, Clone, Copy)]
pub struct Consumer<'a> {
    /// Of which topic.
    pub topic: &'a str,
    /// With whom it shares the entries.
    pub group: &'a str,
    /// Its own name, that no other has ever had.
    pub name: &'a str,
    /// How long it is taken for alive without [`Log::tend`].
    pub lease: Duration,
    /// Whether it joins only while no other of its group is taken for alive, and reads only as long as it is itself.
    pub is_sole: bool,
}

/// An entry that was given to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub id: Id,
    /// Which one it is of all that were ever appended to the topic, from 1 on without a hole; 0 for a dead letter.
    pub number: u64,
    /// What it is.
    pub payload: Bytes,
    /// The group that it is for; without, it is for all. Others acknowledge and pass over it.
    pub only: Option<String>,
    /// How often it was given to a handler, this time included; 0 when it was only read.
    pub deliveries: u64,
    /// Whether who had it last died, maybe of it.
    pub orphaned: bool,
    /// Why it is a dead letter.
    pub death: Option<Death>,
}

/// How an entry became a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The entry that it was.
    pub id: Id,
    /// Why it was given up.
    pub reason: String,
    /// When, in milliseconds since the epoch by the server's clock.
    pub at: u64,
}

/// What to do with an entry that was given to somebody.
#[derive(Debug, Clone, Copy)]
pub struct Settle<'a> {
    /// Which.
    pub id: Id,
    /// What.
    pub verdict: Verdict<'a>,
}

/// How the handling of an entry ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is done.
    Done,
    /// It is to be given to somebody again after so long.
    Again(Duration),
    /// It is given up, for this reason.
    Dead(&'a str),
}

/// How entries stood that were to be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The consumer had them, and they are settled.
    Settled,
    /// The consumer was taken away, and with it all it had; nothing was done.
    Lost,
}

/// Where a new group begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the first entry that there is.
    First,
    /// With the first after this one.
    After(Id),
    /// With what is appended from now on.
    Now,
}

/// What to look after.
#[derive(Debug, Clone, Copy)]
pub struct Tend<'a> {
    /// Makes the consumer, with a lease, when it is not there, and its group, which then begins here.
    pub join: Option<Start>,
    /// How many entries that wait the consumer can take.
    pub room: usize,
    /// Of what waits, takes none but these.
    pub only: Option<&'a [Id]>,
    /// After how many deliveries an entry of a consumer that died is given up.
    pub deliveries: u64,
    /// From which delivery on an [orphan](Entry::orphaned) is given alone, with nothing else: it may be what consumers die of.
    pub alone: u64,
    /// Whether the consumer can take such an orphan now; else it waits, and others that are due are given.
    pub takes_alone: bool,
    /// Gives back all that the consumer was given but these, to wait for others at once: an answer was lost, and with it what it was given.
    pub keeps: Option<&'a [Id]>,
    /// Whether the consumer goes: what it holds waits for others at once.
    pub leave: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tended {
    /// Whether the consumer is still taken for alive; else it was taken away, and holds nothing any more.
    pub is_alive: bool,
    /// What it is given.
    pub entries: Vec<Entry>,
    /// Entries that are pending and that a trimming took away: they can never be handled.
    pub trimmed: u64,
    /// When the next entry that waits, of [those](Tend::only) that were asked for, is due; `None` when none waits.
    pub due: Option<Duration>,
    /// Up to which entry the group was given its entries; told to who joins.
    pub reached: Option<Id>,
}

/// Where entries stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf<'a> {
    /// Those of a topic.
    Topic(&'a str),
    /// Those that a group gave up.
    Dead {
        /// Of which topic.
        topic: &'a str,
        /// Which group.
        group: &'a str,
    },
    /// Those of a group that wait to be given again, due or not; what was trimmed has nothing in it.
    Waiting {
        /// Of which topic.
        topic: &'a str,
        /// Which group.
        group: &'a str,
    },
    /// Of each of these topics, in their order, the first entry after this one, or, where there is none, one with the same id and nothing in it.
    /// Of the part only the time counts, for which it is waited until there is one anywhere.
    News(&'a [(&'a str, Id)]),
}

/// How a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupState {
    /// Entries of the topic.
    pub entries: u64,
    /// Of these, how many nobody of the group was given yet.
    pub lag: u64,
    /// Given to consumers and not settled.
    pub pending: u64,
    /// Of the pending ones, how many wait to be given again.
    pub waiting: u64,
    /// Dead letters.
    pub dead: u64,
    /// Consumers whose lease stands.
    pub consumers: u64,
    /// Entries that were trimmed before anybody of the group was given them.
    pub trimmed: u64,
    /// The first entry that is not settled, whoever has it or nobody: all before it are done or dead letters.
    pub oldest: Option<Id>,
}

impl Entry {
    /// Makes one with nothing in it.
    pub(crate) fn nothing(id: Id) -> Self {
        Self { id, number: 0, payload: Bytes::new(), only: None, deliveries: 0, orphaned: false, death: None }
    }
}

impl Id {
    /// Stands before all others.
    pub const FIRST: Self = Self { millis: 0, sequence: 0 };
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.sequence)
    }
}
