//! Finds the flow a segment belongs to; flows quiet for longest are first to go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hashbrown::HashMap;

/// What tells flows apart: both ends, ordered so that either direction gives the same key. In whole numbers, which are
/// quick to hash and to compare: every packet asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FlowKey {
    low: u128,
    high: u128,
    /// The ports of `low` and `high`, and the family: 1 for IPv6.
    ports: u64,
    /// VLAN and network identifier, where they tell flows apart.
    network: u64,
}

impl FlowKey {
    /// The key, and which end sent: 0 for the lower address, 1 for the higher. Both are of one family.
    pub(crate) fn new(
        src: (IpAddr, u16),
        dst: (IpAddr, u16),
        network: (Option<u16>, Option<u32>),
    ) -> (Self, usize) {
        let number = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => u128::from(ip.to_bits()),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let (from, to) = ((number(src.0), src.1), (number(dst.0), dst.1));
        let (low, high, side) = if from <= to { (from, to, 0) } else { (to, from, 1) };
        let (vlan, vni) = network;
        let key = Self {
            low: low.0,
            high: high.0,
            ports: u64::from(src.0.is_ipv6()) << 32 | u64::from(low.1) << 16 | u64::from(high.1),
            network: vlan.map_or(0, |vlan| 1 << 63 | u64::from(vlan) << 32)
                | vni.map_or(0, |vni| 1 << 62 | u64::from(vni)),
        };
        (key, side)
    }

    /// The end of that number.
    pub(crate) fn end(&self, side: usize) -> (IpAddr, u16) {
        let (number, shift) = if side == 0 { (self.low, 16) } else { (self.high, 0) };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the parts it was put together from"
        )]
        let (port, v4) = ((self.ports >> shift) as u16, number as u32);
        if self.ports >> 32 == 1 {
            (Ipv6Addr::from_bits(number).into(), port)
        } else {
            (Ipv4Addr::from_bits(v4).into(), port)
        }
    }
}

const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Slot<T> {
    key: FlowKey,
    value: T,
}

/// The place of a slot in the order of use. Beside the slots, close together: each packet changes three of them.
#[derive(Debug, Clone, Copy)]
struct Link {
    older: u32,
    newer: u32,
    /// Of the flow there.
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
    links: Vec<Link>,
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
            links: Vec::new(),
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
        Some(self.id(slot))
    }

    pub(crate) fn insert(&mut self, key: FlowKey, value: T) -> FlowId {
        self.generation = self.generation.wrapping_add(1);
        let link = Link {
            older: NONE,
            newer: NONE,
            generation: self.generation,
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
        self.index.insert(key, slot);
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

    /// Makes a flow the one used last.
    pub(crate) fn touch(&mut self, id: FlowId) {
        if self.newest != id.slot {
            self.unlink(id.slot);
            self.link_newest(id.slot);
        }
    }

    /// The flow not used for longest.
    pub(crate) fn oldest(&self) -> Option<(FlowId, &T)> {
        let entry = self.slots.get(self.oldest as usize)?.as_ref()?;
        Some((self.id(self.oldest), &entry.value))
    }

    pub(crate) fn remove(&mut self, id: FlowId) -> Option<T> {
        if self.links.get(id.slot as usize)?.generation != id.generation {
            return None;
        }
        let entry = self.slots[id.slot as usize].take()?;
        self.unlink(id.slot);
        self.index.remove(&entry.key);
        self.free.push(id.slot);
        Some(entry.value)
    }

    fn id(&self, slot: u32) -> FlowId {
        let generation = self.links[slot as usize].generation;
        FlowId { slot, generation }
    }

    fn unlink(&mut self, slot: u32) {
        let Link { older, newer, .. } = self.links[slot as usize];
        match self.links.get_mut(older as usize) {
            Some(o) => o.newer = newer,
            None => self.oldest = newer,
        }
        match self.links.get_mut(newer as usize) {
            Some(n) => n.older = older,
            None => self.newest = older,
        }
    }

    fn link_newest(&mut self, slot: u32) {
        let last = self.newest;
        let link = &mut self.links[slot as usize];
        (link.older, link.newer) = (last, NONE);
        match self.links.get_mut(last as usize) {
            Some(l) => l.newer = slot,
            None => self.oldest = slot,
        }
        self.newest = slot;
    }
}
