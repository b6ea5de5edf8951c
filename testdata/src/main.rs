//! Writes the project's own captures, deterministically by seed.

fn main() {}
