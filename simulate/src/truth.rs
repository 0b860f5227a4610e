//! The true probabilities, given the hidden state at an observation date.
//!
//! From each snapshot, [`PATHS`] forward paths of the hidden state are drawn with the very functions that drive the
//! account itself. On a path nobody draws whether the account leaves or buys: the hazards are multiplied up
//! (Rao-Blackwell), so that a few dozen paths suffice:
//!
//! `churn = mean over paths of Σ S h_churn` and `expansion = mean over paths of Σ S U h_expansion`, where `S` is the
//! probability of still being a customer and `U` that of not having expanded yet on that path. A contraction and a lapse
//! are drawn. After a contraction an expansion counts only once MRR is 5 % above that at `as_of`; those are drawn too.

use crate::calendar::Day;
use crate::contract::Moment;
use crate::hidden::{Hidden, Setting};
use crate::life::{Life, OFFER_DAY, Snapshot, is_rested, lapse_days};
use crate::parameters::Simulation;
use crate::random::{Purpose, Random};

/// Forward paths per snapshot; the standard error of a probability `p` is well below `sqrt(p (1 - p) / PATHS)`.
const PATHS: usize = 48;
/// Horizon of `churn_90d`.
pub(crate) const CHURN_DAYS: Day = 90;
/// Horizon of `expansion_60d`.
pub(crate) const EXPANSION_DAYS: Day = 60;
/// Least MRR against that at `as_of` that is an expansion.
pub(crate) const EXPANSION_RATIO: f64 = 1.05;

/// True probabilities at an observation date.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Truth {
    /// Index of the account.
    pub account: u32,
    /// Observation date.
    pub as_of: Day,
    /// Probability that MRR reaches 0 for good in `[as_of, as_of + 90 days)`.
    pub churn: f64,
    /// Probability that MRR is at least 1.05 times that at `as_of` at some moment of `[as_of, as_of + 60 days)`.
    pub expansion: f64,
    /// Hidden state at `as_of`.
    pub hidden: Hidden,
}

/// The truth at every snapshot of a life.
pub(crate) fn truths(simulation: &Simulation, life: &Life) -> Vec<Truth> {
    let world = simulation.parameters.world.parameters();
    let setting = Setting { world, calendar: &simulation.calendar, profile: &life.profile };
    let mut random = Random::new(simulation.parameters.seed, life.profile.index, Purpose::Truth);
    let truth = |snapshot: &Snapshot| {
        let (mut churn, mut expansion) = (0.0, 0.0);
        for _ in 0..PATHS {
            let mut path = Path::new(setting, snapshot);
            path.walk(&mut random);
            churn += path.churn;
            expansion += path.expansion;
        }
        let paths = PATHS as f64;
        Truth {
            account: life.profile.index,
            as_of: snapshot.as_of,
            churn: churn / paths,
            expansion: expansion / paths,
            hidden: snapshot.hidden,
        }
    };
    life.snapshots.iter().map(truth).collect()
}

struct Path<'a> {
    setting: Setting<'a>,
    state: Snapshot,
    mrr_at_start: f64,
    next_anniversary: Day,
    /// Last day of a lapse.
    lapsed_through: Option<Day>,
    contracted: bool,
    /// Probability of still being a customer.
    staying: f64,
    /// Probability of not having expanded yet.
    unexpanded: f64,
    churn: f64,
    expansion: f64,
}

impl<'a> Path<'a> {
    fn new(setting: Setting<'a>, snapshot: &Snapshot) -> Self {
        Self {
            setting,
            state: *snapshot,
            mrr_at_start: snapshot.contract.mrr(),
            next_anniversary: snapshot.contract.next_anniversary(),
            lapsed_through: None,
            contracted: false,
            staying: 1.0,
            unexpanded: 1.0,
            churn: 0.0,
            expansion: 0.0,
        }
    }

    fn walk(&mut self, random: &mut Random) {
        let (from, until) = (self.state.as_of, self.state.as_of + CHURN_DAYS);
        let mut week_start = self.state.week_start;
        while week_start < until {
            let days = week_start.max(from)..(week_start + 7).min(until);
            let offer = week_start + OFFER_DAY;
            let anniversary = self.next_anniversary;
            if days.contains(&anniversary) && anniversary <= offer {
                self.anniversary(anniversary, random);
            }
            if days.contains(&offer) && offer < from + EXPANSION_DAYS {
                self.offer(offer, random);
            }
            if days.contains(&anniversary) && anniversary > offer {
                self.anniversary(anniversary, random);
            }
            week_start += 7;
            self.state.hidden.step(self.setting.profile, self.setting.world, random);
        }
    }

    fn anniversary(&mut self, day: Day, random: &mut Random) {
        let contract = &mut self.state.contract;
        let moment = contract.moment(contract.next_month);
        let hazard = self.setting.churn(&self.state.hidden, moment, day);
        self.churn += self.staying * hazard;
        self.staying *= 1.0 - hazard;
        contract.next_month += 1;
        self.next_anniversary = contract.next_anniversary();
        if random.chance(self.setting.contraction(&self.state.hidden, moment)) {
            let before = *contract;
            contract.contract(random);
            self.state.hidden.resize(&before, contract);
            self.contracted = true;
        }
        if moment != Moment::MidTerm && random.chance(self.setting.world.lapse) {
            self.lapsed_through = Some(day + lapse_days(random));
        }
    }

    fn offer(&mut self, day: Day, random: &mut Random) {
        if self.lapsed_through.is_some_and(|last| day <= last) {
            return;
        }
        let hazard = self.setting.expansion(&self.state.hidden, is_rested(self.state.last_expansion, day));
        if self.contracted && !self.regains(day, hazard, random) {
            return;
        }
        self.expansion += self.staying * self.unexpanded * hazard;
        self.unexpanded *= 1.0 - hazard;
    }

    /// After a contraction: whether an expansion now would bring MRR 5 % above that at the start. If not, it is drawn
    /// whether it happens, and it does not count.
    fn regains(&mut self, day: Day, hazard: f64, random: &mut Random) -> bool {
        let before = self.state.contract;
        let mut after = before;
        after.expand(random);
        let regains = after.mrr() >= EXPANSION_RATIO * self.mrr_at_start;
        if !regains && random.chance(hazard) {
            self.state.contract = after;
            self.state.hidden.resize(&before, &after);
            self.state.last_expansion = Some(day);
        }
        regains
    }
}
