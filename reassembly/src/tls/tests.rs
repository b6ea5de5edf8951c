//! Connections protected here, and opened again under any cutting and after losses.

use proptest::prelude::*;

use super::keys::Secrets;
use super::protection::{Opener, Suite};
use super::session::{Context, Opened, Session};
use crate::limits::Counters;
use crate::tcp::stream::Meta;

const CLIENT_RANDOM: [u8; 32] = [0xc1; 32];
const SERVER_RANDOM: [u8; 32] = [0x5e; 32];
const RETRY: &str = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn list16(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, len[1], len[2], len[3]][..], body].concat()
}

fn record(kind: u8, fragment: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &list16(fragment)].concat()
}

fn client_hello(early: bool) -> Vec<u8> {
    let mut extensions = [&[0, 43][..], &list16(&[4, 3, 4, 3, 3])].concat();
    if early {
        extensions.extend([0, 42, 0, 0]);
    }
    let body = [
        &[3, 3][..],
        &CLIENT_RANDOM,
        &[0],
        &list16(&[0x13, 1]),
        &[1, 0],
        &list16(&extensions),
    ]
    .concat();
    record(22, &message(1, &body))
}

fn server_hello(random: &[u8], suite: u16, tls13: bool) -> Vec<u8> {
    let extensions = if tls13 {
        vec![0, 43, 0, 2, 3, 4]
    } else {
        Vec::new()
    };
    let body = [
        &[3, 3][..],
        random,
        &[0],
        &suite.to_be_bytes(),
        &[0],
        &list16(&extensions),
    ]
    .concat();
    record(22, &message(2, &body))
}

/// What a peer sends on its side, under keys in turn.
struct Peer {
    suite: Suite,
    opener: Opener,
    secret: Vec<u8>,
    sequence: u64,
}

impl Peer {
    fn seal(&mut self, kind: u8, text: &[u8], padding: usize) -> Vec<u8> {
        self.sequence += 1;
        self.opener.seal(kind, text, padding, self.sequence - 1)
    }

    fn under(&mut self, secret: &[u8]) {
        self.secret = secret.to_vec();
        self.opener = Opener::tls13(self.suite, secret).unwrap();
        self.sequence = 0;
    }

    fn updates(&mut self) -> Vec<u8> {
        let sent = self.seal(22, &message(24, &[0]), 0);
        let next = self.suite.next_secret(&self.secret).unwrap();
        self.under(&next);
        sent
    }
}

fn secret(number: u8, suite: u16) -> Vec<u8> {
    vec![number; if suite == 0x1302 { 48 } else { 32 }]
}

fn log(suite: u16) -> String {
    let words = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let random = words(&CLIENT_RANDOM);
    let names = [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
    ];
    let mut text = format!("CLIENT_RANDOM {random} {}\n", words(&[0x77; 48]));
    for (number, name) in (1..).zip(names) {
        text += &format!("{name} {random} {}\n", words(&secret(number, suite)));
    }
    text
}

/// A connection in turns of client (true) and server, each a list of records.
type Turns = Vec<(bool, Vec<Vec<u8>>)>;

struct Built {
    turns: Turns,
    /// Plaintext of client and server.
    text: [Vec<u8>; 2],
}

fn sent(number: usize, from_client: bool) -> Vec<u8> {
    let who = if from_client { "request" } else { "response" };
    format!("{who} {number}: {}\n", "x".repeat(number * 37 % 400)).into_bytes()
}

fn tls13(suite: u16) -> Built {
    let known = Suite::of(suite, true).unwrap();
    let peer = |number| Peer {
        suite: known,
        opener: Opener::tls13(known, &secret(number, suite)).unwrap(),
        secret: Vec::new(),
        sequence: 0,
    };
    let (mut client, mut server) = (peer(1), peer(2));
    let finished = message(20, &[9; 32]);
    let ccs = record(20, &[1]);
    // Messages of the handshake together in one record, and one cut over two.
    let certificate = [message(8, &[0, 0]), message(11, &[7; 700])].concat();
    let mut flight = vec![
        server_hello(&SERVER_RANDOM, suite, true),
        ccs.clone(),
        server.seal(22, &certificate[..300], 0),
        server.seal(22, &certificate[300..], 3),
        server.seal(22, &finished, 0),
    ];
    server.under(&secret(4, suite));
    let mut text = [Vec::new(), Vec::new()];
    let early = sent(999, false);
    flight.push(server.seal(23, &early, 0));
    text[1].extend(early);
    let mut turns = vec![
        (true, vec![client_hello(false)]),
        (false, vec![server_hello(&hex(RETRY), suite, true), ccs.clone()]),
        (true, vec![ccs, client_hello(false)]),
        (false, flight),
        (true, vec![client.seal(22, &finished, 0)]),
    ];
    client.under(&secret(3, suite));
    turns.push((false, vec![server.seal(22, &message(4, &[5; 90]), 0)]));
    for number in 0..12 {
        for (side, peer) in [&mut client, &mut server].into_iter().enumerate() {
            let words = sent(number, side == 0);
            let mut records = vec![peer.seal(23, &words, number * 5)];
            if number % 4 == 3 - side {
                records.push(peer.updates());
            }
            records.push(peer.seal(23, b"", 0));
            records.push(peer.seal(23, b"tail\0", 0));
            text[side].extend([&words[..], b"tail\0"].concat());
            turns.push((side == 0, records));
        }
    }
    for (side, peer) in [client, server].iter_mut().enumerate() {
        turns.push((side == 0, vec![peer.seal(21, &[1, 0], 0)]));
    }
    Built { turns, text }
}

fn tls12(suite: u16) -> Built {
    let known = Suite::of(suite, false).unwrap();
    let peer = |client| Peer {
        suite: known,
        opener: Opener::tls12(known, &[0x77; 48], &CLIENT_RANDOM, &SERVER_RANDOM, client).unwrap(),
        secret: Vec::new(),
        sequence: 0,
    };
    let (mut client, mut server) = (peer(true), peer(false));
    let (finished, ccs) = (message(20, &[9; 12]), record(20, &[1]));
    let mut turns = vec![
        (true, vec![client_hello(false)]),
        (
            false,
            vec![
                server_hello(&SERVER_RANDOM, suite, false),
                record(22, &message(11, &[7; 900])),
                record(22, &message(14, &[])),
            ],
        ),
        (
            true,
            vec![
                record(22, &message(16, &[3; 66])),
                ccs.clone(),
                client.seal(22, &finished, 0),
            ],
        ),
        (false, vec![ccs, server.seal(22, &finished, 0)]),
    ];
    let mut text = [Vec::new(), Vec::new()];
    for number in 0..12 {
        for (side, peer) in [&mut client, &mut server].into_iter().enumerate() {
            let words = sent(number, side == 0);
            turns.push((
                side == 0,
                vec![peer.seal(23, &words, 0), peer.seal(23, b"tail\0", 0)],
            ));
            text[side].extend([&words[..], b"tail\0"].concat());
        }
    }
    Built { turns, text }
}

fn build(suite: u16) -> Built {
    if suite >> 8 == 0x13 {
        tls13(suite)
    } else {
        tls12(suite)
    }
}

const SUITES: [u16; 6] = [0x1301, 0x1302, 0x1303, 0xc02f, 0xc030, 0xcca8];

/// What comes out of each direction: text, and `None` for a gap.
type Out = [Vec<Option<Vec<u8>>>; 2];

struct Reader {
    session: Session,
    secrets: Secrets,
    counters: Counters,
    at: [u64; 2],
    out: Out,
}

impl Reader {
    fn new(key_log: &str) -> Self {
        let mut secrets = Secrets::default();
        assert_eq!(secrets.read(key_log.as_bytes()).wrong, 0);
        Self {
            session: Session::default(),
            secrets,
            counters: Counters::default(),
            at: [1 << 33, 1 << 34],
            out: Out::default(),
        }
    }

    fn take(&mut self, from_client: bool, bytes: &[u8]) {
        let side = usize::from(!from_client);
        let meta = Meta {
            offset: self.at[side],
            ack: self.at[1 - side],
            ..Meta::default()
        };
        self.at[side] += bytes.len() as u64;
        let mut cx = Context {
            secrets: &self.secrets,
            counters: &mut self.counters,
        };
        let out = &mut self.out[side];
        self.session
            .data(from_client, bytes, meta, &mut cx, &mut |opened| match opened {
                Opened::Text(text, _) => match out.last_mut() {
                    Some(Some(last)) => last.extend_from_slice(text),
                    _ => out.push(Some(text.to_vec())),
                },
                Opened::Gap => out.push(None),
            });
    }

    fn gap(&mut self, from_client: bool, len: usize) {
        let side = usize::from(!from_client);
        self.at[side] += len as u64;
        let out = &mut self.out[side];
        self.session.gap(from_client, len as u64, &mut |_| out.push(None));
    }
}

/// Client bytes and server bytes of a connection, in turns, cut into pieces by `cut`, of which those of the numbers in
/// `lost` never come.
fn read(built: &Built, key_log: &str, cut: &[usize], lost: &[usize]) -> Reader {
    let mut reader = Reader::new(key_log);
    let (mut cuts, mut number) = (cut.iter().cycle(), 0);
    for (from_client, records) in &built.turns {
        let bytes = records.concat();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let len = cuts.next().map_or(rest.len(), |len| (*len).clamp(1, rest.len()));
            let (piece, tail) = rest.split_at(len);
            if lost.contains(&number) {
                reader.gap(*from_client, piece.len());
            } else {
                reader.take(*from_client, piece);
            }
            number += 1;
            rest = tail;
        }
    }
    reader
}

#[test]
fn every_suite_gives_its_plaintext() {
    for suite in SUITES {
        let built = build(suite);
        let reader = read(&built, &log(suite), &[], &[]);
        let [client, server] = &built.text;
        assert_eq!(
            reader.out,
            [vec![Some(client.clone())], vec![Some(server.clone())]],
            "{suite:x}"
        );
        assert_eq!(reader.counters.tls_refused, 0);
        assert!(!reader.session.is_partial());
    }
}

#[test]
fn a_record_of_rfc_8448_opens() {
    // Section 3: the first application data of the client.
    let suite = Suite::of(0x1301, true).unwrap();
    let secret = hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
    let sealed = hex(
        "17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc ab 3f 2b 98 19 a8 a5 b4 6b \
         39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d ea e6 3a ee bb 21 69 49 15 e4",
    );
    let (header, fragment) = sealed.split_first_chunk::<5>().unwrap();
    let mut text = Vec::new();
    let opener = Opener::tls13(suite, &secret).unwrap();
    assert_eq!(opener.open(*header, fragment, 0, &mut text), Some(23));
    assert_eq!(text, (0..50).collect::<Vec<u8>>());
    assert_eq!(opener.open(*header, fragment, 1, &mut text), None);
}

#[test]
fn without_its_secrets_nothing_comes_out_and_nothing_is_kept() {
    for suite in SUITES {
        let built = build(suite);
        let other = log(suite).replace("c1c1", "c2c2");
        let reader = read(&built, &other, &[100], &[]);
        assert_eq!(reader.out, Out::default(), "{suite:x}");
        assert!(reader.session.is_over(), "{suite:x}");
        assert!(reader.session.weight() < 1 << 10);
        // Secrets of the connection that are wrong.
        let wrong = log(suite)
            .replace("7777", "7878")
            .replace("0303", "0909")
            .replace("0404", "0909");
        let reader = read(
            &built,
            &wrong.replace("0101", "0909").replace("0202", "0909"),
            &[100],
            &[],
        );
        assert_eq!(reader.out, Out::default(), "{suite:x}");
        assert!(reader.counters.tls_refused > 0);
    }
}

#[test]
fn secrets_of_application_data_are_enough() {
    let built = tls13(0x1302);
    let application: String = log(0x1302)
        .lines()
        .filter(|l| !l.contains("HANDSHAKE"))
        .map(|l| format!("{l}\n"))
        .collect();
    let reader = read(&built, &application, &[77], &[]);
    let texts = |side: usize| {
        reader.out[side]
            .iter()
            .flatten()
            .flatten()
            .copied()
            .collect::<Vec<u8>>()
    };
    assert_eq!([texts(0), texts(1)], built.text);
}

#[test]
fn early_data_is_passed_over_and_said_to_be_missing() {
    let suite = 0x1301;
    let mut built = tls13(suite);
    let known = Suite::of(suite, true).unwrap();
    let early = Opener::tls13(known, &[0xee; 32]).unwrap();
    built.turns.drain(1..3);
    built.turns[0].1 = vec![
        client_hello(true),
        record(20, &[1]),
        early.seal(23, b"GET /early", 0, 0),
    ];
    // The end of early data, after the hello of the server.
    built.turns[2].1.insert(0, early.seal(22, &message(5, &[]), 0, 1));
    let reader = read(&built, &log(suite), &[50], &[]);
    let [client, server] = &built.text;
    assert_eq!(
        reader.out,
        [vec![None, Some(client.clone())], vec![Some(server.clone())]]
    );
    assert_eq!(reader.counters.tls_refused, 2);
    assert!(reader.session.is_partial());
}

/// Whether `found` is what is left of `whole` where gaps are, in order.
fn is_rest(found: &[Option<Vec<u8>>], whole: &[u8]) -> bool {
    let mut rest = whole;
    let mut free = false;
    for piece in found {
        let Some(text) = piece else {
            free = true;
            continue;
        };
        let at = if free {
            rest.windows(text.len()).position(|w| w == text)
        } else {
            rest.starts_with(text).then_some(0)
        };
        let Some(at) = at else {
            return false;
        };
        rest = &rest[at + text.len()..];
        free = false;
    }
    free || rest.is_empty()
}

#[test]
fn behind_a_loss_anywhere_reading_goes_on_and_nothing_is_made_up() {
    for suite in SUITES {
        let built = build(suite);
        let pieces: usize = built
            .turns
            .iter()
            .map(|(_, records)| records.concat().len().div_ceil(150))
            .sum();
        let mut full = 0;
        for lost in 0..pieces {
            let reader = read(&built, &log(suite), &[150], &[lost]);
            for side in [0, 1] {
                let out = &reader.out[side];
                assert!(
                    is_rest(out, &built.text[side]) || out.is_empty(),
                    "{suite:x}, {lost}: {out:?}"
                );
            }
            let got: usize = reader.out.iter().flatten().flatten().map(Vec::len).sum();
            let all: usize = built.text.iter().map(Vec::len).sum();
            // What is lost is the records it touches.
            full += usize::from(got + 1300 > all);
        }
        // Without the hellos nothing can be read; all of them lie in the first pieces.
        assert!(full + 4 >= pieces, "{suite:x}: {full} of {pieces}");
    }
}

#[test]
fn what_was_lost_of_the_handshake_is_no_gap_in_the_content() {
    let built = tls13(0x1301);
    // The middle of the first record with a certificate, which is in the fourth turn.
    let before: usize = built.turns[..3]
        .iter()
        .map(|(_, records)| records.concat().len().div_ceil(150))
        .sum();
    let reader = read(&built, &log(0x1301), &[150], &[before + 1]);
    let [client, server] = &built.text;
    assert!(reader.out == [vec![Some(client.clone())], vec![Some(server.clone())]]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_cutting_gives_the_same_plaintext(
        suite in prop::sample::select(SUITES.to_vec()),
        cuts in prop::collection::vec(1_usize..700, 1..40),
    ) {
        let built = build(suite);
        let reader = read(&built, &log(suite), &cuts, &[]);
        let [client, server] = &built.text;
        prop_assert_eq!(&reader.out, &[vec![Some(client.clone())], vec![Some(server.clone())]]);
    }

    #[test]
    fn after_any_losses_only_what_was_sent_comes_out(
        suite in prop::sample::select(SUITES.to_vec()),
        cuts in prop::collection::vec(1_usize..700, 1..40),
        lost in prop::collection::vec(3_usize..120, 0..5),
    ) {
        let built = build(suite);
        let reader = read(&built, &log(suite), &cuts, &lost);
        for side in [0, 1] {
            let out = &reader.out[side];
            prop_assert!(out.is_empty() || is_rest(out, &built.text[side]), "{:?}", out);
        }
    }
}
