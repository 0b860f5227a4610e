//! Price, volume and mix: why MRR is another than it was.
//!
//! With the MRR `R`, the units `Q` (seats, or accounts) and the MRR per unit `P = R / Q` of each plan `p`, before (0) and
//! after (1), and the same of all plans without an index:
//!
//! | part | formula | in words |
//! |---|---|---|
//! | volume | `(Q1 - Q0) * P0` | more or fewer units at the average price before |
//! | mix | `Q1 * sum_p (Q1p / Q1 - Q0p / Q0) * P0p` | units moved between dearer and cheaper plans |
//! | price | `sum_p Q1p * (P1p - P0p)` | another price per unit on the same plan |
//!
//! `volume + mix + price = R1 - R0`. These are the sales-quantity, sales-mix and selling-price variances of Horngren, Datar
//! and Rajan (Cost Accounting, 14th ed., ch. 14), with the month before as the budget and the plan as the product. A plan
//! that nobody was on before has no price before: it has no price effect, its units are volume and mix. Volume and the parts
//! of the price are rounded to the cent, and mix is what is left, so that the three add up to the cent.
//!
//! Of the price, `repriced` is what accounts pay that were on the same plan before and after: `R1 - Q1 * R0 / Q0` of each,
//! added up. The rest of it goes with accounts that came to the plan, or left it, at another price than its average.

use bellwether_features::facts::{BillingPeriod, Facts};
use bellwether_features::time::Instant;
use chrono::NaiveDate;
use rayon::prelude::*;
use serde::Serialize;

use crate::level::{
    BILLING_PERIODS, LEAST_ACCOUNTS_AT_ONCE, Level, Levels, each_paid, milli_seats, months, year_before,
};
use crate::money::Cents;
use crate::movement::MonthlyMovements;
use crate::timeline::{Stretch, Timeline};

/// What a price is the price of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeUnit {
    /// An account that pays.
    Accounts,
    /// A seat; only where the seats of every account that pays are known.
    Seats,
}

impl VolumeUnit {
    /// Name as in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Seats => "seats",
        }
    }

    /// Units in thousandths; `None` where they are not known.
    fn of_level(self, level: &Level) -> Option<i128> {
        match self {
            Self::Accounts => Some(i128::from(level.accounts) * 1_000),
            Self::Seats => (level.without_seats == 0).then_some(i128::from(level.milli_seats)),
        }
    }

    fn of_stretch(self, stretch: &Stretch) -> Option<i128> {
        match self {
            Self::Accounts => Some(1_000),
            Self::Seats => milli_seats(stretch).map(i128::from),
        }
    }
}

/// Over which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// A calendar month.
    Month,
    /// The twelve months to the end of a month.
    Year,
}

impl Span {
    /// Name as in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// The change of MRR between two days, taken apart. See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriceVolumeMix {
    /// Month or year.
    pub span: Span,
    /// What came before this day is before.
    pub from: NaiveDate,
    /// What came before this day is after.
    pub until: NaiveDate,
    /// What volume is counted in.
    pub unit: VolumeUnit,
    /// MRR before.
    pub opening: Cents,
    /// MRR after.
    pub closing: Cents,
    /// Units before.
    pub opening_units: f64,
    /// Units after.
    pub closing_units: f64,
    /// Price.
    pub price: Cents,
    /// Volume.
    pub volume: Cents,
    /// Mix.
    pub mix: Cents,
    /// Of the price, what accounts pay that stayed on their plan.
    pub repriced: Cents,
}

/// Accounts and MRR by billing period at the end of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillingShare {
    /// First day of the month.
    pub month: NaiveDate,
    /// Billing period; `None` where it is not known.
    pub billing_period: Option<BillingPeriod>,
    /// Accounts that pay so.
    pub accounts: u64,
    /// Their MRR.
    pub mrr: Cents,
    /// All accounts that pay.
    pub all_accounts: u64,
    /// All MRR.
    pub all_mrr: Cents,
}

/// The pairs of days that are compared: every month, and every year to the end of a month in which somebody paid at its
/// opening.
fn pairs(months: &[(NaiveDate, NaiveDate)]) -> Vec<(Span, NaiveDate, NaiveDate)> {
    let first = months.first().map(|(month, _)| *month);
    let of_month = months.iter().map(|(month, until)| (Span::Month, *month, *until));
    let of_year = months.iter().map(|(_, until)| (Span::Year, year_before(*until), *until));
    of_month.chain(of_year.filter(|(_, from, _)| first.is_some_and(|first| *from > first))).collect()
}

/// The levels that [`price_volume_mix`] and [`billing_shares`] are read from.
#[must_use]
pub fn levels(facts: &Facts, timelines: &[Timeline], movements: &[MonthlyMovements], as_of: NaiveDate) -> Levels {
    let pairs = pairs(&months(movements, as_of));
    let days = pairs.iter().flat_map(|(_, from, until)| [*from, *until]).collect();
    Levels::of(timelines, facts.plans.names.len(), days)
}

/// Every month, then every trailing year, each ascending: by accounts, and by seats where all are known.
#[must_use]
pub fn price_volume_mix(
    levels: &Levels,
    timelines: &[Timeline],
    movements: &[MonthlyMovements],
    as_of: NaiveDate,
) -> Vec<PriceVolumeMix> {
    let pairs = pairs(&months(movements, as_of));
    let places: Vec<(usize, usize)> =
        pairs.iter().filter_map(|(_, from, until)| Some((levels.place(*from)?, levels.place(*until)?))).collect();
    let repriced = repriced(levels, timelines, &places);
    let mut found = Vec::new();
    for (index, ((span, from, until), (before, after))) in pairs.iter().zip(&places).enumerate() {
        for unit in [VolumeUnit::Accounts, VolumeUnit::Seats] {
            let (before, after) = (levels.by_plan(*before), levels.by_plan(*after));
            let parts = Parts::of(before, after, unit);
            found.extend(parts.map(|parts| PriceVolumeMix {
                span: *span,
                from: *from,
                until: *until,
                unit,
                opening: parts.opening,
                closing: parts.closing,
                opening_units: parts.units.0 as f64 / 1_000.0,
                closing_units: parts.units.1 as f64 / 1_000.0,
                price: parts.price,
                volume: parts.volume,
                mix: parts.closing - parts.opening - parts.price - parts.volume,
                repriced: repriced[index][unit as usize],
            }));
        }
    }
    found
}

struct Parts {
    opening: Cents,
    closing: Cents,
    units: (i128, i128),
    price: Cents,
    volume: Cents,
}

impl Parts {
    /// Of the levels by plan; `None` where the units of an account are not known.
    fn of(before: &[Level], after: &[Level], unit: VolumeUnit) -> Option<Self> {
        let (mut opening, mut closing, mut price) = (Cents::ZERO, Cents::ZERO, Cents::ZERO);
        let mut units = (0, 0);
        for (then, now) in before.iter().zip(after) {
            let (units_then, units_now) = (unit.of_level(then)?, unit.of_level(now)?);
            opening += then.mrr;
            closing += now.mrr;
            units = (units.0 + units_then, units.1 + units_now);
            if units_then > 0 {
                price += now.mrr - portion(then.mrr, units_now, units_then);
            }
        }
        let volume = match units.0 {
            0 => closing - opening,
            then => portion(opening, units.1 - then, then),
        };
        Some(Self { opening, closing, units, price, volume })
    }
}

/// `amount * part / whole`, to the nearest cent, half away from zero. `whole` above 0.
fn portion(amount: Cents, part: i128, whole: i128) -> Cents {
    if part == whole {
        return amount;
    }
    let product = i128::from(amount.0) * part;
    let top = product + whole / 2 * product.signum();
    // Divisions of 64 bits are several times faster, and nearly always enough.
    if let (Ok(top), Ok(whole)) = (i64::try_from(top), i64::try_from(whole)) {
        return Cents(top / whole);
    }
    Cents(i64::try_from(top / whole).unwrap_or(if product < 0 { i64::MIN } else { i64::MAX }))
}

/// What accounts that stayed on their plan pay at another price, for each pair of places, by accounts and by seats.
fn repriced(levels: &Levels, timelines: &[Timeline], places: &[(usize, usize)]) -> Vec<[Cents; 2]> {
    let moments: Vec<Instant> = levels.days.iter().map(|day| Instant::start_of(*day)).collect();
    type Sums<'t> = (Vec<[Cents; 2]>, Vec<Option<&'t Stretch>>);
    let empty = || (vec![[Cents::ZERO; 2]; places.len()], vec![None; moments.len()]);
    fn add<'t>(sums: &mut Sums<'t>, timeline: &'t Timeline, moments: &[Instant], places: &[(usize, usize)]) {
        let (found, paid) = sums;
        paid.fill(None);
        each_paid(timeline, moments, |place, stretch| paid[place] = Some(stretch));
        for ((before, after), found) in places.iter().zip(found) {
            let (Some(before), Some(after)) = (paid[*before], paid[*after]) else { continue };
            if std::ptr::eq(before, after) || before.plan.is_none() || before.plan != after.plan {
                continue;
            }
            for (unit, found) in [VolumeUnit::Accounts, VolumeUnit::Seats].into_iter().zip(found) {
                if let Some((then, now)) = unit.of_stretch(before).zip(unit.of_stretch(after)) {
                    *found += after.mrr - portion(before.mrr, now, then);
                }
            }
        }
    }
    let merge = |mut sums: Vec<[Cents; 2]>, other: Vec<[Cents; 2]>| {
        for (one, other) in sums.iter_mut().flatten().zip(other.iter().flatten()) {
            *one += *other;
        }
        sums
    };
    timelines
        .par_iter()
        .with_min_len(LEAST_ACCOUNTS_AT_ONCE)
        .fold(empty, |mut sums, timeline| {
            add(&mut sums, timeline, &moments, places);
            sums
        })
        .map(|(found, _)| found)
        .reduce(|| vec![[Cents::ZERO; 2]; places.len()], merge)
}

/// Accounts and MRR by billing period at the end of each month: monthly, annual, not known.
#[must_use]
pub fn billing_shares(levels: &Levels, movements: &[MonthlyMovements], as_of: NaiveDate) -> Vec<BillingShare> {
    let mut found = Vec::new();
    for (month, until) in months(movements, as_of) {
        let Some(place) = levels.place(until) else { continue };
        let amounts = levels.by_billing(place);
        let (all_accounts, all_mrr) =
            (amounts.iter().map(|amount| amount.accounts).sum(), amounts.iter().map(|amount| amount.mrr).sum());
        for (billing_period, amount) in BILLING_PERIODS.into_iter().zip(amounts) {
            let (accounts, mrr) = (amount.accounts, amount.mrr);
            found.push(BillingShare { month, billing_period, accounts, mrr, all_accounts, all_mrr });
        }
    }
    found
}
