//! Unpublished: side-by-side benchmarks against raw clients and peers.
