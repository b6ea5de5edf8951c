//! Keys of Initial packets, and taking their protection off (RFC 9001 section 5, RFC 9369 section 3.3).
//!
//! Everybody who saw the client's first packet knows the keys: they keep nothing secret, and only tie what follows to it.

use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::BlockEncrypt;
use aes_gcm::{AeadInPlace, Aes128Gcm, KeyInit};
use hkdf::Hkdf;
use sha2::Sha256;

use super::packet::{Long, Version};

const TAG: usize = 16;
const SAMPLE: usize = 16;

impl Version {
    fn salt(self) -> [u8; 20] {
        match self {
            // draft-ietf-quic-tls-23 section 5.2.
            Self::Draft23 => [
                0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63,
                0x65, 0xbe, 0xf9, 0xf5, 0x02,
            ],
            // draft-ietf-quic-tls-29 section 5.2.
            Self::Draft29 => [
                0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11,
                0xe0, 0x43, 0x90, 0xa8, 0x99,
            ],
            // RFC 9001 section 5.2.
            Self::One => [
                0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c,
                0xad, 0xcc, 0xbb, 0x7f, 0x0a,
            ],
            // RFC 9369 section 3.3.1.
            Self::Two => [
                0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d,
                0xcb, 0xf9, 0xbd, 0x2e, 0xd9,
            ],
        }
    }

    /// Labels of key, initialization vector and header protection.
    fn labels(self) -> [&'static [u8]; 3] {
        match self {
            Self::Two => [b"tls13 quicv2 key", b"tls13 quicv2 iv", b"tls13 quicv2 hp"],
            Self::Draft23 | Self::Draft29 | Self::One => {
                [b"tls13 quic key", b"tls13 quic iv", b"tls13 quic hp"]
            }
        }
    }
}

/// Keys of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys {
    key: [u8; 16],
    iv: [u8; 12],
    header: [u8; 16],
}

impl Keys {
    /// The client's keys of a connection whose first packet went to `id`.
    pub(super) fn of_client(version: Version, id: &[u8]) -> Self {
        let mut secret = [0; 32];
        expand(
            &Hkdf::new(Some(&version.salt()), id),
            b"tls13 client in",
            &mut secret,
        );
        let mut keys = Self {
            key: [0; 16],
            iv: [0; 12],
            header: [0; 16],
        };
        // A secret is as long as the hash, which is what is asked for.
        if let Ok(hkdf) = Hkdf::from_prk(&secret) {
            let [key, iv, header] = version.labels();
            expand(&hkdf, key, &mut keys.key);
            expand(&hkdf, iv, &mut keys.iv);
            expand(&hkdf, header, &mut keys.header);
        }
        keys
    }

    /// What the header protection is made of (RFC 9001 section 5.4.3).
    fn mask(&self, sample: [u8; SAMPLE]) -> [u8; SAMPLE] {
        let mut block = GenericArray::from(sample);
        Aes128::new(&GenericArray::from(self.header)).encrypt_block(&mut block);
        block.into()
    }

    fn nonce(&self, number: u32) -> [u8; 12] {
        let mut nonce = self.iv;
        for (byte, n) in nonce[8..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= n;
        }
        nonce
    }

    /// Decrypts an Initial packet into `room`; nothing when the keys are not its.
    pub(super) fn open(&self, packet: &Long<'_>, room: &mut Vec<u8>) -> Option<()> {
        let at = packet.number_at;
        let sample = *packet.bytes.get(at + 4..)?.first_chunk::<SAMPLE>()?;
        let mask = self.mask(sample);
        let first = packet.bytes[0] ^ mask[0] & 0x0f;
        let len = usize::from(first & 3) + 1;
        // The header as it was before it was protected. A number is sent in full: few packets come before the first is
        // acknowledged, so nothing is left out of it (RFC 9000 section 17.1).
        let mut header = packet.bytes.get(..at + len)?.to_vec();
        header[0] = first;
        let mut number = 0;
        for (byte, mask) in header[at..].iter_mut().zip(&mask[1..]) {
            *byte ^= mask;
            number = number << 8 | u32::from(*byte);
        }
        let (sealed, tag) = packet.bytes.get(at + len..)?.split_last_chunk::<TAG>()?;
        room.clear();
        room.extend_from_slice(sealed);
        Aes128Gcm::new(&GenericArray::from(self.key))
            .decrypt_in_place_detached(
                &GenericArray::from(self.nonce(number)),
                &header,
                room,
                &GenericArray::from(*tag),
            )
            .ok()
    }
}

/// HKDF-Expand-Label of TLS 1.3 without context (RFC 8446 section 7.1); `label` has the prefix on.
fn expand(hkdf: &Hkdf<Sha256>, label: &[u8], out: &mut [u8]) {
    let mut info = Vec::with_capacity(label.len() + 4);
    // Both are a few bytes long.
    info.extend_from_slice(&u16::try_from(out.len()).unwrap_or(0).to_be_bytes());
    info.push(u8::try_from(label.len()).unwrap_or(0));
    info.extend_from_slice(label);
    info.push(0);
    // It fails only for more than 255 times what the hash gives.
    let _ = hkdf.expand(&info, out);
}

/// Initial packets for tests.
#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::quic::packet::{Kind, Packets};

    /// An Initial packet of a client with a number of two bytes.
    pub(in crate::quic) fn seal(version: u32, id: &[u8], number: u8, frames: &[u8]) -> Vec<u8> {
        let kind = if version == 0x6b33_43cf { 0xd0 } else { 0xc0 };
        let mut packet = vec![kind | 1];
        packet.extend(version.to_be_bytes());
        packet.push(u8::try_from(id.len()).unwrap());
        packet.extend(id);
        packet.extend([3, 1, 2, 3, 2, 0xaa, 0xbb]);
        let length = frames.len() + 2 + TAG;
        packet.extend((0x4000 | u16::try_from(length).unwrap()).to_be_bytes());
        let at = packet.len();
        packet.extend([0, number]);
        let header = packet.clone();
        packet.extend(frames);
        packet.extend([0; TAG]);
        let long = Packets::new(&packet).next().unwrap();
        assert_eq!((long.kind, long.number_at), (Kind::Initial, at));
        let keys = Keys::of_client(long.version, id);
        let mut body = frames.to_vec();
        let tag = Aes128Gcm::new(&GenericArray::from(keys.key))
            .encrypt_in_place_detached(&GenericArray::from(keys.nonce(number.into())), &header, &mut body)
            .unwrap();
        packet.truncate(at + 2);
        packet.extend(body);
        packet.extend(tag);
        let mask = keys.mask(*packet[at + 4..].first_chunk().unwrap());
        packet[0] ^= mask[0] & 0x0f;
        packet[at] ^= mask[1];
        packet[at + 1] ^= mask[2];
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quic::packet::Packets;

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    const ID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

    #[test]
    fn keys_are_those_of_the_specifications() {
        // RFC 9001 appendix A.1, RFC 9369 appendix A.1, and appendix A.1 of draft-ietf-quic-tls-29 and -27.
        for (version, key, iv, header) in [
            (
                Version::One,
                "1f369613dd76d5467730efcbe3b1a22d",
                "fa044b2f42a3fd3b46fb255c",
                "9f50449e04a0e810283a1e9933adedd2",
            ),
            (
                Version::Draft29,
                "175257a31eb09dea9366d8bb79ad80ba",
                "6b26114b9cba2b63a9e8dd4f",
                "9ddd12c994c0698b89374a9c077a3077",
            ),
            (
                Version::Draft23,
                "af7fd7efebd21878ff66811248983694",
                "8681359410a70bb9c92f0420",
                "a980b8b4fb7d9fbc13e814c23164253d",
            ),
            (
                Version::Two,
                "8b1a0bc121284290a29e0971b5cd045d",
                "91f73e2351d8fa91660e909f",
                "45b95e15235d6f45a6b19cbcb0294ba9",
            ),
        ] {
            let keys = Keys::of_client(version, &ID);
            assert_eq!(keys.key[..], unhex(key)[..], "{version:?}");
            assert_eq!(keys.iv[..], unhex(iv)[..], "{version:?}");
            assert_eq!(keys.header[..], unhex(header)[..], "{version:?}");
        }
    }

    #[test]
    fn the_mask_is_that_of_the_specification() {
        // RFC 9001 appendix A.2.
        let sample = unhex("d1b1c98dd7689fb8ec11d242b123dc9b");
        let mask = Keys::of_client(Version::One, &ID).mask(sample.try_into().unwrap());
        assert_eq!(mask[..5], unhex("437b9aec36")[..]);
    }

    #[test]
    fn the_packet_of_the_specification_opens() {
        // The client Initial of RFC 9001 appendix A.2: a frame with a hello of 241 bytes, then padding.
        let mut frames = unhex(concat!(
            "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c",
            "00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006",
            "001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa4",
            "7fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305",
            "0306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ff",
            "ff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff",
        ));
        frames.resize(1162, 0);
        let keys = Keys::of_client(Version::One, &ID);
        let mut sealed = frames.clone();
        let tag = Aes128Gcm::new(&GenericArray::from(keys.key))
            .encrypt_in_place_detached(
                &GenericArray::from(keys.nonce(2)),
                &unhex("c300000001088394c8f03e5157080000449e00000002"),
                &mut sealed,
            )
            .unwrap();
        // What the appendix shows of the protected packet: its header, its first bytes and its last.
        assert_eq!(sealed[..16], unhex("d1b1c98dd7689fb8ec11d242b123dc9b")[..]);
        assert_eq!(tag[..], unhex("e221af44860018ab0856972e194cd934")[..]);
        let header = unhex("c000000001088394c8f03e5157080000449e7b9aec34");
        let packet = [&header[..], &sealed, &tag].concat();
        assert_eq!(packet.len(), 1200);
        let long = Packets::new(&packet).next().unwrap();
        let mut room = Vec::new();
        keys.open(&long, &mut room).unwrap();
        assert_eq!(room, frames);
        assert_eq!(Keys::of_client(Version::Two, &ID).open(&long, &mut room), None);
        let mut connection = crate::quic::Connection::default();
        connection.datagram(0, &packet, &mut room);
        assert_eq!(connection.told().unwrap().sni.as_deref(), Some("example.com"));
    }
}
