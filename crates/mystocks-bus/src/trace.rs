//! Whose doing an event is: W3C trace contexts.

use std::fmt;
use std::future::Future;

use tracing::field::{Empty, display};
use tracing::{Instrument, Span, debug_span};

use crate::envelope::Envelope;

/// Where in a distributed trace something happens, as W3C Trace Context writes it in `traceparent`.
///
/// What is published within [`scope`](Self::scope) says so in its [`Envelope`](crate::Envelope), and handlers of such events run in the scope
/// of what they were given, so that what they publish belongs to the same trace. Spans of handlers have it as their field `traceparent`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use mystocks_bus::TraceContext;
///
/// let context: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
/// let within = context.scope(async { TraceContext::current() }).await;
/// assert_eq!(within, Some(context));
/// assert_eq!(TraceContext::current(), None);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace: u128,
    span: u64,
    flags: u8,
}

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The text is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoTraceContext;

impl TraceContext {
    /// Returns in whose scope this runs.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|current| *current).ok()
    }

    /// Runs `future` as part of this. Cancel safe as `future` is; what it spawns is not within.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }
}

impl std::str::FromStr for TraceContext {
    type Err = NoTraceContext;

    /// Reads `version-trace-parent-flags` in lower-case hexadecimal; of a version to come what follows is not looked at.
    fn from_str(text: &str) -> Result<Self, NoTraceContext> {
        let hex = |text: &str, digits: usize| {
            let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            if text.len() != digits || !text.bytes().all(is_hex) {
                return Err(NoTraceContext);
            }
            u128::from_str_radix(text, 16).map_err(|_| NoTraceContext)
        };
        let mut parts = text.splitn(5, '-');
        let mut part = |digits| hex(parts.next().unwrap_or_default(), digits);
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let has_more = parts.next().is_some();
        if version == 0xff || (version == 0 && has_more) || trace == 0 || span == 0 {
            return Err(NoTraceContext);
        }
        let narrow = |_| NoTraceContext;
        Ok(Self {
            trace,
            span: span.try_into().map_err(narrow)?,
            flags: flags.try_into().map_err(|_| NoTraceContext)?,
        })
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

impl fmt::Display for NoTraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected a W3C traceparent, such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )
    }
}

impl std::error::Error for NoTraceContext {}

/// Where a handler runs: in a span of its own, and in the scope of what it was given.
pub(crate) struct Place {
    span: Span,
    context: Option<TraceContext>,
}

impl Place {
    pub(crate) fn of(kind: &'static str, envelope: Option<&Envelope>) -> Self {
        let span = debug_span!("bus.handle", r#type = kind, id = Empty, traceparent = Empty);
        let context = envelope.and_then(|envelope| envelope.traceparent.as_deref()?.parse().ok());
        if let Some(envelope) = envelope {
            span.record("id", &*envelope.id);
        }
        if let Some(context) = context {
            span.record("traceparent", display(context));
        }
        Self { span, context }
    }

    pub(crate) async fn run<F: Future>(self, future: F) -> F::Output {
        let future = future.instrument(self.span);
        match self.context {
            Some(context) => context.scope(future).await,
            None => future.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_one_is_read() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context: Result<TraceContext, _> = text.parse();
        assert_eq!(context.map(|context| context.to_string()), Ok(text.to_owned()));
        let to_come = format!("cc{}-what-comes", text.get(2..).unwrap_or_default());
        assert_eq!(to_come.parse(), context);
        for refused in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(refused.parse::<TraceContext>(), Err(NoTraceContext), "{refused}");
        }
    }
}
