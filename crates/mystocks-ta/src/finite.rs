//! Looking for values that are no numbers: at all of them, which costs less than a tenth of the cheapest kernel.

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
    let mut before = 0;
    for chunk in values.chunks(CHUNK) {
        if !are_finite(chunk) {
            return Err(before + chunk.iter().position(|value| !value.is_finite()).unwrap_or_default());
        }
        before += chunk.len();
    }
    Ok(())
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
    fn it_is_found_in_a_series_of_any_length() {
        for at in [0, 1, 1_023, 1_024, 1_025, 4_999, 21_383] {
            let mut values = vec![1.0; 21_384];
            values[at] = f64::INFINITY;
            assert_eq!(settle(&mut values, true), Err(at));
            assert_eq!(settle(&mut values, false), Ok(()));
            assert!(values[at].is_nan());
        }
    }
}
