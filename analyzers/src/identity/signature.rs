//! Keys of HTTP message signatures (RFC 9421) as automated clients use them (Web Bot Auth, draft-meunier-web-bot-auth-architecture).

/// What a signature tells of its signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signer<'a> {
    /// `keyid`: for Web Bot Auth the thumbprint of a JSON Web Key (RFC 7638).
    pub(super) key: &'a str,
    /// It is tagged `web-bot-auth`.
    pub(super) bot: bool,
}

/// Longest field that is looked at.
const LONGEST: usize = 4 * 1024;

/// The signer by `Signature-Input`: of several signatures the one tagged `web-bot-auth`, else the first with a key.
pub(super) fn signer(input: &str) -> Option<Signer<'_>> {
    if input.len() > LONGEST {
        return None;
    }
    let mut first = None;
    // Members begin behind a comma outside of quotes and of the list of what is signed.
    let (mut start, mut quoted, mut depth) = (0, false, 0_u32);
    let mut consider = |from: usize, to: usize| {
        let found = one(&input[from..to]);
        if let Some(found) = found
            && (first.is_none() || found.bot)
        {
            first = Some(found);
        }
        found.is_some_and(|f| f.bot)
    };
    for (at, byte) in input.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth = depth.saturating_sub(1),
            b',' if !quoted && depth == 0 => {
                if consider(start, at) {
                    return first;
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    consider(start, input.len());
    first
}

fn one(member: &str) -> Option<Signer<'_>> {
    // Parameters of the signature stand behind the list of what is signed.
    let parameters = member.rsplit_once(')')?.1;
    let (mut key, mut bot) = (None, false);
    for parameter in parameters.split(';').take(16) {
        let Some((name, value)) = parameter.trim().split_once('=') else {
            continue;
        };
        let value = value.trim().trim_matches('"');
        match name.trim() {
            "keyid" if (1..=256).contains(&value.len()) => key = Some(value),
            "tag" => bot = value == "web-bot-auth",
            _ => {}
        }
    }
    key.map(|key| Signer { key, bot })
}

/// The host that `Signature-Agent` names: a dictionary of URLs in the draft, a bare string with older signers.
pub(crate) fn agent_host(field: &str) -> Option<&str> {
    let text = field.get(..LONGEST.min(field.len()))?;
    let text = text.split_once('"').map_or(text, |(_, rest)| rest);
    let text = text.split('"').next()?.trim();
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = rest.split(['/', ':', '?']).next()?;
    let plain = host.contains('.')
        && host.len() <= 253
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
    plain.then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_bot_is_found_among_signatures() {
        let check = |input: &str, want: Option<(&str, bool)>| {
            assert_eq!(signer(input).map(|s| (s.key, s.bot)), want, "{input}");
        };
        check(
            r#"sig1=("@authority" "signature-agent";key="a");created=1;expires=2;keyid="poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U";alg="ed25519";nonce="x";tag="web-bot-auth""#,
            Some(("poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U", true)),
        );
        check(
            r#"a=("@method");keyid="other", b=("@authority");keyid="bot";tag="web-bot-auth""#,
            Some(("bot", true)),
        );
        check(r#"a=("@method" "x,y");keyid="k1""#, Some(("k1", false)));
        check(r#"a=("@method");created=1"#, None);
        check("", None);
        check(&"(".repeat(5000), None);
    }

    #[test]
    fn both_forms_of_the_agent_field_name_a_host() {
        assert_eq!(agent_host(r#""https://chatgpt.com""#), Some("chatgpt.com"));
        assert_eq!(
            agent_host(r#"sig1="https://agents.example.com/dir""#),
            Some("agents.example.com")
        );
        assert_eq!(agent_host("https://a.example"), Some("a.example"));
        assert_eq!(agent_host("nobody"), None);
    }
}
