//! Finds the flow a segment belongs to; flows quiet for longest are first to go.

use std::net::IpAddr;

use hashbrown::HashMap;

/// What tells flows apart: both ends, ordered so that either direction gives the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FlowKey {
    low: (IpAddr, u16),
    high: (IpAddr, u16),
    /// VLAN and network identifier, where they tell flows apart.
    network: (Option<u16>, Option<u32>),
}

impl FlowKey {
    /// The key, and which end sent: 0 for the lower address, 1 for the higher.
    pub(crate) fn new(
        src: (IpAddr, u16),
        dst: (IpAddr, u16),
        network: (Option<u16>, Option<u32>),
    ) -> (Self, usize) {
        if src <= dst {
            (
                Self {
                    low: src,
                    high: dst,
                    network,
                },
                0,
            )
        } else {
            (
                Self {
                    low: dst,
                    high: src,
                    network,
                },
                1,
            )
        }
    }

    /// The end of that number.
    pub(crate) fn end(&self, side: usize) -> (IpAddr, u16) {
        if side == 0 { self.low } else { self.high }
    }
}

const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Slot<T> {
    key: FlowKey,
    value: T,
    older: u32,
    newer: u32,
    generation: u32,
}

/// A handle that notices when its flow is gone and its place was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlowId {
    pub(crate) slot: u32,
    generation: u32,
}

/// Flows by key, in order of last use. Iteration never follows the hash, so the order of what is given up
/// is the same on every machine although the hash is seeded anew in every process.
#[derive(Debug)]
pub(crate) struct Table<T> {
    index: HashMap<FlowKey, u32>,
    /// Each in its own place, so that the table grows without moving them and shrinks when they go.
    slots: Vec<Option<Box<Slot<T>>>>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
    generation: u32,
}

impl<T> Table<T> {
    pub(crate) fn new() -> Self {
        Self {
            index: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
            generation: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn find(&self, key: &FlowKey) -> Option<FlowId> {
        let slot = *self.index.get(key)?;
        Some(FlowId {
            slot,
            generation: self.slot(slot)?.generation,
        })
    }

    pub(crate) fn insert(&mut self, key: FlowKey, value: T) -> FlowId {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let entry = Box::new(Slot {
            key,
            value,
            older: NONE,
            newer: NONE,
            generation,
        });
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(entry);
                slot
            }
            None => {
                self.slots.push(Some(entry));
                u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
            }
        };
        self.index.insert(key, slot);
        self.link_newest(slot);
        FlowId { slot, generation }
    }

    pub(crate) fn get_mut(&mut self, id: FlowId) -> Option<&mut T> {
        self.slots
            .get_mut(id.slot as usize)?
            .as_mut()
            .filter(|s| s.generation == id.generation)
            .map(|s| &mut s.value)
    }

    /// Makes a flow the one used last.
    pub(crate) fn touch(&mut self, id: FlowId) {
        if self.newest != id.slot {
            self.unlink(id.slot);
            self.link_newest(id.slot);
        }
    }

    /// The flow not used for longest.
    pub(crate) fn oldest(&self) -> Option<(FlowId, &T)> {
        let entry = self.slot(self.oldest)?;
        Some((
            FlowId {
                slot: self.oldest,
                generation: entry.generation,
            },
            &entry.value,
        ))
    }

    pub(crate) fn remove(&mut self, id: FlowId) -> Option<T> {
        if self.slot(id.slot)?.generation != id.generation {
            return None;
        }
        self.unlink(id.slot);
        let entry = self.slots[id.slot as usize].take()?;
        self.index.remove(&entry.key);
        self.free.push(id.slot);
        Some(entry.value)
    }

    fn slot(&self, slot: u32) -> Option<&Slot<T>> {
        self.slots.get(slot as usize)?.as_deref()
    }

    fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot<T>> {
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }

    fn unlink(&mut self, slot: u32) {
        let Some(entry) = self.slot(slot) else { return };
        let (older, newer) = (entry.older, entry.newer);
        match self.slot_mut(older) {
            Some(o) => o.newer = newer,
            None => self.oldest = newer,
        }
        match self.slot_mut(newer) {
            Some(n) => n.older = older,
            None => self.newest = older,
        }
    }

    fn link_newest(&mut self, slot: u32) {
        let last = self.newest;
        if let Some(entry) = self.slot_mut(slot) {
            entry.older = last;
            entry.newer = NONE;
        }
        match self.slot_mut(last) {
            Some(l) => l.newer = slot,
            None => self.oldest = slot,
        }
        self.newest = slot;
    }
}
