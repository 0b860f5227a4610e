//! Value drivers against table stakes: do accounts that use a product feature stay and grow more often than others of
//! their size?
//!
//! Large accounts both adopt more and stay longer, so adopters are compared with others on the same date and of the same
//! size only. Strata are fifths of size within each observation date; the adjusted difference is Mantel and Haenszel's
//! (Greenland and Robins 1985):
//!
//! `RD = Σ_k (a_k n0_k - b_k n1_k) / N_k  /  Σ_k n1_k n0_k / N_k`
//!
//! with `a`, `b` outcomes among `n1` adopters and `n0` others of stratum `k`. Its variance is the infinitesimal jackknife
//! over accounts: the derivative of RD by the weight of each row, added up within the account, squared, added up over
//! accounts. A feature is named only where its difference is told apart from none after Holm's (1979) correction over all
//! features and targets together: a role is given for any of the targets.

mod holm;

use bellwether_features::label::Labels;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, LEAST_ACCOUNTS_PER_LEVEL};
use crate::error::TrainError;
use crate::insight::resample::Estimate;
use crate::insight::{Outcome, by_date};

/// Which product features the account of each row had used by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductAdoption {
    /// A feature is adopted when it was used in so many days before `as_of`.
    pub window_days: u32,
    /// Product features.
    pub features: Vec<String>,
    /// By feature, then row of the dataset.
    pub adopted: Vec<Vec<bool>>,
}

/// What a product feature is to the business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureRole {
    /// Adopters stay or grow more often.
    ValueDriver,
    /// Nearly all have it, and it tells nobody apart.
    TableStakes,
    /// Told apart, but nearly everyone has it, or hardly anyone: the few on the other side may be accounts of another kind.
    OneSided,
    /// Adopters stay or grow less often, and in nothing more often.
    GoesWithLoss,
    /// Not told apart from no difference.
    NotToldApart,
}

/// One feature and one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdoptionEffect {
    /// Target.
    pub target: String,
    /// For a loss, rates are of those who stay; for growth, of those who grow.
    pub outcome: Outcome,
    /// Rows of adopters.
    pub rows_adopters: usize,
    /// Rows of others.
    pub rows_others: usize,
    /// Rate among adopters.
    pub adopters: f64,
    /// Rate among others.
    pub others: f64,
    /// Difference of rates at equal size and date, above 0 where adopters do better.
    pub adjusted: Estimate,
    /// Whether it is told apart from 0 after Holm's correction over all features and targets.
    pub told_apart: bool,
}

/// One product feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProductFeature {
    /// Feature.
    pub feature: String,
    /// Share of the accounts of the last date that had adopted it.
    pub adoption: f64,
    /// What it is to the business.
    pub role: FeatureRole,
    /// One per target in which both adopters and others occur.
    pub effects: Vec<AdoptionEffect>,
}

/// All product features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValueDrivers {
    /// Days in which a use counts as adoption.
    pub window_days: u32,
    /// The signal that size was taken from; `None`: there is none, and nothing was adjusted but the date.
    pub size: Option<String>,
    /// Features with at least ten adopting accounts and ten others, best first.
    pub features: Vec<ProductFeature>,
    /// How many features were not compared, since fewer than ten accounts have, or have not, adopted them. Their names are
    /// not told: one that a single account uses may be a customer's name.
    pub not_compared: usize,
}

/// Signals that say how large an account is, best first.
const SIZES: [&str; 3] = ["mrr", "commercial_seats", "usage_quantity_90d"];
/// Strata of size on each date, and one more for what is not known.
const FIFTHS: usize = 5;
/// From this share of the accounts on, a feature is one that nearly all have.
const NEARLY_ALL: f64 = 0.8;
/// Adopted by more than this share of the accounts, or by less than what it leaves, a feature is no value driver.
const MOST_ON_ONE_SIDE: f64 = 0.95;

/// Compares adopters with others.
pub(super) fn value_drivers(dataset: &Dataset, columns: &ProductAdoption) -> Result<ValueDrivers, TrainError> {
    check(dataset, columns)?;
    let size = SIZES.into_iter().find_map(|name| Some((name, dataset.numeric(name)?)));
    let strata: Vec<(Vec<u32>, Vec<u32>)> = dataset
        .labels()
        .iter()
        .map(|labels| {
            let rows: Vec<u32> =
                (0..dataset.rows() as u32).filter(|row| labels.values[*row as usize].is_some()).collect();
            let strata = strata(dataset, &rows, size.map(|(_, values)| values));
            (rows, strata)
        })
        .collect();
    let compared: Vec<Option<ProductFeature>> = columns
        .features
        .par_iter()
        .zip(&columns.adopted)
        .map(|(feature, adopted)| {
            let of_targets = dataset.labels().iter().zip(&strata);
            let effects: Vec<AdoptionEffect> = of_targets
                .filter_map(|(labels, (rows, strata))| effect(dataset, labels, rows, strata, adopted))
                .collect();
            let adoption = latest_share(dataset, adopted);
            let role = FeatureRole::NotToldApart;
            (!effects.is_empty()).then(|| ProductFeature { feature: feature.clone(), adoption, role, effects })
        })
        .collect();
    let mut features: Vec<ProductFeature> = compared.into_iter().flatten().collect();
    let not_compared = columns.features.len() - features.len();
    holm::correct(&mut features);
    for feature in &mut features {
        feature.role = role(feature);
    }
    let best = |feature: &ProductFeature| {
        feature.effects.iter().map(|effect| effect.adjusted.low).fold(f64::NEG_INFINITY, f64::max)
    };
    let rank = |feature: &ProductFeature| match feature.role {
        FeatureRole::ValueDriver => 0,
        FeatureRole::TableStakes => 1,
        FeatureRole::OneSided => 2,
        FeatureRole::NotToldApart => 3,
        FeatureRole::GoesWithLoss => 4,
    };
    features.sort_by(|a, b| {
        rank(a).cmp(&rank(b)).then(best(b).total_cmp(&best(a))).then_with(|| a.feature.cmp(&b.feature))
    });
    let size = size.map(|(name, _)| name.to_owned());
    Ok(ValueDrivers { window_days: columns.window_days, size, features, not_compared })
}

/// Share of the accounts of the last date that had adopted.
fn latest_share(dataset: &Dataset, adopted: &[bool]) -> f64 {
    let last = dataset.as_of_days().last();
    let latest = || adopted.iter().zip(dataset.as_of_days()).filter(|(_, day)| Some(*day) == last);
    latest().filter(|(adopted, _)| **adopted).count() as f64 / latest().count().max(1) as f64
}

fn check(dataset: &Dataset, columns: &ProductAdoption) -> Result<(), TrainError> {
    let wrong = |expected: usize, found: usize| TrainError::Mismatch {
        field: "product adoption",
        expected: expected.to_string(),
        found: found.to_string(),
    };
    if columns.features.len() != columns.adopted.len() {
        return Err(wrong(columns.features.len(), columns.adopted.len()));
    }
    match columns.adopted.iter().find(|column| column.len() != dataset.rows()) {
        Some(column) => Err(wrong(dataset.rows(), column.len())),
        None => Ok(()),
    }
}

/// One feature and one target; `None` where adopters or others are fewer than ten accounts, or never meet in a stratum.
fn effect(
    dataset: &Dataset,
    labels: &Labels,
    rows: &[u32],
    strata: &[u32],
    adopted: &[bool],
) -> Option<AdoptionEffect> {
    let outcome = Outcome::of(&labels.target.event);
    let compared: Vec<Compared> = rows
        .iter()
        .zip(strata)
        .map(|(row, stratum)| {
            let happened = labels.values[*row as usize] == Some(true);
            Compared {
                account: dataset.accounts()[*row as usize],
                stratum: *stratum,
                adopter: adopted[*row as usize],
                good: happened == (outcome == Outcome::Growth),
            }
        })
        .collect();
    let accounts =
        |wanted: bool| super::distinct(compared.iter().filter(|one| one.adopter == wanted).map(|one| one.account));
    if accounts(true).min(accounts(false)) < LEAST_ACCOUNTS_PER_LEVEL {
        return None;
    }
    let rate = |wanted: bool| {
        let of = || compared.iter().filter(|one| one.adopter == wanted);
        (of().count(), of().filter(|one| one.good).count() as f64 / of().count() as f64)
    };
    let (rows_adopters, adopters) = rate(true);
    let (rows_others, others) = rate(false);
    let (difference, error) = risk_difference(&compared)?;
    let half = Z_95 * error;
    let adjusted = Estimate { value: difference, low: difference - half, high: difference + half };
    let target = labels.target.name.clone();
    Some(AdoptionEffect { target, outcome, rows_adopters, rows_others, adopters, others, adjusted, told_apart: false })
}

/// Fifth of the size among the rows of the same date: equal sizes share a fifth. What is not known is a stratum of its own.
fn strata(dataset: &Dataset, rows: &[u32], size: Option<&[f32]>) -> Vec<u32> {
    let mut strata = vec![0; rows.len()];
    for (date, positions) in by_date(dataset, rows).values().enumerate() {
        let base = (date * (FIFTHS + 1)) as u32;
        let Some(size) = size else {
            positions.iter().for_each(|position| strata[*position] = base);
            continue;
        };
        let value = |position: &usize| size[rows[*position] as usize];
        let mut known: Vec<f32> = positions.iter().map(value).filter(|one| !one.is_nan()).collect();
        known.sort_by(f32::total_cmp);
        for position in positions {
            let below = known.partition_point(|one| *one < value(position));
            let fifth = if value(position).is_nan() { FIFTHS } else { below * FIFTHS / known.len() };
            strata[*position] = base + fifth as u32;
        }
    }
    strata
}

#[derive(Debug, Clone, Copy)]
struct Compared {
    account: u32,
    stratum: u32,
    adopter: bool,
    good: bool,
}

const Z_95: f64 = 1.959_963_984_540_054;

#[derive(Debug, Clone, Copy, Default)]
struct Stratum {
    adopters: f64,
    others: f64,
    good_adopters: f64,
    good_others: f64,
}

impl Stratum {
    fn rows(&self) -> f64 {
        self.adopters + self.others
    }

    fn numerator(&self) -> f64 {
        (self.good_adopters * self.others - self.good_others * self.adopters) / self.rows()
    }

    fn denominator(&self) -> f64 {
        self.adopters * self.others / self.rows()
    }

    /// Derivatives of numerator and denominator by the weight of one row.
    fn derivatives(&self, row: &Compared) -> (f64, f64) {
        let good = f64::from(u8::from(row.good));
        let (up, down) = if row.adopter {
            (good * self.others - self.good_others, self.others)
        } else {
            (self.good_adopters - good * self.adopters, self.adopters)
        };
        ((up - self.numerator()) / self.rows(), (down - self.denominator()) / self.rows())
    }
}

/// Mantel and Haenszel's risk difference with its standard error over accounts; `None` where adopters and others never meet.
fn risk_difference(rows: &[Compared]) -> Option<(f64, f64)> {
    let most = |key: fn(&Compared) -> u32| rows.iter().map(key).max().map_or(0, |most| most as usize + 1);
    let mut strata = vec![Stratum::default(); most(|row| row.stratum)];
    for row in rows {
        let stratum = &mut strata[row.stratum as usize];
        let good = f64::from(u8::from(row.good));
        if row.adopter {
            stratum.adopters += 1.0;
            stratum.good_adopters += good;
        } else {
            stratum.others += 1.0;
            stratum.good_others += good;
        }
    }
    let there = || strata.iter().filter(|stratum| stratum.rows() > 0.0);
    let numerator: f64 = there().map(Stratum::numerator).sum();
    let denominator: f64 = there().map(Stratum::denominator).sum();
    if denominator <= 0.0 {
        return None;
    }
    let difference = numerator / denominator;
    let mut influence: Vec<Option<f64>> = vec![None; most(|row| row.account)];
    for row in rows {
        let (up, down) = strata[row.stratum as usize].derivatives(row);
        *influence[row.account as usize].get_or_insert(0.0) += (up - difference * down) / denominator;
    }
    let accounts = influence.iter().flatten().count() as f64;
    let squares: f64 = influence.iter().flatten().map(|one| one * one).sum();
    Some((difference, (squares * accounts / (accounts - 1.0).max(1.0)).sqrt()))
}

fn role(feature: &ProductFeature) -> FeatureRole {
    let told = || feature.effects.iter().filter(|effect| effect.told_apart);
    let has_two_sides = (1.0 - MOST_ON_ONE_SIDE..=MOST_ON_ONE_SIDE).contains(&feature.adoption);
    if !has_two_sides && told().next().is_some() {
        FeatureRole::OneSided
    } else if told().any(|effect| effect.adjusted.value > 0.0) {
        FeatureRole::ValueDriver
    } else if told().next().is_some() {
        FeatureRole::GoesWithLoss
    } else if feature.adoption >= NEARLY_ALL {
        FeatureRole::TableStakes
    } else {
        FeatureRole::NotToldApart
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::rows::account_lot;

    /// Accounts with `months` rows each; chance of staying by size and adoption.
    fn world(
        seed: u64,
        accounts: u32,
        months: u32,
        stays: impl Fn(bool, bool) -> f64,
        adopts: impl Fn(bool) -> f64,
    ) -> Vec<Compared> {
        let mut rows = Vec::new();
        for account in 0..accounts {
            let lot = |index: u64| account_lot(seed.wrapping_mul(1_000_003).wrapping_add(index), account);
            let large = lot(1) < 0.5;
            let adopter = lot(2) < adopts(large);
            for month in 0..months {
                // One draw per account: its rows are as dependent as rows can be.
                let good = lot(3) < stays(large, adopter);
                rows.push(Compared { account, stratum: 2 * month + u32::from(large), adopter, good });
            }
        }
        rows
    }

    fn covers(rows: &[Compared], truth: f64) -> bool {
        let (difference, error) = risk_difference(rows).unwrap();
        (difference - truth).abs() <= Z_95 * error
    }

    #[test]
    fn adopters_at_92_percent_and_others_at_78_differ_by_14_points() {
        let worlds = (0..300).filter(|seed| {
            covers(&world(*seed, 400, 3, |_, adopter| if adopter { 0.92 } else { 0.78 }, |_| 0.5), 0.14)
        });
        // 95 % of 300 with a standard deviation of 3.8: below 270 is no accident of sampling.
        let covered = worlds.count();
        assert!((270..=300).contains(&covered), "{covered}");
        let rows = world(1, 400, 3, |_, adopter| if adopter { 0.92 } else { 0.78 }, |_| 0.5);
        let (difference, error) = risk_difference(&rows).unwrap();
        assert!(difference > Z_95 * error && (difference - 0.14).abs() < Z_95 * error, "{difference} {error}");
    }

    #[test]
    fn where_only_size_decides_the_difference_is_none() {
        let stays = |large: bool, _: bool| if large { 0.95 } else { 0.70 };
        let adopts = |large: bool| if large { 0.8 } else { 0.2 };
        let covered = (0..300).filter(|seed| covers(&world(*seed, 400, 3, stays, adopts), 0.0)).count();
        assert!((270..=300).contains(&covered), "{covered}");
        // Without strata the same rows say 15 points.
        let mixed: Vec<Compared> =
            world(1, 400, 3, stays, adopts).into_iter().map(|row| Compared { stratum: 0, ..row }).collect();
        let (difference, error) = risk_difference(&mixed).unwrap();
        assert!(difference > 0.08 && difference > Z_95 * error, "{difference} {error}");
    }

    #[test]
    fn the_standard_error_is_that_of_leaving_out_each_account() {
        let rows = world(5, 120, 4, |large, adopter| 0.5 + 0.2 * f64::from(u8::from(large && adopter)), |_| 0.4);
        let (whole, error) = risk_difference(&rows).unwrap();
        let without = |account: u32| {
            let rest: Vec<Compared> = rows.iter().copied().filter(|row| row.account != account).collect();
            risk_difference(&rest).unwrap().0
        };
        let squares: f64 = (0..120).map(|account| (without(account) - whole).powi(2)).sum();
        let jackknife = (squares * 119.0 / 120.0).sqrt();
        assert!((jackknife / error - 1.0).abs() < 0.05, "{jackknife} {error}");
    }

    #[test]
    fn a_table_by_hand() {
        // Stratum 0: 8 of 10 adopters, 3 of 5 others. Stratum 1: 2 of 4, 6 of 12.
        // RD = ((8*5 - 3*10)/15 + (2*12 - 6*4)/16) / (50/15 + 48/16) = (2/3) / (10/3 + 3) = 2/19.
        let mut rows = Vec::new();
        for (stratum, adopter, good, all) in [(0, true, 8, 10), (0, false, 3, 5), (1, true, 2, 4), (1, false, 6, 12)] {
            for index in 0..all {
                rows.push(Compared { account: rows.len() as u32, stratum, adopter, good: index < good });
            }
        }
        assert!((risk_difference(&rows).unwrap().0 - 2.0 / 19.0).abs() < 1e-12);
        let adopters: Vec<Compared> = rows.into_iter().filter(|row| row.adopter).collect();
        assert!(risk_difference(&adopters).is_none());
    }
}
