//! Reading a trail, and whether its chain holds.

use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::sha256;
use super::trail::{Head, LONGEST, NOTHING, opened};

/// A line of a trail.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) record: Value,
    /// The hash that it says it has.
    hash: String,
    /// The hash of its bytes.
    computed: String,
}

impl Line {
    pub(super) fn head(&self) -> Head {
        Head {
            seq: self.seq(),
            hash: self.hash.clone(),
        }
    }

    pub(crate) fn seq(&self) -> u64 {
        self.record["seq"].as_u64().unwrap_or_default()
    }
}

/// A line taken apart; nothing when it has not the form of one.
pub(super) fn split(line: &[u8]) -> Option<Line> {
    let record: Value = serde_json::from_slice(line).ok()?;
    let hash = record["hash"].as_str()?.to_owned();
    // The hash is last, so that what it is of needs no form of its own.
    let body = line.strip_suffix(format!(",\"hash\":\"{hash}\"}}").as_bytes())?;
    record["seq"].as_u64()?;
    record["prev"].as_str()?;
    Some(Line {
        computed: sha256(body),
        record,
        hash,
    })
}

/// What became of verifying a trail.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    v: u32,
    pub(crate) good: bool,
    /// Records whose hashes are right.
    pub(crate) records: u64,
    /// Number of the first record that is there; more than 1 when older files were taken away in order.
    pub(crate) first: u64,
    /// How far the chain goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) head: Option<Head>,
    /// What is wrong, each with file and line.
    pub(crate) problems: Vec<String>,
}

/// Problems that are told one by one.
const MOST: usize = 20;

/// Goes through the lines that the trail in `dir` has at this moment, the oldest first, with the file and the number of each.
///
/// # Errors
///
/// When a file cannot be read.
pub(crate) fn read(
    dir: &Path,
    mut each: impl FnMut(&str, usize, Result<Line, &'static str>),
) -> io::Result<()> {
    for (name, file) in opened(dir)? {
        let mut reader = BufReader::new(file);
        let mut number = 0;
        loop {
            let mut line = Vec::new();
            let read = io::Read::take(&mut reader, LONGEST).read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            number += 1;
            let taken = match line.strip_suffix(b"\n") {
                Some(line) => split(line).ok_or("is no record"),
                None if read as u64 == LONGEST => Err("is longer than any record"),
                None => Err("is torn: it was not written to its end"),
            };
            each(&name, number, taken);
        }
    }
    Ok(())
}

/// Whether every record follows from the one before. `known`: places up to which the trail went once, with who tells.
///
/// # Errors
///
/// When a file cannot be read.
pub(crate) fn verify(dir: &Path, known: &[(&str, Head)]) -> io::Result<Verdict> {
    let mut records = 0;
    let mut problems: Vec<String> = Vec::new();
    let mut more = 0_u64;
    let mut first = None;
    let mut before: Option<Head> = None;
    let mut removed_to: Option<Head> = None;
    let mut found = vec![None; known.len()];
    read(dir, |file, number, line| {
        let mut problem = |text: String| match problems.len() < MOST {
            true => problems.push(format!("{file}:{number}: {text}")),
            false => more += 1,
        };
        let line = match line {
            Ok(line) => line,
            Err(what) => return problem(format!("this line {what}")),
        };
        let seq = line.seq();
        if line.computed != line.hash {
            problem(format!(
                "record {seq} was changed: its hash is not that of what it says"
            ));
        } else {
            records += 1;
        }
        let prev = line.record["prev"].as_str().unwrap_or_default();
        match &before {
            None => {
                first = Some((seq, prev.to_owned()));
            }
            Some(before) if seq != before.seq + 1 => problem(match seq > before.seq {
                true => match seq - before.seq - 1 {
                    1 => format!("record {} is missing before this one", seq - 1),
                    _ => format!(
                        "records {} to {} are missing before this one",
                        before.seq + 1,
                        seq - 1
                    ),
                },
                false => format!(
                    "record {seq} stands behind record {}: it was moved, or put in again",
                    before.seq
                ),
            }),
            Some(before) if prev != before.hash => problem(format!(
                "record {seq} does not follow from record {}: one of them was replaced",
                before.seq
            )),
            Some(_) => {}
        }
        if line.record["what"] == "file_begun"
            && let Ok(head) = serde_json::from_value(line.record["about"]["removed_to"].clone())
        {
            removed_to = Some(head);
        }
        for ((_, head), found) in known.iter().zip(&mut found) {
            if head.seq == seq {
                *found = Some(line.hash.clone());
            }
        }
        before = Some(line.head());
    })?;
    let (first, from) = first.unwrap_or((1, NOTHING.to_owned()));
    // Files go in order, and the newest that says so tells up to which record.
    let expected = removed_to.unwrap_or_else(|| Head {
        seq: 0,
        hash: NOTHING.to_owned(),
    });
    if first > expected.seq + 1 || (first == expected.seq + 1 && from != expected.hash) {
        problems.push(match first > expected.seq + 1 {
            true => format!(
                "records {} to {} are missing at the beginning, and no record tells that their file went in order",
                expected.seq + 1,
                first - 1
            ),
            false => format!("record {first}, the first, does not follow from what was before it"),
        });
    }
    for ((who, head), found) in known.iter().zip(found) {
        match found {
            Some(hash) if hash == head.hash => {}
            Some(_) => problems.push(format!(
                "record {} is another than {who} says: the chain was made anew",
                head.seq
            )),
            None if head.seq < first || head.seq == 0 => {}
            None => problems.push(format!(
                "the end is cut off: {who} says that there was a record {}, and the last is {}",
                head.seq,
                before.as_ref().map_or(0, |head| head.seq)
            )),
        }
    }
    if more > 0 {
        problems.push(format!("{more} more problems like these"));
    }
    Ok(Verdict {
        v: 1,
        good: problems.is_empty(),
        records,
        first,
        head: before,
        problems,
    })
}
