//! A labelled corpus: APIs written from a seed, a million calls to them, and how many templates come out right.
//!
//! Nouns are taken from a list of which half are no words that `route` knows; values of parameters are numbers, ids,
//! names, titles and words. Every API has what makes templates hard: names as parameters in the middle and at the end, constants
//! beside parameters, the same envelope around every list, verbs, versions, languages, pages without fields, answers without
//! a body, names that are rare and names that take most calls, wrong calls, and a scanner.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use reassembly::build::ExchangeBuilder;
use reassembly::{Exchange, Timestamp};

use super::peers;
use crate::Settings;
use crate::id::Seed;
use crate::identity::signals::Signals;
use crate::identity::{Identity, Resolver};
use crate::inventory::endpoint::Seen;
use crate::inventory::host::Inventory;
use crate::inventory::paths::steps::bare_template;
use crate::inventory::sensitive::Carried;
use crate::inventory::shape::body::Names;
use crate::inventory::shape::drift::Learning;
use crate::testing::START;

/// A small generator of numbers (Steele et al., "Fast splittable pseudorandom number generators", OOPSLA 2014).
#[derive(Debug, Clone)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// Small numbers much more often than large ones (Zipf's law, roughly).
    fn skewed(&mut self, n: usize) -> usize {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        (((n as f64 + 1.0).powf(unit)) - 1.0) as usize % n.max(1)
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// Resources; of the second half `route` knows nothing.
const RESOURCES: [&str; 48] = [
    "users",
    "orders",
    "products",
    "invoices",
    "payments",
    "customers",
    "tickets",
    "projects",
    "reviews",
    "shipments",
    "accounts",
    "messages",
    "documents",
    "devices",
    "events",
    "reports",
    "teams",
    "stores",
    "articles",
    "jobs",
    "subscriptions",
    "contracts",
    "vehicles",
    "courses",
    "turbines",
    "vessels",
    "recipes",
    "lanes",
    "permits",
    "tariffs",
    "grants",
    "beacons",
    "kilns",
    "herds",
    "parcels",
    "harvests",
    "cranes",
    "wells",
    "orchards",
    "ferries",
    "tolls",
    "quarries",
    "looms",
    "dairies",
    "pylons",
    "silos",
    "trawlers",
    "vineyards",
];

/// Things that hang below a member of a collection.
const PARTS: [&str; 16] = [
    "comments",
    "history",
    "attachments",
    "items",
    "status",
    "owners",
    "readings",
    "labels",
    "bids",
    "inspections",
    "notes",
    "photos",
    "costs",
    "stops",
    "claims",
    "crew",
];

const VERBS: [&str; 8] = [
    "cancel",
    "approve",
    "archive",
    "publish",
    "refund",
    "assign",
    "calibrate",
    "reopen",
];

/// Constants beside the members of a collection.
const CONSTANTS: [&str; 6] = ["search", "summary", "export", "latest", "overdue", "me"];

const FIELDS: [&str; 40] = [
    "title",
    "price",
    "weight",
    "currency",
    "stock",
    "rating",
    "city",
    "street",
    "zip",
    "voltage",
    "length",
    "depth",
    "captain",
    "crewSize",
    "license",
    "issuedAt",
    "expiresAt",
    "amount",
    "balance",
    "score",
    "level",
    "sku",
    "brand",
    "color",
    "size",
    "region",
    "yield",
    "season",
    "operator",
    "speed",
    "draft",
    "pressure",
    "author",
    "language",
    "pages",
    "priority",
    "assignee",
    "dueAt",
    "phase",
    "grade",
];

const FIRST: [&str; 30] = [
    "alice", "bob", "carol", "dmitri", "elena", "farid", "grace", "hiro", "ingrid", "jorge", "kavita",
    "liam", "mei", "nadia", "omar", "priya", "quentin", "rosa", "sven", "tara", "umar", "vera", "wanda",
    "xavier", "yara", "zoltan", "anders", "bianca", "chidi", "dora",
];

const LAST: [&str; 20] = [
    "smith", "garcia", "ivanov", "tanaka", "mueller", "rossi", "kowalski", "nguyen", "okafor", "silva",
    "haddad", "larsen", "moreau", "novak", "patel", "quinn", "romero", "schmidt", "turner", "weber",
];

const WORDS: [&str; 40] = [
    "river", "stone", "bread", "garden", "winter", "copper", "harbor", "lantern", "meadow", "thunder",
    "velvet", "willow", "amber", "canyon", "falcon", "glacier", "island", "jungle", "marble", "nectar",
    "ocean", "pepper", "quartz", "ribbon", "saffron", "timber", "umbrella", "valley", "walnut", "yellow",
    "news", "sports", "travel", "music", "health", "kitchen", "outdoor", "gaming", "fashion", "beauty",
];

const CITIES: [&str; 24] = [
    "berlin", "london", "paris", "madrid", "lisbon", "vienna", "prague", "warsaw", "oslo", "helsinki",
    "dublin", "zurich", "milan", "athens", "budapest", "hamburg", "lyon", "porto", "geneva", "antwerp",
    "bilbao", "krakow", "malmo", "tallinn",
];

/// What a parameter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Param {
    Int,
    Uuid,
    ObjectId,
    Code,
    Name,
    Title,
    Word,
    City,
    Date,
}

impl Param {
    fn value(self, n: usize, rng: &mut Rng) -> String {
        match self {
            Self::Int => (1000 + n * 7).to_string(),
            Self::Uuid => {
                let (a, b) = (rng.next(), rng.next());
                format!(
                    "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
                    a >> 32,
                    (a >> 16) & 0xffff,
                    a & 0xfff,
                    b >> 52,
                    b & 0xffff_ffff_ffff
                )
            }
            Self::ObjectId => format!("{:016x}{:08x}", rng.next(), n),
            Self::Code => format!("{}-{:05}", ["ORD", "SKU", "TK"][n % 3], n),
            Self::Name => match n % 3 {
                0 => FIRST[n % FIRST.len()].to_owned(),
                1 => format!("{}.{}", FIRST[n % FIRST.len()], LAST[n / 3 % LAST.len()]),
                _ => format!("{}{}", FIRST[n % FIRST.len()], LAST[(n / 7) % LAST.len()]),
            },
            Self::Title => {
                let words = [n % 40, (n / 3 + 7) % 40, (n * 11 + 3) % 40];
                format!("{}-{}-{}", WORDS[words[0]], WORDS[words[1]], WORDS[words[2]])
            }
            Self::Word => WORDS[n % WORDS.len()].to_owned(),
            Self::City => CITIES[n % CITIES.len()].to_owned(),
            Self::Date => format!("2026-{:02}-{:02}", 1 + n % 12, 1 + n % 28),
        }
    }

    /// Different values there are.
    fn many(self) -> usize {
        match self {
            Self::Word => WORDS.len(),
            Self::City => CITIES.len(),
            Self::Name => 180,
            Self::Date => 84,
            _ => 400,
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Word(String),
    Param(Param),
}

/// How an endpoint answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// One member of a collection.
    Member,
    /// A list of them in the envelope of the API.
    List,
    /// No body.
    Nothing,
    /// A page.
    Page,
    /// A few numbers of its own.
    Own,
}

/// An endpoint as it is declared in the source of the API.
#[derive(Debug, Clone)]
struct Route {
    method: &'static str,
    steps: Vec<Step>,
    answer: Answer,
    /// Which fields its answers have.
    resource: usize,
}

impl Route {
    fn template(&self) -> String {
        self.steps.iter().fold(String::new(), |mut text, step| {
            text.push('/');
            match step {
                Step::Word(word) => text.push_str(word),
                Step::Param(_) => text.push_str("{}"),
            }
            text
        })
    }
}

fn fields(resource: usize, seed: u64) -> Vec<&'static str> {
    let mut rng = Rng::new(seed ^ (resource as u64 * 7919));
    let mut all = FIELDS;
    rng.shuffle(&mut all);
    all[..5 + resource % 5].to_vec()
}

fn member(resource: usize, seed: u64, n: usize) -> String {
    let fields: Vec<String> = fields(resource, seed)
        .iter()
        .map(|f| format!("\"{f}\":\"{f} {n}\""))
        .collect();
    format!("{{\"id\":{n},{}}}", fields.join(","))
}

/// An API with about `most` endpoints.
fn api(seed: u64, most: usize) -> Vec<Route> {
    let mut rng = Rng::new(seed);
    let mut resources = RESOURCES;
    rng.shuffle(&mut resources);
    let mut out: Vec<Route> = Vec::new();
    let word = |text: &str| Step::Word(text.to_owned());
    let params = [
        Param::Int,
        Param::Uuid,
        Param::ObjectId,
        Param::Code,
        Param::Name,
        Param::Title,
        Param::Name,
        Param::Word,
        Param::City,
    ];
    for (number, resource) in resources.iter().enumerate() {
        let prefix: Vec<Step> = match number % 4 {
            0 => vec![word("api"), word("v1")],
            1 => vec![word("api"), word("v2")],
            2 => vec![],
            _ => vec![word("v1")],
        };
        let param = *rng.pick(&params);
        let own = number * 10;
        let mut add = |method: &'static str, rest: &[Step], answer: Answer, shape: usize| {
            let steps = prefix
                .iter()
                .chain([&word(resource)])
                .chain(rest)
                .cloned()
                .collect();
            out.push(Route {
                method,
                steps,
                answer,
                resource: own + shape,
            });
        };
        let id = Step::Param(param);
        add("GET", &[], Answer::List, 0);
        add("POST", &[], Answer::Member, 0);
        add("GET", std::slice::from_ref(&id), Answer::Member, 0);
        if rng.below(3) > 0 {
            add("PUT", std::slice::from_ref(&id), Answer::Member, 0);
        }
        if rng.below(3) > 0 {
            add("DELETE", std::slice::from_ref(&id), Answer::Nothing, 0);
        }
        for shape in 0..rng.below(3) {
            let part = PARTS[rng.below(PARTS.len())];
            add("GET", &[id.clone(), word(part)], Answer::List, 1 + shape);
            if rng.below(2) == 0 {
                let sub = *rng.pick(&[Param::Int, Param::Uuid, Param::Name, Param::Date]);
                add(
                    "GET",
                    &[id.clone(), word(part), Step::Param(sub)],
                    Answer::Member,
                    1 + shape,
                );
            }
        }
        if rng.below(2) == 0 {
            let verb = VERBS[rng.below(VERBS.len())];
            add("POST", &[id.clone(), word(verb)], Answer::Nothing, 0);
        }
        for shape in 0..rng.below(3) {
            let constant = CONSTANTS[rng.below(CONSTANTS.len())];
            // `latest` and `me` answer with a member, like any other.
            let answer = if matches!(constant, "latest" | "me") {
                Answer::Member
            } else {
                Answer::Own
            };
            add(
                "GET",
                &[word(constant)],
                answer,
                if answer == Answer::Member { 0 } else { 4 + shape },
            );
        }
    }
    for (method, steps, answer, resource) in [
        (
            "GET",
            vec![word("docs"), Step::Param(Param::Title)],
            Answer::Page,
            900,
        ),
        ("GET", vec![word("en"), word("about")], Answer::Page, 901),
        ("GET", vec![word("de"), word("about")], Answer::Page, 902),
        (
            "GET",
            vec![
                word("repos"),
                Step::Param(Param::Name),
                Step::Param(Param::Word),
                word("branches"),
            ],
            Answer::List,
            903,
        ),
        (
            "GET",
            vec![word("repos"), Step::Param(Param::Name), Step::Param(Param::Word)],
            Answer::Member,
            904,
        ),
        (
            "GET",
            vec![word("weather"), Step::Param(Param::City)],
            Answer::Member,
            905,
        ),
        ("GET", vec![word("health")], Answer::Own, 906),
        ("GET", vec![word("onboardingStatus")], Answer::Own, 907),
        ("POST", vec![word("rpc"), word("getUser")], Answer::Member, 908),
        ("POST", vec![word("rpc"), word("setUser")], Answer::Member, 908),
        ("POST", vec![word("rpc"), word("listUsers")], Answer::List, 908),
        ("POST", vec![word("rpc"), word("dropCache")], Answer::Nothing, 909),
        (
            "DELETE",
            vec![word("sessions"), Step::Param(Param::Name)],
            Answer::Nothing,
            910,
        ),
    ] {
        out.push(Route {
            method,
            steps,
            answer,
            resource,
        });
    }
    let mut seen = BTreeSet::new();
    out.retain(|r| seen.insert((r.method, r.template())));
    rng.shuffle(&mut out);
    out.truncate(most);
    out
}

/// A corpus: exchanges to choose from, the order in which they come, and what would be right.
pub(super) struct Corpus {
    pool: Vec<Exchange>,
    /// Numbers of exchanges in the pool.
    pub(super) calls: Vec<u32>,
    truth: BTreeMap<(String, String), u64>,
}

const HOST: &str = "api.corpus.example";

fn exchange(method: &str, path: &str, status: u16, kind: &str, body: &str) -> Exchange {
    ExchangeBuilder::new(Timestamp(START * 1_000_000_000))
        .request(
            &format!("{method} {path} HTTP/1.1\nHost: {HOST}\nUser-Agent: t/1\n"),
            "",
        )
        .response(&format!("HTTP/1.1 {status} X\nContent-Type: {kind}\n"), body)
        .build()
}

impl Corpus {
    pub(super) fn new(seed: u64, endpoints: usize, calls: usize) -> Self {
        let routes = api(seed, endpoints);
        let mut rng = Rng::new(seed ^ 0xabcd);
        let mut pool = Vec::new();
        // For each route the numbers of its exchanges in the pool.
        let mut of_route: Vec<Vec<u32>> = Vec::new();
        let mut wrong = Vec::new();
        for route in &routes {
            let many = route.steps.iter().filter_map(|s| match s {
                Step::Param(p) => Some(p.many()),
                Step::Word(_) => None,
            });
            let different = many.max().map_or(3, |m| m.min(60 + rng.below(200)));
            let mut own = Vec::new();
            for n in 0..different {
                let mut at = n;
                let mut path = String::new();
                for step in &route.steps {
                    path.push('/');
                    match step {
                        Step::Word(word) => path.push_str(word),
                        Step::Param(param) => {
                            let mut fixed = Rng::new(seed ^ at as u64);
                            path.push_str(&param.value(at, &mut fixed));
                            at = at * 3 + 1;
                        }
                    }
                }
                let (kind, body) = match route.answer {
                    Answer::Member => ("application/json", member(route.resource, seed, n)),
                    Answer::List => {
                        let items: Vec<String> =
                            (0..n % 3).map(|k| member(route.resource, seed, n + k)).collect();
                        (
                            "application/json",
                            format!(
                                "{{\"data\":[{}],\"page\":1,\"total\":{n},\"pages\":{}}}",
                                items.join(","),
                                n / 3
                            ),
                        )
                    }
                    Answer::Nothing => ("text/plain", String::new()),
                    Answer::Page => (
                        "text/html",
                        format!("<html><title>{path}</title>{}</html>", "x".repeat(n % 50)),
                    ),
                    Answer::Own => {
                        let all: Vec<String> = fields(route.resource + 5000, seed)
                            .iter()
                            .map(|f| format!("\"{f}Count\":{n}"))
                            .collect();
                        ("application/json", format!("{{{}}}", all.join(",")))
                    }
                };
                let status = if body.is_empty() { 204 } else { 200 };
                own.push(pool.len() as u32);
                pool.push(exchange(route.method, &path, status, kind, &body));
                if n % 9 == 0 {
                    wrong.push(pool.len() as u32);
                    pool.push(exchange(
                        route.method,
                        &format!("{path}-x{n}"),
                        404,
                        "application/json",
                        "{\"error\":\"not found\",\"code\":404,\"trace\":\"a\"}",
                    ));
                }
            }
            rng.shuffle(&mut own);
            of_route.push(own);
        }
        for n in 0..300 {
            wrong.push(pool.len() as u32);
            pool.push(exchange(
                "GET",
                &format!("/{}/.env{n}", WORDS[n % 40]),
                404,
                "text/html",
                "<h1>no</h1>",
            ));
        }
        let mut out = Vec::with_capacity(calls);
        let mut counts = vec![0u64; routes.len()];
        while out.len() < calls {
            if rng.below(40) == 0 {
                out.push(*rng.pick(&wrong));
                continue;
            }
            let route = rng.skewed(routes.len());
            counts[route] += 1;
            let own = &of_route[route];
            out.push(own[rng.skewed(own.len())]);
        }
        let truth = routes
            .iter()
            .zip(&counts)
            .map(|(r, n)| ((r.method.to_owned(), r.template()), *n))
            .collect();
        Self {
            pool,
            calls: out,
            truth,
        }
    }

    /// The templates that were learned from the calls in this order.
    pub(super) fn learn(&self, order: &[u32]) -> BTreeSet<(String, String)> {
        self.feed(order.iter().copied())
            .views()
            .map(|v| (v.method, bare_template(&v.template).into_owned()))
            .collect()
    }

    /// The same as people are shown it: templates with kinds and reasons, and the calls that found something. (What was
    /// asked for in vain counts for an endpoint only once it is known to be one, so that depends on the order.)
    fn told(&self, order: &[u32]) -> BTreeSet<String> {
        self.feed(order.iter().copied())
            .views()
            .map(|v| {
                let why = v.template_reasons.join("; ");
                format!("{} {} {} ({why})", v.method, v.template, v.status[1])
            })
            .collect()
    }

    fn feed(&self, order: impl Iterator<Item = u32>) -> Inventory {
        let settings = Settings::default();
        let mut inventory = Inventory::new(
            Seed::new(&settings.hash_key),
            (50_000, usize::MAX),
            Arc::default(),
        );
        let identity = identity(&self.pool[0], &settings);
        let names = Names::new(Seed::new(&settings.hash_key));
        for number in order {
            let exchange = &self.pool[number as usize];
            let seen = Seen {
                exchange,
                exchange_id: crate::id::Id::default(),
                identity: &identity,
                scheme: identity.scheme,
                ts: exchange.ts(),
                check: None,
                learn: Learning {
                    seed: Seed::new(&settings.hash_key),
                    exchanges: u64::MAX,
                    period: u64::MAX,
                },
                carried: &Carried::default(),
                names: &names,
                crowded: false,
            };
            inventory.observe(exchange.request.as_ref().unwrap(), None, false, &seen);
        }
        inventory.finish();
        inventory
    }

    /// The same by rules of others.
    pub(super) fn by(&self, mut rules: impl peers::Rules) -> BTreeSet<(String, String)> {
        for number in &self.calls {
            let exchange = &self.pool[*number as usize];
            let request = exchange.request.as_ref().unwrap();
            let response = exchange.response.as_ref().unwrap();
            rules.observe(
                request.method(),
                request.path(),
                response.status,
                &response.message.body,
            );
        }
        rules.templates()
    }

    /// How many templates are right.
    pub(super) fn score(&self, found: &BTreeSet<(String, String)>) -> Score {
        let wanted: BTreeSet<_> = self
            .truth
            .iter()
            .filter(|(_, n)| **n >= 5)
            .map(|(k, _)| k)
            .collect();
        let missed: Vec<_> = wanted
            .iter()
            .filter(|k| !found.contains(**k))
            .map(|k| format!("{} {}", k.0, k.1))
            .collect();
        let spurious: Vec<_> = found
            .iter()
            .filter(|k| !self.truth.contains_key(*k))
            .map(|k| format!("{} {}", k.0, k.1))
            .collect();
        Score {
            wanted: wanted.len(),
            found: wanted.len() - missed.len(),
            listed: found.len(),
            missed,
            spurious,
        }
    }
}

fn identity(exchange: &Exchange, settings: &Settings) -> Arc<Identity> {
    let request = exchange.request.as_ref().unwrap();
    let signals = Signals::gather(request, settings);
    Resolver::new(settings).resolve(
        &signals,
        exchange.flow.client.ip(),
        crate::keys::Moment::of(exchange),
        settings,
    )
}

/// How many templates are right.
#[derive(Debug)]
pub(super) struct Score {
    wanted: usize,
    found: usize,
    listed: usize,
    missed: Vec<String>,
    spurious: Vec<String>,
}

impl Score {
    fn line(&self, who: &str) -> String {
        format!(
            "{who:<12} found {:>4} of {:<4} ({:5.1} %)   listed {:>6}   spurious {:>6} ({:5.1} %)",
            self.found,
            self.wanted,
            100.0 * self.found as f64 / self.wanted as f64,
            self.listed,
            self.spurious.len(),
            100.0 * self.spurious.len() as f64 / self.listed.max(1) as f64
        )
    }

    fn holds(&self) -> bool {
        self.found * 100 >= self.wanted * 99 && self.spurious.len() * 50 <= self.listed
    }
}

#[test]
fn of_300_endpoints_and_a_million_calls_nearly_all_are_right() {
    for seed in [1, 2, 3] {
        let calls = if seed == 1 { 1_000_000 } else { 200_000 };
        let corpus = Corpus::new(seed, 300, calls);
        let ours = corpus.score(&corpus.learn(&corpus.calls));
        let akto = corpus.score(&corpus.by(peers::Akto::default()));
        let clarity = corpus.score(&corpus.by(peers::ApiClarity::default()));
        println!("corpus {seed}: 300 endpoints, {calls} calls");
        for (who, score) in [("tapline", &ours), ("akto", &akto), ("apiclarity", &clarity)] {
            println!("  {}", score.line(who));
        }
        println!(
            "  missed {:?}\n  spurious {:?}",
            ours.missed,
            &ours.spurious[..ours.spurious.len().min(20)]
        );
        assert!(ours.holds(), "corpus {seed}");
        assert!(
            !akto.holds() && !clarity.holds(),
            "the rules of others pass: the corpus is too easy"
        );
    }
}

#[test]
fn the_order_of_calls_does_not_matter() {
    let corpus = Corpus::new(4, 300, 60_000);
    let expected = corpus.learn(&corpus.calls);
    for seed in 0..20 {
        let mut order = corpus.calls.clone();
        Rng::new(seed).shuffle(&mut order);
        let found = corpus.learn(&order);
        let differing: Vec<_> = found.symmetric_difference(&expected).collect();
        assert!(differing.is_empty(), "order {seed}: {differing:?}");
    }
}

/// The million calls of the first test, in 20 random orders: the same templates, for the same reasons, with the same counts.
#[test]
#[ignore = "takes minutes: make corpus"]
fn the_order_of_a_million_calls_does_not_matter() {
    let corpus = Corpus::new(1, 300, 1_000_000);
    let expected = corpus.told(&corpus.calls);
    println!(
        "300 endpoints, {} calls; as they came: {} endpoints",
        corpus.calls.len(),
        expected.len()
    );
    let mut wrong = Vec::new();
    for seed in 0..20 {
        let mut order = corpus.calls.clone();
        Rng::new(seed).shuffle(&mut order);
        let found = corpus.told(&order);
        let differing: Vec<_> = found.symmetric_difference(&expected).cloned().collect();
        println!(
            "random order {seed:>2}: {} endpoints, {} other than those",
            found.len(),
            differing.len()
        );
        wrong.extend(differing.into_iter().map(|line| format!("order {seed}: {line}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
