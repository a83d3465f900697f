//! What holders of a lock wrote down, and whether two held it at once.
//!
//! The ledger is a list on one server: what stands there is ordered by the server alone, whatever the clocks of the writers say.

use std::collections::{BTreeMap, HashSet};

/// What a ledger shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// How often somebody entered while another was inside.
    pub(crate) overlaps: usize,
    /// How many turns each side had.
    pub(crate) turns: BTreeMap<String, usize>,
    /// The longest row of turns of one side while the other had none.
    pub(crate) longest_row: usize,
}

impl Ledger {
    /// Reads lines `enter SIDE TOKEN` and `leave SIDE TOKEN`; panics on what no run can write.
    pub(crate) fn read<T: AsRef<str>>(lines: &[T]) -> Self {
        let (mut ledger, mut inside, mut seen) = (Self::default(), HashSet::new(), HashSet::new());
        let (mut last, mut row) = ("", 0);
        for line in lines.iter().map(AsRef::as_ref) {
            let words: Vec<&str> = line.split(' ').collect();
            let &[step, side, token] = words.as_slice() else { panic!("no line of a ledger: {line}") };
            if step == "leave" {
                assert!(inside.remove(token), "{line}: it never entered");
                continue;
            }
            assert_eq!(step, "enter", "{line}");
            assert!(seen.insert(token), "{line}: two turns with one token");
            ledger.overlaps += usize::from(!inside.is_empty());
            inside.insert(token);
            *ledger.turns.entry(side.to_owned()).or_default() += 1;
            row = if side == last { row + 1 } else { 1 };
            last = side;
            ledger.longest_row = ledger.longest_row.max(row);
        }
        assert!(inside.is_empty(), "{} never left", inside.len());
        ledger
    }
}

#[test]
fn an_overlap_is_seen() {
    let apart = [
        "enter rust a",
        "leave rust a",
        "enter python b",
        "leave python b",
        "enter python c",
        "leave python c",
    ];
    let read = Ledger::read(&apart);
    assert_eq!((read.overlaps, read.longest_row), (0, 2));
    assert_eq!(read.turns, BTreeMap::from([("python".to_owned(), 2), ("rust".to_owned(), 1)]));

    let astride = ["enter rust a", "enter python b", "leave rust a", "leave python b"];
    assert_eq!(Ledger::read(&astride).overlaps, 1);
    let within =
        ["enter python b", "enter rust a", "leave rust a", "enter rust c", "leave rust c", "leave python b"];
    assert_eq!(Ledger::read(&within).overlaps, 2);
    let same_side = ["enter rust a", "enter rust b", "leave rust b", "leave rust a"];
    assert_eq!(Ledger::read(&same_side).overlaps, 1);
}

#[test]
#[should_panic(expected = "two turns with one token")]
fn a_token_is_used_once() {
    Ledger::read(&["enter rust a", "leave rust a", "enter rust a", "leave rust a"]);
}

#[test]
#[should_panic(expected = "never left")]
fn who_enters_leaves() {
    Ledger::read(&["enter rust a"]);
}
