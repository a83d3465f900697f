//! The daily job and readers on a real PostgreSQL and a real Redis, in processes that are killed.
#![expect(clippy::unwrap_used, reason = "tests may panic")]
#![expect(clippy::print_stdout, reason = "faults print their seed")]

mod killed;
mod market;
mod revised;
mod verified;
