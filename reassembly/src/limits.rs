//! Ceilings on what one [`crate::Reassembler`] holds, and the counters that say what they cost.

use std::time::Duration;

use crate::packet::{Checksums, TunnelPorts, Wrapping};

/// Ceilings. Every table has one; what is given up is counted in [`Counters`].
#[derive(Debug, Clone)]
pub struct Limits {
    /// Flows tracked at once; one makes way for a new one as it does for [`Self::memory`]. Of QUIC and DTLS an eighth as many are
    /// tracked beside them.
    pub flows: usize,
    /// Bytes of memory that flows may take with all they hold. When it is not enough, flows make way: first such as are
    /// over; then, while they are more than a quarter of all, such as nothing was read of; then the others; of each, the one
    /// quiet for longest. Flows that take much more than others may have half of it together. Those of QUIC and DTLS may
    /// take an eighth of it, and the windows and tables of brotli bodies three quarters; a body that finds no room there
    /// is not decoded.
    pub memory: usize,
    /// Quiet period, in capture time, after which a flow is closed.
    pub idle: Duration,
    /// How long bytes wait for ones sent before them. A mirror port may deliver the two directions, or
    /// two queues of a card, that much apart.
    pub reorder_wait: Duration,
    /// Bytes of memory held per direction of a flow while earlier ones are missing.
    pub held_per_flow: usize,
    /// Bytes of memory held by all flows together while earlier ones are missing.
    pub held_total: usize,
    /// Bytes of a message head (start line and fields).
    pub head: usize,
    /// Decoded body bytes kept per message for analysis; the rest is counted, not kept.
    pub body_capture: usize,
    /// Decoded body bytes kept in all unfinished messages together.
    pub body_capture_total: usize,
    /// Bytes that one content-coded body may expand to before decoding stops.
    pub decoded: u64,
    /// Requests of one flow that wait for their responses.
    pub pipelined: usize,
    /// Streams open at once in one flow of HTTP/2.
    pub streams: usize,
    /// Whether the VLAN id is a part of what tells flows apart.
    pub key_by_vlan: bool,
    /// Whether the network identifier of a tunnel is.
    pub key_by_vni: bool,
    /// Where tunnels are looked for.
    pub tunnels: TunnelPorts,
    /// Bytes of memory that IP fragments may take while their datagrams are not whole.
    pub fragments_total: usize,
    /// How long fragments wait for each other, in capture time.
    pub fragment_wait: Duration,
    /// How far apart, in capture time, two copies of a packet may come; zero when copies are not told apart.
    pub duplicate_window: Duration,
    /// What is done about the checksums of IPv4, TCP and UDP.
    pub checksums: Checksums,
    /// Bytes of memory for what was delivered last, of all flows together, so that retransmissions can be compared with
    /// it. Those that repeat one of the last segments with the same bounds are compared in any case. What is larger than
    /// the cache of a core slows down.
    pub history: usize,
    /// Rooms that flows are dealt out to by their addresses, a power of two: each has an equal share of every ceiling on all flows,
    /// so that rooms may be worked by different threads and give the same. Zero for as many as shares remain large enough for.
    pub rooms: usize,
}

/// Rooms at most, and what each must have at least where their number is not given. In so much memory a flow with the largest window of
/// brotli takes less than three eighths, from which on no more is kept of the bodies of such.
const ROOMS: usize = 8;
const ROOM_MEMORY: usize = 64 << 20;
const ROOM_FLOWS: usize = 4096;
const ROOM_HELD: usize = 4;
const ROOM_BODIES: usize = 16;

impl Default for Limits {
    fn default() -> Self {
        Self {
            flows: 200_000,
            memory: 192 << 20,
            idle: Duration::from_secs(300),
            reorder_wait: Duration::from_millis(250),
            held_per_flow: 1 << 20,
            held_total: 64 << 20,
            head: 64 << 10,
            body_capture: 256 << 10,
            body_capture_total: 64 << 20,
            decoded: 64 << 20,
            pipelined: 256,
            streams: 1024,
            key_by_vlan: false,
            key_by_vni: false,
            tunnels: TunnelPorts::default(),
            fragments_total: 4 << 20,
            fragment_wait: Duration::from_secs(30),
            duplicate_window: Duration::from_millis(50),
            checksums: Checksums::default(),
            history: 256 << 10,
            rooms: 0,
        }
    }
}

impl Limits {
    /// Rooms that flows are dealt out to, a power of two.
    pub(crate) fn rooms_in_all(&self) -> usize {
        if self.rooms > 0 {
            return self.rooms.min(ROOMS).next_power_of_two();
        }
        let fits = |all: usize, least: usize| all / least.max(1);
        let most = fits(self.memory, ROOM_MEMORY)
            .min(fits(self.flows, ROOM_FLOWS))
            .min(fits(
                self.held_total,
                self.held_per_flow.saturating_mul(ROOM_HELD),
            ))
            .min(fits(
                self.body_capture_total,
                self.body_capture.saturating_mul(ROOM_BODIES),
            ))
            .clamp(1, ROOMS);
        1 << most.ilog2()
    }

    /// The ceilings of one of so many rooms.
    pub(crate) fn share(&self, rooms: usize) -> Self {
        Self {
            flows: self.flows / rooms,
            memory: self.memory / rooms,
            held_total: self.held_total / rooms,
            body_capture_total: self.body_capture_total / rooms,
            history: self.history / rooms,
            ..self.clone()
        }
    }

    /// What of a packet's wrapping tells its flow from others.
    pub(crate) fn network_of(&self, wrapping: Wrapping) -> (Option<u16>, Option<u32>) {
        (
            wrapping.vlan.filter(|_| self.key_by_vlan),
            wrapping.vni.filter(|_| self.key_by_vni),
        )
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident, $text:expr;)*) => {
        /// What was seen, and what was lost, by cause.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Counters { $($(#[$doc])* pub $name: u64,)* }

        impl Counters {
            /// Every counter with its name in words, in the order of the funnel.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((stringify!($name), $text, self.$name)),*].into_iter()
            }
            /// Adds another reassembler's counters to these.
            pub fn add(&mut self, other: &Self) { $(self.$name += other.$name;)* }
        }
    };
}

counters! {
    /// Packets taken.
    packets, "packets";
    /// Bytes of those packets, as captured.
    packet_bytes, "captured bytes";
    /// Packets that carried a TCP segment.
    tcp_packets, "TCP segments";
    /// Packets that carried a datagram of a QUIC or DTLS flow.
    udp_packets, "QUIC and DTLS datagrams";
    /// Packets of another transport or network protocol.
    other_protocol, "packets of other protocols";
    /// Packets whose headers could not be read.
    undecodable, "packets with unreadable headers";
    /// Packets of a link type that is not known.
    unknown_link, "packets of an unknown link type";
    /// Packets with more tunnels in each other than are taken off.
    nested, "packets nested too deep";
    /// IP fragments.
    fragments, "IP fragments";
    /// Datagrams put together from fragments.
    datagrams, "datagrams put together";
    /// Datagrams given up before they were whole.
    fragments_lost, "fragmented datagrams never whole";
    /// Fragments that made no sense or were cut off.
    fragments_refused, "IP fragments refused";
    /// Segments seen a moment before, by their headers.
    duplicates, "packets seen twice";
    /// Packets captured shorter than they were sent.
    truncated, "packets cut off by the capture";
    /// Packets whose checksums were looked at.
    checksums_checked, "packets with checksums looked at";
    /// Wrong checksums of IPv4 headers, among those looked at.
    ip_checksums_wrong, "wrong IPv4 checksums";
    /// Wrong checksums of TCP segments, among those looked at.
    tcp_checksums_wrong, "wrong TCP checksums";
    /// Wrong checksums of UDP datagrams, among those looked at.
    udp_checksums_wrong, "wrong UDP checksums";
    /// Checksums that were left to the card to fill in, among those looked at.
    checksums_unfilled, "checksums left to the card";
    /// Packets dropped for a checksum that is wrong or was left to the card.
    checksum_dropped, "packets dropped for their checksum";
    /// Flows begun.
    flows, "TCP flows";
    /// Flows that gave out at least one exchange.
    http_flows, "flows with HTTP";
    /// Flows recognised as TLS whose content could not be read.
    tls_flows, "flows with TLS (opaque)";
    /// Flows with TLS whose content could be read with the secrets at hand.
    tls_decrypted, "flows with TLS (decrypted)";
    /// Records of TLS that the secrets at hand did not open.
    tls_refused, "TLS records that did not open";
    /// Flows recognised as QUIC.
    quic_flows, "flows with QUIC (opaque)";
    /// Flows recognised as DTLS.
    dtls_flows, "flows with DTLS (opaque)";
    /// Flows with HTTP/2.
    http2_flows, "flows with HTTP/2";
    /// Flows that a load balancer began with a header of the PROXY protocol.
    proxied_flows, "flows with a PROXY header";
    /// Flows with payload that is none of these.
    unknown_flows, "flows with other content";
    /// Flows that made way for others.
    evicted_flows, "flows evicted at the limit";
    /// Flows that made way because all together took too much memory.
    evicted_memory, "flows evicted for memory";
    /// Payload bytes delivered in order.
    payload_bytes, "payload bytes in order";
    /// Payload bytes that repeat delivered ones.
    retransmitted_bytes, "payload bytes repeated";
    /// Repeated payload bytes whose first copy is no longer at hand, so that nothing tells whether they differ.
    uncompared_bytes, "repeated bytes not compared";
    /// Retransmissions whose bytes differ from the first copy.
    conflicts, "retransmissions that differ";
    /// Segments with urgent data (RFC 6093), which is read in line.
    urgent, "segments with urgent data";
    /// Payload bytes that their receiver did not take: sent with a SYN or into a closed window.
    refused_bytes, "payload bytes refused by their receiver";
    /// Segments that came before ones sent earlier.
    reordered, "segments out of order";
    /// Payload bytes sent after a reset in a flow that did not go on.
    after_reset_bytes, "payload bytes after a reset";
    /// Places where bytes were never seen.
    gaps, "gaps";
    /// Bytes never seen.
    gap_bytes, "bytes lost in gaps";
    /// Segments dropped because too much was held already.
    held_overflow, "segments given up at the hold limit";
    /// Exchanges given out.
    exchanges, "exchanges";
    /// Exchanges without a response.
    no_response, "exchanges without response";
    /// Exchanges without a request.
    no_request, "exchanges without request";
    /// Messages that were damaged by a gap.
    damaged, "messages damaged by gaps";
    /// Heads of messages with more bytes or fields than are read. One of HTTP/1 is not read at all, of one of HTTP/2 the
    /// fields up to there.
    head_overflow, "heads over the limit";
    /// Messages of WebSockets of which the end was not seen, though nothing of them was lost.
    parts_unfinished, "messages of WebSockets whose end was not seen";
    /// Bytes skipped because no message could be read in them.
    unparsable_bytes, "bytes that are no HTTP message";
    /// Bodies of which less was kept than [`Limits::body_capture`], for want of memory: too much is kept of others, or their flow is one of
    /// those that hold much, and these are short of memory.
    bodies_unkept, "bodies not kept for want of memory";
    /// Bodies whose content-coding could not be decoded.
    opaque_bodies, "bodies that could not be decoded";
    /// Bytes of WebSockets in which no frame could be found, and of gRPC in which no message could.
    unframed_bytes, "bytes that are no message of a WebSocket or gRPC";
    /// Parts of exchanges: messages of WebSockets and gRPC, server-sent events.
    parts, "messages and events in streams";
    /// Parts not given out because they are too many for the bytes they came in.
    parts_dropped, "messages and events given up at the limit";
    /// Bodies cut at the decompression limit.
    decoded_overflow, "bodies over the decompression limit";
    /// Bodies, and messages of WebSockets and gRPC, that unpack to more than 64 KiB and 128 times what was sent, within the
    /// limits.
    decoded_extreme, "bodies unpacked at an extreme ratio";
    /// Messages with a reading that receivers may not share.
    ambiguous, "messages that receivers may read differently";
    /// Fields of HTTP/2 that refer to others which were not seen (RFC 7541).
    hpack_unknown, "fields of HTTP/2 that refer to what was not seen";
    /// Header blocks of HTTP/2 that broke off or break RFC 7541.
    hpack_broken, "blocks of HTTP/2 fields that cannot be read";
    /// Streams of HTTP/2 given up at the limit.
    evicted_streams, "streams of HTTP/2 given up at the limit";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_rooms_as_have_enough_of_everything() {
        let with = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            let rooms = limits.rooms_in_all();
            let share = limits.share(rooms);
            assert!(share.memory * rooms <= limits.memory && share.flows * rooms <= limits.flows);
            rooms
        };
        assert_eq!(with(|_| {}), 2);
        assert_eq!(with(|limits| limits.memory = 4 << 30), 8);
        assert_eq!(with(|limits| limits.memory = 127 << 20), 1);
        assert_eq!(
            with(|limits| (limits.memory, limits.flows) = (1 << 30, 17_000)),
            4
        );
        assert_eq!(
            with(|limits| (limits.memory, limits.held_total) = (1 << 30, 10 << 20)),
            2
        );
        assert_eq!(with(|limits| limits.body_capture_total = 1 << 20), 1);
        assert_eq!(with(|limits| (limits.memory, limits.flows) = (0, 0)), 1);
        // Asked for.
        assert_eq!(with(|limits| limits.rooms = 3), 4);
        assert_eq!(with(|limits| limits.rooms = 1000), 8);
    }
}
