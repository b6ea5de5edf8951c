//! SQL: a value that ends the string or number that it was put into and goes on as SQL.
//!
//! The idea is that of libinjection (Galbraith, 2012): the value is read in the contexts in which programs paste it (behind `'`,
//! behind `"`, as a number), cut into tokens as databases do (comments are spaces, `/*!…*/` is code, `||` and `&&` are
//! operators), and what follows the break-out must go on as a sentence of SQL and leave the rest balanced: a comment that swallows
//! it, or an open string that takes the program's own quote. A grammar of such sentences decides, not a list of fingerprints, since
//! in most of those words of ordinary language fit as well.

use super::{Attack, Class, Effect, Signs, Text, is_document, is_prose};

/// Tokens read of one context.
const TOKENS: usize = 64;

/// Places of a quote at which a break-out is tried.
const BREAKS: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Number(&'a [u8]),
    /// A string, and whether it ends.
    Text(&'a [u8], bool),
    Word(&'a [u8]),
    Variable(&'a [u8]),
    /// `=`, `<>`, `like`, `in` and others that compare.
    Compare,
    /// `and`, `or`, `xor`, `&&`.
    Logic,
    /// `+`, `-`, `*`, `||` and others that make a value of two.
    Join,
    Open,
    Close,
    Comma,
    Semi,
    Dot,
    /// A comment to the end of the text, with what it says.
    Comment(&'a [u8]),
    Other,
}

use Token::{Close, Comma, Comment, Compare, Dot, Join, Logic, Number, Open, Semi, Variable, Word};

/// Cuts a text into tokens. Letters are lower case.
fn tokens(text: &[u8]) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    let mut at = 0;
    let ends = |what: &[u8], from: usize| {
        text.get(from..)
            .and_then(|rest| memchr::memmem::find(rest, what))
            .map(|n| from + n)
    };
    while let Some(byte) = text.get(at) {
        if out.len() >= TOKENS {
            break;
        }
        let next = text.get(at + 1);
        let token = match byte {
            b if b.is_ascii_whitespace() || *b < 32 || *b == 0xa0 => {
                at += 1;
                continue;
            }
            b'/' if next == Some(&b'*') => {
                if text.get(at + 2) == Some(&b'!') {
                    // MySQL runs what is in it, from a version on.
                    at += 3;
                    at += text[at..]
                        .iter()
                        .take(6)
                        .take_while(|b| b.is_ascii_digit())
                        .count();
                    continue;
                }
                match ends(b"*/", at + 2) {
                    Some(end) => {
                        at = end + 2;
                        continue;
                    }
                    None => {
                        let rest = &text[at + 2..];
                        at = text.len();
                        Comment(rest)
                    }
                }
            }
            b'*' if next == Some(&b'/') => {
                at += 2;
                continue;
            }
            b'-' if next == Some(&b'-') => match ends(b"\n", at) {
                Some(end) => {
                    at = end + 1;
                    continue;
                }
                None => {
                    let rest = &text[at + 2..];
                    at = text.len();
                    Comment(rest)
                }
            },
            b'#' => match ends(b"\n", at) {
                Some(end) => {
                    at = end + 1;
                    continue;
                }
                None => {
                    let rest = &text[at + 1..];
                    at = text.len();
                    Comment(rest)
                }
            },
            b'\'' | b'"' => {
                let start = at + 1;
                at = start;
                let mut whole = false;
                while let Some(b) = text.get(at) {
                    if *b == b'\\' {
                        at += 2;
                        continue;
                    }
                    if b == byte {
                        if text.get(at + 1) == Some(byte) {
                            at += 2;
                            continue;
                        }
                        whole = true;
                        break;
                    }
                    at += 1;
                }
                let end = at.min(text.len());
                at = end + usize::from(whole);
                Token::Text(&text[start.min(end)..end], whole)
            }
            b'`' => {
                let end = ends(b"`", at + 1).unwrap_or(text.len());
                let word = &text[at + 1..end.max(at + 1).min(text.len())];
                at = (end + 1).min(text.len());
                Word(word)
            }
            b'0'..=b'9' | b'.' if byte.is_ascii_digit() || next.is_some_and(u8::is_ascii_digit) => {
                let length = match (byte, next) {
                    (b'0', Some(b'x' | b'b')) => {
                        2 + text[at + 2..]
                            .iter()
                            .take_while(|b| b.is_ascii_hexdigit())
                            .count()
                    }
                    _ => {
                        let digits = |b: &&u8| b.is_ascii_digit() || **b == b'.';
                        let length = text[at..].iter().take_while(digits).count();
                        // `1e5`, and `1e0union`, which MySQL cuts there.
                        match text.get(at + length) {
                            Some(b'e') => {
                                let more = text[at + length + 1..]
                                    .iter()
                                    .take_while(|b| b.is_ascii_digit())
                                    .count();
                                if more > 0 { length + 1 + more } else { length }
                            }
                            _ => length,
                        }
                    }
                };
                at += length;
                Number(&text[at - length..at])
            }
            b'@' => {
                let start = at;
                at += text[at..].iter().take_while(|b| **b == b'@').count();
                at += text[at..].iter().take_while(|b| is_word(**b)).count();
                Variable(&text[start..at])
            }
            b if is_word(*b) || *b >= 0x80 => {
                let start = at;
                at += text[at..]
                    .iter()
                    .take_while(|b| is_word(**b) || **b >= 0x80)
                    .count();
                let word = &text[start..at];
                match word {
                    b"and" | b"or" | b"xor" => Logic,
                    b"like" | b"rlike" | b"regexp" | b"in" | b"between" | b"is" | b"sounds" | b"glob"
                    | b"ilike" => Compare,
                    b"n" | b"x" | b"b" | b"e" if text.get(at) == Some(&b'\'') => continue,
                    _ => Word(word),
                }
            }
            b'&' => {
                at += 1 + usize::from(next == Some(&b'&'));
                if next == Some(&b'&') { Logic } else { Join }
            }
            b'|' => {
                at += 1 + usize::from(next == Some(&b'|'));
                Join
            }
            b'=' | b'<' | b'>' | b'!' | b'~' => {
                let length = text[at..]
                    .iter()
                    .take(3)
                    .take_while(|b| matches!(**b, b'=' | b'<' | b'>' | b'!' | b'~'))
                    .count();
                at += length;
                match &text[at - length..at] {
                    b"!" | b"~" => Join,
                    _ => Compare,
                }
            }
            b'+' | b'-' | b'*' | b'%' | b'^' | b'/' => {
                at += 1;
                Join
            }
            sign => {
                at += 1;
                match sign {
                    b'(' => Open,
                    b')' => Close,
                    b',' => Comma,
                    b';' => Semi,
                    b'.' => Dot,
                    _ => Token::Other,
                }
            }
        };
        out.push(token);
    }
    out
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')
}

/// Functions that have no other use in a parameter: they wait, read files, run programs or spell out what they find.
fn is_weapon(word: &[u8]) -> bool {
    const NAMES: [&[u8]; 30] = [
        b"sleep",
        b"benchmark",
        b"pg_sleep",
        b"pg_read_file",
        b"pg_ls_dir",
        b"lo_import",
        b"load_file",
        b"extractvalue",
        b"updatexml",
        b"xmltype",
        b"dbms_pipe",
        b"dbms_lock",
        b"dbms_ldap",
        b"utl_http",
        b"utl_inaddr",
        b"randomblob",
        b"load_extension",
        b"xp_cmdshell",
        b"xp_dirtree",
        b"openrowset",
        b"fn_xe_file_target_read_file",
        b"gtid_subset",
        b"exp",
        b"polygon",
        b"geometrycollection",
        b"multipoint",
        b"json_keys",
        b"row_count",
        b"ctxsys",
        b"master",
    ];
    NAMES.contains(&word)
}

/// Functions that tell about the database or spell text: common in SQL, rare behind a break-out of anything else.
fn is_inner(word: &[u8]) -> bool {
    const NAMES: [&[u8]; 40] = [
        b"char",
        b"chr",
        b"concat",
        b"concat_ws",
        b"group_concat",
        b"substring",
        b"substr",
        b"mid",
        b"ascii",
        b"ord",
        b"hex",
        b"unhex",
        b"length",
        b"len",
        b"char_length",
        b"version",
        b"user",
        b"current_user",
        b"database",
        b"schema",
        b"system_user",
        b"session_user",
        b"db_name",
        b"user_name",
        b"host_name",
        b"cast",
        b"convert",
        b"count",
        b"if",
        b"iif",
        b"ifnull",
        b"nullif",
        b"coalesce",
        b"exists",
        b"elt",
        b"make_set",
        b"floor",
        b"rand",
        b"sqlite_version",
        b"make_interval",
    ];
    NAMES.contains(&word)
}

fn is_call(rest: &[Token<'_>], known: fn(&[u8]) -> bool) -> bool {
    match rest {
        [Word(name), Open, ..] => known(name),
        // `dbms_pipe.receive_message(`, `master..xp_cmdshell`.
        [Word(name), Dot, ..] => is_weapon(name),
        _ => false,
    }
}

fn is_known_call(rest: &[Token<'_>]) -> bool {
    is_call(rest, |name| is_weapon(name) || is_inner(name))
}

/// Whether a function that has no other use is called anywhere.
fn wields(tokens: &[Token<'_>]) -> bool {
    (0..tokens.len()).any(|at| is_call(&tokens[at..], is_weapon))
}

/// The rest after opening brackets, `not` and signs.
fn inner<'t, 'a>(mut rest: &'t [Token<'a>]) -> &'t [Token<'a>] {
    while let [
        Open | Join | Word(b"not" | b"binary" | b"all" | b"any" | b"some" | b"distinct"),
        more @ ..,
    ] = rest
    {
        rest = more;
    }
    rest
}

/// Whether what is left after a sentence is swallowed or closes: nothing, a comment of few words, another statement.
fn is_end(rest: &[Token<'_>], open: bool) -> bool {
    let mut rest = rest;
    while let [Close, more @ ..] = rest {
        rest = more;
    }
    match rest {
        [] => !open,
        [Comment(text), ..] => is_short(text),
        [Semi, ..] => true,
        [Logic | Join, more @ ..] => more.is_empty() || is_end(skip_operand(more), open),
        [
            Word(
                b"limit" | b"order" | b"group" | b"having" | b"union" | b"into" | b"procedure" | b"from"
                | b"where",
            ),
            ..,
        ] => true,
        _ => false,
    }
}

fn skip_operand<'t, 'a>(rest: &'t [Token<'a>]) -> &'t [Token<'a>] {
    rest.get(1..).unwrap_or(&[])
}

/// Whether a comment says nothing: people write sentences into theirs.
fn is_short(comment: &[u8]) -> bool {
    comment.iter().filter(|b| b.is_ascii_alphabetic()).count() <= 4 || {
        // The comment of an attack may hold what the program would have written.
        let words = super::words(comment);
        words <= 1 && comment.len() <= 24
    }
}

/// Whether a statement begins here.
fn is_statement(rest: &[Token<'_>]) -> bool {
    let rest = inner(rest);
    match rest {
        [Word(b"select"), list @ ..] => is_select(list),
        [Word(b"insert" | b"replace"), Word(b"into"), Word(_), ..]
        | [Word(b"delete"), Word(b"from"), Word(_), ..]
        | [Word(b"merge"), Word(b"into"), Word(_), ..]
        | [Word(b"load"), Word(b"data" | b"xml"), ..]
        | [Word(b"update"), Word(_), Word(b"set"), Word(_), ..]
        | [Word(b"update"), Word(_), Dot, Word(_), Word(b"set"), ..]
        | [Word(b"declare" | b"set"), Variable(_), ..]
        | [Word(b"waitfor"), Word(b"delay" | b"time"), ..]
        | [
            Word(b"exec" | b"execute"),
            Open | Variable(_) | Word(b"immediate" | b"sp_executesql"),
            ..,
        ]
        | [Word(b"truncate"), Word(b"table"), Word(_), ..]
        | [Word(b"attach"), Word(b"database"), ..]
        | [Word(b"copy"), Word(_) | Open, ..]
        | [Word(b"create"), Word(b"or"), Word(b"replace"), ..]
        | [Word(b"do" | b"if"), Open, ..] => true,
        [Word(b"exec" | b"execute" | b"call"), Word(name), ..] => {
            name.starts_with(b"xp_")
                || name.starts_with(b"sp_")
                || matches!(rest.get(2), Some(Dot | Open))
                || *name == b"master"
        }
        [Word(b"drop" | b"alter" | b"create"), Word(what), Word(_), ..] => {
            const WHAT: [&[u8]; 13] = [
                b"table",
                b"database",
                b"user",
                b"view",
                b"index",
                b"procedure",
                b"function",
                b"schema",
                b"column",
                b"login",
                b"role",
                b"trigger",
                b"extension",
            ];
            WHAT.contains(what)
        }
        [Word(b"shutdown"), end @ ..] => matches!(end, [] | [Comment(_) | Semi, ..] | [Word(b"with"), ..]),
        [Word(b"begin" | b"commit" | b"rollback"), Semi | Comment(_), ..] => true,
        [Word(b"pragma"), Word(_), ..] => true,
        _ => is_call(rest, is_weapon),
    }
}

/// Whether a list of a select follows: values, and a table or an end.
fn is_select(list: &[Token<'_>]) -> bool {
    let mut list = list;
    while let [Word(b"all" | b"distinct" | b"top" | b"sql_no_cache"), more @ ..] = list {
        list = more;
    }
    if is_known_call(inner(list)) {
        return true;
    }
    match inner(list) {
        [Variable(name), ..] if name.starts_with(b"@@") => return true,
        [Word(b"case"), Word(b"when"), ..] => return true,
        // `select*from`
        [] if list.is_empty() => return false,
        _ => {}
    }
    // `select 1,2,3`, `select null--`, `select 'a'`.
    if let [
        Number(_)
        | Token::Text(..)
        | Variable(_)
        | Word(b"null" | b"user" | b"current_user" | b"true" | b"false"),
        rest @ ..,
    ] = inner(list)
        && matches!(
            rest,
            [] | [Comma | Comment(_) | Close | Semi | Join, ..] | [Word(b"from"), ..]
        )
    {
        return true;
    }
    // What is between the two must be a list of names, and the table a name.
    let mut words = 0;
    for (at, token) in list.iter().enumerate() {
        match token {
            Word(b"from") => {
                let behind = list.get(at + 1..).unwrap_or(&[]);
                return at > 0
                    && words <= 1
                    && match behind {
                        [
                            Word(
                                b"the" | b"a" | b"an" | b"this" | b"your" | b"my" | b"our" | b"their"
                                | b"these",
                            ),
                            Word(_),
                            ..,
                        ] => false,
                        [Word(_) | Open, ..] => true,
                        _ => false,
                    };
            }
            // Two names in a row are one name and its alias; more are a sentence.
            Word(_) => words += 1,
            Comma | Open | Close | Dot | Join => words = 0,
            Semi | Comment(_) => return false,
            _ => {}
        }
        if words > 2 {
            return false;
        }
    }
    false
}

fn is_union(rest: &[Token<'_>]) -> bool {
    let [Word(b"union" | b"intersect" | b"except" | b"minus"), rest @ ..] = rest else {
        return false;
    };
    match inner(rest) {
        [Word(b"select"), list @ ..] => is_select(list) || is_column_end(list),
        [Word(b"values"), Open, ..] => true,
        _ => false,
    }
}

/// `select password`, and the end.
fn is_column_end(list: &[Token<'_>]) -> bool {
    matches!(
        list,
        [Word(_) | Number(_) | Variable(_) | Join, Comment(_), ..] | [Word(_), Comma, ..]
    )
}

/// How one side of a comparison looks.
fn operand<'t, 'a>(rest: &'t [Token<'a>]) -> Option<(bool, &'t [Token<'a>])> {
    match rest {
        [Number(_) | Token::Text(..) | Variable(_), more @ ..] => Some((true, more)),
        [Word(b"null" | b"true" | b"false"), more @ ..] => Some((true, more)),
        [Word(_), Open, ..] | [Word(_), Dot, Word(_), Open, ..] => {
            // To the end of the call.
            let mut depth = 0usize;
            for (at, token) in rest.iter().enumerate() {
                match token {
                    Open => depth += 1,
                    Close if depth <= 1 => return Some((true, &rest[at + 1..])),
                    Close => depth -= 1,
                    _ => {}
                }
            }
            Some((true, &[]))
        }
        [Word(_), Dot, Word(_), more @ ..] => Some((false, more)),
        [Word(_), more @ ..] => Some((false, more)),
        _ => None,
    }
}

/// What a sentence behind a break-out is, if it is one. `quoted` when a string was ended, so that the program's own quote follows.
fn sentence(rest: &[Token<'_>], quoted: bool) -> Option<&'static str> {
    let mut rest = rest;
    let mut closed = false;
    while let [Close, more @ ..] = rest {
        (rest, closed) = (more, true);
    }
    let open_end = matches!(rest.last(), Some(Token::Text(_, false)));
    match rest {
        [Comment(text)] if quoted || closed => {
            let bare = text.iter().all(|b| !b.is_ascii_alphabetic()) || text.len() <= 2;
            bare.then_some("comment")
        }
        [Semi, Comment(text)] if quoted => is_short(text).then_some("stacked"),
        [Semi, more @ ..] if is_statement(more) => Some("stacked"),
        [Logic, more @ ..] => logic(more, quoted, open_end).then_some("condition"),
        [Word(b"union" | b"intersect" | b"except" | b"minus"), ..] if is_union(rest) => Some("union"),
        [Word(b"order" | b"group"), Word(b"by"), more @ ..] => {
            let more = inner(more);
            let at_end = match more {
                [Number(_) | Word(_), Comment(_), ..] => true,
                [Number(_) | Word(_), Word(b"having"), more @ ..] => logic(more, quoted, open_end),
                [Number(_)] => !quoted,
                [Number(_), Comma, Number(_), ..] => !quoted || matches!(rest.last(), Some(Comment(_))),
                [Word(b"case"), Word(b"when"), ..] => true,
                _ => is_known_call(more) || matches!(more, [Word(b"select"), list @ ..] if is_select(list)),
            };
            at_end.then_some("clause")
        }
        [Word(b"having"), more @ ..] => logic(more, quoted, open_end).then_some("clause"),
        [Word(b"limit"), Number(_), more @ ..] => {
            let more = match more {
                [Comma, Number(_), more @ ..] => more,
                more => more,
            };
            matches!(
                more,
                [Word(b"into" | b"procedure" | b"union"), ..] | [Comment(_), ..]
            )
            .then_some("clause")
        }
        [Word(b"into"), Word(b"outfile" | b"dumpfile"), ..]
        | [Word(b"procedure"), Word(b"analyse"), Open, ..] => Some("clause"),
        [Word(b"waitfor"), Word(b"delay" | b"time"), Token::Text(..), ..] => Some("stacked"),
        [
            Word(b"exec" | b"execute" | b"drop" | b"shutdown" | b"declare"),
            ..,
        ] if is_statement(rest) && is_end_of(rest) => Some("stacked"),
        [Word(b"where"), more @ ..] if quoted || closed => {
            logic(more, quoted, open_end).then_some("condition")
        }
        [Compare | Join, more @ ..] => joined(more, quoted).then_some("expression"),
        [Word(b"collate" | b"escape"), ..] => None,
        [Comma, more @ ..] => listed(more, quoted).then_some("list"),
        _ => None,
    }
}

fn is_end_of(rest: &[Token<'_>]) -> bool {
    rest.iter()
        .any(|t| matches!(t, Comment(_) | Semi | Token::Text(..) | Open | Variable(_)))
}

/// Whether a condition follows `and` or `or`.
fn logic(rest: &[Token<'_>], quoted: bool, open_end: bool) -> bool {
    let bare = inner(rest);
    if let [Word(b"select"), list @ ..] = bare {
        return is_select(list);
    }
    if matches!(bare, [Word(b"case"), Word(b"when"), ..]) || is_call(bare, is_weapon) {
        return true;
    }
    if matches!(bare, [Word(name), Open, ..] if is_inner(name)) && wields(bare) {
        return true;
    }
    if let [Word(b"exists" | b"not"), Open, Word(b"select"), ..] = bare {
        return true;
    }
    let Some((literal, behind)) = operand(bare) else {
        return false;
    };
    match behind {
        [Compare, more @ ..] => {
            let more = match more {
                // `is not null`, `not like`
                [Word(b"not"), more @ ..] | [Compare, more @ ..] => more,
                more => more,
            };
            let right = inner(more);
            if let [Word(b"select"), list @ ..] = right {
                return is_select(list);
            }
            if right.is_empty() {
                // `' or '1'=` and the program's own string.
                return literal && quoted;
            }
            let Some((constant, behind)) = operand(right) else {
                return false;
            };
            let after = behind;
            // `between 1 and 2`
            let after = match after {
                [Logic, Number(_) | Token::Text(..), more @ ..] if !more.is_empty() => more,
                after => after,
            };
            if !quoted {
                // Outside of strings conditions are what filters and mathematics are made of: both sides must be constant.
                return literal && constant && is_end(after, false);
            }
            match (literal, constant) {
                // A tautology says it all.
                (true, true) => open_end || is_end(after, false),
                (false, true) => open_end || is_end(after, true),
                (true, false) => is_end(after, true),
                (false, false) => {
                    matches!(after, [Comment(text), ..] if is_short(text)) || matches!(after, [Semi, ..])
                }
            }
        }
        // `or 1--`, `or true#`
        [Comment(text), ..] => literal && is_short(text),
        [Close, ..] if literal => {
            let mut after = behind;
            while let [Close, more @ ..] = after {
                after = more;
            }
            matches!(after, [Comment(text), ..] if is_short(text))
        }
        // `or sleep(5)='`, `or ''||`
        [] => quoted && open_end && matches!(bare, [Token::Text(text, false)] if text.is_empty()),
        [Word(b"limit" | b"order" | b"group" | b"having"), ..] => literal && quoted,
        [Word(b"union"), ..] => literal && is_union(behind),
        [Join, more @ ..] => {
            literal && (is_call(inner(more), is_weapon) || matches!(inner(more), [Word(b"select"), ..]))
        }
        _ => false,
    }
}

/// Whether what follows an operator is SQL: a subquery, a function of databases.
fn joined(rest: &[Token<'_>], quoted: bool) -> bool {
    let right = inner(rest);
    match right {
        [Word(b"select"), list @ ..] => is_select(list),
        [Word(b"case"), Word(b"when"), ..] => true,
        _ if is_call(right, is_weapon) => true,
        [Word(name), Open, ..] if quoted && is_inner(name) => rest.len() > 3,
        // `'='`, `'-'`, `'*'`: compares the empty string with itself.
        [Token::Text(b"" | b"0" | b"1", false)] => quoted,
        // `'||'a'='a`, `' like '%`
        [Token::Text(_, true), Compare, Token::Text(..)] => quoted,
        [Token::Text(b"%" | b"%%" | b"_%", false)] => quoted,
        [Number(_) | Token::Text(..), more @ ..] => {
            matches!(more, [Word(b"union"), ..] if is_union(more))
                || quoted && matches!(more, [Logic, after @ ..] if logic(after, quoted, true))
                || quoted && matches!(more, [Comment(text)] if is_short(text))
                || !quoted && matches!(more, [Compare, Open, Word(b"select"), ..])
                || matches!(more, [Join | Compare, after @ ..] if is_call(inner(after), is_weapon) || matches!(inner(after), [Word(b"select"), list @ ..] if is_select(list)))
                // `between 1 and (select …)`
                || matches!(more, [Logic, Open, Word(b"select"), ..])
        }
        _ => false,
    }
}

/// Whether a list of values goes on to a bracket and a comment: `','x')--`, or holds a subquery.
fn listed(rest: &[Token<'_>], quoted: bool) -> bool {
    let bare = inner(rest);
    if is_call(bare, is_weapon)
        || matches!(bare, [Open, Word(b"select"), list @ ..] | [Word(b"select"), list @ ..] if is_select(list))
    {
        return true;
    }
    if !quoted {
        return false;
    }
    let mut closed = false;
    for token in rest {
        match token {
            Close => closed = true,
            Comment(text) => return closed && is_short(text),
            Semi => return false,
            Open if closed => {}
            Number(_) | Token::Text(..) | Word(_) | Comma | Open | Join | Variable(_) | Dot => {}
            _ => return false,
        }
    }
    false
}

/// Looks at a value.
pub(super) fn look(text: &Text<'_>) -> Option<Attack> {
    let low = text.low;
    let found = |form| {
        Some(Attack {
            effect: delay(low),
            ..Attack::new(Class::Sql, form)
        })
    };
    if text.signs.any(Signs::QUOTE.or(Signs::DOUBLE)) {
        let mut tried = 0;
        let mut before = 0;
        while let Some(n) = memchr::memchr2(b'\'', b'"', &low[before..]) {
            let at = before + n;
            before = at + 1;
            tried += 1;
            let prefix = &low[..at];
            if tried > BREAKS || is_prose(prefix) || at > 200 {
                break;
            }
            // What follows a break-out begins at once: letters do not.
            let rest = &low[at + 1..];
            let Some(first) = rest.iter().find(|b| !b.is_ascii_whitespace()) else {
                break;
            };
            let glued = rest[0].is_ascii_alphanumeric()
                && !matches!(rest[0], b'o' | b'a' | b'u' | b'x' | b'l' | b'i');
            if glued || first.is_ascii_digit() || *first >= 0x80 {
                continue;
            }
            let tokens = tokens(rest);
            if let Some(form) = sentence(&tokens, true).filter(|_| !in_words(prefix, rest)) {
                return found(form);
            }
        }
    }
    if is_document(text.raw) {
        return None;
    }
    let worth = text.signs.any(
        Signs::SPACE
            .or(Signs::OPEN)
            .or(Signs::CLOSE)
            .or(Signs::SEMI)
            .or(Signs::SLASH)
            .or(Signs::BREAK)
            .or(Signs::SHARP),
    );
    if !worth {
        return None;
    }
    let tokens = tokens(low);
    bare(&tokens).and_then(found)
}

/// As a number, a name or an expression of its own.
fn bare(tokens: &[Token<'_>]) -> Option<&'static str> {
    match tokens {
        [Number(_) | Word(b"null" | b"true" | b"false"), rest @ ..] => sentence(rest, false),
        [Join, Number(_), rest @ ..] => sentence(rest, false),
        [Open, Number(_), rest @ ..] => sentence(rest, false),
        [Close, ..] => sentence(tokens, false),
        // A name that is ended and goes on as a statement: `x; drop table y`.
        [Word(_), Semi, rest @ ..] if is_statement(rest) => Some("stacked"),
        [Word(_), Close, rest @ ..] => sentence(rest, false),
        [Word(_) | Token::Text(_, true), union @ ..] if is_union(union) => Some("union"),
        [Semi, rest @ ..] if is_statement(rest) => Some("stacked"),
        [Word(b"union"), ..] if is_union(tokens) => Some("union"),
        [Logic, rest @ ..] => logic(rest, false, false).then_some("condition"),
        // An expression where a name or a number should be.
        _ => {
            let right = inner(tokens);
            let is_expression = match right {
                [Word(b"select"), list @ ..] => is_select(list) && wields(tokens),
                [Word(b"case"), Word(b"when"), ..] => tokens.iter().any(|t| matches!(t, Word(b"then"))),
                [Word(b"if" | b"iif"), Open, ..] => wields(&right[2..]),
                [Word(name), Open, ..] | [Word(name), Dot, ..] => {
                    // All of the value, with values in it; and these have other uses where no string was broken out of.
                    is_weapon(name)
                        && !matches!(
                            *name,
                            b"exp" | b"master" | b"polygon" | b"multipoint" | b"row_count"
                        )
                        && !matches!(right, [_, Open, Word(_), Close, ..])
                        && operand(right).is_some_and(|(_, rest)| !matches!(rest, [Word(_) | Number(_), ..]))
                }
                _ => false,
            };
            is_expression.then_some("expression")
        }
    }
}

/// Whether the quote is one of those that people put around words: `'and'`, `say "or"`.
fn in_words(prefix: &[u8], rest: &[u8]) -> bool {
    let opened = prefix
        .last()
        .is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'(' | b'['));
    if !opened || prefix.is_empty() {
        return false;
    }
    // Opened after a space, and closed again right behind a word.
    let word = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    word > 0 && matches!(rest.get(word), Some(b'\'' | b'"'))
}

/// How long it would make the database wait.
fn delay(low: &[u8]) -> Effect {
    const CALLS: [&[u8]; 4] = [
        b"sleep(",
        b"waitfor delay '0:0:",
        b"waitfor delay '00:00:",
        b"receive_message(",
    ];
    for call in CALLS {
        if let Some(at) = memchr::memmem::find(low, call) {
            let rest = &low[at + call.len()..];
            let rest = match memchr::memchr(b',', rest).filter(|_| call.starts_with(b"receive")) {
                Some(comma) => &rest[comma + 1..],
                None => rest,
            };
            let digits: Vec<u8> = rest
                .iter()
                .copied()
                .take(3)
                .take_while(u8::is_ascii_digit)
                .collect();
            if let Some(seconds) = std::str::from_utf8(&digits)
                .ok()
                .and_then(|d| d.parse::<u64>().ok())
                && seconds >= 2
            {
                return Effect::Delay(seconds);
            }
        }
    }
    Effect::Usual
}
