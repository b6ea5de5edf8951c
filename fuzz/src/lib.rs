//! What the fuzz targets do, as plain functions: run by libFuzzer with inputs of its own making, and by an ordinary test
//! with those in `corpus/`.
//!
//! Each asserts that the memory it takes follows from its input and the limits, that the same input gives the same answer
//! again, and that the answer does not depend on where the input is cut, where a cut means nothing.

pub mod memory;
pub mod sensor;

pub mod packets;

pub mod tcp;

pub mod grpc;
pub mod hpack;
pub mod http1;
pub mod http2;
pub mod sse;
pub mod websocket;

pub mod datagrams;
pub mod hellos;
pub mod tls;

pub mod captures;

pub mod a2a;
pub mod content;
pub mod llm;
pub mod mcp;
pub mod tokens;

pub mod shape;
pub mod spec;
