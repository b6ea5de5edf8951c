//! Words of routes: names that say what is done rather than to what.
//!
//! A list is no proof either way, so it never decides alone: it says how many names alike are needed before they count
//! as values.

use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_64;

use crate::id::HashTable;

/// How a name stands to the words of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Never a value: reserved words, versions, languages.
    Reserved,
    /// A verb, or a word that routes are often made of: a value only where very many are alike.
    Word,
    /// Nothing is known of it.
    Open,
}

/// Words that are routes wherever they stand, never somebody's name.
const RESERVED: &str = "\
    me self current search export import bulk batch login logout token new all count latest .well-known well-known \
    favicon.ico robots.txt sitemap.xml";

/// Words of what a program offers besides its API. They may be values elsewhere: `/tags/health`.
const TECHNICAL: &str = "\
    health healthz healthcheck ready readyz live livez status api apis rest rpc graphql oauth oauth2 oidc auth \
    saml swagger openapi metrics actuator mcp sse ws websocket ping info";

/// Languages by their two letters (ISO 639-1), as routes have them in front: `/en/products`.
const LANGUAGES: &str = "\
    ar bg bn ca cs da de el en es et fa fi fr he hi hr hu id it ja ko lt lv ms nb nl no pl pt ro ru sk sl sv th tr \
    uk vi zh";

/// Verbs that the name of an operation begins with.
const VERBS: &str = "\
    accept activate add allow approve archive assign authorize backup block book calculate cancel change charge \
    check checkout clear clone close commit compare complete compute confirm connect convert copy create \
    deactivate decline decrypt delete deny deploy describe destroy disable disconnect dismiss download duplicate \
    edit enable encrypt enqueue estimate evaluate execute expire fetch find finish flush follow generate get grant \
    handle invite invoke join leave like link list load lock lookup mark merge migrate move notify open pause pay \
    ping poll preview process publish purge push put query read rebuild redeem refresh refund register reject \
    release reload remove rename renew reopen replace request resend reset resolve restart restore resume retry \
    return revert revoke \
    rotate run save scan schedule select send set share ship sign signin signout signup sort split start stop \
    store stream submit subscribe suspend switch sync terminate test track transfer trigger unblock undo unfollow \
    unlink unlock unpublish unsubscribe update upgrade upload upsert use validate verify view void";

/// Nouns and adjectives that routes are often made of.
const NOUNS: &str = "\
    about access account accounts action actions active activities activity address addresses admin admins agent \
    agents alert alerts analytics annotations answers app applications apps archived articles assets assignments \
    attachments attributes audit avatar avatars balance balances banks basket billing bills blocks blogs boards \
    body bookings books brands budget budgets builds calendar calendars calls campaigns card cards cart carts \
    cases catalog categories category channels chat chats claims clients clusters code codes collections comments \
    companies company components config configuration connections connectors contacts content contracts \
    contributors conversations countries coupons courses credentials credits currencies customers daily dashboard \
    dashboards data dates deals debug default deliveries departments deployments detail details devices \
    diagnostics discounts docs documents domains drafts drivers email emails employees entities entries \
    environments errors estimates events expenses external favorites feature features feed feedback fields files \
    filters flags folders followers following forecast forms friends functions global goals graph groups history \
    home hooks hourly hotels images inbox index info insights instances integrations internal inventory \
    invitations invoices issues items jobs keys labels languages latest leads ledger licenses limits lines links \
    lists locations logs manage management media members memberships messages metadata methods milestones models \
    monthly movies namespaces networks next nodes notes notifications offers options orders organizations orgs \
    overview owners packages pages participants partners password patients payments payouts permissions photos \
    pipelines plans playlists policies popular portfolio posts preferences prices pricing private products profile \
    profiles projects promotions \
    prompts properties providers public purchases questions queues quotas quotes random rates ratings reactions \
    readiness receipts recent recommendations records refunds regions related releases reports repos repositories \
    reservations resources results reviews rewards roles rooms root routes rules runs sales schedules schema \
    schemas scores sections sellers sensors server servers services session sessions settings shipments shipping \
    shop shops sites songs spaces staff stars states statistics stats steps stock stores stories students subjects \
    subscriptions summary suppliers support surveys system tables tags targets tasks tax taxes team teams \
    templates tenants tests themes threads tickets time timeline tokens tools top topics totals tracking \
    transactions transfers trending trips types units usage user users utils values variables vehicles vendors \
    version versions videos votes wallet wallets warehouses webhooks weekly widgets wishlist workers workflows \
    workspaces yearly year";

/// What a word is, by the lists above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Reserved,
    Verb,
    Noun,
}

static LISTED: LazyLock<HashTable<u64, Sort>> = LazyLock::new(|| {
    let lists = [
        (NOUNS, Sort::Noun),
        (TECHNICAL, Sort::Noun),
        (VERBS, Sort::Verb),
        (RESERVED, Sort::Reserved),
    ];
    let words =
        |(list, sort): (&'static str, Sort)| list.split_ascii_whitespace().map(move |word| (word, sort));
    let words = lists.into_iter().flat_map(words);
    words
        .map(|(word, sort)| (xxh3_64(word.as_bytes()), sort))
        .collect()
});

/// Longest word of the lists, and one more.
const LONGEST: usize = 24;

/// What a word is, in whatever letters, and also with an `s` behind it, as its plural.
fn listed(word: &str) -> (Option<Sort>, Option<Sort>) {
    let mut lower = [0; LONGEST];
    let Some(room) = lower.get_mut(..word.len()).filter(|_| word.len() < LONGEST) else {
        return (None, None);
    };
    room.copy_from_slice(word.as_bytes());
    room.make_ascii_lowercase();
    let sort = |word: &[u8]| LISTED.get(&xxh3_64(word)).copied();
    let own = sort(&lower[..word.len()]);
    if own.is_some() {
        return (own, None);
    }
    lower[word.len()] = b's';
    (None, sort(&lower[..=word.len()]))
}

/// How this name stands to the words of routes.
pub(crate) fn standing(name: &str) -> Standing {
    if listed(name).0 == Some(Sort::Reserved) || is_version(name) || is_language(name) {
        return Standing::Reserved;
    }
    // `getUser`, `bulk-delete`, `cancel`. A longer one may be the title of something: `get-started-with-rust`.
    let (mut count, mut verb_first, mut known) = (0, false, true);
    for part in parts(name) {
        let (sort, plural) = listed(part);
        verb_first |= count == 0 && sort == Some(Sort::Verb);
        known &= sort.is_some() || plural == Some(Sort::Noun);
        count += 1;
        if !known && !verb_first {
            return Standing::Open;
        }
    }
    let short = count <= 3;
    // `payment-methods`, `lineItems`.
    if count > 0 && (verb_first && (short || !name.contains('-')) || known && short) {
        return Standing::Word;
    }
    Standing::Open
}

/// The words that a name is put together from: `getUserById`, `line_items`, `api.v2`.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    let bytes = name.as_bytes();
    let mut from = 0;
    std::iter::from_fn(move || {
        while from < bytes.len() {
            let start = from;
            let ends = |at: usize| {
                matches!(bytes[at], b'-' | b'_' | b'.')
                    || at > start && bytes[at].is_ascii_uppercase() && bytes[at - 1].is_ascii_lowercase()
            };
            let end = (start..bytes.len()).find(|at| ends(*at)).unwrap_or(bytes.len());
            let sign = bytes.get(end).is_some_and(|b| matches!(b, b'-' | b'_' | b'.'));
            from = end + usize::from(sign);
            if end > start {
                return name.get(start..end);
            }
        }
        None
    })
}

/// `v2`, `1.4.0`, `v1beta1`, `2024-01-01` is a date and not one of these.
fn is_version(name: &str) -> bool {
    if name.len() > 12 || !name.starts_with(|c: char| c.is_ascii_digit() || c == 'v' || c == 'V') {
        return false;
    }
    let digits = name.strip_prefix(['v', 'V']).unwrap_or(name);
    let numbers = digits.split('.').all(|n| {
        let rest = n.trim_start_matches(|c: char| c.is_ascii_digit());
        let after = rest
            .strip_prefix("alpha")
            .or_else(|| rest.strip_prefix("beta"))
            .unwrap_or(rest);
        rest.len() < n.len() && after.len() <= 2 && after.bytes().all(|b| b.is_ascii_digit())
    });
    numbers && (digits.len() < name.len() || digits.contains('.'))
}

/// `en`, `pt-BR`, `zh_Hans`.
fn is_language(name: &str) -> bool {
    if !matches!(name.len(), 2 | 5 | 7) {
        return false;
    }
    let (language, region) = name.split_once(['-', '_']).unwrap_or((name, ""));
    let region_fits = match region.len() {
        0 => language.len() == name.len(),
        2 => region.bytes().all(|b| b.is_ascii_alphabetic()),
        4 => matches!(region, "Hans" | "Hant" | "Latn" | "Cyrl"),
        _ => false,
    };
    region_fits && LANGUAGES.split_ascii_whitespace().any(|known| known == language)
}

/// Whether a word names a collection, so that what follows it tends to be one of its members.
pub(crate) fn is_collection(word: &str) -> bool {
    const IRREGULAR: &[&str] = &[
        "people",
        "children",
        "media",
        "data",
        "staff",
        "inventory",
        "catalog",
        "feedback",
        "criteria",
    ];
    let last = parts(word).last().unwrap_or(word);
    let plural = last.len() > 3
        && last.ends_with('s')
        && ![
            "ss",
            "us",
            "is",
            "news",
            "settings",
            "details",
            "statistics",
            "analytics",
            "status",
            "preferences",
        ]
        .iter()
        .any(|end| last.ends_with(end));
    plural || IRREGULAR.iter().any(|w| last.eq_ignore_ascii_case(w))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_routes_are_told_from_other_names() {
        use Standing::{Open, Reserved, Word};
        for (name, expected) in [
            ("v2", Reserved),
            ("v1beta1", Reserved),
            ("1.4.0", Reserved),
            ("me", Reserved),
            ("en", Reserved),
            ("pt-BR", Reserved),
            ("getUserById", Word),
            ("bulk-delete", Word),
            ("payment-methods", Word),
            ("lineItems", Word),
            ("summary", Word),
            ("onboardingStatus", Open),
            ("alice", Open),
            ("get-started-with-rust-today", Open),
            ("v", Open),
            ("javascript", Open),
        ] {
            assert_eq!(standing(name), expected, "{name}");
        }
        for (word, is) in [
            ("users", true),
            ("people", true),
            ("status", false),
            ("address", false),
            ("settings", false),
            ("orderItems", true),
        ] {
            assert_eq!(is_collection(word), is, "{word}");
        }
    }
}
