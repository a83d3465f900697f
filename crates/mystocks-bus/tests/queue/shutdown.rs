//! How it ends.

use std::pin::pin;
use std::sync::Arc;

use futures::poll;
use mystocks_bus::{Bus, ErrorKind};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::yield_now;

use crate::world::{Notes, World, has_received, numbers, soon, tick, ticks};

on_both! {
    what_waits_is_handled_and_then_all_is_refused
    a_subscription_yields_what_waits_and_then_nothing
    a_call_that_takes_long_is_waited_for
    a_second_shutdown_waits_as_well
    the_last_clone_ends_what_is_left
    a_handler_that_owns_a_clone_keeps_the_bus
}

async fn what_waits_is_handled_and_then_all_is_refused(world: World) {
    let bus = &world.here;
    let notes = Notes::default();
    let written = notes.clone();
    let listener = bus.on(ticks(), move |tick| {
        let written = written.clone();
        async move {
            yield_now().await;
            written.write(tick.number);
        }
    });
    let listener = listener.await.unwrap();
    world.publish(0..100).await;
    has_received(|| listener.counts(), 100).await;
    soon(bus.shutdown()).await;
    assert_eq!(notes.read(), (0..100).collect::<Vec<_>>());
    let errors = [
        bus.publish(&tick(1)).await.unwrap_err(),
        bus.publish_to(&ticks(), &tick(1)).await.unwrap_err(),
        bus.clone().subscribe(&ticks()).await.unwrap_err(),
        bus.on(&ticks(), |_| async {}).await.unwrap_err(),
        bus.on_delivery(&ticks(), |_| async {}).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.kind(), error.subject()), (ErrorKind::Closed, "ticks"));
    }
    world.listeners(&ticks(), "ticks", 0).await;
    assert_eq!(listener.counts().received, 100);
}

async fn a_subscription_yields_what_waits_and_then_nothing(world: World) {
    let mut subscription = world.here.subscribe(&ticks()).await.unwrap();
    world.publish(0..3).await;
    has_received(|| subscription.counts(), 3).await;
    soon(world.here.shutdown()).await;
    assert!(!*subscription.live().borrow());
    world.publish(3..5).await;
    assert_eq!(numbers(&mut subscription, 3).await, [0, 1, 2]);
    assert_eq!(soon(subscription.next()).await, None);
    assert_eq!(soon(subscription.next_event()).await, None);
    world.listeners(&ticks(), "ticks", 0).await;
    assert_eq!(subscription.counts().received, 3);
    // Who waits is told as well.
    let mut waiting = world.there.subscribe(&ticks()).await.unwrap();
    let (next, ()) = tokio::join!(soon(waiting.next()), world.there.shutdown());
    assert_eq!(next, None);
}

async fn a_call_that_takes_long_is_waited_for(world: World) {
    let gate = Arc::new(Semaphore::new(0));
    let (begun, ended) = (Notes::default(), Notes::default());
    let (begins, ends, opens) = (begun.clone(), ended.clone(), Arc::clone(&gate));
    let listener = world.here.on(ticks(), move |tick| {
        let (begins, ends, opens) = (begins.clone(), ends.clone(), Arc::clone(&opens));
        async move {
            begins.write(tick.number);
            opens.acquire().await.unwrap().forget();
            ends.write(tick.number);
        }
    });
    listener.await.unwrap().detach();
    world.publish(0..1).await;
    begun.become_these(&[0]).await;
    let mut shutdown = pin!(world.here.shutdown());
    for _ in 0..100 {
        assert!(poll!(&mut shutdown).is_pending());
        yield_now().await;
    }
    gate.add_permits(1);
    soon(shutdown).await;
    assert_eq!(ended.read(), [0]);
}

async fn a_second_shutdown_waits_as_well(world: World) {
    let gate = Arc::new(Semaphore::new(0));
    let opens = Arc::clone(&gate);
    let begun = Notes::default();
    let begins = begun.clone();
    let listener = world.here.on(ticks(), move |tick| {
        let opens = Arc::clone(&opens);
        begins.write(tick.number);
        async move { opens.acquire().await.unwrap().forget() }
    });
    let _listener = listener.await.unwrap();
    world.publish(0..1).await;
    begun.become_these(&[0]).await;
    {
        let dropped = pin!(world.here.shutdown());
        assert!(poll!(dropped).is_pending());
    }
    let (mut first, mut second) = (pin!(world.here.shutdown()), pin!(world.here.shutdown()));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    gate.add_permits(1);
    soon(async { tokio::join!(first, second) }).await;
    soon(world.here.shutdown()).await;
}

async fn the_last_clone_ends_what_is_left(world: World) {
    let bus = world.here.clone();
    let mut subscription = bus.subscribe(&ticks()).await.unwrap();
    let (sender, mut handled) = mpsc::unbounded_channel();
    let listener = bus.on(ticks(), move |tick| {
        sender.send(tick.number).unwrap();
        async {}
    });
    listener.await.unwrap().detach();
    world.publish(0..3).await;
    has_received(|| subscription.counts(), 3).await;
    drop(bus);
    world.publish(3..4).await;
    has_received(|| subscription.counts(), 4).await;
    let world = world.without_here();
    assert_eq!(numbers(&mut subscription, 4).await, [0, 1, 2, 3]);
    assert_eq!(soon(subscription.next()).await, None);
    for number in 0..4 {
        assert_eq!(soon(handled.recv()).await, Some(number));
    }
    assert_eq!(soon(handled.recv()).await, None, "the handler is gone");
    world.listeners(&ticks(), "ticks", 0).await;
}

async fn a_handler_that_owns_a_clone_keeps_the_bus(world: World) {
    let notes = Notes::default();
    let (written, bus): (_, Bus) = (notes.clone(), world.here.clone());
    let listener = world.here.on(ticks(), move |tick| {
        written.write(tick.number);
        let bus = bus.clone();
        async move {
            if tick.number == 0 {
                bus.publish(&crate::world::tick(1)).await.unwrap();
            }
        }
    });
    listener.await.unwrap().detach();
    let world = world.without_here();
    world.publish(0..1).await;
    notes.become_these(&[0, 1]).await;
}
