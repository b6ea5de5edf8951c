//! Templates on labelled corpora: ours, and what the rules of others make of the same calls.

mod corpus;
mod lists;
mod peers;
