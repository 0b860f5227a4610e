//! Sums of gradients and Hessians per bin, as integers.
//!
//! Gradients are rounded to multiples of a power of two chosen once per fit (about 2⁻³⁰ of the greatest weight), and
//! summed as integers. Integer sums do not depend on their order, so a parent minus one child **is** the other child, and any
//! number of threads gives the same tree. A bin is two words, which one addition each updates: the gradient, and the
//! row count (upper 24 bits) together with the Hessian (lower 40 bits).

/// Bits of the Hessian sum within a word.
const HESSIAN_BITS: u32 = 40;

/// Units of the rounded derivatives per one, and what a unit stands for. All are powers of two, so that multiplying with the
/// one is exactly dividing by the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scales {
    gradient: f64,
    hessian: f64,
    gradient_unit: f64,
    hessian_unit: f64,
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
        let (gradient, hessian) = (power_below(30_f64.exp2() / greatest), of_sum.min(of_row));
        Self { gradient, hessian, gradient_unit: gradient.recip(), hessian_unit: hessian.recip() }
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
        self.0[0].cast_signed() as f64 * scales.gradient_unit
    }

    /// Sum of the Hessians.
    #[inline]
    pub(super) fn hessian(self, scales: Scales) -> f64 {
        (self.0[1] & ((1 << HESSIAN_BITS) - 1)).cast_signed() as f64 * scales.hessian_unit
    }
}

/// Sums per bin, one vector per feature of the tree.
pub(super) type Histogram = Vec<Vec<Sums>>;

/// Features that one pass over the rows takes together.
pub(super) const TOGETHER: usize = 4;

/// Sums per bin of up to [`TOGETHER`] features (bins of every row, and their number) over some rows, whose own sums come in
/// the same order.
///
/// Together, because neighbouring rows often fall into one bin, and an addition must wait for the one before it to
/// reach the same cell: meanwhile the other features go on. And the rows' own sums are read once for all of them.
pub(super) fn accumulate(columns: &[(&[u8], usize)], rows: &[u32], of_rows: &[Sums], sums: &mut [Vec<Sums>]) {
    match columns {
        [one, two, three, four] => fill(&pass([one.0, two.0, three.0, four.0], rows, of_rows), columns, sums),
        [one, two, three] => fill(&pass([one.0, two.0, three.0], rows, of_rows), columns, sums),
        [one, two] => fill(&pass([one.0, two.0], rows, of_rows), columns, sums),
        several => {
            for (column, sums) in several.iter().zip(sums) {
                fill(&pass([column.0], rows, of_rows), &[*column], std::slice::from_mut(sums));
            }
        }
    }
}

/// One pass over the rows.
fn pass<const N: usize>(columns: [&[u8]; N], rows: &[u32], of_rows: &[Sums]) -> [[Sums; 256]; N] {
    let mut tables = [[Sums::default(); 256]; N];
    for (&row, &value) in rows.iter().zip(of_rows) {
        for (table, bins) in tables.iter_mut().zip(columns) {
            let cell = &mut table[usize::from(bins[row as usize])];
            *cell = cell.plus(value);
        }
    }
    tables
}

fn fill(tables: &[[Sums; 256]], columns: &[(&[u8], usize)], sums: &mut [Vec<Sums>]) {
    for ((table, (_, bin_count)), sums) in tables.iter().zip(columns).zip(sums) {
        sums.clear();
        sums.extend_from_slice(&table[..*bin_count]);
    }
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
            let mut sums = vec![Vec::new()];
            accumulate(&[(&bins, 256)], part, &of_rows, &mut sums);
            sums.remove(0)
        };
        let mut whole = sums_of(&rows);
        subtract(&mut whole, &sums_of(&rows[..400]));
        assert_eq!(whole, sums_of(&rows[400..]));
    }

    #[test]
    fn features_taken_together_are_as_if_taken_alone() {
        let rows: Vec<u32> = (0..500).filter(|row| row % 3 != 0).collect();
        let columns: Vec<Vec<u8>> = (1..=TOGETHER as u32)
            .map(|step| (0..500).map(|row: u32| (row * step % (60 + step)) as u8).collect())
            .collect();
        let scales = Scales::new(rows.iter().map(|_| 1.0));
        let of_rows: Vec<Sums> = rows.iter().map(|row| scales.of_row(f64::from(*row) / 500.0, 0.2)).collect();
        for count in 1..=TOGETHER {
            let some: Vec<(&[u8], usize)> = columns[..count].iter().map(|bins| (bins.as_slice(), 70)).collect();
            let mut together = vec![Vec::new(); count];
            accumulate(&some, &rows, &of_rows, &mut together);
            for (column, found) in columns.iter().zip(&together) {
                let mut slow = vec![Sums::default(); 70];
                for (row, value) in rows.iter().zip(&of_rows) {
                    let bin = usize::from(column[*row as usize]);
                    slow[bin] = slow[bin].plus(*value);
                }
                assert_eq!(found, &slow, "{count} together");
            }
        }
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
