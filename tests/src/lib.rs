//! Cross-crate stories live in `tests/`: faults, many processes, interop.
