//! The promises of the typed cache.
#![expect(clippy::unwrap_used, reason = "what surrounds the tests may panic as they do")]
#![expect(clippy::print_stdout, reason = "seeds and figures are for whoever reads the log")]
#![expect(clippy::disallowed_methods, reason = "a test ends its own tasks")]

mod asking;
mod batch;
mod calm;
mod each;
mod early;
mod faulty;
mod filled;
mod hostile;
mod invalidation;
mod law;
mod neighbours;
mod nodes;
mod recovery;
mod regressions;
mod scripted;
mod stampede;
#[path = "../fixture/neighbours.rs"]
mod story;
mod suspect;
mod tiers;
mod written;
