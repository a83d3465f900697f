//! Changes that lose none that others make.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;
use tracing::instrument;

use super::Sessions;
use crate::error::{Error, ErrorKind};
use crate::id::SessionId;
use crate::session::Session;

/// After so many conflicts in a row something else is wrong: each means that somebody else has saved.
const ATTEMPTS: u32 = 128;
/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_millis(32);

impl<T: Serialize + DeserializeOwned + Send + Sync> Sessions<T> {
    /// Loads the session, has `change` change its data, and saves it; again from the beginning when somebody else has saved it meanwhile.
    ///
    /// Returns the session as it was saved, or `None` when it is not there. `change` may run several times, each time on what was loaded
    /// anew; it has no effect but the last time.
    ///
    /// Dropping the future leaves it open whether it was saved, as does [`ErrorKind::Unknown`].
    ///
    /// # Errors
    /// As [`load`](Self::load) and [`save`](Self::save); [`ErrorKind::Conflict`] only after 128 of them in a row.
    #[instrument(name = "session.update", level = "debug", skip_all)]
    pub async fn update(
        &self,
        id: &SessionId,
        mut change: impl FnMut(&mut T) + Send,
    ) -> Result<Option<Session<T>>, Error> {
        let mut attempt = 1;
        loop {
            let Some(mut session) = self.load(id).await? else { return Ok(None) };
            change(&mut session.data);
            match self.save(&mut session).await {
                Ok(()) => return Ok(Some(session)),
                Err(error) if error.kind() == ErrorKind::Gone => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Conflict && attempt < ATTEMPTS => {}
                Err(error) => return Err(error),
            }
            // A pause of any length up to a bound that doubles: those who collided do not meet again.
            let bound = Duration::from_millis(1 << attempt.min(5)).min(PAUSE);
            sleep(bound.mul_f64(fastrand::f64())).await;
            attempt += 1;
        }
    }
}
