//! Running a simulation: blocks of accounts in parallel, files in order.
//!
//! A block is a fixed range of accounts (fewer for more months). It is lived, its usage is written to a part file of its
//! own, and its other rows are handed over, by one thread; the blocks of a wave run in parallel and their rows are
//! appended in the order of the accounts. So the bytes depend on the parameters alone, and memory on the rows of a wave.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use crate::SimulateError;
use crate::calendar::{Day, midnight};
use crate::firmographics::{FirmographicRow, write_firmographics};
use crate::goals::{GoalRow, write_goals};
use crate::invoices::{InvoiceRow, write_invoices};
use crate::life::{Life, live};
use crate::meetings::{MeetingRow, write_meetings};
use crate::modules::{ItemRow, write_items};
use crate::parameters::Simulation;
use crate::people::{ContactRow, people, write_contacts};
use crate::spend::{SpendRow, write_spend};
use crate::tables::{AccountRow, SubscriptionRow};
use crate::truth::{CHURN_DAYS, EXPANSION_DAYS, EXPANSION_RATIO, Truth, truths};
use crate::usage::{UsageRow, write_usage};
use crate::voice::{NpsRow, TicketRow, write_nps, write_tickets};
use crate::write::{Staging, TableWriter};

/// Is told how far a simulation has come, and may stop it.
pub trait Observer: Sync {
    /// `done` of `total` accounts are written.
    fn accounts_written(&self, done: u64, total: u64) {
        let _ = (done, total);
    }

    /// Asked before each account, from any thread; `false` ends the run with [`SimulateError::Stopped`] and publishes nothing.
    fn keep_going(&self) -> bool {
        true
    }
}

/// The observer that does not care.
impl Observer for () {}

/// How often an outcome followed, over all mature (account, month) pairs of active accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Frequency {
    /// Pairs with the outcome.
    pub events: u64,
    /// All pairs.
    pub rows: u64,
}

impl Frequency {
    /// Events per row, in [0, 1]; NaN without rows.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.rows as f64
    }

    fn count(&mut self, event: bool) {
        self.events += u64::from(event);
        self.rows += 1;
    }

    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.rows += other.rows;
    }
}

/// What a simulation wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Rows of `data/accounts.parquet`.
    pub accounts: u64,
    /// Accounts that are still customers at the end.
    pub active_at_end: u64,
    /// Files under `data/usage/`.
    pub usage_files: u64,
    /// Rows of all of them.
    pub usage_rows: u64,
    /// Rows of `data/subscriptions.parquet`.
    pub subscription_rows: u64,
    /// Rows of `data/nps.parquet`.
    pub nps_rows: u64,
    /// Rows of `data/invoices.parquet`.
    pub invoice_rows: u64,
    /// Rows of `data/tickets.parquet`.
    pub ticket_rows: u64,
    /// Rows of `data/subscription_items.parquet`.
    pub item_rows: u64,
    /// Rows of `data/contacts.parquet`.
    pub contact_rows: u64,
    /// Rows of `data/meetings.parquet`.
    pub meeting_rows: u64,
    /// Rows of `data/firmographics.parquet`.
    pub firmographic_rows: u64,
    /// Rows of `data/spend.parquet`.
    pub spend_rows: u64,
    /// Rows of `data/goals.parquet`.
    pub goal_rows: u64,
    /// Rows of `truth/probabilities.parquet`; 0 where it was not asked for.
    pub truth_rows: u64,
    /// How often churn within 90 days followed.
    pub churn_90d: Frequency,
    /// How often an expansion within 60 days followed.
    pub expansion_60d: Frequency,
}

/// Accounts times months of a block: about a third of a million rows of usage.
const BLOCK_ACCOUNT_MONTHS: u32 = 16_384;
/// Largest number of accounts in a block.
const BLOCK_ACCOUNTS: u32 = 4_096;

impl Simulation {
    /// Writes the business to `out`: `data/{accounts,subscriptions,subscription_items,nps,invoices,tickets,contacts,
    /// meetings,firmographics,spend,goals}.parquet`, `data/usage/part-*.parquet` and, where asked for, `truth/probabilities.parquet`;
    /// beside each its digest (`.sha256`). Replaces the files of an earlier simulation there, at the end and only if all
    /// went well; touches nothing else.
    ///
    /// Rows of a table are in the order of the accounts; those of an account by event time, except for tickets and NPS
    /// answers.
    ///
    /// # Errors
    /// [`SimulateError::File`] and [`SimulateError::Parquet`] when the disk says no; [`SimulateError::Stopped`] when the
    /// observer does.
    pub fn run(&self, out: &Path, observer: &dyn Observer) -> Result<Summary, SimulateError> {
        let staging = Staging::create(out)?;
        let mut files = Files::create(&staging, self.parameters.truth)?;
        let mut summary = Summary::default();
        let blocks = self.blocks();
        let in_flight = self.parameters.blocks_in_flight.unwrap_or(2 * rayon::current_num_threads());
        let total = u64::from(self.parameters.accounts);
        for wave in blocks.chunks(in_flight) {
            let live = |(part, accounts): &(u32, Range<u32>)| self.block(*part, accounts.clone(), &staging, observer);
            let done: Vec<Result<Option<Block>, SimulateError>> = wave.par_iter().map(live).collect();
            for block in done {
                let Some(block) = block? else {
                    return Err(SimulateError::Stopped { done: summary.accounts, total });
                };
                files.take(block, &mut summary)?;
                observer.accounts_written(summary.accounts, total);
            }
        }
        files.finish(&mut summary)?;
        staging.publish()?;
        Ok(summary)
    }

    /// Number and accounts of each block.
    fn blocks(&self) -> Vec<(u32, Range<u32>)> {
        let size = (BLOCK_ACCOUNT_MONTHS / self.parameters.months).clamp(1, BLOCK_ACCOUNTS);
        let starts = (0..self.parameters.accounts).step_by(size as usize);
        let end = |start: u32| start.saturating_add(size).min(self.parameters.accounts);
        starts.zip(0..).map(|(start, part)| (part, start..end(start))).collect()
    }

    /// The rows of a block; `None` when the observer wants no more.
    fn block(
        &self,
        part: u32,
        accounts: Range<u32>,
        staging: &Staging,
        observer: &dyn Observer,
    ) -> Result<Option<Block>, SimulateError> {
        let mut block = Block::default();
        let mut usage = TableWriter::<UsageRow>::create(staging.usage_part(part))?;
        for index in accounts {
            if !observer.keep_going() {
                return Ok(None);
            }
            let life = live(self, index);
            let mut rows = Vec::new();
            write_usage(self, &life, &mut rows);
            usage.push(rows)?;
            block.live_through(self, &life);
        }
        block.usage_rows = usage.finish()?;
        Ok(Some(block))
    }
}

/// The rows of a block, usage apart.
#[derive(Default)]
struct Block {
    accounts: Vec<AccountRow>,
    subscriptions: Vec<SubscriptionRow>,
    nps: Vec<NpsRow>,
    invoices: Vec<InvoiceRow>,
    tickets: Vec<TicketRow>,
    items: Vec<ItemRow>,
    contacts: Vec<ContactRow>,
    meetings: Vec<MeetingRow>,
    firmographics: Vec<FirmographicRow>,
    spend: Vec<SpendRow>,
    goals: Vec<GoalRow>,
    truths: Vec<Truth>,
    usage_rows: u64,
    active_at_end: u64,
    churn_90d: Frequency,
    expansion_60d: Frequency,
}

impl Block {
    fn live_through(&mut self, simulation: &Simulation, life: &Life) {
        let account = life.profile.index;
        let end = midnight(simulation.calendar.end);
        self.accounts.push(AccountRow::of(&life.profile, simulation.parameters.world));
        let known = life.versions.iter().filter(|version| version.effective_at < end && version.known_at < end);
        self.subscriptions.extend(known.map(|&version| SubscriptionRow { account, version }));
        write_nps(simulation, life, &mut self.nps);
        write_invoices(simulation, life, &mut self.invoices);
        write_tickets(simulation, life, &mut self.tickets);
        write_items(simulation, life, &mut self.items);
        let people = people(simulation, life);
        write_contacts(simulation, life, &people, &mut self.contacts);
        write_meetings(simulation, life, &people, &mut self.meetings);
        write_firmographics(simulation, life, &mut self.firmographics);
        write_spend(simulation, life, &mut self.spend);
        write_goals(simulation, life, &mut self.goals);
        if simulation.parameters.truth {
            self.truths.extend(truths(simulation, life));
        }
        self.active_at_end += u64::from(life.churn_day.is_none());
        self.observe_outcomes(simulation.calendar.end, life);
    }

    /// Counts the outcomes that lie wholly before the end; a churn needs its 14 days of grace.
    fn observe_outcomes(&mut self, end: Day, life: &Life) {
        for snapshot in &life.snapshots {
            if snapshot.as_of + CHURN_DAYS + 14 <= end {
                let left = life.churn_day.is_some_and(|day| day < snapshot.as_of + CHURN_DAYS);
                self.churn_90d.count(left);
            }
            if snapshot.as_of + EXPANSION_DAYS <= end {
                let window = midnight(snapshot.as_of)..midnight(snapshot.as_of + EXPANSION_DAYS);
                let enough = EXPANSION_RATIO * snapshot.contract.mrr();
                let grew = life.versions.iter().any(|v| window.contains(&v.effective_at) && v.mrr >= enough);
                self.expansion_60d.count(grew);
            }
        }
    }
}

/// The files with rows of all blocks.
struct Files {
    accounts: TableWriter<AccountRow>,
    subscriptions: TableWriter<SubscriptionRow>,
    nps: TableWriter<NpsRow>,
    invoices: TableWriter<InvoiceRow>,
    tickets: TableWriter<TicketRow>,
    items: TableWriter<ItemRow>,
    contacts: TableWriter<ContactRow>,
    meetings: TableWriter<MeetingRow>,
    firmographics: TableWriter<FirmographicRow>,
    spend: TableWriter<SpendRow>,
    goals: TableWriter<GoalRow>,
    truths: Option<TableWriter<Truth>>,
}

impl Files {
    fn create(staging: &Staging, truth: bool) -> Result<Self, SimulateError> {
        Ok(Self {
            accounts: TableWriter::create(staging.table("accounts"))?,
            subscriptions: TableWriter::create(staging.table("subscriptions"))?,
            nps: TableWriter::create(staging.table("nps"))?,
            invoices: TableWriter::create(staging.table("invoices"))?,
            tickets: TableWriter::create(staging.table("tickets"))?,
            items: TableWriter::create(staging.table("subscription_items"))?,
            contacts: TableWriter::create(staging.table("contacts"))?,
            meetings: TableWriter::create(staging.table("meetings"))?,
            firmographics: TableWriter::create(staging.table("firmographics"))?,
            spend: TableWriter::create(staging.table("spend"))?,
            goals: TableWriter::create(staging.table("goals"))?,
            truths: if truth { Some(TableWriter::create(staging.truth())?) } else { None },
        })
    }

    fn take(&mut self, block: Block, summary: &mut Summary) -> Result<(), SimulateError> {
        summary.accounts += block.accounts.len() as u64;
        summary.active_at_end += block.active_at_end;
        summary.usage_files += 1;
        summary.usage_rows += block.usage_rows;
        summary.churn_90d.add(block.churn_90d);
        summary.expansion_60d.add(block.expansion_60d);
        self.accounts.push(block.accounts)?;
        self.subscriptions.push(block.subscriptions)?;
        self.nps.push(block.nps)?;
        self.invoices.push(block.invoices)?;
        self.tickets.push(block.tickets)?;
        self.items.push(block.items)?;
        self.contacts.push(block.contacts)?;
        self.meetings.push(block.meetings)?;
        self.firmographics.push(block.firmographics)?;
        self.spend.push(block.spend)?;
        self.goals.push(block.goals)?;
        self.truths.as_mut().map_or(Ok(()), |truths| truths.push(block.truths))
    }

    fn finish(self, summary: &mut Summary) -> Result<(), SimulateError> {
        self.accounts.finish()?;
        summary.subscription_rows = self.subscriptions.finish()?;
        summary.nps_rows = self.nps.finish()?;
        summary.invoice_rows = self.invoices.finish()?;
        summary.ticket_rows = self.tickets.finish()?;
        summary.item_rows = self.items.finish()?;
        summary.contact_rows = self.contacts.finish()?;
        summary.meeting_rows = self.meetings.finish()?;
        summary.firmographic_rows = self.firmographics.finish()?;
        summary.spend_rows = self.spend.finish()?;
        summary.goal_rows = self.goals.finish()?;
        summary.truth_rows = self.truths.map_or(Ok(0), TableWriter::finish)?;
        Ok(())
    }
}
