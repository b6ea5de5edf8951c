//! A mirror port made of network namespaces, with a sender on one side and the sensor on the other.

mod chat;
mod net;
mod rates;
mod soak;
mod wire;

pub use chat::chat;
pub use rates::rates;
pub use soak::soak;
pub use wire::{listen, record, send};
