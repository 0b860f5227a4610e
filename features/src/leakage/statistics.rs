//! The few statistics that the search for leaks rests on.

/// How much one thing tells of another, within strata.
///
/// Theil's uncertainty coefficient, given the stratum: `U = 1 − H(y | x, s) / H(y | s)`, in `[0, 1]`; 0 where `y` has no
/// uncertainty left. Sources: Theil (1970), Am. J. Sociol. 76(1), 103–154; the test is the G-test, Sokal & Rohlf, Biometry
/// (1995), ch. 17, with the degrees of freedom summed over the strata.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Association {
    /// Sum of the weights.
    pub(crate) weight: f64,
    /// Uncertainty coefficient less what chance alone would give: `(G − df) / (2 n H)`.
    pub(crate) explained: f64,
    /// Probability of as large a G by chance.
    pub(crate) p_value: f64,
}

/// One observation: stratum, category, outcome (a share for several rows of one account), weight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation {
    pub(crate) stratum: u32,
    pub(crate) category: u32,
    pub(crate) outcome: bool,
    pub(crate) weight: f64,
}

/// Positive and all weights of a cell.
type Cell = (f64, f64);

/// How much the category tells of the outcome, within strata.
pub(crate) fn association(observations: &[Observation]) -> Association {
    let mut sorted: Vec<&Observation> = observations.iter().collect();
    sorted.sort_unstable_by_key(|one| (one.stratum, one.category));
    let (mut within_cells, mut within_strata, mut weight, mut freedom) = (0.0, 0.0, 0.0, 0.0);
    for stratum in sorted.chunk_by(|a, b| a.stratum == b.stratum) {
        let cells: Vec<Cell> = stratum.chunk_by(|a, b| a.category == b.category).map(sum).collect();
        let total = cells.iter().fold((0.0, 0.0), |sum, cell| (sum.0 + cell.0, sum.1 + cell.1));
        weight += total.1;
        let uncertainty = entropy(total);
        if uncertainty <= 0.0 {
            continue;
        }
        within_strata += uncertainty;
        within_cells += cells.iter().map(|cell| entropy(*cell)).sum::<f64>();
        freedom += (1..cells.len()).map(|_| 1.0).sum::<f64>();
    }
    let g = 2.0 * (within_strata - within_cells);
    let explained = if within_strata > 0.0 { (g - freedom) / (2.0 * within_strata) } else { 0.0 };
    Association { weight, explained, p_value: chi_square_tail(g, freedom) }
}

fn sum(observations: &[&Observation]) -> Cell {
    observations.iter().fold((0.0, 0.0), |(positive, all), one| {
        (positive + if one.outcome { one.weight } else { 0.0 }, all + one.weight)
    })
}

/// Weight times entropy of the outcome, in nats.
fn entropy((positive, all): Cell) -> f64 {
    let part = |weight: f64| if weight > 0.0 { -weight * (weight / all).ln() } else { 0.0 };
    part(positive) + part(all - positive)
}

/// Probability that chi-square with so many degrees of freedom is at least `value`.
///
/// Wilson & Hilferty (1931), PNAS 17(12), 684–688: the cube root is close to normal.
pub(crate) fn chi_square_tail(value: f64, freedom: f64) -> f64 {
    if freedom <= 0.0 || value <= 0.0 {
        return 1.0;
    }
    let spread = 2.0 / (9.0 * freedom);
    normal_tail(((value / freedom).cbrt() - (1.0 - spread)) / spread.sqrt())
}

/// Probability that a standard normal is at least `z`; relative error below 1.2e-7.
///
/// The complementary error function by its Chebyshev fit: Press et al., Numerical Recipes (1992), section 6.2.
fn normal_tail(z: f64) -> f64 {
    const FIT: [f64; 10] = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * x);
    let polynomial = FIT.iter().rev().fold(0.0, |sum, term| sum * t + term);
    let tail = 0.5 * t * (-x * x + polynomial).exp();
    if z >= 0.0 { tail } else { 1.0 - tail }
}

/// The interval of Wilson (1927), JASA 22(158), 209–212, around `count / of`, at 99.9 % (z = 3.29).
pub(crate) fn wilson(count: usize, of: usize) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, z2) = (number(of), 3.29_f64 * 3.29);
    let share = number(count) / n;
    let center = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = (z2 * (share * (1.0 - share) / n + z2 / (4.0 * n * n))).sqrt() / (1.0 + z2 / n);
    ((center - half).max(0.0), (center + half).min(1.0))
}

/// Share of random exchanges of the outcomes, each within its stratum, after which as much is explained; the observed
/// order counts as one of them (Phipson & Smyth 2010), so the result is never 0.
///
/// One seed, so the same data give the same share.
pub(crate) fn permutation_p(observations: &[Observation], rounds: u32) -> f64 {
    let observed = association(observations).explained;
    let mut shuffled = observations.to_vec();
    shuffled.sort_by_key(|one| one.stratum);
    let mut state = 0x5eed_u64;
    let mut as_good = 1;
    for _ in 0..rounds {
        for stratum in shuffled.chunk_by_mut(|a, b| a.stratum == b.stratum) {
            for place in (1..stratum.len()).rev() {
                let other = below(&mut state, place + 1);
                let kept = stratum[place].outcome;
                stratum[place].outcome = stratum[other].outcome;
                stratum[other].outcome = kept;
            }
        }
        as_good += u32::from(association(&shuffled).explained >= observed);
    }
    f64::from(as_good) / f64::from(rounds + 1)
}

/// A number below `end` from a SplitMix64 stream.
fn below(state: &mut u64, end: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut value = *state;
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^= value >> 31;
    usize::try_from((u128::from(value) * end as u128) >> 64).unwrap_or(0)
}

/// The place of each value among `groups` groups of about equal size, by ascending value; equal values stay together.
pub(crate) fn quantile_groups<T: PartialOrd>(values: &[T], groups: usize) -> Vec<u32> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].partial_cmp(&values[*b]).unwrap_or(std::cmp::Ordering::Equal));
    let mut group = vec![0; values.len()];
    let mut current = 0;
    for (place, index) in order.iter().enumerate() {
        if place == 0 || values[order[place - 1]] != values[*index] {
            current = u32::try_from(place * groups / values.len()).unwrap_or(0);
        }
        group[*index] = current;
    }
    group
}

/// How many, as a number to compute with.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(category: u32, outcome: bool) -> Observation {
        Observation { stratum: 0, category, outcome, weight: 1.0 }
    }

    #[test]
    fn what_determines_explains_all_and_what_does_not_explains_nothing() {
        let telling: Vec<Observation> = (0..200).map(|at| observed(at % 2, at % 2 == 0)).collect();
        let found = association(&telling);
        assert!(found.explained > 0.99 && found.p_value < 1e-9, "{found:?}");
        let silent: Vec<Observation> = (0..200).map(|at| observed(at % 2, at % 4 < 2)).collect();
        let found = association(&silent);
        assert!(found.explained.abs() < 0.01 && found.p_value > 0.9, "{found:?}");
        assert!(permutation_p(&telling, 199) <= 0.005);
        assert!(permutation_p(&silent, 199) > 0.5);
    }

    #[test]
    fn what_the_stratum_says_already_is_not_counted_twice() {
        // Outcome and category both follow the stratum, and nothing else.
        let both: Vec<Observation> = (0..400)
            .map(|at| Observation { stratum: at % 2, category: at % 2, outcome: at % 2 == 0, weight: 1.0 })
            .collect();
        assert!(association(&both).explained < 1e-9);
    }

    /// R: `pchisq(c(3.841459, 20, 150), c(1, 10, 100), lower = FALSE)`; `prop.test`-free Wilson by its formula.
    #[test]
    fn tails_agree_with_known_answers() {
        for (value, freedom, tail) in [(3.841_459, 1.0, 0.05), (20.0, 10.0, 0.029_25), (150.0, 100.0, 0.000_905)] {
            let found = chi_square_tail(value, freedom);
            assert!((found / tail - 1.0).abs() < 0.06, "{value} {freedom}: {found}");
        }
        let (low, high) = wilson(50, 100);
        assert!((low - 0.344).abs() < 0.002 && (high - 0.656).abs() < 0.002, "{low} {high}");
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    #[test]
    fn groups_are_even_and_keep_equals_together() {
        assert_eq!(quantile_groups(&[3, 1, 2, 4], 2), [1, 0, 0, 1]);
        assert_eq!(quantile_groups(&[1, 1, 1, 4], 2), [0, 0, 0, 1]);
    }
}
