//! Cohorts: accounts that began to pay in the same month or quarter, followed at equal age.
//!
//! Age 0 is the end of the calendar month in which an account first paid; age `k` is `k` months later. A cohort is told at an
//! age only when all of it has reached that age by `as_of`, so that curves are compared at equal age and nobody's future is
//! guessed. The opening of a cohort is what its accounts paid at age 0; one that had left again by then is in it with 0, and
//! counts as an account that was lost.

use bellwether_features::time::Instant;
use chrono::{Datelike, Months, NaiveDate};
use rayon::prelude::*;
use serde::Serialize;

use crate::money::Cents;
use crate::movement::month_of;
use crate::timeline::{Stretch, Timeline};

/// What accounts are put together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CohortSpan {
    /// A calendar month.
    Month,
    /// A calendar quarter.
    Quarter,
}

/// A share with a 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// Estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A cohort at an age.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CohortAge {
    /// First day of its first month.
    pub cohort: NaiveDate,
    /// Months since its accounts first paid.
    pub age_months: u32,
    /// Accounts of the cohort.
    pub accounts: u64,
    /// Of them, those that pay.
    pub kept_accounts: u64,
    /// What they paid at age 0.
    pub opening: Cents,
    /// What they pay.
    pub closing: Cents,
    /// Share of the accounts that pay; Wilson's (1927) interval.
    pub logo: Share,
    /// Net revenue retention against age 0; the interval is that of a ratio of sums over accounts (linearised, Cochran 1977,
    /// ch. 6), never below 0. `None` where nothing was paid at age 0.
    pub net: Option<Share>,
}

/// 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Every cohort at every age that all of it has reached before `as_of`, by cohort, then age.
#[must_use]
pub fn cohorts(timelines: &[Timeline], as_of: NaiveDate, span: CohortSpan) -> Vec<CohortAge> {
    let mut members: Vec<(NaiveDate, NaiveDate, &Timeline)> = timelines
        .iter()
        .filter_map(|timeline| {
            let month = month_of(timeline.first_paid()?.date()?);
            Some((span.start(month), month, timeline))
        })
        .collect();
    members.sort_by_key(|(cohort, month, _)| (*cohort, *month));
    let groups: Vec<&[(NaiveDate, NaiveDate, &Timeline)]> = members.chunk_by(|one, other| one.0 == other.0).collect();
    groups.into_par_iter().flat_map_iter(|group| ages(group, as_of)).collect()
}

impl CurveShape {
    /// Name as in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Onboarding => "onboarding",
            Self::Sustained => "sustained",
            Self::Stable => "stable",
        }
    }
}

impl CohortSpan {
    fn start(self, month: NaiveDate) -> NaiveDate {
        match self {
            Self::Month => month,
            Self::Quarter => month.with_month(month.month0() / 3 * 3 + 1).unwrap_or(month),
        }
    }
}

/// An account that is followed from age to age.
struct Follower<'t> {
    month: NaiveDate,
    opening: Cents,
    paid: Cents,
    /// When `paid` changes next; here, so that most ages need no look into the timeline.
    next: Instant,
    rest: &'t [Stretch],
}

/// After everything.
const END_OF_TIME: Instant = Instant(i64::MAX);

impl<'t> Follower<'t> {
    fn new(month: NaiveDate, timeline: &'t Timeline) -> Self {
        let rest = timeline.stretches();
        let next = rest.first().map_or(END_OF_TIME, |stretch| stretch.from);
        Self { month, opening: Cents::ZERO, paid: Cents::ZERO, next, rest }
    }

    /// What it pays just before a moment, which is no earlier than the one before.
    fn follow(&mut self, moment: Instant) -> Cents {
        while self.next < moment
            && let Some((begun, rest)) = self.rest.split_first()
        {
            self.paid = begun.mrr;
            self.rest = rest;
            self.next = rest.first().map_or(END_OF_TIME, |stretch| stretch.from);
        }
        self.paid
    }
}

/// The ages of one cohort, its youngest members reached them.
fn ages(members: &[(NaiveDate, NaiveDate, &Timeline)], as_of: NaiveDate) -> Vec<CohortAge> {
    let Some((cohort, ..)) = members.first() else { return Vec::new() };
    let youngest = members.iter().map(|(_, month, _)| *month).max().unwrap_or(*cohort);
    let age_end = |month: NaiveDate, age: u32| month.checked_add_months(Months::new(age + 1)).unwrap_or(NaiveDate::MAX);
    let mut followers: Vec<Follower<'_>> =
        members.iter().map(|(_, month, timeline)| Follower::new(*month, timeline)).collect();
    let mut amounts = Vec::with_capacity(followers.len());
    let mut found = Vec::new();
    for age in 0.. {
        if age_end(youngest, age) > as_of {
            return found;
        }
        amounts.clear();
        // Members of one month lie side by side.
        for followers in followers.chunk_by_mut(|one, other| one.month == other.month) {
            let moment = followers.first().map_or(Instant::MIN, |one| Instant::start_of(age_end(one.month, age)));
            for follower in followers {
                let paid = follower.follow(moment);
                if age == 0 {
                    follower.opening = paid;
                }
                amounts.push((follower.opening, paid));
            }
        }
        found.push(CohortAge {
            cohort: *cohort,
            age_months: age,
            accounts: amounts.len() as u64,
            kept_accounts: amounts.iter().filter(|(_, closing)| *closing > Cents::ZERO).count() as u64,
            opening: amounts.iter().map(|(opening, _)| *opening).sum(),
            closing: amounts.iter().map(|(_, closing)| *closing).sum(),
            logo: wilson(amounts.iter().filter(|(_, closing)| *closing > Cents::ZERO).count(), amounts.len()),
            net: ratio(&amounts),
        });
    }
    found
}

/// Wilson's score interval of `count` in `of`; everything from 0 to 1 where there is none.
#[must_use]
pub fn wilson(count: usize, of: usize) -> Share {
    if of == 0 {
        return Share { value: f64::NAN, low: 0.0, high: 1.0 };
    }
    let (n, share) = (of as f64, count as f64 / of as f64);
    let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    Share { value: share, low: (middle - half).max(0.0).min(share), high: (middle + half).min(1.0).max(share) }
}

/// `sum(closing) / sum(opening)` over accounts; `None` where the openings add up to nothing. With one account the interval is
/// all there can be: from 0 to infinity.
#[must_use]
pub fn ratio(amounts: &[(Cents, Cents)]) -> Option<Share> {
    let (opening, closing): (Cents, Cents) =
        (amounts.iter().map(|pair| pair.0).sum(), amounts.iter().map(|pair| pair.1).sum());
    let value = closing.over(opening)?;
    let n = amounts.len() as f64;
    if amounts.len() < 2 {
        return Some(Share { value, low: 0.0, high: f64::INFINITY });
    }
    let squares: f64 =
        amounts.iter().map(|(opening, closing)| (closing.amount() - value * opening.amount()).powi(2)).sum();
    let half = Z * (squares * n / (n - 1.0)).sqrt() / opening.amount();
    Some(Share { value, low: (value - half).max(0.0), high: value + half })
}

/// How a retention curve falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CurveShape {
    /// Most of what is lost is lost in the first months: look at how customers begin.
    Onboarding,
    /// About as much is lost each month.
    Sustained,
    /// Hardly anything is lost.
    Stable,
}

/// Months in which a customer begins.
pub(crate) const FIRST_MONTHS: usize = 3;
/// A curve that loses less than this of its accounts is stable.
pub(crate) const LEAST_LOSS: f64 = 0.05;

/// The shape of a curve of shares kept at ages 0, 1, 2, ...; `None` with fewer than seven of them.
///
/// The monthly hazard of the first three months against that of the later ones: at least twice as high is onboarding.
#[must_use]
pub fn curve_shape(kept: &[f64]) -> Option<CurveShape> {
    let (first, early, last) = (*kept.first()?, *kept.get(FIRST_MONTHS)?, *kept.last()?);
    if kept.len() <= 2 * FIRST_MONTHS || first <= 0.0 || early <= 0.0 {
        return None;
    }
    if 1.0 - last / first < LEAST_LOSS {
        return Some(CurveShape::Stable);
    }
    let hazard = |from: f64, to: f64, months: usize| 1.0 - (to / from).max(0.0).powf(1.0 / months as f64);
    let (begin, later) = (hazard(first, early, FIRST_MONTHS), hazard(early, last, kept.len() - 1 - FIRST_MONTHS));
    Some(if begin >= 2.0 * later { CurveShape::Onboarding } else { CurveShape::Sustained })
}
