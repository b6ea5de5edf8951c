//! Which hosts belong to providers of language models, and which of them the operator allows.
//!
//! The list is `providers.txt` beside this file: facts with the day and place where they were looked up.

use std::sync::LazyLock;

/// The list, as pattern and provider.
static PROVIDERS: LazyLock<Vec<(Pattern, &'static str)>> = LazyLock::new(|| {
    let mut all: Vec<_> = include_str!("providers.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((Pattern::new(words.next()?), words.next()?))
        })
        .collect();
    // Hosts without a `*` first, in order, to be found by halves.
    all.sort_by(|(a, _), (b, _)| (&a.after, &a.before).cmp(&(&b.after, &b.before)));
    all
});

/// A host, or all that begin and end in a way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    before: String,
    /// What follows the `*`; none when there is no `*`.
    after: Option<String>,
}

impl Pattern {
    fn new(text: &str) -> Self {
        let text = text.trim().to_ascii_lowercase();
        match text.split_once('*') {
            Some((before, after)) => Self {
                before: before.to_owned(),
                after: Some(after.to_owned()),
            },
            None => Self {
                before: text,
                after: None,
            },
        }
    }

    fn is(&self, host: &str) -> bool {
        match &self.after {
            None => self.before == host,
            Some(after) => {
                host.len() > self.before.len() + after.len()
                    && host.starts_with(&self.before)
                    && host.ends_with(after.as_str())
            }
        }
    }
}

/// Who runs a host, when it is that of a known provider. `host` is lower case, as requests and hellos give it; a port is left out of account.
pub(crate) fn provider_of(host: &str) -> Option<&'static str> {
    let host = without_port(host);
    let exact = PROVIDERS.partition_point(|(p, _)| p.after.is_none());
    let (hosts, patterns) = PROVIDERS.split_at(exact);
    if let Ok(place) = hosts.binary_search_by(|(p, _)| p.before.as_str().cmp(host)) {
        return Some(hosts[place].1);
    }
    patterns.iter().find(|(p, _)| p.is(host)).map(|(_, name)| *name)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.ends_with(':') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Hosts and providers that the operator allows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Allowed(Vec<Pattern>);

impl Allowed {
    pub(crate) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|n| Pattern::new(n)).collect())
    }

    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has(&self, host: &str, provider: Option<&str>) -> bool {
        let host = without_port(host);
        self.0
            .iter()
            .any(|p| p.is(host) || p.after.is_none() && Some(p.before.as_str()) == provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_a_day_and_a_source() {
        let mut lines = 0;
        for line in include_str!("providers.txt")
            .lines()
            .filter(|l| !l.starts_with('#'))
        {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert!(words.len() >= 4, "{line}");
            assert!(words[2].len() == 10 && words[2].starts_with("20"), "{line}");
            assert!(words[3].starts_with("https://"), "{line}");
            assert!(words[0].matches('*').count() <= 1, "{line}");
            lines += 1;
        }
        assert_eq!(PROVIDERS.len(), lines);
    }

    #[test]
    fn hosts_are_known_by_name_and_by_pattern() {
        for (host, who) in [
            ("api.openai.com", Some("openai")),
            ("api.openai.com:443", Some("openai")),
            ("api.anthropic.com", Some("anthropic")),
            ("europe-west4-aiplatform.googleapis.com", Some("google")),
            ("acme.openai.azure.com", Some("azure")),
            ("bedrock-runtime.eu-central-1.amazonaws.com", Some("bedrock")),
            ("openrouter.ai", Some("openrouter")),
            ("openai.com", None),
            ("api.openai.com.evil.example", None),
            (".openai.azure.com", None),
            ("bedrock-runtime.amazonaws.com", None),
            ("", None),
        ] {
            assert_eq!(provider_of(host), who, "{host}");
        }
        let allowed = Allowed::new(&[
            "anthropic".into(),
            "*.llm.acme.example".into(),
            "API.openai.com".into(),
        ]);
        assert!(allowed.has("claude.ai", Some("anthropic")));
        assert!(allowed.has("a.llm.acme.example:8000", None));
        assert!(allowed.has("api.openai.com", Some("openai")));
        assert!(!allowed.has("eu.api.openai.com", Some("openai")));
        assert!(!allowed.has("api.x.ai", Some("xai")));
    }
}
