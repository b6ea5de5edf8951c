//! Writes the project's own captures, deterministically by seed.
//!
//! ```text
//! story ─▶ http ─▶ wire ─▶ file
//!  who calls  messages   packets with
//!  what when  and bodies checksums
//! ```
//!
//! [`demo`] is the small company's day behind `testdata/demo.pcap`; [`canary`] plants secrets to look for in
//! every output; [`credentials`] has a small capture for every way in which a credential may be wrong, and for what is nearly so; [`shapes`] has APIs of all makes; [`wire`], [`http`] and [`http2`] are the tools, for tests anywhere in the workspace.

pub mod rng;
pub mod text;
pub mod time;

pub mod wire;

pub mod http;
pub mod http2;

pub mod demo;

pub mod canary;

pub mod credentials;

pub mod shapes;
