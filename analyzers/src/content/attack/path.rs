//! Paths: a value that climbs out of the folder it is meant for, or names a file that no caller has business with.
//!
//! Source: CWE-22, CWE-98. The value is brought into one form first (`\`, `....//`, `..;/`, `/./`, NUL), then its steps are counted as a
//! file system would. Going up a step or two is usual in links and imports; going out of the root is not.

use super::{Attack, Class, Signs, Text, has};
use crate::content::inputs::Place;

/// Looks at a value, or at a path as a whole.
pub(super) fn look(text: &Text<'_>) -> Option<Attack> {
    let low = text.low;
    let found = |form| Some(Attack::new(Class::Traversal, form));
    if text.place == Place::Path {
        return climbs_path(low, text.layer).and_then(found);
    }
    if !text.signs.any(Signs::SLASH.or(Signs::BACK).or(Signs::HIGH)) && !low.starts_with(b"..") {
        return None;
    }
    if let Some(form) = wrapper(low) {
        return found(form);
    }
    // A path has no spaces but within names; text that speaks of one has many.
    if low.len() > 1024
        || low.iter().filter(|b| b.is_ascii_whitespace()).count() > 2
        || memchr::memchr(b'\n', low).is_some()
    {
        return None;
    }
    // A URL has a path of its own, which is its server's business unless it climbs.
    let path = match memchr::memmem::find(low, b"://") {
        Some(at) if low[..at].iter().all(|b| b.is_ascii_alphanumeric() || *b == b'+') => {
            if low.starts_with(b"file:") {
                &low[at + 3..]
            } else {
                let rest = &low[at + 3..];
                let start = memchr::memchr(b'/', rest).unwrap_or(rest.len());
                let path = &rest[start..];
                return climbs_path(path.split(|b| *b == b'?').next().unwrap_or(path), 0).and_then(found);
            }
        }
        _ => low,
    };
    let climb = climb(path);
    let sensitive = sensitive(&climb.rest);
    if text.place == Place::Segment || text.place.is_one_line() {
        if climb.up >= 3 || climb.up >= 1 && (sensitive || climb.odd || climb.nul || text.layer > 0) {
            return found("climbs");
        }
    } else if climb.up >= 1 && (sensitive || climb.odd || climb.nul || text.layer > 0 && climb.up > 1)
        || climb.up >= 3 && system(&climb.rest)
    {
        return found("climbs");
    }
    if climb.up == 0 && sensitive && (climb.absolute || climb.nul) {
        return found("file");
    }
    None
}

/// Whether a path of a URL goes above its root, or hides that it goes up.
fn climbs_path(low: &[u8], layer: usize) -> Option<&'static str> {
    let climb = climb(low);
    if climb.above || climb.odd && climb.up > 0 && sensitive(&climb.rest) {
        return Some("climbs");
    }
    // Once the server has normalised a path there is nothing to climb; what is coded twice is meant for the one behind.
    if climb.up > 0 && (layer > 0 || climb.nul) || climb.ups >= 1 && sensitive(&climb.rest) {
        return Some("climbs");
    }
    // `/..;/` passes proxies and is `/../` for Tomcat.
    (climb.odd && climb.ups > 0 && has(low, b"..;/")).then_some("climbs")
}

/// What the steps of a path come to.
#[derive(Debug, Default)]
struct Climb {
    /// Steps above where it begins.
    up: usize,
    /// All steps upwards.
    ups: usize,
    /// It has a root and goes above it.
    above: bool,
    absolute: bool,
    /// Written in a way that filters miss: `....//`, `..;/`, `..\`, mixed.
    odd: bool,
    nul: bool,
    /// What is left, joined by `/`.
    rest: Vec<u8>,
}

fn climb(low: &[u8]) -> Climb {
    let mut climb = Climb {
        absolute: low.starts_with(b"/")
            || low.starts_with(b"\\")
            || low.get(1..3).is_some_and(|d| d == b":\\" || d == b":/"),
        nul: low.contains(&0),
        ..Climb::default()
    };
    let root = low.starts_with(b"/");
    let mut names: Vec<&[u8]> = Vec::new();
    let text = low.split(|b| *b == 0).next().unwrap_or(low);
    let ends = text
        .iter()
        .position(|b| matches!(b, b'?' | b'#'))
        .unwrap_or(text.len());
    let text = &text[..ends];
    let mixed = text.contains(&b'/') && text.contains(&b'\\');
    for step in text.split(|b| matches!(b, b'/' | b'\\')).take(256) {
        let step = step.trim_ascii();
        let bare = step.strip_suffix(b";").unwrap_or(step);
        match bare {
            b"" | b"." => {}
            _ if is_up(bare) => {
                climb.ups += 1;
                climb.odd |= bare.len() > 2 || bare.len() < step.len() || mixed;
                if names.pop().is_none() {
                    climb.up += 1;
                    climb.above |= root;
                }
            }
            name => names.push(name),
        }
    }
    climb.rest = names.join(&b'/');
    climb
}

/// `..`, and what filters make of `....` when they take `../` out once; `..;x` is a parameter.
fn is_up(step: &[u8]) -> bool {
    step == b".." || step == b"...." || step.starts_with(b"..;")
}

/// Whether a file is one that attackers ask for: accounts, keys, settings with secrets, the inside of processes.
fn sensitive(rest: &[u8]) -> bool {
    const PLACES: [&[u8]; 44] = [
        b"etc/passwd",
        b"etc/shadow",
        b"etc/group",
        b"etc/hosts",
        b"etc/issue",
        b"etc/sudoers",
        b"etc/crontab",
        b"etc/ssh/",
        b"etc/mysql/",
        b"etc/nginx/",
        b"etc/apache2/",
        b"etc/httpd/",
        b"etc/php",
        b"etc/kubernetes/",
        b"etc/redis",
        b"etc/os-release",
        b"etc/fstab",
        b"proc/self/",
        b"proc/version",
        b"proc/1/",
        b"proc/net/",
        b"proc/cmdline",
        b"root/.",
        b"var/log/",
        b"var/run/secrets/",
        b"run/secrets/",
        b"var/lib/mysql",
        b"windows/win.ini",
        b"windows/system.ini",
        b"windows/system32/",
        b"winnt/",
        b"windows.ini",
        b"win.ini",
        b"boot.ini",
        b"windows/repair/",
        b"inetpub/",
        b"web-inf/",
        b"meta-inf/",
        b"autoexec.bat",
        b"usr/local/apache",
        b"users/administrator/",
        b"windows/debug/",
        b"windows/panther/",
        b"dev/tcp/",
    ];
    const NAMES: [&[u8]; 26] = [
        b".env",
        b".git/config",
        b".git/head",
        b".htpasswd",
        b".htaccess",
        b".ssh/",
        b"id_rsa",
        b"id_ed25519",
        b"authorized_keys",
        b".aws/credentials",
        b"wp-config.php",
        b"web.config",
        b"appsettings.json",
        b"application.properties",
        b"application.yml",
        b"config/database.yml",
        b"secrets.yml",
        b".bash_history",
        b".kube/config",
        b".docker/config.json",
        b".npmrc",
        b"master.key",
        b"tomcat-users.xml",
        b"shadow",
        b"passwd",
        b"config.php",
    ];
    let rest = rest
        .strip_prefix(b"c:/")
        .or(rest.strip_prefix(b"c$/"))
        .unwrap_or(rest);
    let begins = |names: &[&[u8]]| {
        names.iter().any(|name| {
            memchr::memmem::find_iter(rest, name).any(|at| {
                let behind = rest.get(at + name.len());
                (at == 0 || rest[at - 1] == b'/')
                    && (name.ends_with(b"/")
                        || name.ends_with(b".")
                        || behind.is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'-'))
            })
        })
    };
    PLACES
        .iter()
        .any(|name| rest.starts_with(name) && begins(&[name]))
        || begins(&NAMES)
}

/// Whether it leads into a folder of the system.
fn system(rest: &[u8]) -> bool {
    const ROOTS: [&[u8]; 12] = [
        b"etc/",
        b"proc/",
        b"sys/",
        b"dev/",
        b"var/",
        b"root/",
        b"home/",
        b"usr/",
        b"boot/",
        b"windows/",
        b"winnt/",
        b"opt/",
    ];
    ROOTS.iter().any(|root| rest.starts_with(root))
}

/// Wrappers of PHP and schemes that read files.
fn wrapper(low: &[u8]) -> Option<&'static str> {
    const WRAPPERS: [&[u8]; 8] = [
        b"php://filter/",
        b"php://input",
        b"expect://",
        b"zip://",
        b"phar://",
        b"data://text/plain",
        b"glob:///",
        b"compress.zlib://",
    ];
    if WRAPPERS.iter().any(|name| low.starts_with(name)) {
        return Some("wrapper");
    }
    let rest = low.strip_prefix(b"file:")?;
    let path: Vec<u8> = rest
        .iter()
        .copied()
        .skip_while(|b| matches!(b, b'/' | b'\\'))
        .collect();
    let path = path.strip_prefix(b"localhost/").unwrap_or(&path);
    (sensitive(&climb(path).rest)).then_some("file")
}
