//! Sums of gradients and Hessians per bin, as integers.
//!
//! Gradients are rounded to multiples of a power of two chosen once per fit (about 2⁻³⁰ of the greatest weight), and
//! summed as integers. Integer sums do not depend on their order, so a parent minus one child **is** the other child, and any
//! number of threads gives the same tree. A bin is two words, which one addition each updates: the gradient, and the
//! row count (upper 24 bits) together with the Hessian (lower 40 bits).

/// Bits of the Hessian sum within a word.
const HESSIAN_BITS: u32 = 40;

/// One row's derivatives of the weighted log loss, rounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Derivatives {
    gradient: i32,
    hessian: u32,
}

/// What one unit of the rounded derivatives stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scales {
    gradient: f64,
    hessian: f64,
}

impl Scales {
    /// The finest scales at which no sum over the rows can overflow: `|g| <= w` and `h <= w / 4` for log loss. At most
    /// 2²⁴ − 1 rows.
    pub(super) fn new(weights: impl Iterator<Item = f64>) -> Self {
        let (mut greatest, mut total) = (0.0_f64, 0.0);
        for weight in weights {
            greatest = greatest.max(weight);
            total += weight;
        }
        let power_below = |value: f64| value.log2().floor().exp2();
        let of_sum = power_below(f64::from(HESSIAN_BITS - 1).exp2() / (total / 4.0));
        let of_row = power_below(30_f64.exp2() / (greatest / 4.0));
        Self { gradient: power_below(30_f64.exp2() / greatest), hessian: of_sum.min(of_row) }
    }

    /// Rounds one row's derivatives.
    pub(super) fn round(&self, gradient: f64, hessian: f64) -> Derivatives {
        Derivatives {
            gradient: round(gradient * self.gradient) as i32,
            hessian: round(hessian * self.hessian) as u32,
        }
    }
}

/// To the nearest integer, ties to even, for magnitudes below 2⁵¹: adding 1.5 · 2⁵² leaves no bits for the fraction. (The
/// library's function is a call on processors without SSE 4.1, which is what we build for.)
fn round(value: f64) -> f64 {
    const NO_FRACTION: f64 = 6_755_399_441_055_744.0;
    (value + NO_FRACTION) - NO_FRACTION
}

/// Sums over the rows of a bin, or of a whole node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    gradient: i64,
    count_and_hessian: u64,
}

impl Sums {
    /// Adds one row. Wrapping keeps overflow checks out of the innermost loop; [`Scales::new`] excludes overflow.
    #[inline]
    pub(super) fn add_row(&mut self, row: Derivatives) {
        self.gradient = self.gradient.wrapping_add(i64::from(row.gradient));
        self.count_and_hessian = self.count_and_hessian.wrapping_add((1 << HESSIAN_BITS) | u64::from(row.hessian));
    }

    /// Both together.
    #[inline]
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            gradient: self.gradient.wrapping_add(other.gradient),
            count_and_hessian: self.count_and_hessian.wrapping_add(other.count_and_hessian),
        }
    }

    /// The rest, where `other` is a part.
    #[inline]
    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            gradient: self.gradient.wrapping_sub(other.gradient),
            count_and_hessian: self.count_and_hessian.wrapping_sub(other.count_and_hessian),
        }
    }

    /// Number of rows.
    #[inline]
    pub(super) fn count(self) -> usize {
        (self.count_and_hessian >> HESSIAN_BITS) as usize
    }

    /// Sum of the gradients.
    #[inline]
    pub(super) fn gradient(self, scales: Scales) -> f64 {
        self.gradient as f64 / scales.gradient
    }

    /// Sum of the Hessians.
    #[inline]
    pub(super) fn hessian(self, scales: Scales) -> f64 {
        (self.count_and_hessian & ((1 << HESSIAN_BITS) - 1)) as f64 / scales.hessian
    }
}

/// Sums per bin, one vector per feature of the tree.
pub(super) type Histogram = Vec<Vec<Sums>>;

/// Sums per bin over some rows, whose derivatives come in the same order.
///
/// Neighbouring rows often fall into one bin, and an addition must wait for the one before it to reach the same cell; so
/// four tables take turns and are added up at the end.
pub(super) fn accumulate(bins: &[u8], rows: &[u32], derivatives: &[Derivatives], bin_count: usize, sums: &mut Vec<Sums>) {
    let mut tables = [[Sums::default(); 256]; 4];
    let (row_groups, last_rows) = rows.as_chunks::<4>();
    let (derivative_groups, last_derivatives) = derivatives.as_chunks::<4>();
    for (group, values) in row_groups.iter().zip(derivative_groups) {
        for turn in 0..4 {
            tables[turn][usize::from(bins[group[turn] as usize])].add_row(values[turn]);
        }
    }
    for (&row, &value) in last_rows.iter().zip(last_derivatives) {
        tables[0][usize::from(bins[row as usize])].add_row(value);
    }
    let [first, second, third, fourth] = &tables;
    let total = |bin: usize| first[bin].plus(second[bin]).plus(third[bin].plus(fourth[bin]));
    sums.clear();
    sums.extend((0..bin_count).map(total));
}

/// Turns the sums of a parent into those of the child that `part` is not.
pub(super) fn subtract(whole: &mut [Sums], part: &[Sums]) {
    for (cell, part) in whole.iter_mut().zip(part) {
        *cell = cell.minus(*part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_histogram_is_exactly_the_other_child() {
        let rows: Vec<u32> = (0..1_000).collect();
        let bins: Vec<u8> = rows.iter().map(|row| (row * 7 % 256) as u8).collect();
        let scales = Scales::new(rows.iter().map(|row| 1.0 + f64::from(*row)));
        let all: Vec<Derivatives> = rows
            .iter()
            .map(|row| scales.round((f64::from(*row) * 0.37).sin() * 900.0, f64::from(*row % 9) / 40.0))
            .collect();
        let sums_of = |part: &[u32]| {
            let derivatives: Vec<Derivatives> = part.iter().map(|row| all[*row as usize]).collect();
            let mut sums = Vec::new();
            accumulate(&bins, part, &derivatives, 256, &mut sums);
            sums
        };
        let mut whole = sums_of(&rows);
        subtract(&mut whole, &sums_of(&rows[..400]));
        assert_eq!(whole, sums_of(&rows[400..]));
    }

    #[test]
    fn greatest_sums_fit() {
        let rows = 1 << 20;
        let scales = Scales::new(std::iter::repeat_n(1e6, rows));
        let mut sums = Sums::default();
        let greatest = scales.round(-1e6, 0.25e6);
        for _ in 0..rows {
            sums.add_row(greatest);
        }
        assert_eq!(sums.count(), rows);
        assert!((sums.gradient(scales) / (-1e6 * rows as f64) - 1.0).abs() < 1e-6);
        assert!((sums.hessian(scales) / (0.25e6 * rows as f64) - 1.0).abs() < 1e-6);
    }
}
