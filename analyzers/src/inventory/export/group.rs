//! Endpoints that one operation of a document stands for: those whose paths a reader does not tell apart, and the operations of an
//! RPC protocol below one path.

use std::collections::BTreeMap;

use super::names::{NamedPath, named, signature};
use crate::inventory::EndpointView;

/// Endpoints of one operation.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) method: &'a str,
    pub(super) path: NamedPath,
    /// The one called most comes first.
    pub(super) views: Vec<&'a EndpointView>,
}

impl Group<'_> {
    pub(super) fn exchanges(&self) -> u64 {
        self.views.iter().map(|view| view.exchanges).sum()
    }
}

/// The path of a template, and the RPC operation below it.
pub(super) fn parts(template: &str) -> (&str, Option<&str>) {
    match template.split_once('#') {
        Some((path, operation)) => (path, Some(operation)),
        None => (template, None),
    }
}

/// Whether an endpoint can be written: it has a path, and its method a name.
pub(super) fn is_writable(view: &EndpointView) -> bool {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    view.template.starts_with('/') && !view.method.is_empty() && view.method.bytes().all(is_name)
}

/// By host, then path and method.
pub(super) fn by_host(views: &[EndpointView]) -> BTreeMap<&str, Vec<Group<'_>>> {
    let mut hosts: BTreeMap<&str, BTreeMap<(String, &str), Vec<&EndpointView>>> = BTreeMap::new();
    for view in views.iter().filter(|view| is_writable(view)) {
        let (path, _) = parts(&view.template);
        let key = (signature(path), view.method.as_str());
        hosts
            .entry(&view.host)
            .or_default()
            .entry(key)
            .or_default()
            .push(view);
    }
    let mut all = BTreeMap::new();
    for (host, groups) in hosts {
        // All methods of a path have the same names for its parameters: those of the template called most.
        let mut paths: BTreeMap<&str, &EndpointView> = BTreeMap::new();
        for ((signature, _), views) in &groups {
            for view in views {
                let best = paths.entry(signature).or_insert(view);
                if (view.exchanges, &best.template) > (best.exchanges, &view.template) {
                    *best = view;
                }
            }
        }
        let groups = groups.iter().map(|((signature, method), views)| {
            let mut views = views.clone();
            views.sort_by(|a, b| {
                b.exchanges
                    .cmp(&a.exchanges)
                    .then_with(|| a.template.cmp(&b.template))
            });
            let path = paths
                .get(signature.as_str())
                .map_or("", |view| parts(&view.template).0);
            Group {
                method,
                path: named(path),
                views,
            }
        });
        all.insert(host, groups.collect());
    }
    all
}
