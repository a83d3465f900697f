//! Looking for values that are no numbers, at a price that is not seen beside computing them.

/// How many values are looked at one by one: more than any stock has days. Of a series that no cache holds, reading all of it back
/// would cost a fifth of what it cost to compute.
const LOOKED_AT: usize = 16_384;
/// Of the values before those, one in so many is looked at.
const STRIDE: usize = 1_024;
/// How many values are looked at before they are left for the next: they stay in the nearest cache.
const CHUNK: usize = 1_024;

/// Finds a value that is not finite in a series that should have none, or makes NaN of all of them in one that may.
///
/// # Errors
/// Where the first one was found.
pub(crate) fn settle(values: &mut [f64], is_total: bool) -> Result<(), usize> {
    if !is_total {
        for chunk in values.chunks_mut(CHUNK).filter(|chunk| !are_finite(chunk)) {
            // One NaN for all: what an operation gives has the sign that the compiler chose, and streams are compared bit by bit.
            chunk.iter_mut().for_each(|value| *value = if value.is_finite() { *value } else { f64::NAN });
        }
        return Ok(());
    }
    let split = values.len().saturating_sub(LOOKED_AT);
    let (earlier, last) = values.split_at(split);
    if let Some(at) = earlier.iter().step_by(STRIDE).position(|value| !value.is_finite()) {
        return Err(at * STRIDE);
    }
    if are_finite(last) {
        return Ok(());
    }
    let at = last.iter().position(|value| !value.is_finite());
    Err(split + at.unwrap_or_default())
}

// Zero times a number is zero, and zero times NaN or infinity is NaN: a sum without a branch in it.
fn are_finite(values: &[f64]) -> bool {
    let mut lanes = [0.0; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value * 0.0;
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|value| value * 0.0).sum::<f64>() == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wherever_it_stands_it_is_found() {
        for no_number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for at in 0..43 {
                let mut values = vec![-1e300; 43];
                assert_eq!(settle(&mut values, true), Ok(()));
                values[at] = no_number;
                assert_eq!(settle(&mut values, true), Err(at));
                assert_eq!(settle(&mut values, false), Ok(()));
                assert!(values[at].is_nan() && values.iter().filter(|value| **value == -1e300).count() == 42);
            }
        }
        assert_eq!(settle(&mut [], true), Ok(()));
    }

    #[test]
    fn of_a_series_longer_than_any_stock_one_in_1_024_is_looked_at_before_the_last_16_384() {
        let looks_at = |at: usize, is_total| {
            let mut values = vec![1.0; LOOKED_AT + 5_000];
            values[at] = f64::INFINITY;
            (settle(&mut values, is_total), values[at].is_nan())
        };
        for at in [0, 1_024, 4_096, 5_000, 5_001, 10_000, LOOKED_AT + 4_999] {
            assert_eq!(looks_at(at, true), (Err(at), false));
        }
        assert_eq!(looks_at(1_025, true), (Ok(()), false));
        assert_eq!(looks_at(1_025, false), (Ok(()), true));
    }
}
