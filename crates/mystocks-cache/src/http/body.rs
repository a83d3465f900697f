//! Bodies that were stored, and bodies that pass through.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// The body of a response that came through the layer: a stored one, or the service's own as it streams.
pub struct CachedBody<B: Body> {
    read: VecDeque<Frame<Bytes>>,
    /// The error that ended the reading, due after what was read.
    failure: Option<B::Error>,
    rest: Option<Pin<Box<B>>>,
}

// Nothing is pinned in place: the rest is in a box.
impl<B: Body> Unpin for CachedBody<B> {}

impl<B: Body> CachedBody<B> {
    /// Makes the body of a stored response.
    pub(crate) fn stored(bytes: Bytes) -> Self {
        let read = (!bytes.is_empty()).then(|| Frame::data(bytes)).into_iter().collect();
        Self { read, failure: None, rest: None }
    }

    /// Makes a body of the service's own.
    pub(crate) fn passed(body: B) -> Self {
        Self { read: VecDeque::new(), failure: None, rest: Some(Box::pin(body)) }
    }

    /// Returns whether reading it has failed.
    pub(crate) fn is_broken(&self) -> bool {
        self.failure.is_some()
    }
}

impl<B: Body> Default for CachedBody<B> {
    fn default() -> Self {
        Self::stored(Bytes::new())
    }
}

/// Reads a whole body of at most `most` bytes.
///
/// # Errors
/// The same body, to be passed on, when it is larger, fails, or has trailers. Of a larger one no more is read than the
/// frame that shows it.
pub(crate) async fn read_whole<B: Body>(body: B, most: usize) -> Result<Bytes, CachedBody<B>> {
    let mut passed = CachedBody::passed(body);
    let mut left = most;
    if passed.size_hint().lower() > most as u64 {
        return Err(passed);
    }
    while let Some(body) = passed.rest.as_mut() {
        match poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            None => passed.rest = None,
            Some(Err(error)) => {
                passed.failure = Some(error);
                passed.rest = None;
                return Err(passed);
            }
            Some(Ok(frame)) => {
                let frame = frame.map_data(into_bytes);
                let length = frame.data_ref().map(Bytes::len);
                passed.read.push_back(frame);
                let Some(fits) = length.and_then(|length| left.checked_sub(length)) else {
                    return Err(passed);
                };
                left = fits;
            }
        }
    }
    let mut chunks = passed.read.into_iter().filter_map(|frame| frame.into_data().ok());
    let first = chunks.next().unwrap_or_default();
    let mut more = chunks.peekable();
    if more.peek().is_none() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(most - left);
    whole.extend_from_slice(&first);
    more.for_each(|chunk| whole.extend_from_slice(&chunk));
    Ok(whole.freeze())
}

impl<B: Body> Body for CachedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(frame) = self.read.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(error) = self.failure.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let Some(rest) = self.rest.as_mut() else { return Poll::Ready(None) };
        let frame = ready!(rest.as_mut().poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(into_bytes))))
    }

    fn is_end_stream(&self) -> bool {
        let rest_ends = self.rest.as_ref().is_none_or(|rest| rest.is_end_stream());
        self.read.is_empty() && self.failure.is_none() && rest_ends
    }

    fn size_hint(&self) -> SizeHint {
        let read: u64 = self.read.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum();
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), |rest| rest.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<B: Body> fmt::Debug for CachedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedBody")
            .field("streams", &self.rest.is_some())
            .field("size", &self.size_hint())
            .finish_non_exhaustive()
    }
}

fn into_bytes(mut data: impl Buf) -> Bytes {
    data.copy_to_bytes(data.remaining())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use http_body_util::{BodyExt, Full, StreamBody};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    type Frames = Vec<Result<Frame<Bytes>, &'static str>>;

    fn data(text: &'static str) -> Result<Frame<Bytes>, &'static str> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    /// A body of these frames, and how many of them were asked for.
    fn body(frames: Frames) -> (impl Body<Data = Bytes, Error = &'static str> + Send, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let frames = frames.into_iter().inspect(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        (StreamBody::new(futures::stream::iter(frames)), asked)
    }

    /// What a reader gets: the text, whether trailers came, and the error.
    async fn drain<B: Body<Error = &'static str>>(
        mut body: CachedBody<B>,
    ) -> (String, bool, Option<&'static str>) {
        let (mut text, mut trailers) = (String::new(), false);
        loop {
            match body.frame().await {
                None => return (text, trailers, None),
                Some(Err(error)) => return (text, trailers, Some(error)),
                Some(Ok(frame)) if frame.is_trailers() => trailers = true,
                Some(Ok(frame)) => text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap()),
            }
        }
    }

    #[tokio::test]
    async fn a_body_within_the_limit_is_read_whole() {
        let (three, _) = body(vec![data("ab"), data(""), data("cde")]);
        assert_eq!(read_whole(three, 5).await.unwrap(), "abcde");
        let (none, _) = body(vec![]);
        assert_eq!(read_whole(none, 0).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_passes_whole_and_is_not_read_ahead() {
        let (large, asked) = body(vec![data("ab"), data("cd"), data("ef"), data("gh")]);
        let passed = read_whole(large, 3).await.unwrap_err();
        assert_eq!(asked.load(Ordering::SeqCst), 2, "the frame that went over, and none after it");
        assert_eq!(passed.size_hint().lower(), 4);
        assert_eq!(drain(passed).await, ("abcdefgh".to_owned(), false, None));
    }

    #[tokio::test]
    async fn a_body_that_says_it_is_too_large_is_not_read_at_all() {
        let passed = read_whole(Full::new(Bytes::from_static(b"abcd")), 3).await.unwrap_err();
        assert!(passed.read.is_empty() && !passed.is_end_stream());
        assert_eq!(passed.size_hint().exact(), Some(4));
    }

    #[tokio::test]
    async fn failures_and_trailers_pass_after_what_came_before_them() {
        let (broken, _) = body(vec![data("ab"), Err("broken"), data("cd")]);
        assert_eq!(
            drain(read_whole(broken, 9).await.unwrap_err()).await,
            ("ab".to_owned(), false, Some("broken"))
        );
        let (trailed, _) = body(vec![data("ab"), Ok(Frame::trailers(HeaderMap::new()))]);
        assert_eq!(drain(read_whole(trailed, 9).await.unwrap_err()).await, ("ab".to_owned(), true, None));
    }

    #[tokio::test]
    async fn a_stored_body_knows_its_size() {
        let stored = CachedBody::<Full<Bytes>>::stored(Bytes::from_static(b"abc"));
        assert_eq!(stored.size_hint().exact(), Some(3));
        assert_eq!(stored.collect().await.unwrap().to_bytes(), "abc");
        assert!(CachedBody::<Full<Bytes>>::default().is_end_stream());
    }
}
