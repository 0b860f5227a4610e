//! What an account has bought, and how that changes.

use chrono::NaiveDate;

use crate::calendar::{Day, day_of, months_after};
use crate::catalogue::PLANS;
use crate::random::Random;

/// A subscription as it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Contract {
    /// Date of the first contract; anniversaries count from it.
    pub anchor: NaiveDate,
    /// Months from the anchor to the next monthly anniversary.
    pub next_month: u32,
    /// Whether it renews by the year.
    pub annual: bool,
    /// Index into [`PLANS`].
    pub plan: usize,
    /// Seats bought.
    pub seats: u32,
    /// Add-ons, as a share of the price of the seats.
    pub add_on: f64,
    /// Discount on the list price, as a share.
    pub discount: f64,
}

/// What kind of moment an anniversary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The month of a monthly contract is over.
    Month,
    /// The year of an annual contract is over.
    Year,
    /// A month of an annual contract is over, but not its year.
    MidTerm,
}

impl Contract {
    /// Price before discount, per month.
    pub(crate) fn list_price(&self) -> f64 {
        cents(f64::from(self.seats) * PLANS[self.plan].price * (1.0 + self.add_on))
    }

    /// Monthly recurring revenue.
    pub(crate) fn mrr(&self) -> f64 {
        cents(self.list_price() * (1.0 - self.discount))
    }

    /// Units of use included per 30 days.
    pub(crate) fn usage_limit(&self) -> f64 {
        f64::from(self.seats) * PLANS[self.plan].quota
    }

    /// The day of the anniversary `months` after the anchor.
    pub(crate) fn anniversary(&self, months: u32) -> Day {
        day_of(months_after(self.anchor, months))
    }

    /// The next anniversary.
    pub(crate) fn next_anniversary(&self) -> Day {
        self.anniversary(self.next_month)
    }

    /// What the anniversary `months` after the anchor is.
    pub(crate) fn moment(&self, months: u32) -> Moment {
        match (self.annual, months.is_multiple_of(12)) {
            (false, _) => Moment::Month,
            (true, true) => Moment::Year,
            (true, false) => Moment::MidTerm,
        }
    }

    /// The next renewal: the next anniversary of a monthly contract, the next year of an annual one.
    pub(crate) fn next_renewal(&self) -> Day {
        let months = if self.annual { self.next_month.next_multiple_of(12) } else { self.next_month };
        self.anniversary(months)
    }

    /// Buys more: seats (about two thirds), the next plan, or an add-on. MRR rises by at least 8 %.
    pub(crate) fn expand(&mut self, random: &mut Random) {
        let upgrade = self.plan + 1 < PLANS.len();
        match random.weighted(&[0.65, if upgrade { 0.17 } else { 0.0 }, 0.18]) {
            0 => {
                let growth = random.between(0.08, 0.5);
                self.seats = (self.seats + 1).max((f64::from(self.seats) * (1.0 + growth)).ceil() as u32);
            }
            1 => self.plan += 1,
            _ => self.add_on += (1.0 + self.add_on) * random.between(0.1, 0.25),
        }
    }

    /// Buys less: fewer seats, or a smaller plan. An account with one seat on the smallest plan changes nothing.
    pub(crate) fn contract(&mut self, random: &mut Random) {
        let (can_cut, can_step_down) = (self.seats > 1, self.plan > 0);
        let cut = random.between(0.15, 0.45);
        if can_cut && (!can_step_down || random.chance(0.75)) {
            self.seats = ((f64::from(self.seats) * (1.0 - cut)).floor() as u32).max(1);
        } else if can_step_down {
            self.plan -= 1;
        }
    }
}

/// Rounded to cents.
pub(crate) fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn contract(seats: u32, plan: usize) -> Contract {
        let anchor = NaiveDate::from_ymd_opt(2024, 1, 31).unwrap();
        Contract { anchor, next_month: 1, annual: true, plan, seats, add_on: 0.1, discount: 0.07 }
    }

    #[test]
    fn every_expansion_is_an_expansion_and_no_contraction_is_one() {
        let mut random = Random::new(3, 0, Purpose::Life);
        for round in 0..5_000 {
            let before = contract(1 + round % 300, round as usize % PLANS.len());
            let mut after = before;
            after.expand(&mut random);
            assert!(after.mrr() >= 1.08 * before.mrr(), "{before:?} {after:?}");
            let mut less = before;
            less.contract(&mut random);
            assert!(less.mrr() <= before.mrr() && less.seats >= 1, "{before:?} {less:?}");
        }
    }

    #[test]
    fn anniversaries_of_a_month_end() {
        let contract = contract(1, 0);
        assert_eq!(contract.next_anniversary(), day_of(NaiveDate::from_ymd_opt(2024, 2, 29).unwrap()));
        assert_eq!(contract.next_renewal(), day_of(NaiveDate::from_ymd_opt(2025, 1, 31).unwrap()));
        assert_eq!(contract.moment(12), Moment::Year);
        assert_eq!(contract.moment(13), Moment::MidTerm);
    }
}
