//! A body as it is stored: lists without names, since there are many of them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::body::{Body, FIELDS, Field};
use super::values::Values;

/// Parent, name, exchanges that held it (whole, in each object, as an object, cut off), first and last time, kinds seen, exchanges by
/// kind when there are several, kinds known, required.
type FieldRow = (u16, String, [u32; 4], [u32; 2], u8, Option<[u32; 7]>, u8, bool);

#[derive(Serialize, Deserialize)]
struct Stored {
    n: u32,
    cut: u32,
    times: (u32, u32),
    learned: u32,
    review: u32,
    given_up: u32,
    fields: Vec<FieldRow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    early: Vec<Option<Values>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    share: Vec<Option<Values>>,
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let body = self.settled();
        let (early, share) = body.looked_at();
        let rows = |values: &[Values]| {
            let some = |v: &Values| (*v != Values::default()).then(|| v.clone());
            values.iter().map(some).collect()
        };
        Stored {
            n: body.exchanges,
            cut: body.cut,
            times: (body.first, body.last),
            learned: body.learned,
            review: body.next_review(),
            given_up: body.given_up,
            fields: (0..body.fields.len())
                .map(|at| {
                    let f = &body.fields[at];
                    let counts = [f.some, f.every, f.objects, f.cut];
                    (
                        f.parent,
                        body.name(at).to_owned(),
                        counts,
                        [f.first, f.last],
                        f.kinds,
                        f.many(),
                        f.known,
                        f.required,
                    )
                })
                .collect(),
            early: rows(early),
            share: rows(share),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let stored = Stored::deserialize(deserializer)?;
        let wrong = || D::Error::custom("not the fields of a body");
        if stored.fields.len() > FIELDS {
            return Err(wrong());
        }
        let mut body = Self::default();
        (body.exchanges, body.cut) = (stored.n, stored.cut);
        (body.first, body.last) = stored.times;
        (body.learned, body.given_up) = (stored.learned, stored.given_up);
        for (at, (parent, name, counts, times, kinds, many, known, required)) in
            stored.fields.into_iter().enumerate()
        {
            if usize::from(parent) > at.saturating_sub(1) || name.len() > 64 || (at == 0) != name.is_empty() {
                return Err(wrong());
            }
            let several = kinds.count_ones() > 1;
            if several != many.is_some() {
                return Err(wrong());
            }
            let place = body
                .restore(parent, &name)
                .filter(|place| *place == at)
                .ok_or_else(wrong)?;
            let field: &mut Field = &mut body.fields[place];
            [field.some, field.every, field.objects, field.cut] = counts;
            [field.first, field.last] = times;
            (field.kinds, field.known, field.required) = (kinds, known, required);
            field.set_many(many);
        }
        let values = |rows: Vec<Option<Values>>| -> Vec<Values> {
            rows.into_iter()
                .take(FIELDS)
                .map(Option::unwrap_or_default)
                .collect()
        };
        body.restore_values(values(stored.early), values(stored.share), stored.review);
        Ok(body)
    }
}
