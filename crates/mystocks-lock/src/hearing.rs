//! What a process is told, and what it makes of it.

use std::sync::Arc;

use crate::backend::{Hear, Signal};
use crate::hold::LossReason;
use crate::metric;
use crate::registry::Registry;

/// Returns what hears for `registry`: whose turn it is is woken without waiting for another task.
pub(crate) fn ear(registry: &Arc<Registry>) -> Hear {
    let registry = Arc::clone(registry);
    Arc::new(move |signal| match signal {
        Signal::Up => metrics::gauge!(metric::LINK_UP).set(1.0),
        Signal::Down => metrics::gauge!(metric::LINK_UP).set(0.0),
        Signal::Handed { token, fence } => {
            // Of who has given up, its own release takes it back.
            if let Some(waiter) = registry.waiter(&token) {
                waiter.hand(fence);
            }
        }
        Signal::Touched(key) => registry.hurry(Some(&key)),
        Signal::AllTouched => registry.hurry(None),
        Signal::Taken(token) => {
            if let Some(hold) = registry.with_token(&token) {
                registry.lose(&hold, LossReason::Forced);
            } else if let Some(waiter) = registry.waiter(&token) {
                waiter.rob();
            }
        }
    })
}
