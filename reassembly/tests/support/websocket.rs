//! Writes WebSockets: the handshake over HTTP/1.1, and frames.

#![allow(unreachable_pub, reason = "a module of tests")]
#![allow(dead_code, reason = "each test file uses a part")]

use crate::support::{CLIENT, SERVER, Wire};

/// The request of the handshake.
pub const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// The answer to it, which settles on these extensions.
pub fn switch(extensions: &str) -> String {
    let extensions = match extensions {
        "" => String::new(),
        some => format!("Sec-WebSocket-Extensions: {some}\r\n"),
    };
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n{extensions}\r\n"
    )
}

/// A flow right behind the handshake of a WebSocket.
pub fn websocket(extensions: &str) -> Wire {
    let mut wire = Wire::new(40_000);
    wire.open().send(CLIENT, UPGRADE).send(SERVER, switch(extensions));
    wire
}

/// A frame; the client's are masked with a key made from its payload.
pub fn frame(side: usize, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mask_bit = if side == CLIENT { 0x80 } else { 0 };
    match payload.len() {
        len @ 0..=125 => out.push(mask_bit | len as u8),
        len @ 126..=0xffff => {
            out.push(mask_bit | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(mask_bit | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    if side == SERVER {
        out.extend(payload);
        return out;
    }
    let sum = payload.iter().fold(payload.len() as u32 + 1, |s, b| {
        s.wrapping_mul(0x0100_0193).wrapping_add(u32::from(*b) + 7)
    });
    let key = sum.wrapping_mul(0x9e37_79b1).to_be_bytes();
    out.extend(key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k));
    out
}
