//! Margins and outcomes as a short, sorted list of weighted bins.

use super::CalibrateError;

/// At most this many bins.
pub const MOST_BINS: usize = 2_000;

/// Rows of nearly one margin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Weighted mean margin of the rows.
    pub margin: f64,
    /// Number of rows, or their weight.
    pub rows: f64,
    /// Number of positive rows, or their weight.
    pub positives: f64,
}

impl Bin {
    fn add(&mut self, next: &Self) {
        let rows = self.rows + next.rows;
        // Exact where both margins are equal.
        self.margin += (next.margin - self.margin) * (next.rows / rows);
        self.rows = rows;
        self.positives += next.positives;
    }
}

/// Bins by strictly increasing margin; equal margins share a bin.
#[derive(Debug, Clone, PartialEq)]
pub struct Bins {
    bins: Vec<Bin>,
}

impl Bins {
    /// Sorts and aggregates. With at most `most` distinct margins nothing is lost; beyond, neighbours are joined into bins
    /// of nearly equal weight.
    ///
    /// # Errors
    /// [`CalibrateError::Length`] and [`CalibrateError::Margin`].
    pub fn new(margins: &[f64], labels: &[bool], most: usize) -> Result<Self, CalibrateError> {
        Self::weighted(margins, labels, &vec![1.0; margins.len()], most)
    }

    /// Same, of rows with weights. A weight is a count: a row of weight 2 is two rows, and two rows that say the same
    /// thing twice have a weight of a half each.
    ///
    /// # Errors
    /// Those, and [`CalibrateError::Weight`] for one that is not finite and above 0.
    pub fn weighted(margins: &[f64], labels: &[bool], weights: &[f64], most: usize) -> Result<Self, CalibrateError> {
        if margins.len() != labels.len() {
            return Err(CalibrateError::Length { what: "labels", margins: margins.len(), found: labels.len() });
        }
        if margins.len() != weights.len() {
            return Err(CalibrateError::Length { what: "weights", margins: margins.len(), found: weights.len() });
        }
        if let Some(row) = margins.iter().position(|margin| !margin.is_finite()) {
            return Err(CalibrateError::Margin { row, margin: margins[row].to_string() });
        }
        if let Some(row) = weights.iter().position(|weight| !(weight.is_finite() && *weight > 0.0)) {
            return Err(CalibrateError::Weight { row, weight: weights[row].to_string() });
        }
        let rows = margins.iter().zip(labels).zip(weights);
        let mut rows: Vec<(f64, bool, f64)> =
            rows.map(|((margin, label), weight)| (*margin, *label, *weight)).collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.total_cmp(&b.2)));
        let distinct = join(
            rows.iter().map(|(margin, label, weight)| Bin {
                margin: *margin,
                rows: *weight,
                positives: if *label { *weight } else { 0.0 },
            }),
            |last, next| last.margin == next.margin,
        );
        if distinct.len() <= most {
            return Ok(Self { bins: distinct });
        }
        Ok(Self { bins: joined_to(most, distinct) })
    }

    /// The bins.
    #[must_use]
    pub fn bins(&self) -> &[Bin] {
        &self.bins
    }

    /// Number of rows, or their weight.
    #[must_use]
    pub fn rows(&self) -> f64 {
        self.bins.iter().map(|bin| bin.rows).sum()
    }

    /// Number of positive rows, or their weight.
    #[must_use]
    pub fn positives(&self) -> f64 {
        self.bins.iter().map(|bin| bin.positives).sum()
    }
}

/// Joins neighbours whose middles lie in the same of `most` equal shares of the weight.
fn joined_to(most: usize, distinct: Vec<Bin>) -> Vec<Bin> {
    let total: f64 = distinct.iter().map(|bin| bin.rows).sum();
    let mut before = 0.0;
    let mut joined: Vec<Bin> = Vec::with_capacity(most);
    let mut last_share = None;
    for bin in distinct {
        let share = Some(((before + 0.5 * bin.rows) / total * most as f64) as usize);
        before += bin.rows;
        match joined.last_mut() {
            Some(last) if share == last_share => last.add(&bin),
            _ => joined.push(bin),
        }
        last_share = share;
    }
    joined
}

/// Joins neighbours while `same` says so; the margin of a joined bin is the mean of its rows.
fn join(bins: impl Iterator<Item = Bin>, same: impl Fn(&Bin, &Bin) -> bool) -> Vec<Bin> {
    let mut joined: Vec<Bin> = Vec::new();
    for bin in bins {
        match joined.last_mut() {
            Some(last) if same(last, &bin) => last.add(&bin),
            _ => joined.push(bin),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_margins_share_a_bin_and_nothing_is_lost() {
        let bins = Bins::new(&[0.5, -1.0, 0.5, 2.0], &[true, false, false, true], MOST_BINS).unwrap();
        let expected = [(-1.0, 1.0, 0.0), (0.5, 2.0, 1.0), (2.0, 1.0, 1.0)];
        let found: Vec<_> = bins.bins().iter().map(|bin| (bin.margin, bin.rows, bin.positives)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_weight_is_a_count() {
        let doubled = Bins::new(&[0.5, 0.5, -1.0], &[true, true, false], MOST_BINS).unwrap();
        let weighted = Bins::weighted(&[0.5, -1.0], &[true, false], &[2.0, 1.0], MOST_BINS).unwrap();
        assert_eq!(doubled, weighted);
        let refused = Bins::weighted(&[0.5], &[true], &[0.0], MOST_BINS).unwrap_err();
        assert!(matches!(refused, CalibrateError::Weight { row: 0, .. }));
    }

    #[test]
    fn many_margins_become_few_bins_with_the_same_totals() {
        let margins: Vec<f64> = (0..10_007).map(|row| f64::from((row * 7_919) % 10_007) / 100.0).collect();
        let labels: Vec<bool> = (0..10_007).map(|row| row % 3 == 0).collect();
        let bins = Bins::new(&margins, &labels, 500).unwrap();
        assert!(bins.bins().len() <= 500, "{}", bins.bins().len());
        assert_eq!(bins.rows(), 10_007.0);
        assert_eq!(bins.positives(), labels.iter().filter(|label| **label).count() as f64);
        assert!(bins.bins().windows(2).all(|pair| pair[0].margin < pair[1].margin));
    }
}
