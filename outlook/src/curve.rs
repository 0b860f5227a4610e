//! Where the retention curve of each quarter's customers falls: at the beginning, or all along.
//!
//! The share of a cohort's accounts that pay, from age 0 to the oldest age that all of it has reached, is told as two
//! monthly hazards: `h = 1 - S^(1/m)` with the share `S` kept over the `m` months, of the first three months and of those
//! after. The same rule as [`curve_shape`] makes a shape of them. A quarter has few customers, so its hazards are drawn
//! towards those of all quarters first ([`Pool`]); the curve of all quarters together is chained from month to month over the
//! cohorts that have reached both ages (Kaplan and Meier 1958), with Greenwood's (1926) variance.

use chrono::NaiveDate;

use crate::cohort::{CohortAge, CurveShape, FIRST_MONTHS, LEAST_LOSS, Share, curve_shape};
use crate::pool::{Estimate, Pool};

/// The shape of one cohort's curve, or of all together.
#[derive(Debug, Clone, PartialEq)]
pub struct CohortCurve {
    /// First day of the cohort; `None` for all together.
    pub cohort: Option<NaiveDate>,
    /// Accounts.
    pub accounts: u64,
    /// Age of the last point, in months.
    pub months: u32,
    /// Share kept at the last point.
    pub kept: f64,
    /// Monthly hazard of the first three months, drawn towards all quarters.
    pub early: Share,
    /// Monthly hazard after them, drawn likewise.
    pub late: Share,
    /// Shape as counted.
    pub counted: Option<CurveShape>,
    /// Shape of the drawn hazards.
    pub shape: CurveShape,
}

/// All cohorts together first, then each, ascending. Cohorts younger than seven months have none. `rows` as from
/// [`crate::cohort::cohorts`].
#[must_use]
pub fn curves(rows: &[CohortAge]) -> Vec<CohortCurve> {
    let told: Vec<&[CohortAge]> =
        rows.chunk_by(|one, other| one.cohort == other.cohort).filter(|ages| ages.len() > 2 * FIRST_MONTHS).collect();
    let estimates: Vec<[Estimate; 2]> = told.iter().map(|ages| hazards(ages)).collect();
    let pools: [Option<Pool>; 2] =
        [0, 1].map(|part| Pool::of(&estimates.iter().map(|both| both[part]).collect::<Vec<_>>()));
    let of_cohort = |(ages, estimates): (&&[CohortAge], &[Estimate; 2])| {
        let drawn = |part: usize| Some(within(pools[part]?.drawn(&estimates[part])));
        let (early, late) = (drawn(0)?, drawn(1)?);
        let kept: Vec<f64> = ages.iter().map(|age| age.kept_accounts as f64 / age.accounts as f64).collect();
        let months = kept.len() - 1;
        Some(CohortCurve {
            cohort: ages.first().map(|age| age.cohort),
            accounts: ages.first().map_or(0, |age| age.accounts),
            months: months as u32,
            kept: *kept.last()?,
            counted: curve_shape(&kept),
            shape: shape_of(early.value, late.value, months),
            early,
            late,
        })
    };
    let cohorts: Vec<CohortCurve> = told.iter().zip(&estimates).filter_map(of_cohort).collect();
    all_together(&told).into_iter().chain(cohorts).collect()
}

fn within(share: Share) -> Share {
    Share { value: share.value.clamp(0.0, 1.0), low: share.low.clamp(0.0, 1.0), high: share.high.clamp(0.0, 1.0) }
}

/// As [`curve_shape`] says it, of hazards.
fn shape_of(early: f64, late: f64, months: usize) -> CurveShape {
    let kept = (1.0 - early).powi(FIRST_MONTHS as i32) * (1.0 - late).powi((months - FIRST_MONTHS) as i32);
    if 1.0 - kept < LEAST_LOSS {
        CurveShape::Stable
    } else if early >= 2.0 * late {
        CurveShape::Onboarding
    } else {
        CurveShape::Sustained
    }
}

/// Early and late monthly hazard of a cohort. An account that came back counts as kept.
fn hazards(ages: &[CohortAge]) -> [Estimate; 2] {
    let count = |place: usize| ages.get(place).map_or(0, |age| age.kept_accounts);
    let last = ages.len() - 1;
    let of = |from: usize, to: usize| {
        let (before, after) = (count(from), count(to).min(count(from)));
        if before == 0 {
            return Estimate { value: f64::NAN, variance: f64::NAN };
        }
        hazard(Estimate::of_share(after, before), to - from)
    };
    [of(0, FIRST_MONTHS), of(FIRST_MONTHS, last)]
}

/// The monthly hazard of a share kept over so many months, by the delta method.
fn hazard(kept: Estimate, months: usize) -> Estimate {
    let root = kept.value.powf(1.0 / months as f64);
    let slope = root / (months as f64 * kept.value);
    Estimate { value: 1.0 - root, variance: slope * slope * kept.variance }
}

/// The curve of all cohorts, chained from age to age; `None` without one.
fn all_together(told: &[&[CohortAge]]) -> Option<CohortCurve> {
    let longest = told.iter().map(|ages| ages.len()).max()?;
    let mut curve = vec![1.0];
    // Variance of the logarithm of the curve.
    let mut variances = vec![0.0];
    for age in 1..longest {
        let both = || told.iter().filter(|ages| ages.len() > age);
        let before: u64 = both().map(|ages| ages[age - 1].kept_accounts).sum();
        let after: u64 = both().map(|ages| ages[age].kept_accounts).sum();
        if before == 0 || after == 0 {
            break;
        }
        let (n, kept) = (before as f64, after.min(before) as f64);
        curve.push(curve[age - 1] * after as f64 / n);
        variances.push(variances[age - 1] + (n - kept) / (n * kept));
    }
    let months = curve.len() - 1;
    let counted = curve_shape(&curve)?;
    let of = |from: usize, to: usize| {
        let value = (curve[to] / curve[from]).min(1.0);
        let found = hazard(Estimate { value, variance: value * value * (variances[to] - variances[from]) }, to - from);
        let half = 1.959_963_984_540_054 * found.variance.sqrt();
        within(Share { value: found.value, low: found.value - half, high: found.value + half })
    };
    Some(CohortCurve {
        cohort: None,
        accounts: told.iter().filter_map(|ages| ages.first()).map(|age| age.accounts).sum(),
        months: months as u32,
        kept: curve[months],
        early: of(0, FIRST_MONTHS),
        late: of(FIRST_MONTHS, months),
        counted: Some(counted),
        shape: counted,
    })
}
