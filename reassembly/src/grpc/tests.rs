use super::*;

fn message(flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![flags];
    out.extend((payload.len() as u32).to_be_bytes());
    out.extend(payload);
    out
}

/// What is done to a reader.
enum Do<'a> {
    Push(&'a [u8]),
    Frame(&'a [u8]),
    Gap(Option<u64>),
}

fn read(form: Form, encoding: Option<&str>, all: &[Do<'_>]) -> (Messages, Vec<Part>) {
    let mut messages = Messages::new(Direction::ToClient, form, encoding);
    let (limits, mut pool, mut room) = (Limits::default(), Pool::default(), 1 << 20);
    let mut out = Vec::new();
    for one in all {
        let mut cx = Context {
            limits: &limits,
            pool: &mut pool,
            room: &mut room,
        };
        match one {
            Do::Push(bytes) => messages.push(bytes, &mut cx),
            Do::Frame(bytes) => {
                messages.frame(bytes.len() as u32);
                messages.push(bytes, &mut cx);
            }
            Do::Gap(len) => messages.gap(*len, &mut cx),
        }
        out.extend(messages.take());
    }
    let mut cx = Context {
        limits: &limits,
        pool: &mut pool,
        room: &mut room,
    };
    messages.end(&mut cx);
    out.extend(messages.take());
    assert_eq!(room, 1 << 20, "what was kept is given back");
    (messages, out)
}

fn lines(parts: &[Part]) -> Vec<String> {
    let line = |part: &Part| {
        let PartKind::Message { compressed } = part.kind else {
            panic!("{:?}", part.kind)
        };
        let flags: Vec<_> = part.flags.names().collect();
        let text = format!(
            "{}{} {}/{}{} {} {}",
            part.number,
            if compressed { "c" } else { "" },
            part.bytes,
            part.content_bytes,
            if part.complete { "" } else { "~" },
            String::from_utf8_lossy(&part.body),
            flags.join(",")
        );
        text.trim_end().to_owned()
    };
    parts.iter().map(line).collect()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    w.write_all(data).unwrap();
    w.finish().unwrap()
}

#[test]
fn media_types() {
    for (kind, want) in [
        ("application/grpc", Some(Form::Grpc)),
        ("Application/GRPC+proto", Some(Form::Grpc)),
        ("application/grpc;charset=utf-8", Some(Form::Grpc)),
        ("application/grpc-web+proto", Some(Form::Web)),
        ("application/grpc-web-text", Some(Form::WebText)),
        ("application/grpc-web-text+proto; a=b", Some(Form::WebText)),
        ("application/grpcx", None),
        ("application/grpc-websocket", None),
        ("application/json", None),
        ("text/plain", None),
    ] {
        assert_eq!(Form::of(kind), want, "{kind}");
    }
}

#[test]
fn messages_read_the_same_wherever_they_are_cut() {
    let check = |name: &str, form: Form, encoding: Option<&str>, wire: &[u8], want: &[&str]| {
        let (_, whole) = read(form, encoding, &[Do::Push(wire)]);
        assert_eq!(lines(&whole), want, "{name}");
        for cut in 0..=wire.len() {
            let (head, tail) = wire.split_at(cut);
            let (_, parts) = read(form, encoding, &[Do::Push(head), Do::Push(tail)]);
            assert_eq!(parts, whole, "{name}, cut at {cut}");
        }
    };
    let mixed = [
        message(0, b"one"),
        message(0, b""),
        message(1, &gzip(b"two two two two")),
        message(0, b"three"),
    ]
    .concat();
    check(
        "gzip",
        Form::Grpc,
        Some("gzip"),
        &mixed,
        &["0 3/3 one", "1 0/0", "2c 26/15 two two two two", "3 5/5 three"],
    );
    check(
        "compressed with what is not known",
        Form::Grpc,
        Some("snappy"),
        &mixed,
        &["0 3/3 one", "1 0/0", "2c 26/26  opaque", "3 5/5 three"],
    );
    check(
        "compressed, and no compression",
        Form::Grpc,
        Some("gzip"),
        &[message(1, b"plain"), message(1, b""), message(0, b"ok")].concat(),
        &["0c 5/5  opaque", "1c 0/0", "2 2/2 ok"],
    );
    check(
        "one that is not ended",
        Form::Grpc,
        None,
        &[message(0, b"a"), message(0, b"bcdef")[..7].to_vec()].concat(),
        &["0 1/1 a", "1 2/2~ bc truncated"],
    );
    check(
        "a prefix that is none",
        Form::Grpc,
        None,
        &[message(0, b"a"), message(7, b"x"), message(0, b"b")].concat(),
        &["0 1/1 a"],
    );
    // PROTOCOL-WEB.md: each piece is encoded by itself, with its own padding.
    check(
        "base64",
        Form::WebText,
        None,
        b"AAAAAAJoaQ==AAAAAAF4gAAAAA9ncnBjLXN0YXR1czogMA0K",
        &["0 2/2 hi", "1 1/1 x"],
    );
    check(
        "what is no base64",
        Form::WebText,
        None,
        b"AAAAAAJoaQ==AAAA!AAF4",
        &["0 2/2 hi"],
    );
}

#[test]
fn trailers_of_grpc_web() {
    let wire = [
        message(0, b"hi"),
        message(0x80, b"grpc-status:5\r\ngrpc-message: not found\r\n"),
    ]
    .concat();
    let (mut messages, parts) = read(Form::Web, None, &[Do::Push(&wire)]);
    assert_eq!(lines(&parts), ["0 2/2 hi"]);
    let trailers = messages.trailers();
    assert_eq!(trailers.field("grpc-status"), Some("5"));
    assert_eq!(trailers.field("grpc-message"), Some("not found"));
    // Cut off: what is not whole is not read.
    let (mut messages, _) = read(Form::Web, None, &[Do::Push(&wire[..wire.len() - 8])]);
    let trailers = messages.trailers();
    assert_eq!(trailers.field("grpc-status"), Some("5"));
    assert_eq!(trailers.field("grpc-message"), None);
    // No such frame belongs in gRPC itself.
    let (messages, _) = read(Form::Grpc, None, &[Do::Push(&wire)]);
    assert_eq!(messages.counts().unframed, 5 + 40);
    let mut long = message(0x80, &[b'x'; 20_000]);
    long[5..20].copy_from_slice(b"grpc-status:7\r\n");
    let (mut messages, _) = read(Form::Web, None, &[Do::Push(&long)]);
    assert!(messages.weight() < 32 << 10);
    assert_eq!(
        messages.trailers().fields().collect::<Vec<_>>(),
        [("grpc-status", "7")]
    );
}

#[test]
fn a_loss_in_a_message_damages_that_one() {
    let (one, two) = (message(0, b"0123456789"), message(0, b"next"));
    let (_, parts) = read(
        Form::Grpc,
        None,
        &[
            Do::Push(&one[..8]),
            Do::Gap(Some(3)),
            Do::Push(&one[11..]),
            Do::Push(&two),
        ],
    );
    assert_eq!(lines(&parts), ["0 7/7~ 012 gap", "1 4/4 next"]);
    // To its very end, and beyond.
    let (_, parts) = read(
        Form::Grpc,
        None,
        &[Do::Push(&one[..8]), Do::Gap(Some(7)), Do::Push(&two)],
    );
    assert_eq!(lines(&parts), ["0 3/3~ 012 gap", "1 4/4 next"]);
    let (messages, parts) = read(
        Form::Grpc,
        None,
        &[Do::Push(&one[..8]), Do::Gap(Some(8)), Do::Push(&two[1..])],
    );
    assert_eq!(lines(&parts), ["0 3/3~ 012 gap"]);
    assert_eq!(messages.counts().unframed, 8);
    let packed = message(1, &gzip(b"some text"));
    let (_, parts) = read(
        Form::Grpc,
        Some("gzip"),
        &[
            Do::Push(&packed[..7]),
            Do::Gap(Some(2)),
            Do::Push(&packed[9..]),
            Do::Push(&packed),
        ],
    );
    assert_eq!(lines(&parts), ["0c 27/0~  gap", "1c 29/9 some text"]);
}

#[test]
fn framing_is_believed_again_where_a_row_of_messages_ends_with_a_frame() {
    let one = |n: u8| message(0, &[b'a' + n; 20]);
    let all: Vec<Vec<u8>> = (0..6).map(one).collect();
    // A message a frame: three of them are the evidence.
    let mut steps = vec![Do::Push(&all[0]), Do::Gap(None), Do::Push(b"st of one")];
    steps.extend(all[1..].iter().map(|m| Do::Frame(m)));
    let (_, parts) = read(Form::Grpc, None, &steps);
    assert_eq!(
        lines(&parts),
        [
            "0 20/20 aaaaaaaaaaaaaaaaaaaa",
            "1 20/20 eeeeeeeeeeeeeeeeeeee gap",
            "2 20/20 ffffffffffffffffffff"
        ]
    );
    // Over frames, and several in one.
    let joined = all[1..4].concat();
    let last = all[4..].concat();
    let steps = [
        Do::Gap(None),
        Do::Frame(&joined[..30]),
        Do::Frame(&joined[30..]),
        Do::Frame(&last),
    ];
    let (_, parts) = read(Form::Grpc, None, &steps);
    assert_eq!(parts.len(), 2);
    // Where nothing says where frames begin, or they do not end with a message.
    let (messages, parts) = read(Form::Grpc, None, &[Do::Gap(None), Do::Push(&all.concat())]);
    assert_eq!((parts.len(), messages.counts().unframed), (0, 150));
    let (_, parts) = read(
        Form::Grpc,
        None,
        &[Do::Gap(None), Do::Frame(&all.concat()[..149])],
    );
    assert!(parts.is_empty());
    // Zeros are no messages.
    let (_, parts) = read(
        Form::Grpc,
        None,
        &[Do::Gap(None), Do::Frame(&[0; 500]), Do::Frame(&[0; 500])],
    );
    assert!(parts.is_empty());
}

#[test]
fn many_small_bombs_are_one_large_one() {
    let bomb = message(1, &gzip(&vec![0; 1 << 20]));
    let wire = bomb.repeat(20);
    for step in [1000, usize::MAX] {
        let steps: Vec<_> = wire.chunks(step).map(Do::Push).collect();
        let (messages, parts) = read(Form::Grpc, Some("gzip"), &steps);
        let unpacked: u64 = parts.iter().map(|p| p.content_bytes).sum();
        assert!(unpacked < (2 << 20) + 128 * wire.len() as u64 + (1 << 20));
        assert_eq!(parts.len(), 20);
        let counts = messages.counts();
        assert!(
            counts.over_limit > 5 && counts.opaque == counts.over_limit,
            "{counts:?}"
        );
        // What follows is read all the same.
        let mut steps = steps;
        let behind = message(0, b"behind");
        steps.push(Do::Push(&behind));
        let (_, parts) = read(Form::Grpc, Some("gzip"), &steps);
        assert_eq!(parts[20].body, b"behind");
    }
}

#[test]
fn messages_of_nothing_are_counted_and_not_all_given_out() {
    let wire = message(0, b"").repeat(20_000);
    for step in [7, usize::MAX] {
        let steps: Vec<_> = wire.chunks(step).map(Do::Push).collect();
        let (messages, parts) = read(Form::Grpc, None, &steps);
        let counts = messages.counts();
        assert_eq!((counts.messages, counts.given), (20_000, parts.len() as u64));
        assert_eq!(counts.given + counts.dropped, 20_000);
        assert!((4096..4096 + 100_000 / 16 + 10).contains(&parts.len()));
    }
}
