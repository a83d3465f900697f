//! What is locked, and how.

use std::borrow::Cow;
use std::time::Duration;

/// What is to be locked: a name, and how the lock is to be held.
///
/// A text is a resource with the locker's defaults:
///
/// ```
/// use std::time::Duration;
/// use mystocks_lock::Resource;
///
/// let plain: Resource = "nightly".into();
/// let report = Resource::new("report:42").ttl(Duration::from_secs(120)).class("report").without_renewal();
/// assert_eq!((plain.name(), report.name()), ("nightly", "report:42"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    name: Cow<'static, str>,
    class: &'static str,
    ttl: Option<Duration>,
    is_renewed: bool,
    is_fenced: bool,
}

impl Resource {
    /// Names a resource; the name may have several segments, with colons between them.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), class: "other", ttl: None, is_renewed: true, is_fenced: true }
    }

    /// Holds it for `ttl` at a time, rounded up to whole milliseconds; by default for `REDIS_LOCK_DEFAULT_TIMEOUT`.
    ///
    /// Renewed, that is how long others wait after this process has died; it must be long enough for a pause of the process
    /// or the network to be nothing: seconds, not milliseconds.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..self }
    }

    /// Names the class it is counted under in the metrics, one of few; by default `other`.
    #[must_use]
    pub fn class(self, class: &'static str) -> Self {
        Self { class, ..self }
    }

    /// Lets the lock end with its time to live, as the Python side does, instead of renewing it as long as the guard lives.
    #[must_use]
    pub fn without_renewal(self) -> Self {
        Self { is_renewed: false, ..self }
    }

    /// Takes the lock without a fence, exactly as the Python side does: a little cheaper, and nothing protects the resource
    /// from a holder that was paused past its time.
    #[must_use]
    pub fn without_fence(self) -> Self {
        Self { is_fenced: false, ..self }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn class_name(&self) -> &'static str {
        self.class
    }

    pub(crate) fn own_ttl(&self) -> Option<Duration> {
        self.ttl
    }

    pub(crate) fn is_renewed(&self) -> bool {
        self.is_renewed
    }

    pub(crate) fn is_fenced(&self) -> bool {
        self.is_fenced
    }
}

impl From<&'static str> for Resource {
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Resource {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl From<&Self> for Resource {
    fn from(resource: &Self) -> Self {
        resource.clone()
    }
}
