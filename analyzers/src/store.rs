//! A bounded table of learned state: what changed is remembered, and the row idle for longest makes way.

use std::collections::{BTreeMap, VecDeque};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::id::{HashTable, Id};
use crate::weight::weigh;
use reassembly::Timestamp;

/// Version of every stored row. A row of another version is refused, not guessed at. It goes up with each change of a
/// struct that rows are made of; a test holds the form of the rows against it.
pub const VERSION: u32 = 9;

/// State that can be stored and that knows when it was last of use.
pub(crate) trait Row: Serialize + DeserializeOwned {
    /// Order of making way: rows that were never confirmed go before those that were, then by time.
    fn worth(&self) -> (bool, Timestamp);
}

#[derive(Serialize)]
struct Stored<'a, V> {
    v: u32,
    row: &'a V,
}

#[derive(Deserialize)]
struct Loaded<V> {
    row: V,
}

#[derive(Deserialize)]
struct VersionOnly {
    v: u32,
}

/// A row as bytes.
pub(crate) fn encode<V: Serialize>(row: &V) -> Vec<u8> {
    // Rows are plain structs with string or integer keys: serialising them cannot fail.
    serde_json::to_vec(&Stored { v: VERSION, row }).unwrap_or_default()
}

/// A row from bytes, or what is wrong with them.
pub(crate) fn decode<V: DeserializeOwned>(value: &[u8]) -> Result<V, String> {
    let VersionOnly { v } = serde_json::from_slice(value).map_err(|e| e.to_string())?;
    if v != VERSION {
        return Err(format!("version {v}, this program reads version {VERSION}"));
    }
    serde_json::from_slice(value)
        .map(|l: Loaded<V>| l.row)
        .map_err(|e| e.to_string())
}

/// Rows by id, at most `cap` of them, and no more than weigh `room` together.
///
/// Rows are weighed when they are put back, when the row after them is made, and seldom after that: they grow ever more slowly, and what
/// one may weigh has a bound of its own.
#[derive(Debug)]
pub(crate) struct Store<V> {
    rows: HashTable<Id, Entry<V>>,
    changed: Vec<Id>,
    removed: Vec<Id>,
    /// Whether anybody will ask what changed.
    tracked: bool,
    cap: usize,
    /// Bytes that rows may weigh together, and that they do.
    room: usize,
    weight: usize,
    /// The row made last, which has not been weighed with what it was made for.
    fresh: Option<Id>,
    evicted: u64,
}

/// In this order, so that what is looked at each time lies beside the key and not behind a row of many cache lines.
#[derive(Debug)]
#[repr(C)]
struct Entry<V> {
    /// How often it was given out to be changed.
    touched: u32,
    dirty: bool,
    /// Bytes, when it was last weighed.
    weight: usize,
    row: V,
}

impl<V: Row> Entry<V> {
    /// What an entry takes in the table beside what its row holds: keys, links and the spare room of the table.
    const BESIDE: usize = 64;

    fn new(row: V, dirty: bool) -> Self {
        Self {
            row,
            weight: 0,
            touched: 0,
            dirty,
        }
    }

    /// Notes that it is about to change; by how much the sum of the weights changes, when it is time to weigh it as it is.
    #[inline]
    fn touch(&mut self) -> Option<(usize, usize)> {
        /// After eight changes, after eight times as many, and so on; from then on each time there were so many.
        const EACH: u32 = 2048;
        self.touched = self.touched.wrapping_add(1);
        let due = self.touched.is_multiple_of(8)
            && (matches!(self.touched, 8 | 64 | 512) || self.touched.is_multiple_of(EACH));
        due.then(|| self.weigh())
    }

    #[cold]
    fn weigh(&mut self) -> (usize, usize) {
        let before = std::mem::replace(&mut self.weight, weigh(&self.row) + Self::BESIDE);
        (before, self.weight)
    }
}

impl<V: Row> Store<V> {
    /// For at most `cap` rows that weigh no more than `room` bytes together.
    pub(crate) fn new(cap: usize, room: usize) -> Self {
        Self {
            rows: HashTable::default(),
            changed: Vec::new(),
            removed: Vec::new(),
            tracked: true,
            cap: cap.max(1),
            room,
            weight: 0,
            fresh: None,
            evicted: 0,
        }
    }

    /// Bytes that all rows weigh together, as far as they were weighed.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// Bytes that they may weigh.
    pub(crate) fn room(&self) -> usize {
        self.room
    }

    /// Remembers changes no longer. Without somebody who takes them they would go on growing.
    pub(crate) fn untrack(&mut self) {
        self.tracked = false;
        self.changed = Vec::new();
        self.removed = Vec::new();
    }

    /// Takes every row for changed, and no removal for one that has to be told.
    pub(crate) fn change_all(&mut self) {
        if !self.tracked {
            return;
        }
        self.removed = Vec::new();
        self.changed = Vec::with_capacity(self.rows.len());
        #[expect(
            clippy::iter_over_hash_type,
            reason = "they are sorted when they are asked for"
        )]
        for (id, entry) in &mut self.rows {
            entry.dirty = true;
            self.changed.push(*id);
        }
    }

    pub(crate) fn get(&self, id: Id) -> Option<&V> {
        self.rows.get(&id).map(|e| &e.row)
    }

    /// The row, marked as changed.
    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut V> {
        self.make_room(0, Some(id));
        let entry = self.rows.get_mut(&id)?;
        if let Some((before, now)) = entry.touch() {
            self.weight = self.weight - before + now;
        }
        if self.tracked && !entry.dirty {
            entry.dirty = true;
            self.changed.push(id);
        }
        Some(&mut entry.row)
    }

    /// The row, made when there is none, marked as changed.
    pub(crate) fn entry(&mut self, id: Id, make: impl FnOnce() -> V) -> &mut V {
        let known = self.rows.contains_key(&id);
        if !known {
            self.weigh_fresh();
        }
        self.make_room(usize::from(!known), Some(id));
        if !known {
            self.fresh = Some(id);
        }
        let Self {
            rows,
            changed,
            tracked,
            weight,
            ..
        } = self;
        let entry = rows.entry(id).or_insert_with(|| Entry::new(make(), false));
        if let Some((before, now)) = entry.touch() {
            *weight = *weight - before + now;
        }
        if *tracked && !entry.dirty {
            entry.dirty = true;
            changed.push(id);
        }
        &mut entry.row
    }

    /// Weighs the row made last: what it was made for is in it now.
    fn weigh_fresh(&mut self) {
        if let Some(row) = self.fresh.take().and_then(|id| self.rows.get_mut(&id)) {
            let (before, now) = row.weigh();
            self.weight = self.weight - before + now;
        }
    }

    /// Lets rows go until so many more fit, and they weigh no more than they may. The one at hand stays, and the last.
    #[inline]
    fn make_room(&mut self, more: usize, at_hand: Option<Id>) {
        while self.rows.len() + more > self.cap || (self.weight > self.room && self.rows.len() > 1) {
            self.drop_some(at_hand);
        }
    }

    /// Drops the least worthy 64th of the rows, at least one. Doing many at once keeps the cost of a
    /// full table constant per insertion; ties break by id, so that every run drops the same ones. A row that takes a quarter of all
    /// room by itself goes first, or one that somebody makes grow would push out all others.
    #[cold]
    fn drop_some(&mut self, at_hand: Option<Id>) {
        let all = self.rows.iter().filter(|(id, _)| Some(**id) != at_hand);
        let most = self.room / 4;
        let mut order: Vec<_> = all
            .map(|(id, e)| ((e.weight <= most, e.row.worth()), *id))
            .collect();
        let drop = (order.len() / 64).max(1);
        let _ = order.select_nth_unstable(drop - 1);
        order.truncate(drop);
        order.sort_unstable();
        for (_, id) in order {
            self.evicted += 1;
            self.remove(id);
        }
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<V> {
        let entry = self.rows.remove(&id)?;
        self.weight -= entry.weight;
        if self.tracked {
            self.removed.push(id);
        }
        Some(entry.row)
    }

    /// Puts a stored row back; it is not marked as changed.
    pub(crate) fn load(&mut self, id: Id, row: V) {
        let mut entry = Entry::new(row, false);
        self.weight += entry.weigh().1;
        if let Some(before) = self.rows.remove(&id) {
            self.weight -= before.weight;
        }
        self.make_room(1, None);
        self.rows.insert(id, entry);
    }

    /// Rows changed and ids removed since last asked, sorted by id.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (Id, Option<&V>)> {
        let mut ids = std::mem::take(&mut self.changed);
        ids.append(&mut self.removed);
        ids.sort_unstable();
        ids.dedup();
        for id in &ids {
            if let Some(entry) = self.rows.get_mut(id) {
                entry.dirty = false;
            }
        }
        let rows = &self.rows;
        ids.into_iter().map(|id| (id, rows.get(&id).map(|e| &e.row)))
    }

    /// Every row, sorted by id.
    pub(crate) fn sorted(&self) -> Vec<(Id, &V)> {
        let mut all: Vec<_> = self.rows.iter().map(|(id, e)| (*id, &e.row)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// How many rows there are of each kind that `kind` tells apart.
    pub(crate) fn count_by<K: Ord>(&self, kind: impl Fn(&V) -> K) -> BTreeMap<K, usize> {
        let mut counts = BTreeMap::new();
        #[expect(clippy::iter_over_hash_type, reason = "sums have no order")]
        for entry in self.rows.values() {
            *counts.entry(kind(&entry.row)).or_default() += 1;
        }
        counts
    }

    /// Rows that there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Rows that fit.
    pub(crate) fn cap(&self) -> usize {
        self.cap
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }
}

/// A list in a row, without the room that reading it made for more: there are many, most are short, and most grow no
/// more.
pub(crate) fn tight<'de, D: Deserializer<'de>, L: Deserialize<'de> + List>(from: D) -> Result<L, D::Error> {
    let mut list = L::deserialize(from)?;
    list.shrink();
    Ok(list)
}

/// What can give back the room it does not need.
pub(crate) trait List {
    fn shrink(&mut self);
}

impl<T> List for Vec<T> {
    fn shrink(&mut self) {
        self.shrink_to_fit();
    }
}

impl<T> List for VecDeque<T> {
    fn shrink(&mut self) {
        self.shrink_to_fit();
    }
}

/// Packet times in rows: nanoseconds since 1970.
pub(crate) mod nanos {
    use reassembly::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde's `with` asks for this form"
    )]
    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(time.0)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        u64::deserialize(deserializer).map(Timestamp)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use crate::testing::{Call, Scene, agent_token};

    /// Names of fields, with what is data (an id, a number, a name with a sign) left out.
    fn fields(of: &Value, path: &str, out: &mut BTreeSet<String>) {
        match of {
            Value::Object(map) => {
                for (name, value) in map {
                    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                    let path = format!("{path}.{}", if plain { name } else { "*" });
                    fields(value, &path, out);
                    out.insert(path);
                }
            }
            Value::Array(list) => list
                .iter()
                .for_each(|value| fields(value, &format!("{path}[]"), out)),
            _ => {}
        }
    }

    /// A row of some bytes.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Bytes(Vec<u8>, u64);

    impl super::Row for Bytes {
        fn worth(&self) -> (bool, reassembly::Timestamp) {
            (true, reassembly::Timestamp(self.1))
        }
    }

    #[test]
    fn rows_make_way_by_weight_the_oldest_first() {
        const ROOM: usize = 100 << 10;
        let id = |n: u64| crate::id::Id::of(&[&n.to_le_bytes()]);
        let mut store = super::Store::new(usize::MAX, ROOM);
        for n in 0..1000 {
            store.entry(id(n), || Bytes(vec![0; 1000], n));
            assert!(store.weight() < ROOM + 2000, "{}", store.weight());
        }
        let kept = store.sorted().len() as u64;
        assert!((60..100).contains(&kept), "{kept} rows");
        assert_eq!(store.evicted(), 1000 - kept);
        assert!((1000 - kept..1000).all(|n| store.get(id(n)).is_some()));
        // A row that grows is weighed again after some changes, and others make way for it when there is a new one.
        for _ in 0..8 {
            store.get_mut(id(999)).expect("a row").0.resize(50 << 10, 0);
        }
        store.get_mut(id(999));
        store.entry(id(1000), || Bytes(Vec::new(), 1000));
        assert!(store.weight() <= ROOM && store.get(id(999)).is_some());
        // One that takes more than its part goes before all others as soon as another one is at hand.
        for n in 0..8 {
            store
                .get_mut(id(999))
                .expect("a row")
                .0
                .resize((10 << 10) * (n + 1), 0);
        }
        let others = store.sorted().len() - 1;
        for n in 0..64 {
            store.get_mut(id(999)).into_iter().for_each(|row| row.1 += n);
            store.entry(id(2000 + n), || Bytes(vec![0; 100], 2000 + n));
        }
        assert!(store.get(id(999)).is_none() && store.sorted().len() > others / 2);
        // What was stored is weighed as it comes back, and what was never used goes again.
        let mut other = super::Store::new(usize::MAX, ROOM);
        for n in 0..1000 {
            other.load(id(n), Bytes(vec![0; 1000], n));
        }
        assert!(other.weight() <= ROOM + 2000 && other.get(id(999)).is_some());
        let rows: Vec<_> = other.sorted().into_iter().map(|(id, _)| id).collect();
        rows.into_iter().for_each(|id| drop(other.remove(id)));
        assert_eq!(other.weight(), 0);
    }

    /// When this fails because a row has other fields: raise [`super::VERSION`], so that a store of before is named as
    /// such, and accept the new form.
    #[test]
    fn the_form_of_rows_is_that_of_their_version() {
        let mut scene = Scene::new();
        for n in 0..30 {
            let (name, client) = if n % 2 == 0 {
                ("a", "10.0.0.5")
            } else {
                ("a", "10.8.0.7")
            };
            let call = Call::get(format!("/orders/{}", 500 + n))
                .bearer(&agent_token(name, 0))
                .from(client);
            scene.send(&call.answer(r#"{"card_number":"4539578763621486"}"#));
            scene.send(&Call::get(format!("/x{n}y")).status(404));
        }
        scene.send(&Call::tool("search", "{}").status(200));
        let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search","description":"See https://a.example","inputSchema":{"type":"object"}}],"serverInfo":{"name":"s","version":"1"}}}"#;
        let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","clientInfo":{"name":"c"}}}"#;
        let call = Call::new("POST", "/mcp").field("Content-Type: application/json");
        scene.send(
            &call
                .body(hello)
                .field("Mcp-Session-Id: 0123456789abcdef")
                .answer(list),
        );
        // What one call has another server do, and what was refused before.
        let order = Call::new("DELETE", "/orders/ord-7719").at("10.9.9.2");
        scene.send(&order.clone().bearer(&agent_token("a", 0)).status(403));
        let done = order.from("10.9.9.1");
        let asked = Call::tool("remove", r#"{"order_id":"ord-7719"}"#).at("10.9.9.1");
        scene.nested(&asked, &[done]);
        let agent = r#"{"name":"a","description":"d","version":"1","url":"https://a.example/x","protocolVersion":"0.3.0","provider":{"organization":"o","url":"https://o.example"},"capabilities":{},"skills":[{"id":"s","name":"s"}],"signatures":[{"protected":"eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ","signature":"c2ln"}]}"#;
        scene.send(&Call::get("/.well-known/agent-card.json").answer(agent));
        scene.send(&Call::get("/v1/card").answer(agent));
        let sent = r#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"role":"user","parts":[],"messageId":"m"}}}"#;
        let task =
            r#"{"jsonrpc":"2.0","id":1,"result":{"kind":"task","id":"t","status":{"state":"completed"}}}"#;
        let call = Call::new("POST", "/").field("Content-Type: application/json");
        scene.send(&call.body(sent).answer(task));
        let mut form = BTreeSet::new();
        for change in scene.analyzer.take_changes() {
            let row: Value = serde_json::from_slice(&change.value.unwrap()).unwrap();
            let kind = change.key.split_once('/').map_or("", |(kind, _)| kind);
            fields(&row["row"], &format!("{}/{kind}", change.table.name()), &mut form);
        }
        let form: Vec<_> = form.into_iter().collect();
        insta::assert_snapshot!(format!("version {}\n{}", super::VERSION, form.join("\n")));
    }
}
