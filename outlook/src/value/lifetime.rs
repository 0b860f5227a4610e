//! Lifetime value of a group of accounts, by discrete survival.
//!
//! An account's age is counted in whole months since it first paid, as in [`crate::cohort`]: age `k` is the end of the `k`-th
//! calendar month after that of the first payment. Of the accounts that pay at age `k` and whose age `k + 1` lies before
//! `as_of`, the share that does not pay then is the hazard `h(k)`; so `S(k) = Π_{j<k} (1 - h(j))` survive to age `k`
//! (Kaplan and Meier 1958, in months), and the expected number of paid months is `E = Σ_{k<60} S(k)`.
//!
//! - An age at which fewer than [`LEAST_AT_RISK`] accounts of a group were at risk takes the hazard of the whole base; where
//!   that has too few as well (the tail), the hazard of the last twelve ages that have enough, taken together, goes on.
//! - What lies beyond [`HORIZON_MONTHS`] counts for nothing: nobody has seen it, and money of five years from now is not
//!   money. Nothing is discounted within them.
//! - An account pays `a` a month: MRR over account-months of the last twelve months, price and expansion as they are; serving
//!   it takes `c`, the serve cost booked in those months over the same account-months.
//!
//! `lifetime revenue = a E`, before the cost of serving; `lifetime value = (a - c) E`, after it.
//!
//! The interval is the delta method over accounts (infinitesimal jackknife, Efron 1982, ch. 6): each account's influence on
//! `a`, `c` and every own hazard together, so that what goes together in an account is not taken for independent. Hazards
//! of the base add their binomial variance (Greenwood 1926).

use crate::cohort::Share;
use crate::money::Cents;

/// Months that count.
pub const HORIZON_MONTHS: usize = 60;
/// With fewer accounts at risk a hazard is not estimated.
pub const LEAST_AT_RISK: u64 = 30;
/// Ages that the tail is taken from.
const TAIL_AGES: usize = 12;
/// 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// What one account shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LifeSeen {
    /// Whether it pays, at ages 0, 1, ..., as far as they lie before `as_of`.
    pub pays: Vec<bool>,
    /// Sum of its MRR at the ends of the last twelve months.
    pub revenue: Cents,
    /// At how many of them it paid.
    pub paid_months: u64,
    /// Serve cost booked in those months.
    pub serve_cost: Cents,
}

impl LifeSeen {
    /// Whether it is at risk at an age, and whether it stops.
    fn at_risk(&self, age: usize) -> Option<bool> {
        (*self.pays.get(age)?).then(|| self.pays.get(age + 1).map(|pays| !pays)).flatten()
    }
}

/// Hazards by age.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hazards {
    /// By age: accounts at risk, and those that stopped.
    counts: Vec<(u64, u64)>,
}

/// A hazard that is used, and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Used {
    value: f64,
    at_risk: f64,
    /// Share of those at risk that are the group's own.
    own_share: f64,
    /// Whether it is that of the tail, which ages share.
    is_tail: bool,
}

impl Used {
    fn new((at_risk, stops): (u64, u64), own: u64, is_tail: bool) -> Self {
        let n = at_risk as f64;
        Self { value: stops as f64 / n, at_risk: n, own_share: own as f64 / n, is_tail }
    }

    /// Binomial variance that comes from accounts of other groups.
    fn borrowed(&self) -> f64 {
        (1.0 - self.own_share) * self.value * (1.0 - self.value) / self.at_risk
    }
}

/// The hazards of a group, by age, and the ages that the tail is taken from.
struct Plan {
    used: Vec<Used>,
    tail: Used,
    is_tail_age: Vec<bool>,
}

impl Hazards {
    /// Counted over accounts.
    #[must_use]
    pub fn of<'a>(lives: impl Iterator<Item = &'a LifeSeen>) -> Self {
        let mut counts = vec![(0, 0); HORIZON_MONTHS];
        for life in lives {
            for (age, count) in counts.iter_mut().enumerate().take(life.pays.len()) {
                if let Some(stops) = life.at_risk(age) {
                    count.0 += 1;
                    count.1 += u64::from(stops);
                }
            }
        }
        Self { counts }
    }

    /// The last ages with enough accounts.
    fn tail_ages(&self) -> Vec<bool> {
        let mut left = TAIL_AGES;
        let mut is_tail_age = vec![false; self.counts.len()];
        for (is_tail_age, (at_risk, _)) in is_tail_age.iter_mut().zip(&self.counts).rev() {
            *is_tail_age = *at_risk >= LEAST_AT_RISK && left > 0;
            left -= usize::from(*is_tail_age);
        }
        is_tail_age
    }

    /// The hazard at each age before the last that counts; `None` where the base has no age with enough accounts.
    fn plan(&self, base: &Self) -> Option<Plan> {
        let is_tail_age = base.tail_ages();
        let of_tail = |hazards: &Self| {
            let ages = hazards.counts.iter().zip(&is_tail_age).filter(|(_, is_tail_age)| **is_tail_age);
            ages.fold((0, 0), |sum, (one, _)| (sum.0 + one.0, sum.1 + one.1))
        };
        let tail = of_tail(base);
        if tail.0 == 0 {
            return None;
        }
        let tail = Used::new(tail, of_tail(self).0, true);
        let of_age = |age: usize| match (self.counts[age], base.counts[age]) {
            (own, _) if own.0 >= LEAST_AT_RISK => Used::new(own, own.0, false),
            (own, all) if all.0 >= LEAST_AT_RISK => Used::new(all, own.0, false),
            _ => tail,
        };
        Some(Plan { used: (0..HORIZON_MONTHS - 1).map(of_age).collect(), tail, is_tail_age })
    }
}

/// Lifetime of a group, in months and in money.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lifetime {
    /// Expected paid months, at most [`HORIZON_MONTHS`].
    pub months: Share,
    /// MRR of a paying account, a month.
    pub monthly_revenue: f64,
    /// Cost of serving it, a month.
    pub monthly_serve_cost: f64,
    /// Before the cost of serving.
    pub revenue: Share,
    /// After it.
    pub value: Share,
}

/// The lifetime of a group of accounts among a base; `None` where the group paid nothing in the last twelve months, or where
/// the base is too young or too small for any hazard.
#[must_use]
pub fn lifetime(group: &[&LifeSeen], base: &Hazards) -> Option<Lifetime> {
    let own = Hazards::of(group.iter().copied());
    let plan = own.plan(base)?;
    let paid_months = group.iter().map(|life| life.paid_months).sum::<u64>() as f64;
    if paid_months == 0.0 {
        return None;
    }
    let total = |of: fn(&LifeSeen) -> Cents| group.iter().map(|life| of(life)).sum::<Cents>().amount();
    let monthly_revenue = total(|life| life.revenue) / paid_months;
    let monthly_serve_cost = total(|life| life.serve_cost) / paid_months;
    let curve = Curve::of(&plan);
    let interval = |amount: f64, of: &dyn Fn(&LifeSeen) -> f64| {
        let influence = |life: &&LifeSeen| {
            let of_amount = (of(life) - amount * life.paid_months as f64) / paid_months;
            curve.months * of_amount + amount * curve.influence(life, &plan)
        };
        let n = group.len() as f64;
        let own: f64 = group.iter().map(influence).map(|one| one * one).sum();
        // With one account nothing says how far it is from others.
        let own = if group.len() < 2 { f64::INFINITY } else { own * n / (n - 1.0) };
        let half = Z * (own + amount * amount * curve.borrowed).sqrt();
        Share { value: amount * curve.months, low: amount * curve.months - half, high: amount * curve.months + half }
    };
    let revenue = interval(monthly_revenue, &|life| life.revenue.amount());
    let margin = |life: &LifeSeen| (life.revenue - life.serve_cost).amount();
    let value = interval(monthly_revenue - monthly_serve_cost, &margin);
    let months = interval(1.0, &|life| life.paid_months as f64);
    let least = |share: Share| Share { low: share.low.max(0.0), ..share };
    let months = Share { low: months.low.max(1.0), high: months.high.min(HORIZON_MONTHS as f64), ..months };
    Some(Lifetime { months, monthly_revenue, monthly_serve_cost, revenue: least(revenue), value })
}

/// Survival, and how its sum moves with each hazard.
struct Curve {
    months: f64,
    /// By age: `dE / dh(age)`; 0 where the hazard is that of the tail.
    slopes: Vec<f64>,
    /// `dE / dh` of the tail.
    tail_slope: f64,
    /// Variance of `E` from accounts of other groups.
    borrowed: f64,
}

impl Curve {
    fn of(plan: &Plan) -> Self {
        let used = &plan.used;
        let mut survival = vec![1.0];
        for hazard in used {
            survival.push(survival[survival.len() - 1] * (1.0 - hazard.value));
        }
        let mut slopes = vec![0.0; used.len()];
        // Σ_{k>j} S(k) / (1 - h(j)) is S(j) times what follows from j + 1 on: well defined at a hazard of 1, too.
        let mut after = 0.0;
        for age in (0..used.len()).rev() {
            after = 1.0 + after * used.get(age + 1).map_or(0.0, |next| 1.0 - next.value);
            slopes[age] = -survival[age] * after;
        }
        let mut tail_slope = 0.0;
        let mut borrowed = 0.0;
        for (hazard, slope) in used.iter().zip(&mut slopes) {
            if hazard.is_tail {
                // Ages of the tail are one parameter: they are off together.
                tail_slope += std::mem::take(slope);
            } else {
                borrowed += *slope * *slope * hazard.borrowed();
            }
        }
        borrowed += tail_slope * tail_slope * plan.tail.borrowed();
        Self { months: survival.iter().sum(), slopes, tail_slope, borrowed }
    }

    /// What an account of the group moves `E` by, through the hazards that it is counted in.
    fn influence(&self, life: &LifeSeen, plan: &Plan) -> f64 {
        let of_age = |age: usize| {
            let stops = f64::from(u8::from(life.at_risk(age)?));
            let hazard = plan.used.get(age)?;
            let at_age = self.slopes[age] * (stops - hazard.value) / hazard.at_risk;
            let in_tail = self.tail_slope * (stops - plan.tail.value) / plan.tail.at_risk;
            Some(at_age + if plan.is_tail_age[age] { in_tail } else { 0.0 })
        };
        (0..life.pays.len()).filter_map(of_age).sum()
    }
}
