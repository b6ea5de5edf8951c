//! The way from reassembly to the desk: in the calling thread, or through two more. Where reassembly has threads of its own
//! ([`crate::shards`]), the events come from these.
//!
//! ```text
//!           one thread                        three threads
//! events ─▶ inventory ─▶ behaviour, desk      events ─▶║ inventory ─▶║ behaviour, desk
//!                                                       ▲             │
//!                                                       └─── loan ────┘
//! ```
//!
//! Events come to each stage in the same order either way, and neither stage sees how far another one is: so results are the same,
//! byte for byte. What needs both stages at once (a snapshot, a publication) falls between two exchanges that the calendar names:
//! there the thread of the inventory lends its stage to the desk and waits until it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use analyzers::{Attributed, InventoryStage};
use reassembly::{Counters, Event, Exchange, Flow, Limits, PartOf, Reassembler, Timestamp};

use crate::calendar::{Calendar, Due};
use crate::cores::{Cores, Part};
use crate::desk::Desk;
use crate::reload::Reloaded;
use crate::shards::{self, Ending, Merged, Reader};
use crate::source::Losses;
use crate::status::Board;

/// Events handed to another thread at once, and how many such parcels may wait for each. Together with the bytes below
/// this bounds what lies between the threads.
pub(crate) const PARCEL_EVENTS: usize = 128;
pub(crate) const PARCEL_BYTES: usize = 1 << 20;
const PARCELS: usize = 8;

/// Bytes of events that a capture lets pile up before it waits for the analysis: packets come whether somebody waits or not, and the
/// kernel's ring is for bursts. A disk that hangs for some seconds, or somebody else's lock on the store, then costs nothing.
const PATIENCE: usize = 24 << 20;

/// What passes from reassembly to the analysis.
pub(crate) enum Item {
    /// An exchange or a flow is over.
    Event(Event),
    /// Packet time has come this far, with what was seen and lost until then.
    Tick(Box<Tick>),
    /// From here on other settings are in force.
    Reload(Box<Reloaded>),
    /// Others were asked for and are not in force, for this reason.
    Refused(String),
}

/// Packet time, and what was seen and lost until then.
pub(crate) struct Tick {
    pub(crate) now: Timestamp,
    /// How long the capture goes on, by a clock that nobody sets.
    pub(crate) up: Duration,
    pub(crate) counters: Counters,
    pub(crate) drops: Option<Losses>,
    /// Time of the last packet, for those who ask.
    pub(crate) last_packet: Option<Timestamp>,
}

/// What passes from the inventory stage to the desk.
enum Step {
    Exchange(Box<Exchange>, Box<Attributed>),
    Part(Box<PartOf>),
    Flow(Box<Flow>),
    Tick(Timestamp),
    Reload(Box<Reloaded>),
    Refused(String),
}

enum ToDesk {
    Steps(Vec<Step>),
    /// The inventory stage, for what is due; with a tick, that tick. It is to be given back.
    Loan(Box<InventoryStage>, Due, Option<Box<Tick>>),
    /// The input is over, and the stage stays.
    End(Box<InventoryStage>),
}

pub(crate) enum Downstream {
    Here(Box<Desk>, Calendar),
    Threads {
        /// Where events do not come from shards.
        parcels: Option<Parcels>,
        full: Arc<AtomicBool>,
        inventory: JoinHandle<Option<Ending>>,
        desk: JoinHandle<Desk>,
        shards: Vec<JoinHandle<()>>,
    },
}

/// Parcels on their way to the inventory.
pub(crate) struct Parcels {
    sender: SyncSender<Vec<Item>>,
    parcel: Vec<Item>,
    bytes: usize,
    /// Bytes that may pile up here while the analysis is held up; none where the input can wait.
    patience: usize,
    full: Arc<AtomicBool>,
    board: Option<Arc<Board>>,
}

impl Parcels {
    #[inline]
    fn take(&mut self, item: Item) {
        self.bytes += match &item {
            Item::Event(event) => event.held(),
            _ => 0,
        };
        self.parcel.push(item);
        if self.parcel.len() >= PARCEL_EVENTS || self.bytes >= PARCEL_BYTES {
            match self.bytes < self.patience {
                true => self.offer(),
                false => self.send(),
            }
        }
    }

    /// Hands over what there is, unless the other side is held up.
    fn offer(&mut self) {
        if self.patience == 0 {
            return self.send();
        }
        if self.parcel.is_empty() {
            return;
        }
        let parcel = std::mem::take(&mut self.parcel);
        match self.sender.try_send(parcel) {
            Ok(()) => {
                self.bytes = 0;
                self.parcel = Vec::with_capacity(PARCEL_EVENTS);
                self.board.iter().for_each(|board| board.parcel_sent());
            }
            Err(TrySendError::Full(parcel)) => self.parcel = parcel,
            Err(TrySendError::Disconnected(_)) => self.full.store(true, Ordering::Relaxed),
        }
    }

    fn send(&mut self) {
        if self.parcel.is_empty() {
            return;
        }
        self.bytes = 0;
        self.board.iter().for_each(|board| board.parcel_sent());
        let parcel = std::mem::replace(&mut self.parcel, Vec::with_capacity(PARCEL_EVENTS));
        if self.sender.send(parcel).is_err() {
            // The other side ends only after this one: there was a defect in it. A capture must not go on as if somebody
            // still looked; finish() tells.
            self.full.store(true, Ordering::Relaxed);
        }
    }
}

/// Where the inventory takes items from.
enum Supply {
    Parcels(Receiver<Vec<Item>>),
    Shards(Box<Merged>),
}

/// Who does reassembly.
pub(crate) enum Reassembly {
    Here(Box<Reassembler>),
    Shards(Box<Reader>),
}

impl Downstream {
    /// With one worker everything happens in the calling thread. `pause` is called in each of the other threads before they take up
    /// something: nothing in the program, and in tests what upsets their timing.
    pub(crate) fn new(
        mut desk: Desk,
        limits: Limits,
        (workers, cores): (u8, &Cores),
        board: Option<Arc<Board>>,
        pause: fn(),
    ) -> (Reassembly, Self) {
        let calendar = desk.calendar();
        if workers <= 1 {
            let here = Self::Here(Box::new(desk), calendar);
            return (Reassembly::Here(Reassembler::new(limits).into()), here);
        }
        let full = Arc::new(AtomicBool::new(false));
        let (reassembly, parcels, from, shards) = match shards::wanted(workers) {
            0 => {
                let (sender, items) = sync_channel::<Vec<Item>>(PARCELS);
                board.iter().for_each(|board| board.parcels_may_wait(PARCELS));
                let parcels = Parcels {
                    sender,
                    parcel: Vec::with_capacity(PARCEL_EVENTS),
                    bytes: 0,
                    patience: if desk.is_live() { PATIENCE } else { 0 },
                    full: Arc::clone(&full),
                    board: board.clone(),
                };
                let here = Reassembly::Here(Reassembler::new(limits).into());
                (here, Some(parcels), Supply::Parcels(items), Vec::new())
            }
            wanted => {
                let (reader, merged, threads) =
                    shards::start(limits, wanted, cores, board.clone(), Arc::clone(&full), pause);
                (
                    Reassembly::Shards(reader.into()),
                    None,
                    Supply::Shards(merged.into()),
                    threads,
                )
            }
        };
        let (steps, to_desk) = sync_channel::<ToDesk>(PARCELS);
        let (give_back, returned) = channel();
        let asked = Arc::new(AtomicBool::new(false));
        let front = Front {
            stage: desk.part_with_inventory(),
            calendar,
            steps,
            returned,
            asked: Arc::clone(&asked),
        };
        let own = cores.clone();
        let inventory = std::thread::spawn(move || {
            own.pin(Part::Inventory);
            front.run(from, || {
                board.iter().for_each(|board| board.parcel_taken());
                pause();
            })
        });
        let tell = Arc::clone(&full);
        let own = cores.clone();
        let desk = std::thread::spawn(move || {
            own.pin(Part::Behaviour);
            work_at_desk(desk, &to_desk, &give_back, (&tell, &asked), pause)
        });
        cores.pin(Part::Reassembly);
        let threads = Self::Threads {
            parcels,
            full,
            inventory,
            desk,
            shards,
        };
        (reassembly, threads)
    }

    /// Takes what does not come through shards.
    #[inline]
    pub(crate) fn take(&mut self, item: Item) {
        match self {
            Self::Here(desk, calendar) => here(desk, calendar, item),
            Self::Threads { parcels, .. } => {
                if let Some(parcels) = parcels {
                    parcels.take(item);
                }
            }
        }
    }

    /// Makes sure that nothing waits here while no packets come.
    pub(crate) fn hand_over(&mut self) {
        if let Self::Threads {
            parcels: Some(parcels),
            ..
        } = self
        {
            parcels.offer();
        }
    }

    pub(crate) fn wants_no_more(&self) -> bool {
        match self {
            Self::Here(desk, _) => desk.wants_no_more(),
            Self::Threads { full, .. } => full.load(Ordering::Relaxed),
        }
    }

    /// The desk, when it has taken everything, and what shards told at the end. Their reader must have ended before.
    ///
    /// # Errors
    ///
    /// Only for a defect.
    pub(crate) fn finish(mut self) -> anyhow::Result<(Desk, Option<Ending>)> {
        if let Self::Threads {
            parcels: Some(parcels),
            ..
        } = &mut self
        {
            parcels.send();
        }
        match self {
            Self::Here(desk, _) => Ok((*desk, None)),
            Self::Threads {
                parcels,
                inventory,
                desk,
                shards,
                ..
            } => {
                let of_shards = parcels.is_none();
                drop(parcels);
                // All are waited for, also behind one that broke.
                let joined: Vec<bool> = shards.into_iter().map(|shard| shard.join().is_ok()).collect();
                let mut ended = joined.into_iter().all(|sound| sound);
                let ending = inventory.join();
                ended &= ending.is_ok();
                let ending = ending.ok().flatten();
                ended &= ending.is_some() == of_shards;
                let desk = desk.join().ok().filter(|_| ended);
                desk.map(|desk| (desk, ending)).ok_or_else(|| {
                    anyhow::anyhow!("the analysis stopped because of a defect in tapline; please report it")
                })
            }
        }
    }
}

#[inline]
fn here(desk: &mut Desk, calendar: &mut Calendar, item: Item) {
    match item {
        Item::Event(Event::Exchange(exchange)) => {
            if let Some(due) = calendar.before(exchange.ts()) {
                desk.attend(due, None);
            }
            desk.exchange(&exchange, None);
            if let Some(due) = calendar.after() {
                desk.attend(due, None);
            }
        }
        Item::Event(Event::Part(of)) => {
            desk.learn_part(&of);
            desk.part(&of);
        }
        Item::Event(Event::Flow(flow)) => desk.flow(&flow),
        Item::Reload(reloaded) => {
            desk.reconfigure_inventory(&reloaded);
            desk.reconfigure(&reloaded);
        }
        Item::Refused(why) => desk.note_refused(&why),
        Item::Tick(tick) => {
            if let Some(due) = calendar.tick(tick.up, desk.asks_for_snapshot()) {
                desk.attend(due, Some(&tick));
            }
            desk.tick(tick.now);
        }
    }
}

/// The thread of the inventory stage.
struct Front {
    stage: Box<InventoryStage>,
    calendar: Calendar,
    steps: SyncSender<ToDesk>,
    returned: Receiver<Box<InventoryStage>>,
    /// The desk asks for a snapshot before its time.
    asked: Arc<AtomicBool>,
}

/// The desk is gone, or a shard: there was a defect in its thread, which is told when it is joined.
pub(crate) struct Gone;

impl Front {
    /// `taken` is called with each parcel or round. Tells what shards told, where items come from these.
    fn run(mut self, from: Supply, mut taken: impl FnMut()) -> Option<Ending> {
        let ending = match from {
            Supply::Parcels(items) => {
                for parcel in items {
                    taken();
                    if self.parcel(parcel).is_err() {
                        return None;
                    }
                }
                None
            }
            Supply::Shards(merged) => Some(merged.run(taken, |parcel| self.parcel(parcel)).ok()?),
        };
        let _ = self.steps.send(ToDesk::End(self.stage));
        ending
    }

    /// One parcel comes in, one goes out, and more where something is due.
    fn parcel(&mut self, parcel: Vec<Item>) -> Result<(), Gone> {
        let mut out = Vec::with_capacity(parcel.len());
        for item in parcel {
            match item {
                Item::Event(Event::Exchange(exchange)) => {
                    if let Some(due) = self.calendar.before(exchange.ts()) {
                        self.lend(&mut out, due, None)?;
                    }
                    let attributed = Box::new(self.stage.observe(&exchange));
                    out.push(Step::Exchange(exchange, attributed));
                    if let Some(due) = self.calendar.after() {
                        self.lend(&mut out, due, None)?;
                    }
                }
                Item::Event(Event::Part(of)) => {
                    self.stage.observe_part(&of);
                    out.push(Step::Part(of));
                }
                Item::Event(Event::Flow(flow)) => out.push(Step::Flow(flow)),
                Item::Reload(reloaded) => {
                    self.stage.reconfigure(&reloaded.settings);
                    out.push(Step::Reload(reloaded));
                }
                Item::Refused(why) => out.push(Step::Refused(why)),
                Item::Tick(tick) => match self.calendar.tick(tick.up, self.asked.load(Ordering::Relaxed)) {
                    Some(due) => self.lend(&mut out, due, Some(tick))?,
                    None => out.push(Step::Tick(tick.now)),
                },
            }
        }
        self.send(ToDesk::Steps(out))
    }

    /// Lends the stage to the desk, behind everything that came before, and waits for it.
    fn lend(&mut self, out: &mut Vec<Step>, due: Due, tick: Option<Box<Tick>>) -> Result<(), Gone> {
        self.send(ToDesk::Steps(std::mem::take(out)))?;
        let stage = std::mem::replace(&mut self.stage, Box::new(InventoryStage::empty()));
        self.send(ToDesk::Loan(stage, due, tick))?;
        self.stage = self.returned.recv().map_err(|_| Gone)?;
        Ok(())
    }

    fn send(&self, message: ToDesk) -> Result<(), Gone> {
        self.steps.send(message).map_err(|_| Gone)
    }
}

/// The thread of the desk.
fn work_at_desk(
    mut desk: Desk,
    messages: &Receiver<ToDesk>,
    give_back: &Sender<Box<InventoryStage>>,
    (full, asked): (&AtomicBool, &AtomicBool),
    pause: fn(),
) -> Desk {
    for message in messages {
        pause();
        match message {
            ToDesk::Steps(steps) => steps.into_iter().for_each(|step| match step {
                Step::Exchange(exchange, attributed) => desk.exchange(&exchange, Some(*attributed)),
                Step::Part(of) => desk.part(&of),
                Step::Flow(flow) => desk.flow(&flow),
                Step::Tick(now) => desk.tick(now),
                Step::Reload(reloaded) => desk.reconfigure(&reloaded),
                Step::Refused(why) => desk.note_refused(&why),
            }),
            ToDesk::Loan(stage, due, tick) => {
                desk.take_inventory(stage);
                desk.attend(due, tick.as_deref());
                tick.iter().for_each(|tick| desk.tick(tick.now));
                // It waits for this; were it gone, finish() tells.
                let _ = give_back.send(desk.part_with_inventory());
            }
            ToDesk::End(stage) => desk.take_inventory(stage),
        }
        if desk.wants_no_more() {
            full.store(true, Ordering::Relaxed);
        }
        asked.store(desk.asks_for_snapshot(), Ordering::Relaxed);
    }
    desk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_does_not_wait_for_an_analysis_that_is_held_up() {
        let (sender, receiver) = sync_channel(1);
        let mut parcels = Parcels {
            sender,
            parcel: Vec::new(),
            bytes: 0,
            patience: PATIENCE,
            full: Arc::default(),
            board: None,
        };
        // Nobody takes anything, and this comes to its end all the same.
        for number in 0..1000 {
            parcels.take(Item::Refused(number.to_string()));
        }
        parcels.offer();
        let taken = std::thread::spawn(move || {
            let items = receiver.into_iter().flatten();
            let numbers = items.map(|item| match item {
                Item::Refused(number) => number.parse::<u32>().expect("a number"),
                _ => u32::MAX,
            });
            numbers.collect::<Vec<_>>()
        });
        // What piled up until there is no more patience is waited for.
        parcels.bytes = PATIENCE;
        parcels.take(Item::Refused("1000".to_owned()));
        parcels.send();
        drop(parcels);
        assert_eq!(taken.join().expect("it ends"), (0..=1000).collect::<Vec<_>>());
    }
}
