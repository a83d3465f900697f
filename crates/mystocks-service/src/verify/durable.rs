//! Is a durable event appended, handled and acknowledged?

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mystocks_bus::{DurableTopic, Error, Handling, Streams, Worker};
use mystocks_cache::{RedisStore, Store};
use mystocks_keys::InvalidKey;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::bus::{Probe, name};
use super::links::Links;
use super::{ANSWER, Found, Outcome, advice, in_time};

const GROUP: &str = "verify";
/// What is left behind by a process that is killed ends by itself.
const TTL: Duration = Duration::from_secs(60);
/// How often it is looked whether it was acknowledged.
const LOOK: Duration = Duration::from_millis(20);

/// Appends an event, has it handled, and sees that nothing of it is left to do.
pub(super) async fn check(links: &Links) -> Outcome {
    let keys = keys(links).map_err(|error| error.to_string())?;
    // Out here, so that it is ended properly when time runs out in there.
    let worker = Mutex::new(None);
    let found = in_time(links, "bus", round(links, &keys, &worker)).await;
    let worker = worker.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(worker) = worker {
        let _ = links.clean_up(worker.shutdown()).await;
    }
    let removed = links.remove(&keys).await;
    let found = found?;
    removed.map(|()| found)
}

async fn round(links: &Links, keys: &[String], worker: &Mutex<Option<Worker>>) -> Outcome {
    let failed = |what: &'static str| move |error: Error| advice::sentence(links, what, &error);
    let topic = name(&links.nonce);
    let [here, there] = [&links.one, &links.other].map(|redis| {
        DurableTopic::<Probe>::new(Streams::new(redis.clone(), &links.keyspace), &topic, "mystocks-verify")
    });
    let began = Instant::now();
    let appended = here.publish(&Probe { nonce: links.nonce.clone() }).await;
    appended.map_err(failed("a durable event cannot be appended"))?;
    let appending = began.elapsed();
    expire(links, keys).await;

    let (sender, mut handled) = mpsc::unbounded_channel();
    let began = Instant::now();
    let consuming = there.consume(GROUP, Handling::default(), move |event| {
        // Nobody listens any more when the check was given up.
        let _ = sender.send(event.event.nonce);
        async { Ok::<_, Infallible>(()) }
    });
    let working = consuming.await.map_err(failed("durable events cannot be consumed"))?;
    *worker.lock().unwrap_or_else(PoisonError::into_inner) = Some(working);
    expire(links, keys).await;
    let given = timeout(ANSWER, handled.recv()).await;
    if given.ok().flatten().as_ref() != Some(&links.nonce) {
        return Err(format!(
            "a durable event was appended to {topic} and not handed out within {} s: is XREADGROUP \
             allowed, and the server not overloaded?",
            ANSWER.as_secs()
        ));
    }
    let handling = began.elapsed();
    // The acknowledgement follows the handler.
    let acknowledged = async {
        loop {
            let state = here.state(GROUP).await?;
            if state.pending == 0 && state.lag == 0 && state.dead == 0 {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    };
    match timeout(ANSWER, acknowledged).await {
        Ok(acknowledged) => acknowledged.map_err(failed("how a durable topic stands cannot be asked"))?,
        Err(_) => {
            return Err(format!(
                "a durable event of {topic} was handled and not acknowledged within {} s",
                ANSWER.as_secs()
            ));
        }
    }
    let latencies = vec![("append", appending), ("handled", handling)];
    Ok(Found { detail: "a durable event was appended, handled and acknowledged".to_owned(), latencies })
}

/// Has everything end by itself, should this process be killed.
async fn expire(links: &Links, keys: &[String]) {
    let store = RedisStore::new(links.one.clone());
    for key in keys {
        // What cannot be given an end is taken away at the end.
        let _ = store.touch(key, Some(TTL)).await;
    }
}

/// Returns every key that a topic with one group has.
fn keys(links: &Links) -> Result<Vec<String>, InvalidKey> {
    let stream = links.keyspace.stream(&name(&links.nonce))?;
    let group = stream.group(GROUP)?;
    let all =
        [stream.entries(), stream.count(), stream.lost(), group.leases(), group.waiting(), group.dead()];
    Ok(all.iter().map(|key| key.as_str().to_owned()).collect())
}
