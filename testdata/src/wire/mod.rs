//! Writes captures packet by packet: frames with valid checksums, in pcap or pcapng.
//!
//! A [`Capture`] collects frames and writes the file; a [`Conn`] is one TCP connection that knows its
//! addresses, sequence numbers and options and puts its packets into a capture. The plain way is
//! [`Conn::open`], [`Conn::send`], [`Conn::close`]. For an unkind network take [`Conn::segments`], which
//! uses up sequence numbers but writes nothing, and [`Conn::emit`] what should be seen, when and in
//! whatever order: leave a segment out, emit it twice, swap two.
//!
//! ```
//! use testdata::wire::{Capture, Conn, Link, Resolution, Side};
//!
//! let mut capture = Capture::new(Link::Ethernet);
//! let mut conn = Conn::new("10.0.0.1:40000".parse()?, "10.0.0.2:80".parse()?);
//! let t = conn.open(&mut capture, 1_000_000_000);
//! let t = conn.send(&mut capture, t, Side::Client, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
//!
//! let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
//! let segments = conn.segments(Side::Server, response, &[10, 20]);
//! conn.emit(&mut capture, t + 2_000, &segments[1]); // out of order
//! conn.emit(&mut capture, t + 3_000, &segments[0]);
//! conn.emit(&mut capture, t + 4_000, &segments[2]);
//! conn.emit(&mut capture, t + 5_000, &segments[2]); // and once more
//! conn.close(&mut capture, t + 9_000, Side::Client);
//!
//! let file: Vec<u8> = capture.pcap(Resolution::Nanoseconds);
//! # assert_eq!(file[..4], 0xa1b2_3c4d_u32.to_le_bytes());
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

mod capture;
mod check;
mod conn;
mod packet;

pub use capture::{Capture, Frame, Link, Resolution};
pub use check::{Checked, check_frame, frames_of_pcap};
pub use conn::{Conn, Segment, Side};
pub use packet::{Extension, Flags, Tcp, ip_packet};
