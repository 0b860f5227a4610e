//! Sums of gradients and Hessians per bin, as integers.
//!
//! Gradients are rounded to multiples of a power of two chosen once per fit (about 2⁻³⁰ of the greatest weight), and
//! summed as integers. Integer sums do not depend on their order, so a parent minus one child **is** the other child, and any
//! number of threads gives the same tree. A bin is two words, which one addition each updates: the gradient, and the
//! row count (upper 24 bits) together with the Hessian (lower 40 bits).

/// Bits of the Hessian sum within a word.
const HESSIAN_BITS: u32 = 40;

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

    /// The rounded derivatives of one row, as the sums over that row alone.
    pub(super) fn of_row(&self, gradient: f64, hessian: f64) -> Sums {
        let gradient = round(gradient * self.gradient) as i64;
        let hessian = round(hessian * self.hessian) as u64;
        Sums([gradient.cast_unsigned(), (1 << HESSIAN_BITS) | hessian])
    }
}

/// To the nearest integer, ties to even, for magnitudes below 2⁵¹: adding 1.5 · 2⁵² leaves no bits for the fraction. (The
/// library's function is a call on processors without SSE 4.1, which is what we build for.)
fn round(value: f64) -> f64 {
    const NO_FRACTION: f64 = 6_755_399_441_055_744.0;
    (value + NO_FRACTION) - NO_FRACTION
}

/// Sums over the rows of a bin, of a whole node, or of one row.
///
/// The first word is the gradient (two's complement), the second the count and the Hessian. Both are added at once;
/// wrapping keeps overflow checks out of the innermost loop, and [`Scales::new`] excludes overflow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(align(16))]
pub(super) struct Sums([u64; 2]);

impl Sums {
    /// Both together.
    #[inline]
    pub(super) fn plus(self, other: Self) -> Self {
        Self([self.0[0].wrapping_add(other.0[0]), self.0[1].wrapping_add(other.0[1])])
    }

    /// The rest, where `other` is a part.
    #[inline]
    pub(super) fn minus(self, other: Self) -> Self {
        Self([self.0[0].wrapping_sub(other.0[0]), self.0[1].wrapping_sub(other.0[1])])
    }

    /// Number of rows.
    #[inline]
    pub(super) fn count(self) -> usize {
        (self.0[1] >> HESSIAN_BITS) as usize
    }

    /// Sum of the gradients.
    #[inline]
    pub(super) fn gradient(self, scales: Scales) -> f64 {
        self.0[0].cast_signed() as f64 / scales.gradient
    }

    /// Sum of the Hessians.
    #[inline]
    pub(super) fn hessian(self, scales: Scales) -> f64 {
        (self.0[1] & ((1 << HESSIAN_BITS) - 1)) as f64 / scales.hessian
    }
}

/// Sums per bin, one vector per feature of the tree.
pub(super) type Histogram = Vec<Vec<Sums>>;

/// Sums per bin over some rows, whose own sums come in the same order.
///
/// Neighbouring rows often fall into one bin, and an addition must wait for the one before it to reach the same cell; so
/// four tables take turns and are added up at the end.
pub(super) fn accumulate(bins: &[u8], rows: &[u32], of_rows: &[Sums], bin_count: usize, sums: &mut Vec<Sums>) {
    let mut tables = [[Sums::default(); 256]; 4];
    let (row_groups, last_rows) = rows.as_chunks::<4>();
    let (value_groups, last_values) = of_rows.as_chunks::<4>();
    for (group, values) in row_groups.iter().zip(value_groups) {
        for turn in 0..4 {
            let cell = &mut tables[turn][usize::from(bins[group[turn] as usize])];
            *cell = cell.plus(values[turn]);
        }
    }
    for (&row, &value) in last_rows.iter().zip(last_values) {
        let cell = &mut tables[0][usize::from(bins[row as usize])];
        *cell = cell.plus(value);
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
        let all: Vec<Sums> = rows
            .iter()
            .map(|row| scales.of_row((f64::from(*row) * 0.37).sin() * 900.0, f64::from(*row % 9) / 40.0))
            .collect();
        let sums_of = |part: &[u32]| {
            let of_rows: Vec<Sums> = part.iter().map(|row| all[*row as usize]).collect();
            let mut sums = Vec::new();
            accumulate(&bins, part, &of_rows, 256, &mut sums);
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
        let greatest = scales.of_row(-1e6, 0.25e6);
        for _ in 0..rows {
            sums = sums.plus(greatest);
        }
        assert_eq!(sums.count(), rows);
        assert!((sums.gradient(scales) / (-1e6 * rows as f64) - 1.0).abs() < 1e-6);
        assert!((sums.hessian(scales) / (0.25e6 * rows as f64) - 1.0).abs() < 1e-6);
    }
}
