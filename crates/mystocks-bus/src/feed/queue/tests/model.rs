//! The queue against a list that does the same slowly, and against the ledger of what went in and came out.

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::Instant;

use super::Bench;
use crate::feed::{Counts, Message, Next, Overflow};
use crate::gap::Gap;

#[derive(Debug, Clone)]
enum Step {
    Push(Option<u8>, usize),
    Pop,
    Up,
    /// The connection last spoke so long ago.
    Down(u64),
    Owe,
    Close,
}

#[derive(Debug, Clone, PartialEq)]
enum Entry {
    Message { number: u64, key: Option<u8>, len: usize },
    Gap { gap: Gap, lost: Vec<u64> },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stand {
    Coming(Option<u64>),
    Up(u64),
    Down(u64),
    Full,
    Ended,
}

struct Model {
    overflow: Overflow,
    messages: usize,
    bytes: usize,
    begun: Instant,
    entries: Vec<Entry>,
    stand: Stand,
    received: Vec<(u64, Option<u8>)>,
    taken: Vec<Entry>,
}

impl Model {
    fn room_is_exceeded(&self) -> bool {
        let lens: Vec<usize> = self.entries.iter().filter_map(len_of).collect();
        lens.len() > self.messages || lens.len() > 1 && lens.iter().sum::<usize>() > self.bytes
    }

    fn push(&mut self, number: u64, key: Option<u8>, len: usize) {
        if !matches!(self.stand, Stand::Up(_) | Stand::Full) {
            return;
        }
        self.received.push((number, key));
        if self.stand == Stand::Full {
            return self.lose_at(self.entries.len(), number);
        }
        let disconnected = |entry: &Entry| matches!(entry, Entry::Gap { gap, .. } if gap.disconnected);
        let stretch = self.entries.iter().rposition(disconnected).map_or(0, |at| at + 1);
        let same = self.entries.iter().skip(stretch).position(
            |entry| matches!(entry, Entry::Message { key: earlier, .. } if key.is_some() && *earlier == key),
        );
        match same.filter(|_| self.overflow == Overflow::Conflate) {
            Some(at) => self.entries[stretch + at] = Entry::Message { number, key, len },
            None => self.entries.push(Entry::Message { number, key, len }),
        }
        if self.overflow == Overflow::Disconnect && self.room_is_exceeded() {
            self.entries.pop();
            self.stand = Stand::Full;
            return self.lose_at(self.entries.len(), number);
        }
        while self.overflow != Overflow::Wait && self.room_is_exceeded() {
            let oldest = self.entries.iter().position(|entry| len_of(entry).is_some()).unwrap();
            let Entry::Message { number, .. } = self.entries.remove(oldest) else { unreachable!() };
            self.lose_at(oldest, number);
        }
    }

    fn lose_at(&mut self, at: usize, number: u64) {
        let when = self.at(number);
        self.entries.insert(at, Entry::Gap { gap: Gap::dropped(when), lost: vec![number] });
        self.join();
    }

    fn disconnected(&mut self, since: u64, until: u64) {
        let gap = Gap::disconnected(self.at(since), self.at(until));
        self.entries.push(Entry::Gap { gap, lost: Vec::new() });
        self.join();
    }

    /// Makes one of gaps with nothing between them.
    fn join(&mut self) {
        let mut joined: Vec<Entry> = Vec::new();
        for entry in self.entries.drain(..) {
            match (joined.last_mut(), entry) {
                (Some(Entry::Gap { gap, lost }), Entry::Gap { gap: next, lost: more }) => {
                    gap.since = gap.since.min(next.since);
                    gap.until = gap.until.max(next.until);
                    gap.dropped += next.dropped;
                    gap.disconnected |= next.disconnected;
                    lost.extend(more);
                }
                (_, entry) => joined.push(entry),
            }
        }
        self.entries = joined;
    }

    fn at(&self, millis: u64) -> Instant {
        self.begun + std::time::Duration::from_millis(millis)
    }

    fn pop(&mut self) {
        if !self.entries.is_empty() {
            self.taken.push(self.entries.remove(0));
        }
        if self.entries.is_empty() && self.stand == Stand::Full {
            self.stand = Stand::Ended;
        }
    }

    fn up(&mut self, now: u64) {
        match self.stand {
            Stand::Coming(Some(since)) | Stand::Down(since) => self.disconnected(since, now),
            Stand::Coming(None) => {}
            _ => return,
        }
        self.stand = Stand::Up(now);
    }

    fn close(&mut self, now: u64) {
        if let Stand::Coming(Some(since)) | Stand::Down(since) = self.stand {
            self.disconnected(since, now);
        }
        self.stand = Stand::Ended;
    }

    fn step(&mut self, now: u64, step: &Step) {
        match (step, self.stand) {
            (Step::Push(key, len), _) => self.push(now, *key, *len),
            (Step::Pop, _) => self.pop(),
            (Step::Up, _) => self.up(now),
            (Step::Down(ago), Stand::Up(up)) => self.stand = Stand::Down(now.saturating_sub(*ago).max(up)),
            (Step::Owe, Stand::Coming(_)) => self.stand = Stand::Coming(Some(now)),
            (Step::Close, _) => self.close(now),
            (Step::Down(_) | Step::Owe, _) => {}
        }
    }

    /// Checks that whatever came is handed over, replaced by a later one of its key, or lost in the one gap that stands there.
    fn check_ledger(&self, counts: Counts) {
        let lost = |entry: &Entry| if let Entry::Gap { lost, .. } = entry { lost.clone() } else { vec![] };
        let handed = |entry: &Entry| number_of(entry);
        let all_lost: Vec<u64> = self.taken.iter().flat_map(lost).collect();
        let all_handed: Vec<u64> = self.taken.iter().filter_map(handed).collect();
        let mut conflated = 0;
        for (number, key) in &self.received {
            let ends = all_lost.iter().chain(&all_handed).filter(|end| *end == number).count();
            let is_replaced = self.received.iter().any(|(later, same)| later > number && same == key);
            match ends {
                0 => assert!(self.overflow == Overflow::Conflate && key.is_some() && is_replaced, "{number}"),
                ends => assert_eq!(ends, 1, "{number}"),
            }
            conflated += usize::from(ends == 0);
        }
        assert_eq!(counts.conflated, conflated as u64);
        assert_eq!(counts.dropped, all_lost.len() as u64);
        assert_eq!(counts.delivered, all_handed.len() as u64);
        assert_eq!(counts.received, self.received.len() as u64);
        if self.overflow != Overflow::Conflate {
            let order: Vec<u64> =
                self.taken.iter().flat_map(|entry| number_of(entry).into_iter().chain(lost(entry))).collect();
            assert!(order.is_sorted(), "a gap stands between its neighbours: {order:?}");
        }
    }
}

fn number_of(entry: &Entry) -> Option<u64> {
    if let Entry::Message { number, .. } = entry { Some(*number) } else { None }
}

fn len_of(entry: &Entry) -> Option<usize> {
    if let Entry::Message { len, .. } = entry { Some(*len) } else { None }
}

fn same(next: &Next, entry: &Entry) -> bool {
    match (next, entry) {
        (Next::Message(message), Entry::Message { number, len, .. }) => {
            *message.channel == *number.to_string() && message.payload.len() == *len
        }
        (Next::Gap(gap), Entry::Gap { gap: expected, lost }) => {
            gap == expected && gap.dropped == lost.len() as u64
        }
        _ => false,
    }
}

fn check_sizes(bench: &Bench, overflow: Overflow, (messages, bytes): (usize, usize)) {
    let queue = &bench.queue;
    let waiting: Vec<&Message> = queue
        .waiting
        .iter()
        .filter_map(|next| if let Next::Message(one) = next { Some(one) } else { None })
        .collect();
    let sum: usize = waiting.iter().map(|message| message.payload.len()).sum();
    assert_eq!((queue.messages, queue.bytes), (waiting.len(), sum));
    // Where publishers wait the last one may reach beyond.
    let last = waiting.last().map_or(0, |message| message.payload.len());
    let free = if overflow == Overflow::Wait { last.saturating_sub(1) } else { 0 };
    assert!(waiting.len() <= messages && (waiting.len() <= 1 || sum <= bytes + free), "{sum} bytes");
    assert!(queue.waiting.len() <= 2 * waiting.len() + 1, "gaps with nothing between them");
    assert!(queue.latest.len() <= waiting.len());
    for (key, number) in &queue.latest {
        let at = usize::try_from(number - queue.first).unwrap();
        let Next::Message(message) = &queue.waiting[at] else { panic!("{key} is a gap") };
        assert_eq!(message.key.as_ref(), Some(key));
    }
    let Counts { received, delivered, skipped, undecodable, dropped, conflated, waiting, .. } =
        queue.counts();
    assert_eq!(received, delivered + skipped + undecodable + dropped + conflated + waiting);
}

fn run(overflow: Overflow, room: (usize, usize), steps: &[Step]) {
    // Only where it counts has a message a key.
    let keyed = |step: &Step| match step {
        Step::Push(_, len) if overflow != Overflow::Conflate => Step::Push(None, *len),
        step => step.clone(),
    };
    let steps: Vec<Step> = steps.iter().map(keyed).collect();
    let mut bench = Bench::new(overflow, room.0, room.1);
    let mut model = Model {
        overflow,
        messages: room.0,
        bytes: room.1,
        begun: bench.begun,
        entries: Vec::new(),
        stand: Stand::Coming(None),
        received: Vec::new(),
        taken: Vec::new(),
    };
    let finish = std::iter::once(&Step::Close).chain(std::iter::repeat_n(&Step::Pop, 2 * steps.len()));
    for (now, step) in (1..).zip(steps.iter().chain(finish)) {
        match step {
            // Publishers push when there is room.
            Step::Push(..) if overflow == Overflow::Wait && !bench.queue.has_room(1) => continue,
            Step::Push(key, len) => bench.push(now, key.map(|key| key.to_string()).as_deref(), *len),
            Step::Pop => {
                let expected = model.entries.first();
                let next = bench.queue.pop();
                assert!(next.is_some() == expected.is_some(), "{next:?} {expected:?}");
                assert!(next.iter().zip(expected).all(|(next, expected)| same(next, expected)));
                check_sizes(&bench, overflow, room);
                if let Some(Next::Message(_)) = next {
                    bench.queue.count(|counts| counts.delivered += 1);
                }
            }
            Step::Up => bench.queue.up(bench.at(now)),
            Step::Down(ago) => bench.queue.down(bench.at(now.saturating_sub(*ago))),
            Step::Owe => bench.queue.owe(bench.at(now)),
            Step::Close => bench.queue.close(bench.at(now)),
        }
        model.step(now, step);
        check_sizes(&bench, overflow, room);
        assert_eq!(bench.queue.waiting.len(), model.entries.len(), "{step:?}");
        let pairs = || bench.queue.waiting.iter().zip(&model.entries);
        assert!(
            pairs().all(|(next, entry)| same(next, entry)),
            "{step:?}: {:?}",
            pairs().collect::<Vec<_>>()
        );
        assert_eq!(bench.queue.has_ended(), matches!(model.stand, Stand::Full | Stand::Ended));
    }
    assert!(bench.queue.waiting.is_empty() && bench.queue.latest.is_empty());
    assert_eq!(
        bench.queue.counts.gaps,
        model.taken.iter().filter(|one| len_of(one).is_none()).count() as u64
    );
    model.check_ledger(bench.queue.counts());
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => (proptest::option::weighted(0.8, 0_u8..4), 0_usize..12).prop_map(|(key, len)| Step::Push(key, len)),
        20 => Just(Step::Pop),
        8 => Just(Step::Up),
        3 => (0_u64..6).prop_map(Step::Down),
        1 => Just(Step::Owe),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn the_queue_does_what_the_model_does(
        overflow in prop_oneof![
            Just(Overflow::DropOldest), Just(Overflow::Conflate), Just(Overflow::Disconnect), Just(Overflow::Wait)
        ],
        room in (1_usize..6, 1_usize..30),
        owed in any::<bool>(),
        steps in vec(step(), 0..120),
        close in 0_usize..400,
        later in vec(step(), 0..10),
    ) {
        let first = [if owed { Step::Owe } else { Step::Up }, Step::Up];
        let (before, after) = steps.split_at(close.min(steps.len()));
        // Mostly it is closed at the end; what comes then must change nothing.
        let steps = [&first, before, &[Step::Close], after, &later].concat();
        let steps = if close > 100 { [&first, &steps[2..2 + before.len()]].concat() } else { steps };
        run(overflow, room, &steps);
    }
}
