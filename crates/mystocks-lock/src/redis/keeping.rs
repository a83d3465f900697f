//! Keeping what is held, and places in queues.

use std::time::Duration;

use mystocks_redis_core::{Call, ScriptRun};

use super::names::{Names, member};
use super::script::Shape;
use super::{RedisLocks, error, millis, script};
use crate::backend::{Keep, Kept, Kind, Spot};
use crate::error::Error;

/// How many keys one script renews.
const BATCH: usize = 100;

/// A spot, how long its places are kept, and who of this process waits there: at which index, and as what.
type Queue<'a> = (Spot<'a>, Duration, Vec<(usize, String)>);

impl RedisLocks {
    pub(super) async fn keep_held(&self, leases: &[Keep<'_>], kept: &mut [Kept]) -> Result<(), Error> {
        for shape in [Shape::Lock, Shape::Permits] {
            let held: Vec<(usize, Spot<'_>, &str, Duration, bool)> = leases
                .iter()
                .enumerate()
                .filter_map(|(n, lease)| match *lease {
                    Keep::Held { spot, token, ttl, is_least, owner: None } if shape.fits(spot.kind) => {
                        Some((n, spot, token, ttl, is_least))
                    }
                    _ => None,
                })
                .collect();
            for batch in held.chunks(BATCH) {
                let names: Vec<Names<'_>> = batch.iter().map(|(_, spot, ..)| Names::of(*spot)).collect();
                let keys: Vec<&str> = names.iter().map(Names::spot).collect();
                let mut texts = vec![if self.watches(batch[0].1.kind) { "1" } else { "0" }.to_owned()];
                for (_, spot, token, ttl, is_least) in batch {
                    let least = if *is_least { "1" } else { "0" };
                    texts.extend([member(spot.kind, token), millis(*ttl).to_string(), least.to_owned()]);
                }
                let args: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
                let answer = self.manager.script::<Vec<i64>>(
                    script::KEEP.shape(shape),
                    &keys,
                    &args,
                    self.call(batch[0].1.kind),
                );
                let stood = answer.await.map_err(|cause| error("extend", batch[0].1.key, cause))?;
                for ((n, ..), stood) in batch.iter().zip(stood) {
                    kept[*n] = stands(stood);
                }
            }
        }
        Ok(())
    }

    /// Keeps what was handed over, and has it taken down who holds it: each by itself, because their records differ.
    pub(super) async fn adopt(&self, leases: &[Keep<'_>], kept: &mut [Kept]) -> Result<(), Error> {
        for shape in [Shape::Lock, Shape::Permits] {
            let mut at = Vec::new();
            for (n, lease) in leases.iter().enumerate() {
                let Keep::Held { spot, token, ttl, is_least, owner: Some(owner) } = *lease else { continue };
                if shape.fits(spot.kind) {
                    let names = Names::of(spot);
                    let fence = names.fence();
                    let who = format!("{} {owner}", self.node);
                    let texts = [member(spot.kind, token), millis(ttl).to_string(), who];
                    at.push((n, spot, names, fence, texts, is_least));
                }
            }
            let Some((_, first, ..)) = at.first() else { continue };
            let (key, call) = (first.key, self.call(first.kind));
            let watch = super::flag(self.watches(first.kind));
            let keys: Vec<[&str; 2]> =
                at.iter().map(|(_, _, names, fence, ..)| [names.spot(), fence.as_str()]).collect();
            let args = at.iter().map(|(.., [token, ttl, who], is_least)| {
                [token.as_bytes(), ttl.as_bytes(), super::flag(*is_least), who.as_bytes(), watch]
            });
            let args: Vec<_> = args.collect();
            let runs: Vec<_> = keys.iter().zip(&args).map(|(keys, args)| ScriptRun { keys, args }).collect();
            let stood = self.manager.scripts::<i64>(script::ADOPT.shape(shape), &runs, call).await;
            let stood = stood.map_err(|cause| error("extend", key, cause))?;
            for ((n, ..), stood) in at.iter().zip(stood) {
                kept[*n] = stands(stood);
            }
        }
        Ok(())
    }

    pub(super) async fn keep_waiting(&self, leases: &[Keep<'_>], kept: &mut [Kept]) -> Result<(), Error> {
        let mut queues: Vec<Queue<'_>> = Vec::new();
        for (n, lease) in leases.iter().enumerate() {
            let Keep::Waiting { spot, token, ttl, lease } = *lease else { continue };
            let member = self.waiter(token, ttl, spot.kind);
            let of_spot = |queue: &&mut Queue<'_>| {
                queue.0.key == spot.key
                    && Shape::of(queue.0.kind) == Shape::of(spot.kind)
                    && matches!(queue.0.kind, Kind::ReadWrite(_)) == matches!(spot.kind, Kind::ReadWrite(_))
            };
            match queues.iter_mut().find(of_spot) {
                Some((_, least, members)) => {
                    *least = lease.max(*least);
                    members.push((n, member));
                }
                None => queues.push((spot, lease, vec![(n, member)])),
            }
        }
        if queues.is_empty() {
            return Ok(());
        }
        let names = queues.iter().map(|(spot, ..)| Names::of(*spot));
        let names: Vec<_> = names.map(|names| (names.queue(), names.waiters())).collect();
        let keys: Vec<[&str; 2]> =
            names.iter().map(|(queue, waiters)| [queue.as_str(), waiters.as_str()]).collect();
        let leases: Vec<String> = queues.iter().map(|(_, lease, _)| millis(*lease).to_string()).collect();
        let args = queues.iter().zip(&leases).map(|((_, _, members), lease)| {
            let members = members.iter().map(|(_, member)| member.as_bytes());
            std::iter::once(lease.as_bytes()).chain(members).collect::<Vec<_>>()
        });
        let args: Vec<_> = args.collect();
        let runs: Vec<_> = keys.iter().zip(&args).map(|(keys, args)| ScriptRun { keys, args }).collect();
        let answers = self.manager.scripts::<Vec<i64>>(&script::WAIT, &runs, Call::repeatable()).await;
        let answers = answers.map_err(|cause| error("wait for", queues[0].0.key, cause))?;
        for ((_, _, members), stand) in queues.iter().zip(answers) {
            for ((n, _), stand) in members.iter().zip(stand) {
                kept[*n] = match stand {
                    1 => Kept::Waiting,
                    2 => Kept::First,
                    _ => Kept::Gone,
                };
            }
        }
        Ok(())
    }
}

/// Reads how what is held stands.
fn stands(stood: i64) -> Kept {
    match stood {
        1 => Kept::Held,
        2 => Kept::TakenOver,
        _ => Kept::Gone,
    }
}
