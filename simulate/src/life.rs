//! One account from its first day to its last: hidden state and contract, week by week.
//!
//! Order within a day: an observation at `as_of` sees the state before anything of that day happens; then an anniversary
//! (leave, or buy less, or renew), then the week's offer (buy more). The state of a week holds for its seven days.

use crate::account::Profile;
use crate::calendar::{Day, Second, midnight};
use crate::contract::{Contract, Moment};
use crate::hidden::{Hidden, Setting, Shock};
use crate::parameters::Simulation;
use crate::random::{Purpose, Random};

/// The day of an account's week on which it decides whether to buy more.
pub(crate) const OFFER_DAY: Day = 3;
/// Days after an expansion in which another is rare.
pub(crate) const REST_DAYS: Day = 56;

/// A version of the subscription.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version {
    /// From when it holds.
    pub effective_at: Second,
    /// When the business's systems knew.
    pub known_at: Second,
    /// Monthly recurring revenue; 0 when cancelled or lapsed.
    pub mrr: f64,
    /// The contract behind it.
    pub contract: Contract,
    /// Next renewal; none when cancelled.
    pub renews_on: Option<Day>,
}

/// A week of an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Week {
    /// First of its seven days.
    pub first_day: Day,
    /// State of the week.
    pub hidden: Hidden,
    /// What happened in it.
    pub shock: Option<Shock>,
    /// Contract at its start.
    pub contract: Contract,
}

/// Hidden state at an observation date, enough to go on from there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Snapshot {
    /// Observation date: nothing of this day has happened yet.
    pub as_of: Day,
    /// First day of the week whose state this is; `as_of` lies one to seven days later.
    pub week_start: Day,
    /// State of that week.
    pub hidden: Hidden,
    /// Contract at that moment.
    pub contract: Contract,
    /// Day of the last expansion.
    pub last_expansion: Option<Day>,
}

/// All that happened to an account, before its signals are written.
#[derive(Debug)]
pub(crate) struct Life {
    pub profile: Profile,
    pub versions: Vec<Version>,
    pub weeks: Vec<Week>,
    pub snapshots: Vec<Snapshot>,
    /// Anniversaries that the account stayed through.
    pub anniversaries: Vec<(Day, Contract)>,
    /// The contract at the first day.
    pub first_contract: Contract,
    /// When it left.
    pub churn_day: Option<Day>,
    /// The first day without signals: that of churn, or the end.
    pub last_day: Day,
}

impl Life {
    /// The week that holds a day (the last one for later days).
    pub(crate) fn week_of(&self, day: Day) -> &Week {
        let index = usize::try_from((day - self.profile.first_day) / 7).unwrap_or(0);
        &self.weeks[index.min(self.weeks.len() - 1)]
    }
}

/// Lives one account of a simulation.
pub(crate) fn live(simulation: &Simulation, index: u32) -> Life {
    let world = simulation.parameters.world.parameters();
    let calendar = &simulation.calendar;
    let mut random = Random::new(simulation.parameters.seed, index, Purpose::Life);
    let (profile, contract) = Profile::draw(index, world, calendar, &mut random);
    let hidden = if profile.is_long_standing() {
        Hidden::long_standing(&profile, world, &mut random)
    } else {
        Hidden::at_sign_up(&profile, world, &mut random)
    };
    let setting = Setting { world, calendar, profile: &profile };
    let mut living = Living::new(setting, contract, hidden, random);
    let mut week_start = profile.first_day;
    let mut shock = None;
    while week_start < calendar.end && living.churn_day.is_none() {
        living.week(week_start, shock);
        shock = living.hidden.step(&profile, world, &mut living.random);
        week_start += 7;
    }
    let Living { versions, weeks, snapshots, anniversaries, churn_day, .. } = living;
    let last_day = churn_day.unwrap_or(calendar.end);
    Life { profile, versions, weeks, snapshots, anniversaries, first_contract: contract, churn_day, last_day }
}

struct Living<'a> {
    setting: Setting<'a>,
    random: Random,
    hidden: Hidden,
    contract: Contract,
    /// The last day of a lapse; not active until the day after.
    lapsed_through: Option<Day>,
    last_expansion: Option<Day>,
    next_as_of: usize,
    churn_day: Option<Day>,
    versions: Vec<Version>,
    weeks: Vec<Week>,
    snapshots: Vec<Snapshot>,
    anniversaries: Vec<(Day, Contract)>,
}

impl<'a> Living<'a> {
    fn new(setting: Setting<'a>, contract: Contract, hidden: Hidden, mut random: Random) -> Self {
        let profile = setting.profile;
        let months = if contract.annual { (contract.next_month - 1) / 12 * 12 } else { contract.next_month - 1 };
        let effective_at =
            if months == 0 { profile.signed_up_at } else { midnight(contract.anniversary(months)) };
        let first = version(effective_at, contract.mrr(), contract, &mut random);
        let next_as_of = setting.calendar.as_of.partition_point(|&day| day <= profile.first_day);
        Self {
            setting,
            random,
            hidden,
            contract,
            lapsed_through: None,
            last_expansion: None,
            next_as_of,
            churn_day: None,
            versions: vec![first],
            weeks: Vec::new(),
            snapshots: Vec::new(),
            anniversaries: Vec::new(),
        }
    }

    fn week(&mut self, week_start: Day, shock: Option<Shock>) {
        self.weeks.push(Week { first_day: week_start, hidden: self.hidden, shock, contract: self.contract });
        let week_end = (week_start + 7).min(self.setting.calendar.end);
        for day in week_start..week_end {
            self.observe(day, week_start);
            if day == self.contract.next_anniversary() {
                self.anniversary(day);
            }
            if self.churn_day.is_some() {
                return;
            }
            if day == week_start + OFFER_DAY {
                self.offer(day);
            }
        }
        self.observe(week_end, week_start);
    }

    /// Keeps the state if `day` is an observation date and the account is active.
    fn observe(&mut self, day: Day, week_start: Day) {
        if self.setting.calendar.as_of.get(self.next_as_of) != Some(&day) || day == week_start {
            return;
        }
        self.next_as_of += 1;
        if self.lapsed_through.is_none_or(|last| day > last) {
            self.snapshots.push(Snapshot {
                as_of: day,
                week_start,
                hidden: self.hidden,
                contract: self.contract,
                last_expansion: self.last_expansion,
            });
        }
    }

    fn anniversary(&mut self, day: Day) {
        let moment = self.contract.moment(self.contract.next_month);
        if self.random.chance(self.setting.churn(&self.hidden, moment, day)) {
            self.churn_day = Some(day);
            self.push(midnight(day), 0.0);
            return;
        }
        self.contract.next_month += 1;
        if self.random.chance(self.setting.contraction(&self.hidden, moment)) {
            let before = self.contract;
            self.contract.contract(&mut self.random);
            self.hidden.resize(&before, &self.contract);
        }
        self.anniversaries.push((day, self.contract));
        if moment == Moment::MidTerm {
            return;
        }
        if self.random.chance(self.setting.world.lapse) {
            let last = day + lapse_days(&mut self.random);
            self.push(midnight(day), 0.0);
            let back_at = midnight(last) + 8 * 3_600 + self.random.below(4 * 3_600) as Second;
            self.push(back_at, self.contract.mrr());
            self.lapsed_through = Some(last);
        } else {
            self.push(midnight(day), self.contract.mrr());
        }
    }

    fn offer(&mut self, day: Day) {
        let rested = is_rested(self.last_expansion, day);
        let hazard = self.setting.expansion(&self.hidden, rested);
        if self.lapsed_through.is_some_and(|last| day <= last) || !self.random.chance(hazard) {
            return;
        }
        let before = self.contract;
        self.contract.expand(&mut self.random);
        self.hidden.resize(&before, &self.contract);
        self.last_expansion = Some(day);
        let effective_at = midnight(day) + 8 * 3_600 + self.random.below(10 * 3_600) as Second;
        self.push(effective_at, self.contract.mrr());
    }

    fn push(&mut self, effective_at: Second, mrr: f64) {
        self.versions.push(version(effective_at, mrr, self.contract, &mut self.random));
    }
}

/// How many days a lapsed renewal stays unpaid, less one: fewer than any sensible grace period.
pub(crate) fn lapse_days(random: &mut Random) -> Day {
    2 + random.below(8) as Day
}

/// Whether the last expansion is long enough ago.
pub(crate) fn is_rested(last_expansion: Option<Day>, day: Day) -> bool {
    last_expansion.is_none_or(|last| day - last >= REST_DAYS)
}

/// Known within two hours, so never on a later day than that of the change (midnight to 18:00).
fn version(effective_at: Second, mrr: f64, contract: Contract, random: &mut Random) -> Version {
    let known_at = effective_at + random.exponential(1_200.0).min(7_200.0) as Second;
    let renews_on = (mrr > 0.0).then(|| contract.next_renewal());
    Version { effective_at, known_at, mrr, contract, renews_on }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Parameters;

    fn lives() -> Vec<Life> {
        let simulation = Parameters { months: 24, ..Parameters::default() }.check().unwrap();
        (0..400).map(|index| live(&simulation, index)).collect()
    }

    #[test]
    fn versions_ascend_and_end_with_churn() {
        let lives = lives();
        assert!(lives.iter().filter(|life| life.churn_day.is_some()).count() > 40);
        for life in &lives {
            assert!(life.versions.windows(2).all(|pair| pair[0].effective_at < pair[1].effective_at));
            assert!(life.versions.iter().all(|version| version.known_at >= version.effective_at));
            if let Some(day) = life.churn_day {
                let last = life.versions.last().unwrap();
                assert_eq!((last.effective_at, last.mrr, last.renews_on), (midnight(day), 0.0, None));
            }
        }
    }

    #[test]
    fn weeks_and_snapshots_tile_the_life() {
        for life in lives() {
            assert!(life.weeks.windows(2).all(|pair| pair[1].first_day == pair[0].first_day + 7));
            for snapshot in &life.snapshots {
                let age = snapshot.as_of - snapshot.week_start;
                assert!((1..=7).contains(&age), "{age}");
                // The state is that of the day before: nothing of the day itself is in it.
                assert_eq!(life.week_of(snapshot.as_of - 1).first_day, snapshot.week_start);
                assert!(snapshot.as_of <= life.last_day);
            }
        }
    }
}
