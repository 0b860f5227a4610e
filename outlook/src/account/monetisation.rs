//! Under- and over-monetised: use like that of a dearer plan at a lower price, and the reverse.
//!
//! Plans are compared by the price of one seat, where nearly all accounts have seats, else by that of the account; and by use,
//! the quantity of the last 28 days, per the same. An account is under-monetised when it is among the tenth of its plan with
//! the most use, uses at least what the median account of a dearer plan uses, and pays less than that plan's median. It is
//! over-monetised when it is among the tenth with the least use, uses at most what the median account of a cheaper plan uses,
//! and pays more than that plan's median.

use super::seen::{MONTH_DAYS, Seen};

/// Plans of fewer accounts are not compared.
pub const LEAST_ACCOUNTS: usize = 20;
/// Share of the accounts with seats from which prices are per seat.
const LEAST_WITH_SEATS: f64 = 0.9;
/// Which part of a plan has unusual use.
const TAIL: f64 = 0.1;

/// Which way price and use disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Monetisation {
    /// It uses like a dearer plan and pays less.
    Under,
    /// It uses like a cheaper plan and pays more.
    Over,
}

impl Monetisation {
    /// Name in tables.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Under => "under",
            Self::Over => "over",
        }
    }
}

/// What an account pays and uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paid {
    /// Plan.
    pub plan: u32,
    /// MRR, above 0.
    pub mrr: f64,
    /// Seats, above 0.
    pub seats: Option<f64>,
    /// Quantity of the last 28 days.
    pub quantity: f64,
}

impl Paid {
    /// Of an account as seen at a date; `None` without a plan, an MRR above 0, or 28 days of history.
    #[must_use]
    pub fn of(seen: &Seen<'_>) -> Option<Self> {
        seen.usage_history_days().filter(|days| *days >= MONTH_DAYS)?;
        let subscription = seen.subscription().filter(|row| row.mrr > 0.0)?;
        Some(Self {
            plan: subscription.plan?,
            mrr: subscription.mrr,
            seats: subscription.seats.filter(|seats| *seats > 0.0),
            quantity: seen.quantity(),
        })
    }
}

/// One plan.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Plan {
    plan: u32,
    price: f64,
    use_median: f64,
    use_low: f64,
    use_high: f64,
}

/// The plans, from the cheapest to the dearest.
#[derive(Debug, Clone, PartialEq)]
pub struct Plans {
    per_seat: bool,
    plans: Vec<Plan>,
}

impl Plans {
    /// From all accounts.
    #[must_use]
    pub fn of(accounts: &[Paid]) -> Self {
        let with_seats = accounts.iter().filter(|paid| paid.seats.is_some()).count();
        let per_seat = with_seats as f64 >= LEAST_WITH_SEATS * accounts.len() as f64;
        let mut rows: Vec<(u32, [f64; 2])> =
            accounts.iter().filter_map(|paid| Some((paid.plan, price_and_use(paid, per_seat)?))).collect();
        rows.sort_by_key(|row| row.0);
        let groups = rows.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() >= LEAST_ACCOUNTS);
        let mut plans: Vec<Plan> = groups.map(plan).collect();
        plans.sort_by(|a, b| a.price.total_cmp(&b.price).then_with(|| a.plan.cmp(&b.plan)));
        Self { per_seat, plans }
    }

    /// Whether an account pays less or more than its use says, and the plan it uses like: the dearest such plan for one that
    /// pays less, the cheapest for one that pays more.
    #[must_use]
    pub fn of_account(&self, paid: &Paid) -> Option<(Monetisation, u32)> {
        let [price, used] = price_and_use(paid, self.per_seat)?;
        let own = self.plans.iter().find(|plan| plan.plan == paid.plan)?;
        let is_under = |plan: &&Plan| {
            plan.price > own.price && plan.use_median > own.use_median && used >= plan.use_median && price < plan.price
        };
        let is_over = |plan: &&Plan| {
            plan.price < own.price && plan.use_median < own.use_median && used <= plan.use_median && price > plan.price
        };
        let dearer = (used >= own.use_high).then(|| self.plans.iter().rev().find(is_under)).flatten();
        if let Some(like) = dearer {
            return Some((Monetisation::Under, like.plan));
        }
        let like = (used <= own.use_low).then(|| self.plans.iter().find(is_over)).flatten()?;
        Some((Monetisation::Over, like.plan))
    }
}

fn price_and_use(paid: &Paid, per_seat: bool) -> Option<[f64; 2]> {
    let seats = if per_seat { paid.seats? } else { 1.0 };
    Some([paid.mrr / seats, paid.quantity / seats])
}

fn plan(group: &[(u32, [f64; 2])]) -> Plan {
    let sorted = |place: usize| {
        let mut values: Vec<f64> = group.iter().map(|(_, values)| values[place]).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let (prices, uses) = (sorted(0), sorted(1));
    Plan {
        plan: group[0].0,
        price: quantile(&prices, 0.5),
        use_median: quantile(&uses, 0.5),
        use_low: quantile(&uses, TAIL),
        use_high: quantile(&uses, 1.0 - TAIL),
    }
}

/// The smallest value that at least `share` of the values do not exceed (Hyndman and Fan 1996, type 1).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted[place.clamp(1, sorted.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thirty accounts of a plan, with one to thirty times a use per seat.
    fn accounts(plan: u32, price: f64, least_use: f64) -> Vec<Paid> {
        let of = |place: u32| Paid {
            plan,
            mrr: price * 10.0,
            seats: Some(10.0),
            quantity: 10.0 * (least_use + f64::from(place)),
        };
        (0..30).map(of).collect()
    }

    #[test]
    fn use_of_a_dearer_plan_at_a_lower_price_is_under_monetised_and_the_reverse_over() {
        // Uses per seat 0..29, 10..39, 50..79; medians 14, 24, 64.
        let all = [accounts(0, 5.0, 0.0), accounts(1, 20.0, 10.0), accounts(2, 40.0, 50.0)].concat();
        let plans = Plans::of(&all);
        let found = |plan: u32, used: f64, mrr: f64| {
            plans.of_account(&Paid { plan, mrr, seats: Some(10.0), quantity: 10.0 * used })
        };
        assert_eq!(found(0, 27.0, 50.0), Some((Monetisation::Under, 1)));
        assert_eq!(found(0, 70.0, 50.0), Some((Monetisation::Under, 2)), "the dearest such plan");
        assert_eq!(found(0, 25.0, 50.0), None, "not among the tenth of its plan");
        assert_eq!(found(0, 27.0, 300.0), None, "it pays more than the dearer plan");
        assert_eq!(found(1, 11.0, 200.0), Some((Monetisation::Over, 0)));
        assert_eq!(found(1, 11.0, 40.0), None, "it pays less than the cheaper plan");
        assert_eq!(found(2, 50.0, 400.0), None, "more use than the median of any cheaper plan");
        assert_eq!(found(3, 50.0, 400.0), None, "no such plan");
    }

    #[test]
    fn small_plans_are_not_compared_and_without_seats_the_account_is_the_unit() {
        let mut all = [accounts(0, 5.0, 0.0), accounts(1, 20.0, 10.0)[..19].to_vec()].concat();
        assert_eq!(Plans::of(&all).plans.len(), 1);
        all.iter_mut().for_each(|paid| paid.seats = None);
        let plans = Plans::of(&all);
        assert!(!plans.per_seat && plans.plans[0].price == 50.0, "{plans:?}");
    }
}
