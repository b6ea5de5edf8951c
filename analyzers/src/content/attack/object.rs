//! Objects: a value that a program would turn back into objects, and that names a class which does something then.
//!
//! Sources: CWE-502; the formats: Java Object Serialization Stream Protocol chapter 6, Python `pickletools`, PHP `unserialize`, MS-NRBF, Ruby
//! `marshal`. Objects alone are no attack, cookies of some frameworks are objects; what tells is a class that runs something. The
//! stream is read as far as its names go; it is looked for below base64 too, in cookies and elsewhere.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{Attack, Class, Text, has};
use crate::content::inputs::Place;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Whether a value is made of the letters of base64 and begins as the code of an object or of text does.
pub(super) fn may_be_coded(value: &[u8]) -> bool {
    value
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_' | b'=' | b'.'))
        || value.starts_with(b"\x80")
        || value.starts_with(b"rO0")
}

/// The bytes of a value in base64.
fn decoded(value: &[u8]) -> Option<Vec<u8>> {
    let value = value.trim_ascii();
    let value = value
        .strip_prefix(b"\"")
        .and_then(|v| v.strip_suffix(b"\""))
        .unwrap_or(value);
    let length = value.iter().take_while(|b| !matches!(b, b'=' | b'.')).count();
    let value = &value[..length.min(4096)];
    let value = &value[..value.len() - usize::from(value.len() % 4 == 1)];
    let in_url = value.iter().any(|b| matches!(b, b'-' | b'_'));
    match in_url {
        true => URL.decode(value),
        false => PLAIN.decode(value),
    }
    .ok()
}

/// Looks at a value.
pub(super) fn look(text: &Text<'_>) -> Option<Attack> {
    let raw = text.raw;
    if let Some(form) = object(raw) {
        return Some(Attack::new(Class::Deserialisation, form));
    }
    if raw.len() >= 16 && may_be_coded(raw) {
        return coded(raw, text.place, text.name);
    }
    None
}

/// Looks at what a value in base64 is the code of.
pub(super) fn coded(raw: &[u8], place: Place, name: &[u8]) -> Option<Attack> {
    let bytes = decoded(raw)?;
    if let Some(form) = object(&bytes) {
        return Some(Attack::new(Class::Deserialisation, form));
    }
    // A cookie of text in base64 is text to who reads it.
    let is_text = |b: &u8| (32..127).contains(b) || matches!(b, b'\t' | b'\n' | b'\r');
    if place == Place::Cookie && bytes.iter().all(is_text) {
        let low = bytes.to_ascii_lowercase();
        let inner = Text {
            raw: &bytes,
            low: &low,
            signs: super::Signs::of(&bytes),
            // Text within has lines.
            place: Place::Json,
            name,
            layer: 1,
        };
        return super::sql::look(&inner)
            .or_else(|| super::template::look(&inner))
            .or_else(|| super::lookup::look(&low));
    }
    None
}

/// What sort of dangerous object a text is.
fn object(bytes: &[u8]) -> Option<&'static str> {
    if let Some(at) = memchr::memmem::find(&bytes[..bytes.len().min(64)], b"\xac\xed\x00\x05") {
        return java(&bytes[at..]).then_some("java");
    }
    if bytes.starts_with(b"\x00\x01\x00\x00\x00\xff\xff\xff\xff") {
        return dotnet(bytes).then_some("dotnet");
    }
    if bytes.starts_with(b"\x04\x08") {
        return ruby(bytes).then_some("ruby");
    }
    // A pickle may lie behind a few bytes that are not its own.
    let start = &bytes[..bytes.len().min(64)];
    let begins = start
        .windows(2)
        .position(|two| two[0] == 0x80 && (2..=5).contains(&two[1]));
    if begins.is_some_and(|at| pickle(&bytes[at..])) {
        return Some("pickle");
    }
    // Protocol 0 is text.
    if start.starts_with(b"c") && memchr::memchr(b'\n', start).is_some() && pickle(bytes) {
        return Some("pickle");
    }
    // What follows needs one of these signs, and most values have none.
    if !bytes
        .iter()
        .any(|b| matches!(b, b':' | b'$' | b'!' | b'"' | b'.'))
    {
        return None;
    }
    let text = bytes.to_ascii_lowercase();
    if php(bytes, &text) {
        return Some("php");
    }
    if has(&text, b"_$$nd_func$$_") {
        return Some("node");
    }
    const TAGS: [&[u8]; 7] = [
        b"!!python/object/apply",
        b"!!python/object/new",
        b"!!python/module:",
        b"!!javax.script.",
        b"!!com.sun.rowset.",
        b"!ruby/object:gem::",
        b"!!java.net.urlclassloader",
    ];
    if TAGS.iter().any(|tag| has(&text, tag)) {
        return Some("yaml");
    }
    if has(&text, b"\"@type\"") || has(&text, b"\"$type\"") || has(&text, b"\"@class\"") || is_type(&text) {
        return GADGETS.iter().any(|g| has(&text, g)).then_some("json");
    }
    None
}

fn is_type(text: &[u8]) -> bool {
    // The value of such a member, as it comes by itself.
    text.len() < 200
        && !text.contains(&b' ')
        && text.contains(&b'.')
        && (text.starts_with(b"com.sun.rowset.jdbcrowset")
            || text.starts_with(b"system.windows.data.objectdataprovider")
            || text.starts_with(b"org.apache.xbean.propertyeditor")
            || text.starts_with(b"ch.qos.logback.core.db.")
            || text.starts_with(b"com.mchange.v2.c3p0."))
}

/// Classes that do something while they are read (ysoserial, ysoserial.net, marshalsec and their like), by package, in lower case.
const GADGETS: [&[u8]; 40] = [
    b"commons.collections.functors",
    b"commons.collections4.functors",
    b"invokertransformer",
    b"instantiatetransformer",
    b"chainedtransformer",
    b"templatesimpl",
    b"annotationinvocationhandler",
    b"badattributevalueexpexception",
    b"jdbcrowsetimpl",
    b"beancomparator",
    b"commons.beanutils",
    b"groovy.runtime",
    b"methodclosure",
    b"convertedclosure",
    b"hibernate.tuple",
    b"rome.feed",
    b"objectbean",
    b"equalsbean",
    b"c3p0",
    b"bsh.xthis",
    b"clojure.inspector",
    b"jython",
    b"rhino",
    b"myfaces.view",
    b"spring.core.serializabletypewrapper",
    b"springframework.aop.target",
    b"springframework.beans.factory.objectfactory",
    b"wicket.util.upload",
    b"vaadin.data",
    b"java.rmi.server",
    b"sun.rmi.server",
    b"javax.management.",
    b"java.net.url",
    b"objectdataprovider",
    b"windowsidentity",
    b"typeconfusedelegate",
    b"textformattingrunproperties",
    b"axhost+state",
    b"sortedset`1",
    b"system.diagnostics.process",
];

fn java(bytes: &[u8]) -> bool {
    // Names of classes are written with their length before them.
    let low = bytes.to_ascii_lowercase();
    GADGETS.iter().any(|gadget| has(&low, gadget))
}

fn dotnet(bytes: &[u8]) -> bool {
    let low = bytes.to_ascii_lowercase();
    GADGETS.iter().any(|gadget| has(&low, gadget))
}

fn ruby(bytes: &[u8]) -> bool {
    const CLASSES: [&[u8]; 7] = [
        b"Gem::",
        b"ERB",
        b"ActiveSupport::Deprecation",
        b"Net::BufferedIO",
        b"Net::WriteAdapter",
        b"Rack::Session",
        b"Kernel",
    ];
    CLASSES.iter().any(|class| has(bytes, class)) && bytes.len() > 16
}

/// Whether a pickle calls a function of a module that runs things: the opcodes GLOBAL, STACK_GLOBAL and INST name it, REDUCE, OBJ
/// and NEWOBJ call it.
fn pickle(bytes: &[u8]) -> bool {
    const MODULES: [&[u8]; 22] = [
        b"os",
        b"posix",
        b"nt",
        b"subprocess",
        b"commands",
        b"popen2",
        b"pty",
        b"sys",
        b"builtins",
        b"__builtin__",
        b"importlib",
        b"runpy",
        b"code",
        b"ctypes",
        b"socket",
        b"shutil",
        b"operator",
        b"functools",
        b"timeit",
        b"pdb",
        b"webbrowser",
        b"asyncio.subprocess",
    ];
    const INNOCENT: [&[u8]; 14] = [
        b"set",
        b"frozenset",
        b"list",
        b"dict",
        b"tuple",
        b"object",
        b"bytearray",
        b"complex",
        b"str",
        b"int",
        b"bytes",
        b"slice",
        b"range",
        b"itemgetter",
    ];
    let dangerous = |module: &[u8], name: &[u8]| MODULES.contains(&module) && !INNOCENT.contains(&name);
    let calls = bytes
        .iter()
        .any(|b| matches!(b, b'R' | b'o' | 0x81 | b'i' | 0x92));
    if !calls {
        return false;
    }
    // `cmodule\nname\n`, `(imodule\nname\n`
    for at in memchr::memchr2_iter(b'c', b'i', bytes).take(512) {
        let rest = &bytes[at + 1..bytes.len().min(at + 128)];
        let mut lines = rest.split(|b| *b == b'\n');
        if let (Some(module), Some(name), Some(_)) = (lines.next(), lines.next(), lines.next())
            && dangerous(module, name)
        {
            return true;
        }
    }
    // Protocol 4: SHORT_BINUNICODE module, name, then STACK_GLOBAL; each may be remembered (MEMOIZE) in between.
    let mut strings: [&[u8]; 2] = [b"", b""];
    let mut at = 0;
    let mut steps = 0;
    while let Some(byte) = bytes.get(at) {
        steps += 1;
        if steps > 4096 {
            break;
        }
        match byte {
            0x80 => at += 2,
            0x95 => at += 9,
            0x8c => {
                let length = bytes.get(at + 1).map_or(0, |n| usize::from(*n));
                let end = (at + 2 + length).min(bytes.len());
                strings = [strings[1], &bytes[(at + 2).min(end)..end]];
                at = end;
            }
            b'X' => {
                let length = bytes.get(at + 1..at + 5).map_or(0, |n| {
                    usize::from(n[0]) | usize::from(n[1]) << 8 | usize::from(n[2]) << 16
                });
                let end = (at + 5 + length).min(bytes.len());
                strings = [strings[1], &bytes[(at + 5).min(end)..end]];
                at = end;
            }
            0x93 => {
                if dangerous(strings[0], strings[1]) {
                    return true;
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    false
}

/// Objects of PHP: `O:3:"Foo":1:{…}`, of which chains of known frameworks are made, or with a magic property.
fn php(raw: &[u8], low: &[u8]) -> bool {
    let object = |at: usize| {
        let rest = &raw[at..];
        let digits = rest
            .get(2..)
            .map_or(0, |r| r.iter().take(4).take_while(|b| b.is_ascii_digit()).count());
        digits > 0
            && rest.get(2 + digits..4 + digits).is_some_and(|b| b == b":\"")
            && memchr::memmem::find(rest, b":{").is_some()
    };
    let found = memchr::memmem::find_iter(raw, b"O:")
        .chain(memchr::memmem::find_iter(raw, b"C:"))
        .take(16)
        .any(object);
    if !found {
        return false;
    }
    // Standard classes hold data and do nothing.
    !has(low, b"\"stdclass\"") && !has(low, b"\"datetime") && !has(low, b"\"__php_incomplete")
}
