//! The binary `mystocks`: wires the crates of the workspace together.

fn main() {}
