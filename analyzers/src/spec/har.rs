//! HTTP Archive 1.2 (the format of W3C's Web Performance Working Group, as browsers and proxies export it).
//!
//! An archive is what somebody saw, with everything in it. Of values nothing is kept but their types: paths go through
//! the same rules as those on the wire, names only where they can be no values.

use super::document::{Cursor, Is};
use super::gather::{Answer, EXAMPLE_BYTES, Gather, Request, Sample, header, method, requirement};
use super::model::{Place, Security, SecurityScheme, Spec, media_type};
use super::problem::clip;
use super::reader::Reader;
use super::servers::{HostPattern, Target};
use super::template::{self, PathTemplate};
use crate::privacy::segment::{self, Show};
use crate::privacy::{is_plain_name, safe_host};

/// Reads an archive.
pub(crate) fn read<'d>(root: Cursor<'d>, mut spec: Spec, reader: &mut Reader<'d>) -> Spec {
    let mut gather = Gather::default();
    let Some(log) = root.get("log") else { return spec };
    if let Some(creator) = log.get("creator") {
        spec.title = reader.text(creator, "name").map(|n| clip(n, 128));
    }
    if log.get("entries").is_none() {
        reader
            .problems
            .at(log, || "`entries` is missing; it holds the requests".to_owned());
    }
    for entry in reader.list(log, "entries") {
        spec.counts.requests += 1;
        let request = request(entry, &mut spec, reader);
        let taken = request.is_some_and(|request| gather.add(request, &mut spec, &reader.limits));
        if !taken {
            spec.counts.requests_dropped += 1;
        }
    }
    gather.finish(&mut spec, true);
    spec
}

fn request<'d>(entry: Cursor<'d>, spec: &mut Spec, reader: &mut Reader<'d>) -> Option<Request> {
    let Some(of) = entry.get("request").filter(|r| r.is() == Is::Map) else {
        reader.problems.at(entry, || {
            "`request` is missing; an entry must have one".to_owned()
        });
        return None;
    };
    let Some(method) = of.get("method").and_then(Cursor::text).and_then(method) else {
        let place = of.get("method").unwrap_or(of);
        reader
            .problems
            .at(place, || "no method; write one like GET".to_owned());
        return None;
    };
    let url = reader.text(of, "url");
    let Some((target, path, query)) = url.and_then(split_url) else {
        let place = of.get("url").unwrap_or(of);
        // Pages load `data:` and extensions too, which is no mistake.
        if !url.is_some_and(|u| {
            ["data:", "blob:", "about:", "chrome", "moz-", "file:"]
                .iter()
                .any(|s| u.starts_with(s))
        }) {
            reader.problems.at(place, || {
                "no URL with a host; write one like https://host/path".to_owned()
            });
        }
        return None;
    };
    let mut request = Request {
        method,
        path: path_template(path),
        url: shown(&target),
        targets: vec![target],
        at: of.get("url").unwrap_or(of).at(),
        pointer: entry.pointer(),
        ..Request::default()
    };
    let mut names = Vec::new();
    if of.get("queryString").is_some() {
        names.extend(
            names_of(of, "queryString", reader)
                .into_iter()
                .map(|n| (Place::Query, n.to_owned())),
        );
    } else {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        names.extend(pairs.map(|p| {
            (
                Place::Query,
                segment::decode(p.split('=').next().unwrap_or("")).into_owned(),
            )
        }));
    }
    names.extend(
        names_of(of, "cookies", reader)
            .into_iter()
            .map(|n| (Place::Cookie, n.to_owned())),
    );
    names.retain(|(_, name)| is_plain_name(name));
    let headers = names_of(of, "headers", reader);
    names.extend(headers.into_iter().filter_map(header).map(|n| (Place::Header, n)));
    names.sort();
    names.dedup();
    request.names = names;
    request.security = Some(security(of, spec, reader));
    if let Some(body) = of.get("postData").filter(|b| b.is() == Is::Map) {
        let media_type = media_type(reader.text(body, "mimeType").unwrap_or(""));
        let mut sample = Sample::default();
        let fields = names_of(body, "params", reader);
        if !fields.is_empty() {
            fields.into_iter().for_each(|name| sample.add_field(name));
        } else if let Some(text) = body.get("text").and_then(Cursor::text) {
            content(&media_type, text, &mut sample, reader);
        }
        request.body = Some((media_type, sample)).filter(|(m, _)| m.contains('/'));
    }
    request.responses.extend(answer(entry, reader));
    Some(request)
}

fn answer<'d>(entry: Cursor<'d>, reader: &mut Reader<'d>) -> Option<Answer> {
    let of = entry.get("response")?;
    let status = of.get("status")?;
    let number = status
        .number()
        .or(status.text())
        .and_then(|text| text.parse::<u16>().ok());
    // Browsers write 0 where no response came.
    let code = match number {
        Some(0) => return None,
        Some(code @ 100..=599) => code,
        _ => {
            reader
                .problems
                .at(status, || "no status; write a number from 100 to 599".to_owned());
            return None;
        }
    };
    let mut answer = Answer {
        status: code,
        at: status.at(),
        ..Answer::default()
    };
    answer.headers = names_of(of, "headers", reader)
        .into_iter()
        .filter_map(header)
        .collect();
    if let Some(body) = of.get("content").filter(|c| c.is() == Is::Map) {
        let media_type = media_type(body.get("mimeType").and_then(Cursor::text).unwrap_or(""));
        let mut sample = Sample::default();
        // `encoding` says that the text is base64, which no text of an API is.
        if let Some(text) = body
            .get("text")
            .and_then(Cursor::text)
            .filter(|_| body.get("encoding").is_none())
        {
            content(&media_type, text, &mut sample, reader);
        }
        answer.content = Some((media_type, sample)).filter(|(m, _)| m.contains('/'));
    }
    Some(answer)
}

/// What is in a body, as far as its media type lets it be told.
pub(crate) fn content(media_type: &str, text: &str, sample: &mut Sample, reader: &mut Reader<'_>) {
    if text.len() > EXAMPLE_BYTES || !reader.spend_example(text.len()) {
        return;
    }
    if media_type.ends_with("json") {
        sample.add_json(text);
    } else if media_type == "application/x-www-form-urlencoded" {
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let name = segment::decode(pair.split('=').next().unwrap_or(""));
            sample.add_field(&name);
        }
    }
}

/// The names in a list of names and values.
fn names_of<'d>(of: Cursor<'d>, key: &str, reader: &mut Reader<'d>) -> Vec<&'d str> {
    let list = reader.list(of, key);
    list.into_iter()
        .filter_map(|pair| pair.get("name")?.text())
        .collect()
}

/// What a request proves, by the schemes of `Authorization` that have a name.
fn security<'d>(of: Cursor<'d>, spec: &mut Spec, reader: &mut Reader<'d>) -> Security {
    const SCHEMES: [&str; 8] = [
        "basic",
        "bearer",
        "digest",
        "dpop",
        "hawk",
        "hoba",
        "negotiate",
        "ntlm",
    ];
    let mut out = Security::default();
    for pair in reader.list(of, "headers") {
        let is = pair.get("name").and_then(Cursor::text);
        if !is.is_some_and(|name| name.eq_ignore_ascii_case("authorization")) {
            continue;
        }
        let value = pair.get("value").and_then(Cursor::text).unwrap_or("");
        let word = value.split(' ').next().unwrap_or("").to_ascii_lowercase();
        if let Some(scheme) = SCHEMES.iter().find(|s| **s == word) {
            let entry = SecurityScheme::Http {
                scheme: (*scheme).to_owned(),
                format: None,
            };
            spec.security_schemes.insert((*scheme).to_owned(), entry);
            out.any_of.push(vec![requirement(scheme)]);
        }
    }
    out
}

fn shown(target: &Target) -> String {
    let host = target.host.as_ref().map_or("", HostPattern::as_str);
    format!("{}://{host}", target.scheme.as_deref().unwrap_or("http"))
}

/// Host, path and query of a URL.
fn split_url(url: &str) -> Option<(Target, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(scheme.as_str(), "http" | "https" | "ws" | "wss") {
        return None;
    }
    let rest = rest.split('#').next().unwrap_or("");
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = before.find('/').map_or((before, ""), |at| before.split_at(at));
    let host = authority.rsplit('@').next().unwrap_or("").to_ascii_lowercase();
    let default = if matches!(scheme.as_str(), "http" | "ws") {
        ":80"
    } else {
        ":443"
    };
    let host = host.strip_suffix(default).unwrap_or(&host);
    if host.is_empty() {
        return None;
    }
    let host = HostPattern::new(&safe_host(host));
    let target = Target {
        scheme: Some(scheme),
        host: Some(host),
        base: String::new(),
    };
    Some((target, path, query))
}

/// The template of a path of which nothing is known but its form.
pub(crate) fn path_template(path: &str) -> PathTemplate {
    let (segments, slash) = template::segments(path);
    let mut out = String::with_capacity(path.len() + 1);
    let mut before = "";
    for name in &segments {
        out.push('/');
        segment::show(name, before, Show::Kinds, &mut out);
        before = name;
    }
    if slash || out.is_empty() {
        out.push('/');
    }
    PathTemplate::parse(&out).0
}
