//! Taking, holding, extending, releasing, handing over.

use futures::future::join_all;
use mystocks_config::LockSettings;
use mystocks_lock::{
    ErrorKind, Extended, Keyspace, LockGuard, Locker, LossReason, MemoryLocks, Released, Resource, Token,
};
use mystocks_testkit::eventually;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::world::{millis, secs};

on_both! {
    one_holds_and_others_do_not
    a_released_lock_goes_to_who_waits
    fences_grow
    a_token_is_carried_by_its_caller
    a_guard_is_handed_over
    what_is_held_is_told
    by_force
    permits_are_as_many_as_there_are
    readers_share_and_a_writer_does_not
    several_are_all_or_none
    a_lock_lives_as_long_as_it_is_renewed
    work_under_a_lost_lock_is_ended
    shutdown_leaves_nothing
    what_ended_by_itself_goes_to_all_who_wait
}

async fn one_holds_and_others_do_not(here: Locker, there: Locker) {
    let guard = here.try_lock("report").await.unwrap().unwrap();
    assert!(there.try_lock("report").await.unwrap().is_none());
    assert!(here.try_lock("report").await.unwrap().is_none(), "nobody locks twice");
    assert!(there.try_lock("other").await.unwrap().is_some());
    assert!(guard.is_valid() && guard.valid_until() <= Instant::now() + secs(30));
    assert!(there.is_locked("report").await.unwrap());
    assert_eq!(guard.release().await.unwrap(), Released::Released);
    assert!(!there.is_locked("report").await.unwrap());
    let held = there.try_lock("report").await.unwrap();
    let begun = Instant::now();
    let none = here.lock("report", millis(300)).await.unwrap();
    assert!(held.is_some() && none.is_none() && begun.elapsed() >= millis(300));
    assert_eq!(there.try_lock("a{b}").await.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

async fn a_released_lock_goes_to_who_waits(here: Locker, there: Locker) {
    let guard = here.try_lock("report").await.unwrap().unwrap();
    let waiting = TaskTracker::new().spawn(async move { there.lock("report", secs(20)).await });
    let waits = async || here.info("report").await.unwrap().is_some_and(|info| info.waiters == 1);
    eventually("it waits", secs(10), waits).await;
    let (fence, released) = (guard.fence(), Instant::now());
    drop(guard);
    let next = waiting.await.unwrap().unwrap().unwrap();
    assert!(next.fence() > fence);
    assert!(released.elapsed() < secs(5), "it was woken, not left to its timers");
}

async fn fences_grow(here: Locker, there: Locker) {
    let mut last = None;
    for turn in 0..50 {
        let locker = if turn % 2 == 0 { &here } else { &there };
        let guard = locker.try_lock("report").await.unwrap().unwrap();
        assert!(guard.fence() > last, "turn {turn}");
        last = guard.fence();
        guard.release().await.unwrap();
    }
    let plain = here.try_lock(Resource::new("report").without_fence()).await.unwrap().unwrap();
    assert_eq!(plain.fence(), None);
}

async fn a_token_is_carried_by_its_caller(here: Locker, there: Locker) {
    let token = here.acquire("report", secs(5)).await.unwrap().unwrap();
    assert_eq!(there.acquire("report", secs(5)).await.unwrap(), None);
    let foreign = Token::from("somebody-elses");
    assert_eq!(there.extend("report", &foreign, secs(9)).await.unwrap(), Extended::TakenOver);
    assert_eq!(there.release("report", &foreign).await.unwrap(), Released::TakenOver);
    // Extending sets the time to live, it does not add to it.
    assert_eq!(there.extend("report", &token, secs(2)).await.unwrap(), Extended::Extended);
    let left = here.info("report").await.unwrap().unwrap().ttl.unwrap();
    assert!(left <= secs(2) && left > secs(1), "{left:?}");
    assert_eq!(there.release("report", &token).await.unwrap(), Released::Released);
    assert_eq!(there.release("report", &token).await.unwrap(), Released::AlreadyExpired);
    assert_eq!(there.extend("report", &token, secs(2)).await.unwrap(), Extended::AlreadyExpired);
}

async fn a_guard_is_handed_over(here: Locker, there: Locker) {
    let guard = here.try_lock("report").await.unwrap().unwrap();
    let fence = guard.fence();
    let token = guard.into_token();
    assert!(here.is_locked("report").await.unwrap());
    let taken = LockGuard::from_token(&there, "report", token.clone()).await.unwrap().unwrap();
    assert_eq!((taken.fence(), taken.token()), (fence, &token));
    assert_eq!(taken.release().await.unwrap(), Released::Released);
    assert!(LockGuard::from_token(&there, "report", token).await.unwrap().is_none());
}

async fn what_is_held_is_told(here: Locker, there: Locker) {
    let here = here.with_owner("nightly \"quoted\" job");
    let task = here.batch_task_lock("b-17").unwrap();
    let update = here.resource_update_lock("portfolio", "42").unwrap();
    let guard = here.try_lock(&task).await.unwrap().unwrap();
    let other = here.try_lock(&update).await.unwrap().unwrap();
    let all = there.list("").await.unwrap();
    let names: Vec<&str> = all.iter().map(|info| info.resource.as_str()).collect();
    assert_eq!(names, ["resource:update:portfolio:42", "task:batch:b-17"]);
    let info = there.info(&task).await.unwrap().unwrap();
    let owner = info.owner.as_ref().unwrap();
    assert_eq!((owner.pid, info.fence), (std::process::id(), guard.fence().map(u64::from)));
    assert!(!owner.host.is_empty() && owner.name == "nightly \"quoted\" job", "{owner}");
    let ttl = info.ttl.unwrap();
    assert!(ttl <= secs(3600) && ttl > secs(3590));
    let age = std::time::SystemTime::now().duration_since(info.acquired_at.unwrap());
    assert!(age.map_or(true, |age| age < secs(60)));
    assert_eq!(there.list("resource:up").await.unwrap().len(), 1);
    assert_eq!(there.list("none").await.unwrap(), []);
    let left = there.info(&update).await.unwrap().unwrap().ttl.unwrap();
    assert!(left <= secs(60) && left > secs(50));
    drop(other);
}

async fn by_force(here: Locker, there: Locker) {
    let guard = here.try_lock("report").await.unwrap().unwrap();
    let was = there.force_release("report", "stuck").await.unwrap().unwrap();
    assert_eq!(was.fence, guard.fence().map(u64::from));
    let lost = tokio::time::timeout(secs(5), guard.lost()).await.unwrap();
    assert_eq!((lost, guard.is_valid()), (LossReason::Forced, false));
    assert_eq!(there.force_release("report", "stuck").await.unwrap(), None);
    // Who took it over is named, and told.
    let first = there.clone().with_owner("first");
    let token = first.acquire("handed", secs(30)).await.unwrap().unwrap();
    let second = here.clone().with_owner("second");
    let over = LockGuard::from_token(&second, "handed", token).await.unwrap().unwrap();
    let was = there.force_release("handed", "stuck").await.unwrap().unwrap();
    assert_eq!(was.owner.unwrap().name, "second");
    let lost = tokio::time::timeout(secs(5), over.lost()).await.unwrap();
    assert_eq!(lost, LossReason::Forced);
    let next = there.try_lock("report").await.unwrap().unwrap();
    assert_eq!(guard.release().await.unwrap(), Released::TakenOver);
    assert!(next.is_valid() && here.is_locked("report").await.unwrap());
}

async fn permits_are_as_many_as_there_are(here: Locker, there: Locker) {
    let (here, there) = (here.semaphore("tasks", 2).unwrap(), there.semaphore("tasks", 2).unwrap());
    let one = here.try_acquire().await.unwrap().unwrap();
    let two = there.try_acquire().await.unwrap().unwrap();
    assert!(here.try_acquire().await.unwrap().is_none());
    let info = here.info().await.unwrap();
    assert_eq!((info.permits, info.held, info.waiters), (2, 2, 0));
    let waiting = TaskTracker::new().spawn({
        let there = there.clone();
        async move { futures::join!(there.acquire(secs(20)), there.acquire(secs(20))) }
    });
    eventually("both wait", secs(10), async || here.info().await.unwrap().waiters == 2).await;
    // Nobody overtakes who waits.
    drop(one);
    assert_eq!(two.release().await.unwrap(), Released::Released);
    let (three, four) = waiting.await.unwrap();
    let both = (three.unwrap().unwrap(), four.unwrap().unwrap());
    assert_eq!(here.info().await.unwrap().held, 2);
    drop(both);
    eventually("all are back", secs(10), async || here.info().await.unwrap().held == 0).await;
    assert_eq!(there.info().await.unwrap().waiters, 0);
}

async fn readers_share_and_a_writer_does_not(here: Locker, there: Locker) {
    let (here, there) = (here.rw_lock("table").unwrap(), there.rw_lock("table").unwrap());
    let one = here.try_read().await.unwrap().unwrap();
    let two = there.try_read().await.unwrap().unwrap();
    assert!(there.try_write().await.unwrap().is_none());
    let writing = TaskTracker::new().spawn({
        let there = there.clone();
        async move { there.write(secs(20)).await }
    });
    // A reader does not overtake the writer that waits.
    eventually("the writer comes first", secs(10), async || here.try_read().await.unwrap().is_none()).await;
    drop((one, two));
    let writer = writing.await.unwrap().unwrap().unwrap();
    assert!(here.try_read().await.unwrap().is_none() && here.try_write().await.unwrap().is_none());
    writer.release().await.unwrap();
    assert!(here.read(secs(5)).await.unwrap().is_some());
}

async fn several_are_all_or_none(here: Locker, there: Locker) {
    let names = |names: &[&'static str]| names.iter().map(|name| Resource::from(*name)).collect::<Vec<_>>();
    let both = here.lock_all(names(&["b", "a"]), secs(5)).await.unwrap().unwrap();
    let held: Vec<&str> = both.guards().iter().map(LockGuard::resource).collect();
    assert_eq!((held, both.is_valid()), (vec!["a", "b"], true));
    assert!(there.lock_all(names(&["c", "b"]), millis(200)).await.unwrap().is_none());
    eventually("c is free", secs(10), async || !there.is_locked("c").await.unwrap()).await;
    assert_eq!(both.release().await.unwrap(), [Released::Released; 2]);
    for wrong in [&["a", "a"][..], &[]] {
        let error = there.lock_all(names(wrong), secs(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    assert!(!there.is_locked("a").await.unwrap());
}

async fn a_lock_lives_as_long_as_it_is_renewed(here: Locker, there: Locker) {
    let short = Resource::new("short").ttl(secs(2));
    let kept = here.try_lock(&short).await.unwrap().unwrap();
    let left =
        here.try_lock(Resource::new("left").ttl(millis(300)).without_renewal()).await.unwrap().unwrap();
    let begun = Instant::now();
    assert_eq!(left.lost().await, LossReason::Expired);
    assert!(begun.elapsed() <= secs(2), "at its deadline");
    tokio::time::sleep(secs(4)).await;
    assert!(kept.is_valid() && there.try_lock(&short).await.unwrap().is_none());
    assert!(!left.is_valid() && there.try_lock("left").await.unwrap().is_some());
    assert!(matches!(left.release().await.unwrap(), Released::TakenOver | Released::AlreadyExpired));
    // Its end is not extended by a renewal that was still to come.
    drop(kept);
    eventually("it is free", secs(10), async || !there.is_locked("short").await.unwrap()).await;
}

async fn work_under_a_lost_lock_is_ended(here: Locker, there: Locker) {
    let done = here.with_lock("sum", secs(1), |_| async { 2 }).await.unwrap();
    assert_eq!((done, here.is_locked("sum").await.unwrap()), (Some(2), false));
    let work = here.with_lock("sum", secs(1), |holding| async move {
        assert!(there.force_release("sum", "a test").await.unwrap().is_some());
        std::future::pending::<()>().await;
        drop(holding);
    });
    let error = tokio::time::timeout(secs(20), work).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Lost, false));
}

async fn shutdown_leaves_nothing(here: Locker, there: Locker) {
    let guard = here.try_lock("one").await.unwrap().unwrap();
    drop(here.try_lock("two").await.unwrap());
    let waiting = here.clone();
    let waiting = TaskTracker::new().spawn(async move { waiting.lock("one", secs(60)).await });
    eventually("it waits", secs(10), async || {
        there.info("one").await.unwrap().is_some_and(|info| info.waiters == 1)
    })
    .await;
    here.shutdown().await;
    assert_eq!(guard.lost().await, LossReason::Shutdown);
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(here.try_lock("three").await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(there.list("").await.unwrap(), []);
    assert!(there.try_lock("one").await.unwrap().is_some());
}

/// Permits of holders that died: all of them go at once to who waits, and not one after the other.
async fn what_ended_by_itself_goes_to_all_who_wait(here: Locker, there: Locker) {
    let short = || Resource::new("tasks").ttl(millis(900)).without_renewal();
    let (dying, living) = (here.semaphore(short(), 40).unwrap(), there.semaphore("tasks", 40).unwrap());
    for _ in 0..40 {
        let _dead = dying.try_acquire().await.unwrap().unwrap().into_token();
    }
    let begun = Instant::now();
    let got = join_all((0..40).map(|_| living.acquire(secs(20)))).await;
    assert!(got.into_iter().all(|permit| permit.unwrap().unwrap().is_valid()));
    // One after the other, each with a beat of 200 ms, takes more than 7 s.
    assert!(begun.elapsed() < secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn switched_off_locks_exclude_within_the_process() {
    let settings = LockSettings { enabled: false, ..LockSettings::default() };
    let locker = || Locker::new(MemoryLocks::new(), &settings, &Keyspace::default());
    let (here, there) = (locker(), locker());
    let guard = here.try_lock("switched:off").await.unwrap().unwrap();
    assert!(there.try_lock("switched:off").await.unwrap().is_none());
    assert_eq!(guard.release().await.unwrap(), Released::Released);
    assert!(there.try_lock("switched:off").await.unwrap().is_some());
}
