//! Names of fields: what each says that its value may be.
//!
//! A body has a name every twenty bytes, and nearly all of them are of no interest. So [`may_be`] looks at the last four
//! letters before a sign and passes nearly all of them by; [`named`] then decides by the whole name.

use std::cell::Cell;

use super::DataClass;

/// What the name of a field says that its value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Address,
    BirthDate,
    Card,
    Clinical,
    /// Codes of any kind: of a diagnosis or a test when something near says so.
    Code,
    Cvv,
    Dea,
    Diagnosis,
    Ip,
    Mbi,
    Mrn,
    /// A number of one state, see [`super::nations`].
    National(DataClass),
    Npi,
    Passport,
    Password,
    Person,
    Phone,
    /// The type of a FHIR resource.
    Resource,
    Routing,
    Secret,
    Ssn,
    /// A number of any state.
    State,
    /// A taxpayer's, of the United States or of any state.
    Tax,
    /// The value of an identifier: an NPI or a record number when something near says so.
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
    // Of a card, and what Indian taxpayers have; form and check tell which.
    (b"pan", Named::Card),
    (b"panno", Named::Card),
    (b"pannumber", Named::Card),
    (b"loinc", Named::Clinical),
    (b"loinccode", Named::Clinical),
    (b"ndc", Named::Clinical),
    (b"ndccode", Named::Clinical),
    (b"ndcnumber", Named::Clinical),
    (b"code", Named::Code),
    (b"cardcode", Named::Cvv),
    (b"cardverificationvalue", Named::Cvv),
    (b"cid", Named::Cvv),
    (b"csc", Named::Cvv),
    (b"cvc", Named::Cvv),
    (b"cvc2", Named::Cvv),
    (b"cvv", Named::Cvv),
    (b"cvv2", Named::Cvv),
    (b"securitycode", Named::Cvv),
    (b"dea", Named::Dea),
    (b"deaid", Named::Dea),
    (b"deano", Named::Dea),
    (b"deanumber", Named::Dea),
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
    (b"ip", Named::Ip),
    (b"ipaddr", Named::Ip),
    (b"ipaddress", Named::Ip),
    (b"ipv4", Named::Ip),
    (b"ipv6", Named::Ip),
    (b"remoteaddr", Named::Ip),
    (b"mbi", Named::Mbi),
    (b"mbinumber", Named::Mbi),
    (b"medicarebeneficiaryid", Named::Mbi),
    (b"medicarecard", Named::Mbi),
    (b"medicarecardnumber", Named::Mbi),
    (b"medicareid", Named::Mbi),
    (b"medicareno", Named::Mbi),
    (b"medicarenumber", Named::Mbi),
    (b"chartnumber", Named::Mrn),
    (b"medicalrecord", Named::Mrn),
    (b"medicalrecordno", Named::Mrn),
    (b"medicalrecordnumber", Named::Mrn),
    (b"mrn", Named::Mrn),
    (b"patientid", Named::Mrn),
    (b"patientno", Named::Mrn),
    (b"patientnumber", Named::Mrn),
    (b"taxfilenumber", Named::National(DataClass::AuTfn)),
    (b"tfn", Named::National(DataClass::AuTfn)),
    (b"cpf", Named::National(DataClass::BrCpf)),
    (b"cpfcnpj", Named::National(DataClass::BrCpf)),
    (b"cpfnumber", Named::National(DataClass::BrCpf)),
    (b"numerocpf", Named::National(DataClass::BrCpf)),
    (b"sin", Named::National(DataClass::CaSin)),
    (b"sinnumber", Named::National(DataClass::CaSin)),
    (b"socialinsurance", Named::National(DataClass::CaSin)),
    (b"socialinsurancenumber", Named::National(DataClass::CaSin)),
    (b"identifikationsnummer", Named::National(DataClass::DeTaxId)),
    (b"idnr", Named::National(DataClass::DeTaxId)),
    (b"steuerid", Named::National(DataClass::DeTaxId)),
    (b"steueridnr", Named::National(DataClass::DeTaxId)),
    (
        b"steueridentifikationsnummer",
        Named::National(DataClass::DeTaxId),
    ),
    (b"dni", Named::National(DataClass::EsNif)),
    (b"dninie", Named::National(DataClass::EsNif)),
    (b"nie", Named::National(DataClass::EsNif)),
    (b"nif", Named::National(DataClass::EsNif)),
    (b"nifnie", Named::National(DataClass::EsNif)),
    (b"nir", Named::National(DataClass::FrNir)),
    (b"numerosecu", Named::National(DataClass::FrNir)),
    (b"numerosecuritesociale", Named::National(DataClass::FrNir)),
    (b"numsecu", Named::National(DataClass::FrNir)),
    (b"securitesociale", Named::National(DataClass::FrNir)),
    (b"nhs", Named::National(DataClass::GbNhs)),
    (b"nhsid", Named::National(DataClass::GbNhs)),
    (b"nhsno", Named::National(DataClass::GbNhs)),
    (b"nhsnumber", Named::National(DataClass::GbNhs)),
    (b"nationalinsurance", Named::National(DataClass::GbNino)),
    (b"nationalinsuranceno", Named::National(DataClass::GbNino)),
    (b"nationalinsurancenumber", Named::National(DataClass::GbNino)),
    (b"nino", Named::National(DataClass::GbNino)),
    (b"ninumber", Named::National(DataClass::GbNino)),
    (b"aadhaar", Named::National(DataClass::InAadhaar)),
    (b"aadhaarno", Named::National(DataClass::InAadhaar)),
    (b"aadhaarnumber", Named::National(DataClass::InAadhaar)),
    (b"aadhar", Named::National(DataClass::InAadhaar)),
    (b"aadharnumber", Named::National(DataClass::InAadhaar)),
    (b"cf", Named::National(DataClass::ItFiscalCode)),
    (b"codfiscale", Named::National(DataClass::ItFiscalCode)),
    (b"codicefiscale", Named::National(DataClass::ItFiscalCode)),
    (b"fiscalcode", Named::National(DataClass::ItFiscalCode)),
    (b"jumin", Named::National(DataClass::KrRrn)),
    (b"residentnumber", Named::National(DataClass::KrRrn)),
    (b"residentregistrationnumber", Named::National(DataClass::KrRrn)),
    (b"rrn", Named::National(DataClass::KrRrn)),
    (b"numerpesel", Named::National(DataClass::PlPesel)),
    (b"pesel", Named::National(DataClass::PlPesel)),
    (b"peselnumber", Named::National(DataClass::PlPesel)),
    (b"personalnumber", Named::National(DataClass::SePersonnummer)),
    (b"personnummer", Named::National(DataClass::SePersonnummer)),
    (b"pnr", Named::National(DataClass::SePersonnummer)),
    (b"samordningsnummer", Named::National(DataClass::SePersonnummer)),
    (b"fin", Named::National(DataClass::SgFin)),
    (b"finnumber", Named::National(DataClass::SgFin)),
    (b"nric", Named::National(DataClass::SgFin)),
    (b"nricfin", Named::National(DataClass::SgFin)),
    (b"nricnumber", Named::National(DataClass::SgFin)),
    (b"nationalproviderid", Named::Npi),
    (b"nationalprovideridentifier", Named::Npi),
    (b"npi", Named::Npi),
    (b"npinumber", Named::Npi),
    (b"passport", Named::Passport),
    (b"passportid", Named::Passport),
    (b"passportno", Named::Passport),
    (b"passportnum", Named::Passport),
    (b"passportnumber", Named::Passport),
    (b"traveldocumentnumber", Named::Passport),
    (b"passwd", Named::Password),
    (b"password", Named::Password),
    (b"passphrase", Named::Password),
    (b"pwd", Named::Password),
    (b"familyname", Named::Person),
    (b"firstname", Named::Person),
    (b"forename", Named::Person),
    (b"fullname", Named::Person),
    (b"givenname", Named::Person),
    (b"lastname", Named::Person),
    (b"maidenname", Named::Person),
    (b"middlename", Named::Person),
    (b"nachname", Named::Person),
    (b"surname", Named::Person),
    (b"vorname", Named::Person),
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
    (b"aba", Named::Routing),
    (b"abanumber", Named::Routing),
    (b"routing", Named::Routing),
    (b"routingno", Named::Routing),
    (b"routingnumber", Named::Routing),
    (b"routingtransitnumber", Named::Routing),
    (b"rtn", Named::Routing),
    (b"accesskey", Named::Secret),
    (b"accountkey", Named::Secret),
    (b"apikey", Named::Secret),
    (b"apikeys", Named::Secret),
    (b"authorization", Named::Secret),
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
    (b"itin", Named::Ssn),
    (b"ssn", Named::Ssn),
    (b"ssnnumber", Named::Ssn),
    (b"social", Named::Ssn),
    (b"socialsecurity", Named::Ssn),
    (b"socialsecurityno", Named::Ssn),
    (b"socialsecuritynumber", Named::Ssn),
    (b"taxid", Named::Tax),
    (b"tin", Named::Tax),
    (b"governmentid", Named::State),
    (b"identitynumber", Named::State),
    (b"nationalid", Named::State),
    (b"nationalidentifier", Named::State),
    (b"nationalidnumber", Named::State),
    (b"taxnumber", Named::State),
    (b"taxpayerid", Named::State),
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

/// Longest name looked at; of longer ones the end is.
pub(super) const NAME: usize = 48;

/// What joins the words of a name.
pub(super) fn joins(byte: u8) -> bool {
    matches!(byte, b'_' | b'-' | b'.' | b' ')
}

/// Small and capital letters alike, as windows are compared.
const CASELESS: u32 = 0x2020_2020;

const fn place_of(window: u32) -> usize {
    ((window | CASELESS).wrapping_mul(0x9e37_79b1) >> 16) as usize
}

/// Which four bytes names looked for have last, by their hash: four letters, or three and what joins words. What stands
/// before a word is `_` here. A few others have the same hash.
static ENDS: [u64; 1024] = {
    const fn set(ends: &mut [u64; 1024], window: [u8; 4]) {
        let place = place_of(u32::from_le_bytes(window));
        ends[place / 64] |= 1 << (place % 64);
    }
    let joiners = *b"_- ";
    let mut ends = [0; 1024];
    let mut at = 0;
    while at < ENDINGS.len() {
        let name = ENDINGS[at].0;
        let n = name.len();
        if n >= 3 {
            let (x, y, z) = (name[n - 3], name[n - 2], name[n - 1]);
            set(&mut ends, [b'_', x, y, z]);
            let mut j = 0;
            while j < joiners.len() {
                set(&mut ends, [x, joiners[j], y, z]);
                set(&mut ends, [x, y, joiners[j], z]);
                j += 1;
            }
            if n > 3 {
                set(&mut ends, [name[n - 4], x, y, z]);
            }
        }
        at += 1;
    }
    ends
};

fn is_end(window: u32) -> bool {
    let place = place_of(window);
    ENDS[place / 64] >> (place % 64) & 1 == 1
}

/// Endings of two letters, which have their own check.
const PAIRS: [[u8; 2]; 4] = [*b"cc", *b"dx", *b"ip", *b"cf"];

const _: () = {
    let mut at = 0;
    while at < ENDINGS.len() {
        let name = ENDINGS[at].0;
        let mut known = name.len() > 2;
        let mut pair = 0;
        while pair < PAIRS.len() {
            known |= name.len() == 2 && name[0] == PAIRS[pair][0] && name[1] == PAIRS[pair][1];
            pair += 1;
        }
        assert!(known && name.len() <= NAME);
        at += 1;
    }
    // Places in the list are kept in bytes.
    assert!(ENDINGS.len() < 256);
};

/// Names in quotes that were found to be others, by their last eight bytes. It remembers and decides nothing: the same with it
/// and without.
#[derive(Debug)]
pub(crate) struct Passed(Box<[Cell<u64>]>);

impl Default for Passed {
    fn default() -> Self {
        Self(vec![Cell::new(0); Self::ROOM].into())
    }
}

impl Passed {
    const ROOM: usize = 4096;

    /// What stands before the quote in front of the sign at `at`: eight bytes, or the name and the quote that opens it when it
    /// is shorter. Zero when there is no quote, or one of a string in a string.
    #[inline]
    pub(super) fn tail(body: &[u8], at: usize) -> u64 {
        const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        let near = at
            .checked_sub(9)
            .and_then(|from| body.get(from..)?.first_chunk::<9>());
        let Some([last @ .., b'"']) = near else {
            return 0;
        };
        let tail = u64::from_le_bytes(*last);
        if tail >> 56 == u64::from(b'\\') {
            return 0;
        }
        // A bit at the top of each byte that is a quote.
        let other = tail ^ 0x2222_2222_2222_2222;
        let quotes = !(((other & LOW) + LOW) | other | LOW);
        if quotes == 0 {
            return tail;
        }
        let after = quotes.leading_zeros() & !7;
        // What decides about names of one or two letters stands before their quote too.
        if after < 24 {
            return 0;
        }
        tail & (u64::MAX << (56 - after))
    }

    #[inline]
    fn place(&self, tail: u64) -> Option<&Cell<u64>> {
        let hash = tail.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        self.0.get(hash as usize % Self::ROOM)
    }

    #[inline]
    pub(super) fn holds(&self, tail: u64) -> bool {
        tail != 0 && self.place(tail).is_some_and(|place| place.get() == tail)
    }

    pub(super) fn add(&self, tail: u64) {
        if let Some(place) = self.place(tail) {
            place.set(tail);
        }
    }
}

/// Whether a name looked for may end right before the sign at `at`, or before the quote in front of it. Nearly all names
/// are others, and are passed by here.
#[inline]
pub(super) fn may_be(body: &[u8], at: usize) -> bool {
    let Some(near) = at.checked_sub(5).and_then(|from| body.get(from..at)) else {
        return true;
    };
    let window = if near[4] == b'"' {
        u32::from_le_bytes([near[0], near[1], near[2], near[3]])
    } else {
        u32::from_le_bytes([near[1], near[2], near[3], near[4]])
    };
    let [before, third, y, z] = window.to_le_bytes();
    let bordered =
        !before.is_ascii_alphanumeric() || (third.is_ascii_uppercase() && !before.is_ascii_uppercase());
    let word = window & !0xff | u32::from(b'_');
    if is_end(window) || (bordered && is_end(word)) {
        return true;
    }
    if LASTS >> (z & 31) & 1 == 0 {
        return false;
    }
    let pair = [y | 0x20, z | 0x20];
    (PAIRS.contains(&pair) && (!third.is_ascii_lowercase() || y.is_ascii_uppercase()))
        // Behind a name a space may stand, or the quote of a string in a string.
        || matches!(z, b'\\' | b'\'' | b' ')
}

/// What an ending of two letters has last, or what may stand behind a name: by their last five bits.
const LASTS: u32 = {
    let behind = *b"\\' ";
    let mut bits = 0;
    let mut at = 0;
    while at < PAIRS.len() {
        bits |= 1 << (PAIRS[at][1] & 31);
        at += 1;
    }
    at = 0;
    while at < behind.len() {
        bits |= 1 << (behind[at] & 31);
        at += 1;
    }
    bits
};

/// Whether no name looked for ends at `end`, by its last eight letters.
#[inline]
pub(super) fn is_other(body: &[u8], end: usize) -> bool {
    let Some(last) = body[..end].last_chunk::<8>() else {
        return false;
    };
    let plain = last.iter().fold(true, |all, b| all & b.is_ascii_alphanumeric());
    let tail = u64::from_be_bytes(*last) | 0x2020_2020_2020_2020;
    plain && alike(tail, bucket_of(tail)).next().is_none() && alike(tail, PAIRED).next().is_none()
}

/// The bucket of endings of two letters.
const PAIRED: usize = 64;

/// Endings of this bucket that a name with these last eight letters may have.
fn alike(tail: u64, bucket: usize) -> impl Iterator<Item = &'static (&'static [u8], Named)> {
    let (from, to) = (usize::from(TAILS.1[bucket]), usize::from(TAILS.1[bucket + 1]));
    TAILS.0[from..to]
        .iter()
        .filter(move |(text, mask, _)| tail & mask == *text)
        .map(|(_, _, at)| &ENDINGS[usize::from(*at)])
}

/// Endings by what their last three letters give (those of two letters by themselves): the last eight bytes of each as a
/// number, which of them it has, and its place in the list.
static TAILS: ([(u64, u64, u8); ENDINGS.len()], [u8; 66]) = {
    let mut tails = [(0, 0, 0); ENDINGS.len()];
    let mut starts = [0; 66];
    let (mut bucket, mut place) = (0, 0);
    while bucket < 65 {
        starts[bucket] = place as u8;
        let mut at = 0;
        while at < ENDINGS.len() {
            let name = ENDINGS[at].0;
            let (mut text, mut mask, mut n) = (0u64, 0u64, 0);
            while n < 8 && n < name.len() {
                text |= (name[name.len() - 1 - n] as u64) << (8 * n);
                mask |= 0xff << (8 * n);
                n += 1;
            }
            let own = if name.len() == 2 { PAIRED } else { bucket_of(text) };
            if own == bucket {
                tails[place] = (text, mask, at as u8);
                place += 1;
            }
            at += 1;
        }
        bucket += 1;
    }
    starts[65] = place as u8;
    (tails, starts)
};

const fn bucket_of(tail: u64) -> usize {
    ((tail as u32 & 0x00ff_ffff).wrapping_mul(0x9e37_79b1) >> 26) as usize
}

/// What the field of this name may hold.
pub(super) fn named(name: &[u8]) -> Option<Named> {
    let (mut tail, mut place) = (0u64, 0);
    for byte in name.iter().rev() {
        if byte.is_ascii_alphanumeric() {
            tail |= u64::from(byte | 0x20) << place;
            place += 8;
            if place == 64 {
                break;
            }
        }
    }
    let endings = || alike(tail, bucket_of(tail)).chain(alike(tail, PAIRED));
    // Most names that come here end here.
    endings().next()?;
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
    let (_, kind) = endings()
        .filter(|(ending, _)| compact.ends_with(ending) && borders >> (len - ending.len()) & 1 == 1)
        .max_by_key(|(ending, _)| ending.len())?;
    let open = *kind == Named::Secret
        && NO_SECRETS
            .iter()
            .any(|word| memchr::memmem::find(compact, word).is_some());
    (!open).then_some(*kind)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("userSsn", Some(Named::Ssn)),
            ("card_no", Some(Named::Card)),
            ("cc", Some(Named::Card)),
            ("clientIp", Some(Named::Ip)),
            ("client_ip", Some(Named::Ip)),
            ("zip", None),
            ("ip_address", Some(Named::Ip)),
            ("icd-10", Some(Named::Diagnosis)),
            ("diagnosis_code", Some(Named::Diagnosis)),
            ("address_line_1", Some(Named::Address)),
            ("name", None),
            ("file_name", None),
            ("Last Name", Some(Named::Person)),
            ("basin", None),
        ] {
            assert_eq!(named(name.as_bytes()), want, "{name}");
            for (before, behind) in [
                ("", ""),
                ("{\"", "\""),
                ("{\\\"", "\\\""),
                ("{'", "'"),
                ("", " "),
                ("{\"", "\" "),
                ("\n", ""),
                ("&", ""),
            ] {
                let whole = format!("{before}{name}{behind}");
                assert!(want.is_none() || may_be(whole.as_bytes(), whole.len()), "{whole}");
            }
        }
    }

    #[test]
    fn every_ending_is_found_by_itself_and_behind_another_word() {
        for (ending, kind) in ENDINGS {
            let text = std::str::from_utf8(ending).unwrap();
            let capital = format!("{}{}", text[..1].to_uppercase(), &text[1..]);
            for name in [
                text.to_owned(),
                format!("my_{text}"),
                format!("my{capital}"),
                format!("my-{text}"),
            ] {
                // A longer ending may be told by a part of this one: it is then the same kind, or a closer one.
                let told = named(name.as_bytes());
                assert!(told.is_some(), "{name}");
                if name == text {
                    assert_eq!(told, Some(*kind), "{name}");
                }
                for whole in [format!("{{\"{name}\""), format!("\n{name}"), format!("a,{name}")] {
                    assert!(may_be(whole.as_bytes(), whole.len()), "{whole}");
                }
            }
        }
    }
}
