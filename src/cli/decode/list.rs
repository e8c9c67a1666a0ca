//! Rows are made and printed here: on the thread that reads, or on one of their own.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::{Scope, ScopedJoinHandle};

use crate::decode::{Comments, Row, Rows, Selection};
use crate::dissect::Dissection;
use crate::filter::Filter;
use crate::origin::Time;
use crate::session::{Answers, Batch, Event, Observer, RtmpSession, Told};
use crate::tcp::Connection;

use super::print::Printer;

/// What is printed of a capture's rows.
pub struct List<'o> {
    printer: Printer<'o>,
    filter: Option<Filter>,
    selection: Selection,
    outcomes: Answers,
    comments: Comments,
    /// How many rows are still wanted.
    left: u64,
    /// What went wrong, after which nothing is printed.
    failure: Option<anyhow::Error>,
}

impl<'o> List<'o> {
    /// At most `most` rows, those that `selection` and `filter` let through; calls with what became of them.
    pub fn new(
        printer: Printer<'o>,
        filter: Option<Filter>,
        selection: Selection,
        outcomes: Answers,
        comments: Comments,
        most: u64,
    ) -> List<'o> {
        List { printer, filter, selection, outcomes, comments, left: most, failure: None }
    }

    fn row(&mut self, row: &Row<'_>, event: &Event<'_>, start: Time) {
        if self.left == 0 || self.failure.is_some() {
            return;
        }
        let row = Dissection::new(row, event, start);
        if self.filter.as_ref().is_some_and(|filter| !filter.matches(&row)) {
            return;
        }
        self.left -= 1;
        if let Err(error) = self.printer.print(&row, start) {
            self.failure = Some(error);
        }
    }

    /// Hands on what is printed so far.
    pub fn flush(&mut self) {
        if let Err(error) = self.printer.flush() {
            self.failure = Some(error);
        }
    }

    /// Whether more is of use.
    pub fn wants_more(&self) -> bool {
        self.left > 0 && self.failure.is_none() && !self.printer.is_closed()
    }

    /// Prints what comes after the last row, and gives the number of rows.
    pub fn finish(self) -> anyhow::Result<u64> {
        match self.failure {
            Some(error) => Err(error),
            None => self.printer.finish(),
        }
    }
}

/// The rows of events, handed to `list`; `start` is the time of the capture's first frame.
pub fn rows<'l>(list: &'l RefCell<List<'_>>, start: &'l Cell<Time>) -> Rows<impl FnMut(&Row<'_>, &Event<'_>) + 'l> {
    let (selection, outcomes, comments) = {
        let mut list = list.borrow_mut();
        (list.selection.clone(), std::mem::take(&mut list.outcomes), list.comments.clone())
    };
    let rows = Rows::new(selection, |row, event| list.borrow_mut().row(row, event, start.get()));
    rows.with_outcomes(outcomes).with_comments(comments)
}

/// Events on their way to the thread that makes rows of them and prints them: a third of the work of a list, and more
/// than half of that of JSON.
pub struct Handed<'t> {
    batch: Batch,
    start: &'t Cell<Time>,
    full: SyncSender<(Batch, Time)>,
    empty: Receiver<Batch>,
}

/// The thread that prints a list.
pub struct Printing<'s, 'o>(ScopedJoinHandle<'s, List<'o>>);

/// Begins to print `list` on a thread of its own: what observes the events for it, and what ends it. `is_enough` is
/// set when no more rows are of use.
pub fn apart<'s, 'o: 's, 't>(
    scope: &'s Scope<'s, '_>,
    list: List<'o>,
    start: &'t Cell<Time>,
    is_enough: &'s AtomicBool,
) -> (Handed<'t>, Printing<'s, 'o>) {
    // One waits while another is printed, so that memory does not depend on which thread is the faster one.
    let (full, arriving) = mpsc::sync_channel(1);
    let (used, empty) = mpsc::channel();
    let printing = scope.spawn(move || print(list, &arriving, &used, is_enough));
    (Handed { batch: Batch::default(), start, full, empty }, Printing(printing))
}

fn print<'o>(
    list: List<'o>,
    arriving: &Receiver<(Batch, Time)>,
    used: &Sender<Batch>,
    is_enough: &AtomicBool,
) -> List<'o> {
    let (list, start) = (RefCell::new(list), Cell::default());
    let mut rows = rows(&list, &start);
    for (mut batch, began) in arriving {
        start.set(began);
        for told in batch.told() {
            match told {
                Told::Event(event) => rows.event(&event),
                Told::Closed(connection) => rows.forget(connection),
            }
        }
        if !list.borrow().wants_more() {
            is_enough.store(true, Ordering::Relaxed);
        }
        batch.clear();
        // After the last one nobody takes it back.
        let _ = used.send(batch);
    }
    drop(rows);
    list.into_inner()
}

impl<'o> Printing<'_, 'o> {
    /// Waits until all is printed that was handed over.
    pub fn finish(self) -> List<'o> {
        self.0.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Handed<'_> {
    fn hand_over(&mut self) {
        let next = self.empty.try_recv().unwrap_or_default();
        // Where nobody takes it, the other thread panicked, which is found when it is waited for.
        let _ = self.full.send((std::mem::replace(&mut self.batch, next), self.start.get()));
    }
}

impl Observer for Handed<'_> {
    fn event(&mut self, event: &Event<'_>) {
        self.batch.event(event);
        if self.batch.is_full() {
            self.hand_over();
        }
    }

    fn closed(&mut self, connection: &Connection, _: &RtmpSession) {
        self.batch.closed(connection);
        if self.batch.is_full() {
            self.hand_over();
        }
    }
}

/// Rows before an error are printed too.
impl Drop for Handed<'_> {
    fn drop(&mut self) {
        if !self.batch.is_empty() {
            self.hand_over();
        }
    }
}
