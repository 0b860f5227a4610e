//! Add-on modules, derived from the path of the subscription, which they never change.
//!
//! A module is a share of the price of the seats. Those of the first contract are itemised out of that price; an expansion
//! by an add-on buys one more (or more of one, once all are held), on top of it, and exactly by what the add-on costs. A
//! contraction may drop the smallest: then what is left for the product itself is no more than it was, so a contraction of
//! the total stays one of each part. What modules cost is at most the MRR, at every moment.

use crate::calendar::{DAY_SECONDS, Second, midnight};
use crate::catalogue::{MODULES, PLANS};
use crate::contract::Contract;
use crate::life::{Life, Version};
use crate::parameters::Simulation;
use crate::random::{Purpose, Random, sigmoid};
use crate::world::{ModuleParameters, SegmentParameters};

/// A version of a module that an account holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ItemRow {
    pub account: u32,
    /// Index into [`MODULES`].
    pub module: usize,
    pub effective_at: Second,
    pub mrr: f64,
    pub known_at: Second,
}

/// Delay of the latest rows, in days.
const LATEST_DAYS: Second = 5;

/// Appends the modules of a life, by the time from which they hold.
pub(crate) fn write_items(simulation: &Simulation, life: &Life, rows: &mut Vec<ItemRow>) {
    let world = simulation.parameters.world.parameters();
    let end = midnight(simulation.calendar.end);
    let mut random = Random::new(simulation.parameters.seed, life.profile.index, Purpose::Modules);
    let segment = &world.segments[life.profile.segment];
    let mut held = Held::first(life.profile.level, segment, &world.modules, &mut random);
    let mut last = [0.0; MODULES.len()];
    let mut before = life.first_contract;
    for version in &life.versions {
        held.change(&before, &version.contract, &world.modules, &mut random);
        before = version.contract;
        for (module, last) in last.iter_mut().enumerate() {
            let mrr = held.mrr(module, version);
            if mrr == *last {
                continue;
            }
            *last = mrr;
            let known_at = version.known_at + delay(&world.modules, &mut random);
            if version.effective_at < end && known_at < end {
                let (account, effective_at) = (life.profile.index, version.effective_at);
                rows.push(ItemRow { account, module, effective_at, mrr, known_at });
            }
        }
    }
}

/// Each module's share of the price of the seats; 0: not held.
struct Held([f64; MODULES.len()]);

impl Held {
    /// Who sees more value was sold more.
    fn first(level: f64, segment: &SegmentParameters, parameters: &ModuleParameters, random: &mut Random) -> Self {
        let mut held = Self([0.0; MODULES.len()]);
        if random.chance(sigmoid(segment.first_modules + parameters.first_slope * level)) {
            for _ in 0..1 + usize::from(random.chance(0.4)) {
                let share = random.between(parameters.first_share.0, parameters.first_share.1);
                held.buy(share, random);
            }
        }
        held
    }

    fn buy(&mut self, share: f64, random: &mut Random) {
        let free: Vec<usize> = (0..MODULES.len()).filter(|&module| self.0[module] == 0.0).collect();
        let module = if free.is_empty() { random.below(MODULES.len()) } else { free[random.below(free.len())] };
        self.0[module] += share;
    }

    fn change(&mut self, before: &Contract, after: &Contract, parameters: &ModuleParameters, random: &mut Random) {
        if after.add_on > before.add_on {
            self.buy(after.add_on - before.add_on, random);
        }
        let is_contraction = after.list_price() < before.list_price();
        if is_contraction && random.chance(parameters.dropped) {
            self.drop_smallest(before, after);
        }
    }

    /// Drops the smallest module, unless the product itself would then seem to cost more than before.
    fn drop_smallest(&mut self, before: &Contract, after: &Contract) {
        let held = (0..MODULES.len()).filter(|&module| self.0[module] > 0.0);
        let Some(smallest) = held.min_by(|&left, &right| self.0[left].total_cmp(&self.0[right])) else { return };
        let itemised: f64 = self.0.iter().sum();
        let product = |contract: &Contract, itemised: f64| seats_price(contract) * (1.0 + contract.add_on - itemised);
        if product(after, itemised - self.0[smallest]) <= product(before, itemised) {
            self.0[smallest] = 0.0;
        }
    }

    /// MRR of a module in a version of the subscription, rounded down to cents, so that the sum is never more than the MRR.
    fn mrr(&self, module: usize, version: &Version) -> f64 {
        if version.mrr == 0.0 {
            return 0.0;
        }
        let exact = seats_price(&version.contract) * self.0[module] * (1.0 - version.contract.discount);
        (exact * 100.0).floor() / 100.0
    }
}

fn seats_price(contract: &Contract) -> f64 {
    f64::from(contract.seats) * PLANS[contract.plan].price
}

fn delay(parameters: &ModuleParameters, random: &mut Random) -> Second {
    if random.chance(parameters.late_share) {
        3_600 + random.below((LATEST_DAYS * DAY_SECONDS - 3_600) as usize) as Second
    } else {
        random.exponential(600.0).min(3_600.0) as Second
    }
}
