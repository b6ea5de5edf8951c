//! The way from reassembly to the desk: in the calling thread, or through two more.
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
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use analyzers::{Attributed, InventoryStage};
use reassembly::{Counters, Event, Exchange, Flow, Message, PartOf, Timestamp};

use crate::calendar::{Calendar, Due};
use crate::cores::{Cores, Part};
use crate::desk::Desk;
use crate::reload::Reloaded;
use crate::source::Losses;
use crate::status::Board;

/// Events handed to another thread at once, and how many such parcels may wait for each. Together with the bytes below
/// this bounds what lies between the threads.
const PARCEL_EVENTS: usize = 128;
const PARCEL_BYTES: usize = 1 << 20;
const PARCELS: usize = 8;

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
        sender: SyncSender<Vec<Item>>,
        parcel: Vec<Item>,
        bytes: usize,
        full: Arc<AtomicBool>,
        board: Option<Arc<Board>>,
        inventory: JoinHandle<()>,
        desk: JoinHandle<Desk>,
    },
}

impl Downstream {
    /// With one worker everything happens in the calling thread. `pause` is called in each of the other threads before they take up
    /// something: nothing in the program, and in tests what upsets their timing.
    pub(crate) fn new(
        mut desk: Desk,
        (workers, cores): (u8, &Cores),
        board: Option<Arc<Board>>,
        pause: fn(),
    ) -> Self {
        let calendar = desk.calendar();
        if workers <= 1 {
            return Self::Here(Box::new(desk), calendar);
        }
        let (sender, items) = sync_channel::<Vec<Item>>(PARCELS);
        let (steps, to_desk) = sync_channel::<ToDesk>(PARCELS);
        let (give_back, returned) = channel();
        let full = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(AtomicBool::new(false));
        let front = Front {
            stage: desk.part_with_inventory(),
            calendar,
            steps,
            returned,
            asked: Arc::clone(&asked),
        };
        board.iter().for_each(|board| board.parcels_may_wait(PARCELS));
        let emptied = board.clone();
        let own = cores.clone();
        let inventory = std::thread::spawn(move || {
            own.pin(Part::Inventory);
            front.run(&items, || {
                emptied.iter().for_each(|board| board.parcel_taken());
                pause();
            });
        });
        let tell = Arc::clone(&full);
        let own = cores.clone();
        let desk = std::thread::spawn(move || {
            own.pin(Part::Behaviour);
            work_at_desk(desk, &to_desk, &give_back, (&tell, &asked), pause)
        });
        cores.pin(Part::Reassembly);
        Self::Threads {
            sender,
            parcel: Vec::with_capacity(PARCEL_EVENTS),
            bytes: 0,
            full,
            board,
            inventory,
            desk,
        }
    }

    #[inline]
    pub(crate) fn take(&mut self, item: Item) {
        match self {
            Self::Here(desk, calendar) => here(desk, calendar, item),
            Self::Threads {
                sender,
                parcel,
                bytes,
                board,
                full,
                ..
            } => {
                *bytes += held(&item);
                parcel.push(item);
                if parcel.len() >= PARCEL_EVENTS || *bytes >= PARCEL_BYTES {
                    *bytes = 0;
                    board.iter().for_each(|board| board.parcel_sent());
                    let parcel = std::mem::replace(parcel, Vec::with_capacity(PARCEL_EVENTS));
                    if sender.send(parcel).is_err() {
                        // The other side ends only after this one: there was a defect in it. A capture must not go on as if somebody
                        // still looked; finish() tells.
                        full.store(true, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    /// Makes sure that nothing waits here while no packets come.
    pub(crate) fn hand_over(&mut self) {
        if let Self::Threads {
            sender,
            parcel,
            bytes,
            board,
            full,
            ..
        } = self
            && !parcel.is_empty()
        {
            *bytes = 0;
            board.iter().for_each(|board| board.parcel_sent());
            if sender.send(std::mem::take(parcel)).is_err() {
                full.store(true, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn wants_no_more(&self) -> bool {
        match self {
            Self::Here(desk, _) => desk.wants_no_more(),
            Self::Threads { full, .. } => full.load(Ordering::Relaxed),
        }
    }

    /// The desk, when it has taken everything.
    ///
    /// # Errors
    ///
    /// Only for a defect.
    pub(crate) fn finish(mut self) -> anyhow::Result<Desk> {
        self.hand_over();
        match self {
            Self::Here(desk, _) => Ok(*desk),
            Self::Threads {
                sender,
                inventory,
                desk,
                ..
            } => {
                drop(sender);
                let ended = inventory.join().is_ok();
                let desk = desk.join().ok().filter(|_| ended);
                desk.ok_or_else(|| {
                    anyhow::anyhow!("the analysis stopped because of a defect in tapline; please report it")
                })
            }
        }
    }
}

/// Bytes of bodies that an item carries.
fn held(item: &Item) -> usize {
    let body = |m: &Message| m.body.len();
    match item {
        Item::Event(Event::Exchange(exchange)) => {
            exchange.request.as_ref().map_or(0, |r| body(&r.message))
                + exchange.response.as_ref().map_or(0, |r| body(&r.message))
        }
        Item::Event(Event::Part(part)) => part.part.body.len(),
        _ => 0,
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

/// The desk is gone: there was a defect in its thread, which is told when it is joined.
struct Gone;

impl Front {
    /// `taken` is called with each parcel.
    fn run(mut self, items: &Receiver<Vec<Item>>, taken: impl Fn()) {
        for parcel in items {
            taken();
            if self.parcel(parcel).is_err() {
                return;
            }
        }
        let _ = self.steps.send(ToDesk::End(self.stage));
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
