//! The bus as its callers see it.
#![expect(clippy::unwrap_used, reason = "what surrounds the tests may panic as they do")]

mod wire;
