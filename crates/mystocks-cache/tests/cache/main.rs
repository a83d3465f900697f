//! The promises of the typed cache.

mod hostile;
mod scripted;
mod stampede;
mod tiers;
