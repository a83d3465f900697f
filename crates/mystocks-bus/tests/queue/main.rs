//! Subscribers, their queues and their ends, on memory and on a real server.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[macro_use]
mod world;

mod backpressure;
mod book;
mod handlers;
mod hub;
mod hub_links;
mod hub_stalls;
mod lifecycle;
mod log;
mod puppet;
mod shutdown;
mod streams;
