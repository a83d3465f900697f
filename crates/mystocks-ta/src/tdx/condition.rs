//! Functions of level 1: conditions, and what is counted by them.

use super::series::sum;

/// `COUNT(S, N)`: on how many of the last `n` bars the condition held; with `n` 0 on how many so far.
pub fn count(condition: &[bool], n: usize) -> Vec<f64> {
    sum(&numbers(condition), n)
}

/// `EVERY(S, N)`: whether it held on all of the last `n` bars; false while there are fewer, and with `n` 0.
pub fn every(condition: &[bool], n: usize) -> Vec<bool> {
    let run = barslastcount(condition).into_iter();
    run.map(|held| held >= n && n > 0).collect()
}

/// `EXIST(S, N)`: whether it held on any of the last `n` bars, false while there are fewer; with `n` 0 whether it held so far.
pub fn exist(condition: &[bool], n: usize) -> Vec<bool> {
    count(condition, n).into_iter().map(|held| held > 0.0).collect()
}

/// `LAST(S, A, B)`: whether it held on every bar from `a` bars ago to `b` bars ago, `a >= b`.
///
/// On the first `a` bars MyTT answers true (its missing value becomes true), and so does this.
pub fn last(condition: &[bool], a: usize, b: usize) -> Vec<bool> {
    let (mut run, mut runs) = (0, Vec::with_capacity(condition.len()));
    let length = a.saturating_sub(b).saturating_add(1);
    let steps = condition.iter().enumerate().map(|(at, held)| {
        run = if *held { run + 1 } else { 0 };
        runs.push(run);
        // The run as it stood b bars ago.
        at < a || at.checked_sub(b).and_then(|then| runs.get(then)).is_none_or(|run| *run >= length)
    });
    steps.collect()
}

/// `FILTER(S, N)`: the condition, and after every bar it is met on none for the next `n` bars.
pub fn filter(condition: &[bool], n: usize) -> Vec<bool> {
    let mut silent = 0;
    let steps = condition.iter().map(|held| {
        let met = *held && silent == 0;
        silent = if met { n } else { usize::saturating_sub(silent, 1) };
        met
    });
    steps.collect()
}

/// `BARSLAST(S)`: how many bars ago it held last, 0 on a bar where it holds.
///
/// Before it ever held, as if it had held on the bar before the first: 1, 2, 3, … (MyTT).
pub fn barslast(condition: &[bool]) -> Vec<usize> {
    let steps = condition.iter().scan(0, |since, held| {
        *since = if *held { 0 } else { *since + 1 };
        Some(*since)
    });
    steps.collect()
}

/// `BARSLASTCOUNT(S)`: for how many bars it has held without a break.
pub fn barslastcount(condition: &[bool]) -> Vec<usize> {
    let steps = condition.iter().scan(0, |run, held| {
        *run = if *held { *run + 1 } else { 0 };
        Some(*run)
    });
    steps.collect()
}

/// `BARSSINCEN(S, N)`: how many bars ago it held first within the last `n` bars; 0 if it did not, and while there are fewer bars.
pub fn barssincen(condition: &[bool], n: usize) -> Vec<usize> {
    let mut held_at = std::collections::VecDeque::new();
    let steps = condition.iter().enumerate().map(|(at, held)| {
        if *held {
            held_at.push_back(at);
        }
        while held_at.front().is_some_and(|first| first.saturating_add(n) <= at) {
            held_at.pop_front();
        }
        if at + 1 < n { 0 } else { held_at.front().map_or(0, |first| at - first) }
    });
    steps.collect()
}

/// `CROSS(A, B)`: whether `a` stands above `b` and did not on the bar before.
///
/// A missing value stands neither above nor below; the first bar never crosses. As long as the shorter of the two series.
pub fn cross(a: &[f64], b: &[f64]) -> Vec<bool> {
    let mut before = true;
    let steps = a.iter().zip(b).map(|(a, b)| {
        let above = a > b;
        let crossed = above && !before;
        before = above;
        crossed
    });
    steps.collect()
}

/// `LONGCROSS(A, B, N)`: whether `a` stands above `b` and stood below it on each of the `n` bars before.
///
/// On the first `n` bars MyTT asks only whether `a` stands above `b` (see [`last`]), and so does this.
pub fn longcross(a: &[f64], b: &[f64], n: usize) -> Vec<bool> {
    let below: Vec<bool> = a.iter().zip(b).map(|(a, b)| a < b).collect();
    let above = a.iter().zip(b).map(|(a, b)| a > b);
    last(&below, n, 1).into_iter().zip(above).map(|(below, above)| below && above).collect()
}

/// `VALUEWHEN(S, X)`: the value of `x` when the condition held last; NaN before. As long as the shorter of the two series.
///
/// Where it holds and `x` is missing, the value before stays (pandas `ffill`).
pub fn valuewhen(condition: &[bool], x: &[f64]) -> Vec<f64> {
    let steps = condition.iter().zip(x).scan(f64::NAN, |kept, (held, x)| {
        if *held && !x.is_nan() {
            *kept = *x;
        }
        Some(*kept)
    });
    steps.collect()
}

/// `BETWEEN(S, A, B)`: whether `a < s < b` or `a > s > b`. As long as the shortest of the three series.
pub fn between(values: &[f64], a: &[f64], b: &[f64]) -> Vec<bool> {
    let bounds = a.iter().zip(b);
    values.iter().zip(bounds).map(|(s, (a, b))| (a < s && s < b) || (a > s && s > b)).collect()
}

/// `TOPRANGE(S)`: how many bars before this one in a row lie below it.
///
/// Where all before lie below, MyTT answers 0 as on the lowest bar, and so does this.
pub fn toprange(values: &[f64]) -> Vec<usize> {
    reach(values, |before, value| before < value)
}

/// `LOWRANGE(S)`: how many bars before this one in a row lie above it.
///
/// Where all before lie above, MyTT answers 0 as on the highest bar, and so does this.
pub fn lowrange(values: &[f64]) -> Vec<usize> {
    reach(values, |before, value| before > value)
}

fn reach(values: &[f64], passed: impl Fn(f64, f64) -> bool) -> Vec<usize> {
    // The bars that nothing after them has passed, each beyond all after it.
    let mut standing: Vec<(usize, f64)> = Vec::new();
    let steps = values.iter().enumerate().map(|(at, value)| {
        while standing.last().is_some_and(|(_, before)| passed(*before, *value)) {
            standing.pop();
        }
        let stopped = standing.last().map_or(0, |(bar, _)| at - bar - 1);
        standing.push((at, *value));
        stopped
    });
    steps.collect()
}

fn numbers(condition: &[bool]) -> Vec<f64> {
    condition.iter().map(|held| f64::from(u8::from(*held))).collect()
}
