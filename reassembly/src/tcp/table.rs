//! Finds the flow a segment belongs to, and the one that makes way when there are too many: of those that matter least,
//! the one quiet for longest.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::packet::FlowKey;

const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Slot<T> {
    key: FlowKey,
    value: T,
}

/// How much would be lost with a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Nothing: it is over, and remembered for packets that come late.
    Over,
    /// Little: nothing was read of it yet. Anybody can begin flows, as many as he likes, and from any address.
    New,
    /// Both ends take part, and it is known what they speak.
    Proven,
    /// Much, but it takes more memory than others.
    Heavy,
}

impl Class {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Over, Self::New, Self::Proven, Self::Heavy];
}

/// New flows make way before proven ones while they are more than one in so many: so they cannot push those out, and have
/// some time to prove themselves where a table is full of proven ones.
const NEW_SHARE: usize = 4;

/// Flows of a class in order of last use.
#[derive(Debug, Clone, Copy)]
struct Order {
    oldest: u32,
    newest: u32,
    len: usize,
}

impl Order {
    const EMPTY: Self = Self {
        oldest: NONE,
        newest: NONE,
        len: 0,
    };
}

/// The place of a slot in the order of use. Beside the slots, close together: each packet changes three of them.
#[derive(Debug, Clone, Copy)]
struct Link {
    older: u32,
    newer: u32,
    /// Of the flow there.
    generation: u32,
    class: Class,
}

/// A handle that notices when its flow is gone and its place was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlowId {
    pub(crate) slot: u32,
    generation: u32,
}

/// Flows by key, those of each class in order of last use. Iteration never follows the hash, so the order of what is given up
/// is the same on every machine although the hash is seeded anew in every process.
#[derive(Debug)]
pub(crate) struct Table<T> {
    /// Slots by the hash of their keys: small, so that it stays in the cache of a core.
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Each in its own place, so that the table grows without moving them and shrinks when they go.
    slots: Vec<Option<Box<Slot<T>>>>,
    links: Vec<Link>,
    free: Vec<u32>,
    orders: [Order; Class::ALL.len()],
    generation: u32,
}

impl<T> Table<T> {
    pub(crate) fn new() -> Self {
        Self {
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            slots: Vec::new(),
            links: Vec::new(),
            free: Vec::new(),
            orders: [Order::EMPTY; Class::ALL.len()],
            generation: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn find(&self, key: &FlowKey) -> Option<FlowId> {
        let is_it = |slot: &u32| self.key(*slot) == Some(key);
        let slot = *self.index.find(self.hasher.hash_one(key), is_it)?;
        Some(self.id(slot))
    }

    /// The key of the flow in a slot.
    fn key(&self, slot: u32) -> Option<&FlowKey> {
        let entry = self.slots.get(slot as usize)?.as_ref()?;
        Some(&entry.key)
    }

    /// Takes in a new flow.
    pub(crate) fn insert(&mut self, key: FlowKey, value: T) -> FlowId {
        self.generation = self.generation.wrapping_add(1);
        let link = Link {
            older: NONE,
            newer: NONE,
            generation: self.generation,
            class: Class::New,
        };
        let entry = Some(Box::new(Slot { key, value }));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = entry;
                self.links[slot as usize] = link;
                slot
            }
            None => {
                self.slots.push(entry);
                self.links.push(link);
                u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
            }
        };
        let Self {
            index, hasher, slots, ..
        } = self;
        let again = |slot: &u32| {
            let entry = slots.get(*slot as usize).and_then(Option::as_ref);
            entry.map_or(0, |entry| hasher.hash_one(entry.key))
        };
        index.insert_unique(hasher.hash_one(key), slot, again);
        self.link_newest(slot);
        self.id(slot)
    }

    pub(crate) fn get_mut(&mut self, id: FlowId) -> Option<&mut T> {
        self.links
            .get(id.slot as usize)
            .filter(|l| l.generation == id.generation)?;
        let slot = self.slots.get_mut(id.slot as usize)?.as_mut()?;
        Some(&mut slot.value)
    }

    /// Makes a flow the one used last of its class.
    pub(crate) fn touch(&mut self, id: FlowId) {
        let class = self.links[id.slot as usize].class;
        if self.orders[class as usize].newest != id.slot {
            self.unlink(id.slot);
            self.link_newest(id.slot);
        }
    }

    /// Puts a flow into a class, as the one used last there.
    pub(crate) fn classify(&mut self, id: FlowId, class: Class) {
        let link = self.links.get(id.slot as usize);
        if link.is_some_and(|l| l.generation == id.generation && l.class != class) {
            self.unlink(id.slot);
            self.links[id.slot as usize].class = class;
            self.link_newest(id.slot);
        }
    }

    /// The flow of a class not used for longest.
    pub(crate) fn oldest(&self, class: Class) -> Option<(FlowId, &T)> {
        let slot = self.orders[class as usize].oldest;
        let entry = self.slots.get(slot as usize)?.as_ref()?;
        Some((self.id(slot), &entry.value))
    }

    /// The flow that makes way for others; it is not `spared`.
    pub(crate) fn victim(&self, spared: Option<FlowId>) -> Option<FlowId> {
        let [over, new, proven, heavy] = Class::ALL;
        let many = self.orders[new as usize].len * NEW_SHARE > self.len();
        let order = if many {
            [over, new, proven, heavy]
        } else {
            [over, proven, heavy, new]
        };
        order.into_iter().find_map(|class| {
            let (id, _) = self.oldest(class)?;
            if Some(id) != spared {
                return Some(id);
            }
            let next = self.links[id.slot as usize].newer;
            (next != NONE).then(|| self.id(next))
        })
    }

    pub(crate) fn remove(&mut self, id: FlowId) -> Option<T> {
        if self.links.get(id.slot as usize)?.generation != id.generation {
            return None;
        }
        let entry = self.slots[id.slot as usize].take()?;
        self.unlink(id.slot);
        let hash = self.hasher.hash_one(entry.key);
        if let Ok(found) = self.index.find_entry(hash, |slot| *slot == id.slot) {
            found.remove();
        }
        self.free.push(id.slot);
        Some(entry.value)
    }

    fn id(&self, slot: u32) -> FlowId {
        let generation = self.links[slot as usize].generation;
        FlowId { slot, generation }
    }

    fn unlink(&mut self, slot: u32) {
        let Link {
            older, newer, class, ..
        } = self.links[slot as usize];
        let order = &mut self.orders[class as usize];
        order.len -= 1;
        match self.links.get_mut(older as usize) {
            Some(o) => o.newer = newer,
            None => order.oldest = newer,
        }
        match self.links.get_mut(newer as usize) {
            Some(n) => n.older = older,
            None => order.newest = older,
        }
    }

    fn link_newest(&mut self, slot: u32) {
        let link = &mut self.links[slot as usize];
        let order = &mut self.orders[link.class as usize];
        order.len += 1;
        let last = std::mem::replace(&mut order.newest, slot);
        (link.older, link.newer) = (last, NONE);
        match self.links.get_mut(last as usize) {
            Some(l) => l.newer = slot,
            None => order.oldest = slot,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn key(n: u8) -> FlowKey {
        let end = |last: u8| (IpAddr::from([10, 0, 0, last]), 80);
        FlowKey::new(end(n), end(255), (None, None)).0
    }

    /// Lets all flows make way, one after the other.
    fn victims(table: &mut Table<u8>) -> Vec<u8> {
        std::iter::from_fn(|| table.victim(None).and_then(|id| table.remove(id))).collect()
    }

    #[test]
    fn what_is_over_makes_way_first_and_what_is_new_before_what_is_proven() {
        let mut table = Table::new();
        let ids: Vec<FlowId> = (0..8).map(|n| table.insert(key(n), n)).collect();
        for n in [0, 1, 2, 3, 4] {
            table.classify(ids[n], Class::Proven);
        }
        table.classify(ids[3], Class::Over);
        table.touch(ids[0]);
        assert_eq!(table.oldest(Class::Proven).map(|(_, n)| *n), Some(1));
        // One in four flows may be new before those that are proven have to go.
        assert_eq!(victims(&mut table), [3, 5, 6, 1, 2, 7, 4, 0]);
    }

    #[test]
    fn a_flow_that_is_spared_stays_while_there_is_another() {
        let mut table = Table::new();
        let ids: Vec<FlowId> = (0..3).map(|n| table.insert(key(n), n)).collect();
        assert_eq!(table.victim(Some(ids[0])), Some(ids[1]));
        table.remove(ids[1]);
        table.classify(ids[2], Class::Proven);
        assert_eq!(table.victim(Some(ids[0])), Some(ids[2]));
        table.remove(ids[2]);
        assert_eq!(table.victim(Some(ids[0])), None);
        assert_eq!(table.victim(None), Some(ids[0]));
    }

    #[test]
    fn a_handle_of_a_flow_that_is_gone_changes_no_other() {
        let mut table = Table::new();
        let gone = table.insert(key(1), 1);
        table.remove(gone);
        let there = table.insert(key(2), 2);
        assert_eq!(there.slot, gone.slot);
        table.classify(gone, Class::Over);
        assert_eq!(table.oldest(Class::New), Some((there, &2)));
        assert!(table.get_mut(gone).is_none());
    }
}
