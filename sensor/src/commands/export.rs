//! `tapline export`: what was learned, as others read it.

use std::path::Path;

use analyzers::EndpointView;
use analyzers::inventory::export::{Options, openapi, postman};
use serde_json::Value;

use crate::args::{ExportArgs, ExportFormat};
use crate::exit::{Failure, Status};
use crate::known::filter::Filter;
use crate::known::{Source, from_analyzer};
use crate::message;

/// Hosts named in a message.
const MOST: usize = 10;

pub(super) fn export(args: &ExportArgs) -> Result<Status, Failure> {
    super::outside("--out", &args.out, &args.store)?;
    let source = Source::store(&args.store, &args.declared)?;
    let filter = Filter::new(&args.filters, source.last());
    let Source::Store(analyzer) = &source else {
        return Ok(Status::Done);
    };
    let views: Vec<EndpointView> = analyzer
        .endpoints()
        .filter(|view| filter.wants(&from_analyzer::endpoint(view)))
        .collect();
    if views.is_empty() {
        return Err(Failure::usage(anyhow::anyhow!(
            "no endpoint of this kind is known, so there is nothing to write; `tapline inventory` lists what there is"
        )));
    }
    let options = Options {
        scheme: args.scheme.clone(),
        ..Options::default()
    };
    if args.format == ExportFormat::Postman {
        let collection = postman(&views, &options);
        super::write_out(&args.out, &pretty(&collection))?;
        told(&args.out, views.len());
        return Ok(Status::Done);
    }
    let documents = openapi(&views, &options);
    if is_folder(&args.out) {
        std::fs::create_dir_all(&args.out).map_err(|cause| {
            let what = format!("cannot make the folder {}", args.out.display());
            Failure::output(anyhow::Error::new(cause).context(what))
        })?;
        for (host, document) in &documents {
            let file = args.out.join(format!("{}.openapi.json", file_name(host)));
            super::write_out(&file, &pretty(document))?;
            let count = views.iter().filter(|view| view.host == *host).count();
            told(&file, count);
        }
        return Ok(Status::Done);
    }
    let mut hosts = documents.iter();
    match (hosts.next(), hosts.next()) {
        (Some((_, document)), None) => {
            super::write_out(&args.out, &pretty(document))?;
            told(&args.out, views.len());
            Ok(Status::Done)
        }
        (None, _) => Err(Failure::usage(anyhow::anyhow!(
            "what is known of this kind are tunnels and methods that OpenAPI has no place for"
        ))),
        _ => {
            let mut names: Vec<&str> = documents.keys().map(String::as_str).take(MOST).collect();
            if documents.len() > MOST {
                names.push("…");
            }
            Err(Failure::usage(anyhow::anyhow!(
                "an OpenAPI document is about one host, and here are {}: name one with --host, or a folder with --out DIR/\n  {}",
                documents.len(),
                names.join("\n  ")
            )))
        }
    }
}

fn pretty(value: &Value) -> String {
    // Maps with texts for keys: serialising them cannot fail.
    format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default())
}

/// Whether a folder is meant: it is one, or is written like one.
fn is_folder(out: &Path) -> bool {
    out.is_dir() || out.as_os_str().to_string_lossy().ends_with('/')
}

/// A host as the name of a file: whoever sends requests chooses it.
fn file_name(host: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' || c == '-' {
            c
        } else {
            '_'
        }
    };
    let name: String = host.chars().map(plain).take(200).collect();
    // No name of ours is hidden, or leads to another folder.
    match name.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None => name,
    }
}

fn told(out: &Path, endpoints: usize) {
    if out.as_os_str() != "-" {
        let s = if endpoints == 1 { "" } else { "s" };
        message::info(&format!("{}: {endpoints} endpoint{s}", out.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn a_host_cannot_name_another_folder() {
        for (host, wanted) in [
            ("orders.api.acme.example", "orders.api.acme.example"),
            ("10.0.0.1:8080", "10.0.0.1_8080"),
            ("../../etc/passwd", "_._.._etc_passwd"),
            ("[2001:db8::1]", "_2001_db8__1_"),
            ("{token}", "_token_"),
        ] {
            assert_eq!(file_name(host), wanted);
        }
    }
}
