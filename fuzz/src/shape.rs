//! Bodies of any form, whole or cut, through the analysis: the shape that is learned of them does not depend on their order, a cut
//! body shows nothing that the whole one does not, nothing of what they hold is shown that is not fit to be, and memory is bounded.

use analyzers::inventory::ShapeView;
use analyzers::{Analyzer, Settings};
use arbitrary::Arbitrary;
use reassembly::build::ExchangeBuilder;
use reassembly::{Exchange, Flags, Timestamp};

use crate::memory::Account;

/// Pieces of a body, so that what is nearly sound is met often.
#[derive(Debug, Arbitrary)]
pub enum Piece {
    Open,
    Close,
    List,
    End,
    Comma,
    Key(u8),
    Data(u32),
    Number(i16),
    Point(u16),
    Text(u8),
    Word(u8),
    Null,
    True,
    Quote,
    Backslash,
    Line,
    Field(u8, Vec<u8>),
    Bytes(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
pub struct Body {
    form: u8,
    pieces: Vec<Piece>,
    cut: Option<u16>,
    times: u8,
}

#[derive(Debug, Arbitrary)]
pub struct Input {
    bodies: Vec<Body>,
    turn: u64,
}

const FORMS: [&str; 8] = [
    "application/json",
    "application/problem+json",
    "application/x-ndjson",
    "text/event-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=a",
    "application/grpc",
    "application/protobuf",
];

const NAMES: [&str; 6] = ["id", "name", "status", "lines", "meta", "@type"];
const WORDS: [&str; 4] = [
    "open",
    "closed",
    "2026-03-09",
    "7d444840-9dc0-11d1-b245-5ffdce74fad2",
];

/// Exchanges of a third of the inputs.
const MANY: usize = 200;

/// A text that must never be shown.
const SECRET: &str = "xQ93kZp0Vw7Lr2";

fn content(pieces: &[Piece]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces.iter().take(400) {
        match piece {
            Piece::Open => out.push(b'{'),
            Piece::Close => out.push(b'}'),
            Piece::List => out.push(b'['),
            Piece::End => out.push(b']'),
            Piece::Comma => out.push(b','),
            Piece::Key(n) => out.extend(format!("\"{}\":", NAMES[usize::from(*n) % NAMES.len()]).bytes()),
            Piece::Data(n) => out.extend(format!("\"{SECRET}{n}\":").bytes()),
            Piece::Number(n) => out.extend(n.to_string().bytes()),
            Piece::Point(n) => out.extend(format!("{n}.5").bytes()),
            Piece::Text(n) => out.extend(format!("\"{SECRET}{n}\"").bytes()),
            Piece::Word(n) => out.extend(format!("\"{}\"", WORDS[usize::from(*n) % WORDS.len()]).bytes()),
            Piece::Null => out.extend(b"null"),
            Piece::True => out.extend(b"true"),
            Piece::Quote => out.push(b'"'),
            Piece::Backslash => out.push(b'\\'),
            Piece::Line => out.extend(b"\ndata:"),
            Piece::Field(number, bytes) => {
                out.extend([number << 3 | 2, bytes.len() as u8]);
                out.extend(bytes);
            }
            Piece::Bytes(bytes) => out.extend(bytes),
        }
    }
    out.truncate(4000);
    out
}

fn exchange(form: &str, body: &[u8], whole: bool, number: u32) -> Exchange {
    let kind = format!("Content-Type: {form}\n");
    let mut exchange = ExchangeBuilder::new(Timestamp(u64::from(number) * 1_000_000_000))
        .in_flow(Timestamp(1), number)
        .request(&format!("POST /things HTTP/1.1\nHost: a\n{kind}"), body)
        .response(&format!("HTTP/1.1 200 OK\n{kind}"), body)
        .build();
    if !whole {
        exchange.flags.insert(Flags::TRUNCATED);
        for message in [
            exchange.request.as_mut().map(|r| &mut r.message),
            exchange.response.as_mut().map(|r| &mut r.message),
        ]
        .into_iter()
        .flatten()
        {
            message.complete = false;
        }
    }
    exchange
}

fn shape<'a>(exchanges: impl Iterator<Item = &'a Exchange>) -> ShapeView {
    let mut analyzer = Analyzer::new(Settings::default());
    analyzer.forget_changes();
    for exchange in exchanges {
        analyzer.observe(exchange);
        while analyzer.poll().is_some() {}
    }
    analyzer.endpoints().next().map(|e| e.shape).unwrap_or_default()
}

/// The target.
pub fn check(input: &Input) {
    let mut exchanges = Vec::new();
    for body in input.bodies.iter().take(12) {
        let form = FORMS[usize::from(body.form) % FORMS.len()];
        let text = content(&body.pieces);
        let cut = body.cut.map_or(text.len(), |at| usize::from(at).min(text.len()));
        for _ in 0..=body.times % 24 {
            let number = exchanges.len() as u32;
            exchanges.push(exchange(form, &text[..cut], cut == text.len(), number));
        }
        if cut < text.len() {
            part_of_the_whole(form, &text, cut);
        }
    }
    if input.turn.is_multiple_of(3) && !exchanges.is_empty() {
        // Behind the first 128, bodies like one before are only counted.
        let few = exchanges.len();
        for number in few..MANY {
            let mut again = exchanges[number % few].clone();
            again.index = number as u32;
            exchanges.push(again);
        }
    }
    let mut account = Account::default();
    let seen = account.charge(|| shape(exchanges.iter()));
    let most = account.peak();
    assert!(most < 8 << 20, "{most} bytes for {} exchanges", exchanges.len());
    assert_eq!(
        seen,
        shape(exchanges.iter()),
        "the same exchanges gave two shapes"
    );
    for body in &seen.bodies {
        assert!(body.fields.len() <= 512, "{} fields", body.fields.len());
        for field in &body.fields {
            let path = field.path();
            assert!(!path.contains(SECRET), "{path}");
            assert!(!field.values.words.iter().any(|word| word.contains(SECRET)));
            assert!(
                field.presence.low <= field.presence.high,
                "{path} {:?}",
                field.presence
            );
        }
    }
    if seen.bodies.iter().all(|body| body.given_up == 0) && seen.given_up == 0 {
        let mut turned: Vec<&Exchange> = exchanges.iter().collect();
        turned.sort_by_key(|e| (u64::from(e.index) ^ input.turn).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        assert_eq!(seen, shape(turned.into_iter()), "the shape depends on the order");
    }
}

/// What a cut body shows, the whole one does too.
fn part_of_the_whole(form: &str, text: &[u8], cut: usize) {
    let of = |body: &[u8], whole| shape([exchange(form, body, whole, 0)].iter());
    let (part, whole) = (of(&text[..cut], false), of(text, true));
    // What is no body as a whole may begin as one; what is a guess as a whole is another one for a part.
    let (Some(part), Some(whole)) = (part.response(2), whole.response(2)) else {
        return;
    };
    if part.form != whole.form || part.form.name() == "protobuf" {
        return;
    }
    for field in &part.fields {
        let known = whole.fields.iter().find(|f| f.steps == field.steps);
        let types = |f: &analyzers::inventory::shape::FieldView, t| f.types.iter().any(|(of, _)| *of == t);
        assert!(
            known.is_some_and(|known| field.types.iter().all(|(t, _)| types(known, *t))),
            "{form}: {} is not in the whole body",
            field.path()
        );
        assert_eq!(field.presence.low, 0.0, "a cut body shows what is not there");
    }
}
