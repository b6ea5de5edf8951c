//! What a request says besides its body: parameters of the query, fields of the head that are not everybody's, names of cookies.

use reassembly::Request;
use serde::{Deserialize, Serialize, Serializer};

use super::body::{EARLY, KEY, Moment, shown};
use super::content::{kind_of, plus_decoded};
use super::outline;
use super::values::{Values, names_people};
use super::walk::Kind;
use crate::privacy::segment;

/// Parameters of an endpoint.
const PARAMETERS: usize = 128;

/// Parameters left when there were too many.
const LEFT: usize = 96;

/// Parameters of one request that are looked at.
const AT_ONCE: usize = 64;

/// Sets of names in heads remembered.
const HEADS: usize = 6;

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterPlace {
    /// In the query.
    Query,
    /// In a field of the head. Fields that are everybody's (RFC 9110, those of browsers, proxies and tracing) are no parameters.
    Header,
    /// In a cookie.
    Cookie,
}

impl ParameterPlace {
    /// The name used in records and in OpenAPI.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }
}

/// A parameter and its counts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Parameter {
    #[serde(rename = "in")]
    pub(super) place: ParameterPlace,
    #[serde(rename = "name")]
    pub(super) name: Box<str>,
    /// Requests that had it.
    #[serde(rename = "n")]
    pub(super) seen: u32,
    /// Of these, more than once.
    #[serde(rename = "r")]
    pub(super) repeated: u32,
    /// Requests by kind: boolean, integer, number, text.
    #[serde(rename = "k")]
    pub(super) kinds: [u32; 4],
    /// Seconds since 1970.
    #[serde(rename = "t")]
    pub(super) times: (u32, u32),
    /// It was there when the endpoint was learned, or has been told since.
    #[serde(rename = "o")]
    pub(super) known: bool,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    early: Option<Box<Values>>,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    share: Option<Box<Values>>,
}

/// The kinds that parameters have.
pub(super) const KINDS: [Kind; 4] = [Kind::Boolean, Kind::Integer, Kind::Number, Kind::String];

impl Parameter {
    pub(super) fn values(&self) -> Values {
        let mut values = self.share.as_deref().cloned().unwrap_or_default();
        if let Some(early) = &self.early {
            values.absorb(early);
        }
        values
    }

    fn absorb(&mut self, other: &Self) {
        let add = |a: &mut u32, b: u32| *a = a.saturating_add(b);
        add(&mut self.seen, other.seen);
        add(&mut self.repeated, other.repeated);
        for (mine, theirs) in self.kinds.iter_mut().zip(other.kinds) {
            add(mine, theirs);
        }
        self.times = (self.times.0.min(other.times.0), self.times.1.max(other.times.1));
        self.known |= other.known;
        for (mine, theirs) in [(&mut self.early, &other.early), (&mut self.share, &other.share)] {
            match (mine.as_deref_mut(), theirs) {
                (Some(mine), Some(theirs)) => mine.absorb(theirs),
                (None, Some(_)) => mine.clone_from(theirs),
                _ => {}
            }
        }
    }
}

/// A set of names in heads, and the parameters among them.
#[derive(Debug, Clone)]
struct Head {
    outline: u64,
    count: u32,
    times: (u32, u32),
    parameters: Box<[u16]>,
}

/// The parameters of an endpoint.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Parameters {
    #[serde(rename = "list", deserialize_with = "crate::store::tight")]
    list: Vec<Parameter>,
    /// Requests that they are counted of.
    #[serde(rename = "of")]
    pub(super) requests: u32,
    /// First and last of them, in seconds since 1970; `(0, 0)` while there is none.
    #[serde(rename = "t")]
    pub(super) times: (u32, u32),
    #[serde(default)]
    pub(super) given_up: u32,
    #[serde(skip)]
    heads: Vec<Head>,
}

/// As they are stored.
#[derive(Serialize)]
struct Stored<'a> {
    list: &'a [Parameter],
    of: u32,
    t: (u32, u32),
    given_up: u32,
}

impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.settled();
        Stored {
            list: &all.list,
            of: all.requests,
            t: all.times,
            given_up: all.given_up,
        }
        .serialize(serializer)
    }
}

impl Parameters {
    /// Takes one request. What is new is put into `news` as places in the list.
    pub(super) fn observe(
        &mut self,
        request: &Request,
        moment: Moment<'_>,
        learned: bool,
        news: &mut Vec<u16>,
    ) {
        let look = (moment.in_share || self.requests < EARLY).then_some(moment.in_share);
        let mut met: [u16; AT_ONCE] = [u16::MAX; AT_ONCE];
        let mut count = 0;
        let mut take = |all: &mut Self, place, name: &str, value: Option<&str>| {
            if count >= AT_ONCE {
                return;
            }
            let at = all.find(place, name, moment.at, learned);
            let again = met[..count].contains(&at);
            if !again {
                met[count] = at;
                count += 1;
            }
            let Some(parameter) = all.list.get_mut(usize::from(at)) else {
                return;
            };
            if again {
                // Counted once however often it is repeated: at its second time.
                if met[..count].iter().filter(|m| **m == at).count() == 1 && count < AT_ONCE {
                    met[count] = at;
                    count += 1;
                    parameter.repeated = parameter.repeated.saturating_add(1);
                }
            } else {
                parameter.count(1, (moment.at, moment.at));
                if !parameter.known {
                    news.push(at);
                }
            }
            let Some(value) = value else { return };
            // Of a head not every field is looked at each time, so kinds of them are not counted.
            let kind = match place {
                ParameterPlace::Header => Kind::String,
                _ => kind_of(value.as_bytes()),
            };
            if place != ParameterPlace::Header
                && !again
                && let Some(slot) = KINDS.iter().position(|k| *k == kind)
            {
                parameter.kinds[slot] = parameter.kinds[slot].saturating_add(1);
            }
            if let Some(in_share) = look {
                let values = if in_share {
                    &mut parameter.share
                } else {
                    &mut parameter.early
                };
                values
                    .get_or_insert_default()
                    .add(kind, value.as_bytes(), || names_people(&parameter.name));
            }
        };
        if let Some(query) = request.query() {
            for pair in segment::parts(query, b'&').filter(|pair| !pair.is_empty()) {
                let (name, value) = segment::once(pair, b'=').unwrap_or((pair, ""));
                take(
                    self,
                    ParameterPlace::Query,
                    &plus_decoded(name),
                    Some(&plus_decoded(value)),
                );
            }
        }
        if let Some(cookies) = request.message.field("cookie") {
            for pair in segment::parts(cookies, b';') {
                let name = segment::once(pair, b'=').map_or("", |(name, _)| name).trim();
                if !name.is_empty() {
                    take(self, ParameterPlace::Cookie, name, None);
                }
            }
        }
        if look.is_some() {
            for (name, value) in request.message.head.fields().filter(|(name, _)| is_own(name)) {
                take(self, ParameterPlace::Header, name, Some(value));
            }
        } else {
            self.head(request, moment, learned, news);
        }
        self.times = match self.requests {
            0 => (moment.at, moment.at),
            _ => (self.times.0.min(moment.at), self.times.1.max(moment.at)),
        };
        self.requests = self.requests.saturating_add(1);
        self.keep_bounds();
    }

    /// Counts the fields of a head by the set of their names, which mostly was met before.
    fn head(&mut self, request: &Request, moment: Moment<'_>, learned: bool, news: &mut Vec<u16>) {
        let names = request.message.head.fields().map(|(name, _)| name.as_bytes());
        let outline = outline::of_names(names, moment.seed);
        if let Some(head) = self.heads.iter_mut().find(|head| head.outline == outline) {
            head.count = head.count.saturating_add(1);
            head.times = (head.times.0.min(moment.at), head.times.1.max(moment.at));
            news.extend(
                head.parameters
                    .iter()
                    .filter(|at| self.list.get(usize::from(**at)).is_some_and(|p| !p.known)),
            );
            return;
        }
        let mut parameters: Vec<u16> = Vec::new();
        for (name, _) in request.message.head.fields().filter(|(name, _)| is_own(name)) {
            let at = self.find(ParameterPlace::Header, name, moment.at, learned);
            if !parameters.contains(&at) && parameters.len() < AT_ONCE {
                parameters.push(at);
                if self.list.get(usize::from(at)).is_some_and(|p| !p.known) {
                    news.push(at);
                }
            }
        }
        if self.heads.len() >= HEADS
            && let Some(least) = (0..self.heads.len()).min_by_key(|at| self.heads[*at].count)
        {
            let head = self.heads.swap_remove(least);
            self.add(&head);
        }
        self.heads.push(Head {
            outline,
            count: 1,
            times: (moment.at, moment.at),
            parameters: parameters.into(),
        });
    }

    fn add(&mut self, head: &Head) {
        for at in &head.parameters {
            if let Some(parameter) = self.list.get_mut(usize::from(*at)) {
                parameter.count(head.count, head.times);
            }
        }
    }

    /// Adds what was put off.
    pub(super) fn settle(&mut self) {
        for head in std::mem::take(&mut self.heads) {
            self.add(&head);
        }
    }

    /// What was put off has been added.
    pub(super) fn settled(&self) -> Self {
        let mut all = self.clone();
        all.settle();
        if all.requests > EARLY {
            all.list.iter_mut().for_each(|p| p.early = None);
        }
        all
    }

    /// The place of a parameter in the list; it is put there when it has none.
    fn find(&mut self, place: ParameterPlace, name: &str, at: u32, learned: bool) -> u16 {
        let same = |p: &Parameter, name: &str| {
            p.place == place
                && match place {
                    ParameterPlace::Header => p.name.eq_ignore_ascii_case(name),
                    _ => p.name.as_ref() == name,
                }
        };
        if name != KEY
            && let Some(at) = self.list.iter().position(|p| same(p, name))
        {
            return at as u16;
        }
        let name = shown(name.as_bytes());
        if let Some(at) = self.list.iter().position(|p| same(p, name)) {
            return at as u16;
        }
        self.list.reserve_exact(1);
        self.list.push(Parameter {
            place,
            name: match place {
                ParameterPlace::Header => name.to_ascii_lowercase().into(),
                _ => name.into(),
            },
            seen: 0,
            repeated: 0,
            kinds: [0; 4],
            times: (at, at),
            known: !learned || name == KEY,
            early: None,
            share: None,
        });
        (self.list.len() - 1) as u16
    }

    fn keep_bounds(&mut self) {
        if self.requests > EARLY && self.list.iter().any(|p| p.early.is_some()) {
            self.list.iter_mut().for_each(|p| p.early = None);
        }
        if self.list.len() <= PARAMETERS {
            return;
        }
        self.settle();
        self.list.sort_by(|a, b| {
            b.seen
                .cmp(&a.seen)
                .then_with(|| (a.place, &a.name).cmp(&(b.place, &b.name)))
        });
        self.given_up = self.given_up.saturating_add((self.list.len() - LEFT) as u32);
        self.list.truncate(LEFT);
    }

    /// Everything that is there is as it should be from here on.
    pub(super) fn accept(&mut self, place: ParameterPlace, name: &str) {
        if let Some(parameter) = self
            .list
            .iter_mut()
            .find(|p| p.place == place && p.name.as_ref() == name)
        {
            parameter.known = true;
        }
    }

    pub(super) fn get(&self, at: u16) -> Option<&Parameter> {
        self.list.get(usize::from(at))
    }

    /// All of them, sorted by place and name.
    pub(super) fn sorted(&self) -> Vec<&Parameter> {
        let mut all: Vec<_> = self.list.iter().filter(|p| p.seen > 0).collect();
        all.sort_by(|a, b| (a.place, &a.name).cmp(&(b.place, &b.name)));
        all
    }

    pub(super) fn absorb(&mut self, mut other: Self) {
        self.settle();
        other.settle();
        if self.requests == 0 {
            self.times = other.times;
        } else if other.requests > 0 {
            self.times = (self.times.0.min(other.times.0), self.times.1.max(other.times.1));
        }
        self.requests = self.requests.saturating_add(other.requests);
        self.given_up = self.given_up.saturating_add(other.given_up);
        for theirs in other.list {
            match self
                .list
                .iter_mut()
                .find(|p| p.place == theirs.place && p.name == theirs.name)
            {
                Some(mine) => mine.absorb(&theirs),
                None => self.list.push(theirs),
            }
        }
        self.list.shrink_to_fit();
        self.keep_bounds();
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn is_unused(&self) -> bool {
        self.requests == 0
    }
}

impl Parameter {
    fn count(&mut self, count: u32, (first, last): (u32, u32)) {
        if self.seen == 0 {
            self.times = (first, last);
        }
        self.seen = self.seen.saturating_add(count);
        self.times = (self.times.0.min(first), self.times.1.max(last));
    }
}

/// Fields that are everybody's: of HTTP itself, of browsers, of proxies and of tracing. Sorted.
const STANDARD: [&str; 113] = [
    "a2a-extensions",
    "a2a-version",
    "accept",
    "accept-charset",
    "accept-datetime",
    "accept-encoding",
    "accept-language",
    "access-control-request-headers",
    "access-control-request-method",
    "age",
    "alt-used",
    "authorization",
    "b3",
    "baggage",
    "cache-control",
    "cdn-loop",
    "cf-connecting-ip",
    "cf-ipcountry",
    "cf-ray",
    "cf-visitor",
    "client-ip",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "cookie",
    "correlation-context",
    "date",
    "dnt",
    "dpop",
    "early-data",
    "expect",
    "fastly-client-ip",
    "forwarded",
    "from",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-timeout",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "last-event-id",
    "max-forwards",
    "mcp-protocol-version",
    "mcp-session-id",
    "origin",
    "pragma",
    "prefer",
    "priority",
    "proxy-authorization",
    "proxy-connection",
    "purpose",
    "range",
    "referer",
    "save-data",
    "sec-ch-ua",
    "sec-ch-ua-arch",
    "sec-ch-ua-full-version-list",
    "sec-ch-ua-mobile",
    "sec-ch-ua-model",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-gpc",
    "sec-purpose",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "te",
    "trace-id",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "uber-trace-id",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "warning",
    "x-amzn-trace-id",
    "x-b3-flags",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-envoy-attempt-count",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-external-address",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    "x-request-start",
    "x-requested-with",
    "x-scheme",
];

/// Whether a field of a head is one of this API.
fn is_own(name: &str) -> bool {
    let mut lower = [0_u8; 40];
    let Some(place) = lower.get_mut(..name.len()) else {
        return true;
    };
    place.copy_from_slice(name.as_bytes());
    place.make_ascii_lowercase();
    let lower = &lower[..name.len()];
    name.len() > 1
        && !name.starts_with(':')
        && STANDARD.binary_search_by(|s| s.as_bytes().cmp(lower)).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_http_are_nobodys_own() {
        assert!(STANDARD.is_sorted());
        for (name, own) in [
            ("Accept", false),
            ("X-Forwarded-For", false),
            ("x-scheme", false),
            ("X-Tenant", true),
            ("x-api-key", true),
            ("Idempotency-Key", true),
            (":path", false),
        ] {
            assert_eq!(is_own(name), own, "{name}");
        }
    }
}
