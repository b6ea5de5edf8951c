//! Fields of a body: names, and the values under them.
//!
//! Most of what a value is, its name tells. JSON, forms, labels in text (`Phone: …`) and attributes have a `:` or `=`
//! between the two; tables have their names in the first line. One pass goes from sign to sign, looks at the last two
//! letters before it, and passes on unless a name looked for ends so.

use super::SEARCHED;

/// What the name of a field says that its value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Address,
    BirthDate,
    Card,
    /// Codes of any kind: a diagnosis when something near says so.
    Code,
    Diagnosis,
    Mbi,
    Npi,
    Password,
    Phone,
    /// The type of a FHIR resource.
    Resource,
    Secret,
    Ssn,
    /// The value of an identifier: an NPI when something near says so.
    Value,
}

/// How names end, without what joins their words and in lower case. An ending begins where a word does.
const ENDINGS: &[(&[u8], Named)] = &[
    (b"address", Named::Address),
    (b"addressline", Named::Address),
    (b"addressline1", Named::Address),
    (b"address1", Named::Address),
    (b"line1", Named::Address),
    (b"street", Named::Address),
    (b"streetline1", Named::Address),
    (b"streetname", Named::Address),
    (b"birth", Named::BirthDate),
    (b"birthdate", Named::BirthDate),
    (b"birthday", Named::BirthDate),
    (b"born", Named::BirthDate),
    (b"dob", Named::BirthDate),
    (b"geburtsdatum", Named::BirthDate),
    (b"accountnumber", Named::Card),
    (b"card", Named::Card),
    (b"cardno", Named::Card),
    (b"cardnum", Named::Card),
    (b"cardnumber", Named::Card),
    (b"cards", Named::Card),
    (b"cc", Named::Card),
    (b"ccn", Named::Card),
    (b"ccnum", Named::Card),
    (b"ccnumber", Named::Card),
    (b"creditcard", Named::Card),
    (b"pan", Named::Card),
    (b"code", Named::Code),
    (b"diagnoses", Named::Diagnosis),
    (b"diagnosis", Named::Diagnosis),
    (b"diagnosiscode", Named::Diagnosis),
    (b"diagnosiscodes", Named::Diagnosis),
    (b"dx", Named::Diagnosis),
    (b"dxcode", Named::Diagnosis),
    (b"icd", Named::Diagnosis),
    (b"icd10", Named::Diagnosis),
    (b"icd10cm", Named::Diagnosis),
    (b"icd10code", Named::Diagnosis),
    (b"icdcode", Named::Diagnosis),
    (b"mbi", Named::Mbi),
    (b"mbinumber", Named::Mbi),
    (b"medicarebeneficiaryid", Named::Mbi),
    (b"medicareid", Named::Mbi),
    (b"medicarenumber", Named::Mbi),
    (b"nationalproviderid", Named::Npi),
    (b"nationalprovideridentifier", Named::Npi),
    (b"npi", Named::Npi),
    (b"npinumber", Named::Npi),
    (b"passwd", Named::Password),
    (b"password", Named::Password),
    (b"passphrase", Named::Password),
    (b"pwd", Named::Password),
    (b"cell", Named::Phone),
    (b"cellphone", Named::Phone),
    (b"fax", Named::Phone),
    (b"faxnumber", Named::Phone),
    (b"landline", Named::Phone),
    (b"mobile", Named::Phone),
    (b"mobilenumber", Named::Phone),
    (b"mobilephone", Named::Phone),
    (b"msisdn", Named::Phone),
    (b"phone", Named::Phone),
    (b"phonenumber", Named::Phone),
    (b"phonenumbers", Named::Phone),
    (b"phoneno", Named::Phone),
    (b"phones", Named::Phone),
    (b"tel", Named::Phone),
    (b"telephone", Named::Phone),
    (b"telephonenumber", Named::Phone),
    (b"resourcetype", Named::Resource),
    (b"accesskey", Named::Secret),
    (b"apikey", Named::Secret),
    (b"apikeys", Named::Secret),
    (b"encryptionkey", Named::Secret),
    (b"masterkey", Named::Secret),
    (b"privatekey", Named::Secret),
    (b"secret", Named::Secret),
    (b"secretaccesskey", Named::Secret),
    (b"secretkey", Named::Secret),
    (b"secrets", Named::Secret),
    (b"sharedkey", Named::Secret),
    (b"signingkey", Named::Secret),
    (b"token", Named::Secret),
    (b"tokens", Named::Secret),
    (b"ssn", Named::Ssn),
    (b"ssnnumber", Named::Ssn),
    (b"social", Named::Ssn),
    (b"socialsecurity", Named::Ssn),
    (b"socialsecurityno", Named::Ssn),
    (b"socialsecuritynumber", Named::Ssn),
    (b"taxid", Named::Ssn),
    (b"value", Named::Value),
];

/// Tokens under these names are handed out by purpose: they page, guard forms, or are public.
const NO_SECRETS: [&[u8]; 12] = [
    b"page",
    b"next",
    b"prev",
    b"continuation",
    b"cursor",
    b"sync",
    b"csrf",
    b"xsrf",
    b"public",
    b"idempotency",
    b"delta",
    b"resume",
];

/// Which three bytes names looked for have last: the last and the one before choose a word, the third its bit. What
/// takes a closer look passes: signs between words (`_`, `-`, `.`, a space), and what may stand behind a name.
const TRIPLES: [u32; 1024] = {
    const JOINS: [u8; 4] = [b'_' & 31, b'-' & 31, b'.' & 31, b' ' & 31];
    let mut triples = [0; 1024];
    let mut at = 0;
    while at < ENDINGS.len() {
        let name = ENDINGS[at].0;
        let (last, before) = (name[name.len() - 1] & 31, name[name.len() - 2] & 31);
        let place = (last as usize) << 5 | before as usize;
        if name.len() == 2 {
            triples[place] = u32::MAX;
        } else {
            triples[place] |= 1 << (name[name.len() - 3] & 31);
        }
        let mut join = 0;
        while join < JOINS.len() {
            triples[place] |= 1 << JOINS[join];
            if name[name.len() - 1].is_ascii_digit() {
                triples[(last as usize) << 5 | JOINS[join] as usize] = u32::MAX;
            }
            join += 1;
        }
        at += 1;
    }
    let mut before = 0;
    while before < 32 {
        triples[((b' ' & 31) as usize) << 5 | before] = u32::MAX;
        triples[((b'\\' & 31) as usize) << 5 | before] = u32::MAX;
        triples[((b'\'' & 31) as usize) << 5 | before] = u32::MAX;
        before += 1;
    }
    triples
};

// Places in the list are kept in bytes.
const _: () = assert!(ENDINGS.len() < 256);

/// The last eight bytes of each ending as a number, and which of them it has, in order of the last byte; and where each
/// last byte begins.
const TAILS: ([(u64, u64, u8); ENDINGS.len()], [u8; 33]) = {
    let mut tails = [(0, 0, 0); ENDINGS.len()];
    let mut starts = [0; 33];
    let (mut letter, mut place) = (0, 0);
    while letter < 32 {
        starts[letter] = place as u8;
        let mut at = 0;
        while at < ENDINGS.len() {
            let name = ENDINGS[at].0;
            if (name[name.len() - 1] & 31) as usize == letter {
                let (mut text, mut mask, mut n) = (0u64, 0u64, 0);
                while n < 8 && n < name.len() {
                    text |= (name[name.len() - 1 - n] as u64) << (8 * n);
                    mask |= 0xff << (8 * n);
                    n += 1;
                }
                tails[place] = (text, mask, at as u8);
                place += 1;
            }
            at += 1;
        }
        letter += 1;
    }
    starts[32] = place as u8;
    (tails, starts)
};

/// Longest name looked at; of longer ones the end is.
const NAME: usize = 48;

/// Longest value looked at.
const VALUE: usize = 512;

/// Values looked at in an array, rows in a table, and columns.
const ITEMS: usize = 64;
const ROWS: usize = 256;
const COLUMNS: usize = 64;

/// Names looked at closely in one body.
const NAMES: usize = 4096;

fn joins(byte: u8) -> bool {
    matches!(byte, b'_' | b'-' | b'.' | b' ')
}

/// What the field of this name may hold.
fn named(name: &[u8]) -> Option<Named> {
    let mut tail = 0u64;
    let plain = name.iter().rev().filter(|b| b.is_ascii_alphanumeric());
    for (place, byte) in plain.take(8).enumerate() {
        tail |= u64::from(byte.to_ascii_lowercase()) << (8 * place);
    }
    let letter = usize::from(tail as u8 & 31);
    let (tails, starts) = (&TAILS.0, &TAILS.1);
    let alike = &tails[usize::from(starts[letter])..usize::from(starts[letter + 1])];
    // Most names end here.
    if !alike.iter().any(|(text, mask, _)| tail & mask == *text) {
        return None;
    }
    let mut compact = [0u8; NAME];
    let (mut len, mut borders, mut last) = (0, 0u64, b'_');
    for byte in &name[name.len().saturating_sub(NAME)..] {
        if byte.is_ascii_alphanumeric() {
            if joins(last) || (byte.is_ascii_uppercase() && !last.is_ascii_uppercase()) {
                borders |= 1 << len;
            }
            compact[len] = byte.to_ascii_lowercase();
            len += 1;
        }
        last = *byte;
    }
    let compact = &compact[..len];
    // The longest ending tells most: of a `diagnosis_code` not that it is a code.
    let (_, kind) = alike
        .iter()
        .filter(|(text, mask, _)| tail & mask == *text)
        .map(|(_, _, at)| &ENDINGS[usize::from(*at)])
        .filter(|(ending, _)| compact.ends_with(ending) && borders >> (len - ending.len()) & 1 == 1)
        .max_by_key(|(ending, _)| ending.len())?;
    let open = *kind == Named::Secret
        && NO_SECRETS
            .iter()
            .any(|word| memchr::memmem::find(compact, word).is_some());
    (!open).then_some(*kind)
}

/// Whether a name looked for may end right before the sign at `at`, or before the quote in front of it. Without a
/// branch, as nearly all names are others.
#[inline]
fn may_be(body: &[u8], at: usize) -> bool {
    let mut near = [b' '; 4];
    match at.checked_sub(4).and_then(|from| body.get(from..at)) {
        Some(four) => near.copy_from_slice(four),
        None => near[4 - at..].copy_from_slice(&body[..at]),
    }
    let quoted = near[3] == b'"';
    let letters = u32::from_le_bytes(near) >> if quoted { 0 } else { 8 };
    let [third, before, last, _] = letters.to_le_bytes().map(|b| usize::from(b & 31));
    TRIPLES[last << 5 | before] >> third & 1 == 1
}

/// Calls `look` with each value under a name looked for, and with the place where the value begins.
pub(super) fn each(body: &[u8], mut look: impl FnMut(Named, &[u8], usize)) {
    if !table(body, &mut look) {
        pairs(body, &mut look);
    }
}

fn pairs(body: &[u8], look: &mut impl FnMut(Named, &[u8], usize)) {
    let (mut floor, mut names) = (0, 0);
    for at in memchr::memchr2_iter(b':', b'=', body) {
        if !may_be(body, at) {
            continue;
        }
        let mut end = at;
        if end > floor && body[end - 1] == b' ' {
            end -= 1;
        }
        let quoted = end > floor && matches!(body[end - 1], b'"' | b'\'');
        end -= usize::from(quoted);
        if quoted && end > floor && body[end - 1] == b'\\' {
            end -= 1;
        }
        if end <= floor {
            continue;
        }
        let part = |b: &&u8| b.is_ascii_alphanumeric() || joins(**b);
        let from = end.saturating_sub(NAME).max(floor);
        let length = body[from..end].iter().rev().take_while(part).count();
        if let Some(kind) = named(&body[end - length..end]) {
            names += 1;
            if names > NAMES {
                return;
            }
            floor = values(body, at + 1, kind, look);
        }
    }
}

/// The value or the array at `at`; gives back where it ends.
fn values(body: &[u8], at: usize, kind: Named, look: &mut impl FnMut(Named, &[u8], usize)) -> usize {
    let blank = |b: &&u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let skip = |at: usize| {
        at + body[at.min(body.len())..]
            .iter()
            .take(VALUE)
            .take_while(blank)
            .count()
    };
    let mut at = at + body[at..].iter().take(64).take_while(|b| **b == b' ').count();
    if body.get(at) != Some(&b'[') {
        return value(body, at, kind, look);
    }
    at = skip(at + 1);
    for _ in 0..ITEMS {
        match body.get(at) {
            None | Some(b']' | b'{' | b'[') => break,
            _ => {}
        }
        at = skip(value(body, at, kind, look));
        if body.get(at) != Some(&b',') {
            break;
        }
        at = skip(at + 1);
    }
    at.min(body.len())
}

fn value(body: &[u8], at: usize, kind: Named, look: &mut impl FnMut(Named, &[u8], usize)) -> usize {
    let rest = &body[at.min(body.len())..];
    let rest = &rest[..rest.len().min(VALUE)];
    let (open, sign) = match rest {
        [sign @ (b'"' | b'\''), ..] => (1, *sign),
        [b'\\', b'"', ..] => (2, b'"'),
        [b'{' | b'[', ..] => return at,
        _ => (0, 0),
    };
    let rest = &rest[open..];
    let end = if open > 0 {
        memchr::memchr(sign, rest)
    } else {
        let ends = |b: &u8| {
            matches!(
                b,
                b',' | b'&' | b'\n' | b'\r' | b'}' | b']' | b'<' | b'>' | b'"' | b'|'
            )
        };
        Some(rest.iter().position(ends).unwrap_or(rest.len()))
    };
    let Some(end) = end else {
        return at + open;
    };
    let text = rest[..end].trim_ascii();
    let text = text.strip_suffix(b"\\").unwrap_or(text);
    if !text.is_empty() {
        look(kind, text, at + open);
    }
    at + open + end + usize::from(open > 0)
}

/// Goes through a table with names in its first line, if the body is one.
fn table(body: &[u8], look: &mut impl FnMut(Named, &[u8], usize)) -> bool {
    let start = &body[..body.len().min(2048)];
    let Some(end) = memchr::memchr(b'\n', start) else {
        return false;
    };
    let head = start[..end].trim_ascii_end();
    let cell = |b: &u8| b.is_ascii_alphanumeric() || joins(*b) || *b == b'"';
    let Some(sign) = head.iter().find(|b| !cell(b)).copied() else {
        return false;
    };
    if !matches!(sign, b',' | b';' | b'\t' | b'|') || !head.iter().all(|b| cell(b) || *b == sign) {
        return false;
    }
    let mut kinds = [None; COLUMNS];
    for (kind, name) in kinds.iter_mut().zip(head.split(|b| *b == sign)) {
        *kind = named(name.trim_ascii());
    }
    if kinds.iter().all(Option::is_none) {
        return true;
    }
    let mut at = end + 1;
    for _ in 0..ROWS {
        let row = &body[at.min(body.len())..];
        if row.is_empty() {
            break;
        }
        let length = memchr::memchr(b'\n', row).unwrap_or(row.len());
        cells(&row[..length], sign, at, &kinds, look);
        at += length + 1;
    }
    true
}

fn cells(
    row: &[u8],
    sign: u8,
    at: usize,
    kinds: &[Option<Named>; COLUMNS],
    look: &mut impl FnMut(Named, &[u8], usize),
) {
    let mut from = 0;
    for kind in kinds {
        let rest = &row[from.min(row.len())..];
        let quoted = rest.first() == Some(&b'"');
        let (open, end) = if quoted {
            (1, 1 + memchr::memchr(b'"', &rest[1..]).unwrap_or(rest.len() - 1))
        } else {
            (0, memchr::memchr(sign, rest).unwrap_or(rest.len()))
        };
        let text = rest[open..end].trim_ascii();
        if let Some(kind) = kind
            && !text.is_empty()
            && text.len() <= VALUE
        {
            look(*kind, text, at + from + open);
        }
        from += end + 1 + open;
        if from >= row.len() {
            break;
        }
    }
}

/// The form that a body is, decoded; nothing when it is none.
pub(super) fn form(body: &[u8]) -> Option<Vec<u8>> {
    let name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'[' | b']' | b'%');
    let length = body.iter().take(64).take_while(|b| name(b)).count();
    let start = &body[..body.len().min(1024)];
    if length == 0
        || body.get(length) != Some(&b'=')
        || start
            .iter()
            .any(|b| !b.is_ascii_graphic() || matches!(b, b'{' | b'"' | b'<'))
        || !start.iter().any(|b| matches!(b, b'%' | b'+' | b'&'))
    {
        return None;
    }
    let body = &body[..body.len().min(SEARCHED)];
    let mut out = Vec::with_capacity(body.len());
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    let mut at = 0;
    while let Some(byte) = body.get(at) {
        at += 1;
        match (byte, digit(body.get(at)), digit(body.get(at + 1))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(*byte),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(body: &str) -> Vec<(Named, String)> {
        let mut out = Vec::new();
        each(body.as_bytes(), |kind, value, _| {
            out.push((kind, String::from_utf8_lossy(value).into_owned()));
        });
        out
    }

    #[test]
    fn names_are_compared_by_their_last_words() {
        for (name, want) in [
            ("phone", Some(Named::Phone)),
            ("homePhone", Some(Named::Phone)),
            ("home_phone_number", Some(Named::Phone)),
            ("hotel", None),
            ("Date of birth", Some(Named::BirthDate)),
            ("company", None),
            ("discard", None),
            ("next_page_token", None),
            ("accessToken", Some(Named::Secret)),
            ("SSN", Some(Named::Ssn)),
            ("card_no", Some(Named::Card)),
            ("cc", Some(Named::Card)),
            ("icd-10", Some(Named::Diagnosis)),
            ("diagnosis_code", Some(Named::Diagnosis)),
            ("address_line_1", Some(Named::Address)),
        ] {
            assert_eq!(named(name.as_bytes()), want, "{name}");
            for (before, behind) in [
                ("", ""),
                ("{\"", "\""),
                ("{\\\"", "\\\""),
                ("{'", "'"),
                ("", " "),
                ("{\"", "\" "),
            ] {
                let whole = format!("{before}{name}{behind}");
                assert!(want.is_none() || may_be(whole.as_bytes(), whole.len()), "{whole}");
            }
        }
    }

    #[test]
    fn values_are_found_in_every_form() {
        let phone = |text: &str| (Named::Phone, text.to_owned());
        for (body, want) in [
            (r#"{"phone":"1","b":{"fax" : 22 },"x":3}"#, vec!["1", "22"]),
            (r#"{"phones": [ "1", "2",3 ], "a": "4"}"#, vec!["1", "2", "3"]),
            (r#"{"text":"{\"phone\":\"12\",\"a\":1}"}"#, vec!["12"]),
            ("Home phone: 12 34\nOther: 5", vec!["12 34"]),
            ("a=1&phone=2&b=3", vec!["2"]),
            ("id,phone,x\n1,2,3\n4,\"5,6\",7\n", vec!["2", "5,6"]),
            ("phone:", vec![]),
            ("\"phone\":[", vec![]),
            ("\"phone\":\"", vec![]),
            (":=:=phone", vec![]),
        ] {
            assert_eq!(
                all(body),
                want.into_iter().map(phone).collect::<Vec<_>>(),
                "{body}"
            );
        }
    }

    #[test]
    fn forms_are_decoded_and_nothing_else_is() {
        assert_eq!(
            form(b"a=%2B1+2%40&b=%").as_deref(),
            Some(b"a=+1 2@&b=%".as_slice())
        );
        assert_eq!(form(b"{\"a\":1}"), None);
        assert_eq!(form(b"a = b & c"), None);
    }

    #[test]
    fn work_is_linear() {
        for text in [
            "phone:".repeat(SEARCHED / 6),
            "\"phone\":[".repeat(SEARCHED / 9),
            format!("phone,x\n{}", "\"".repeat(SEARCHED)),
            format!("\"phone\":[{}", "1,".repeat(SEARCHED / 2)),
        ] {
            assert!(all(&text).len() <= NAMES.max(ROWS * COLUMNS));
        }
    }
}
