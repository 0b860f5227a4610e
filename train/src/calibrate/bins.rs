//! Margins and outcomes as a short, sorted list of weighted bins.

use super::CalibrateError;

/// At most this many bins.
pub const MOST_BINS: usize = 2_000;

/// Rows of nearly one margin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Mean margin of the rows.
    pub margin: f64,
    /// Number of rows.
    pub rows: f64,
    /// Number of positive rows.
    pub positives: f64,
}

/// Bins by strictly increasing margin; equal margins share a bin.
#[derive(Debug, Clone, PartialEq)]
pub struct Bins {
    bins: Vec<Bin>,
}

impl Bins {
    /// Sorts and aggregates. With at most `most` distinct margins nothing is lost; beyond, neighbours are joined into bins
    /// of nearly equal size.
    ///
    /// # Errors
    /// [`CalibrateError::Length`] and [`CalibrateError::Margin`].
    pub fn new(margins: &[f64], labels: &[bool], most: usize) -> Result<Self, CalibrateError> {
        if margins.len() != labels.len() {
            return Err(CalibrateError::Length { margins: margins.len(), labels: labels.len() });
        }
        if let Some(row) = margins.iter().position(|margin| !margin.is_finite()) {
            return Err(CalibrateError::Margin { row, margin: margins[row].to_string() });
        }
        let mut pairs: Vec<(f64, bool)> = margins.iter().copied().zip(labels.iter().copied()).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let distinct = join(
            pairs.iter().map(|(margin, label)| Bin {
                margin: *margin,
                rows: 1.0,
                positives: f64::from(u8::from(*label)),
            }),
            |last, next| last.margin == next.margin,
        );
        if distinct.len() <= most {
            return Ok(Self { bins: distinct });
        }
        let size = pairs.len() as f64 / most as f64;
        Ok(Self { bins: join(distinct.into_iter(), |last, next| last.rows + next.rows <= size.ceil()) })
    }

    /// The bins.
    #[must_use]
    pub fn bins(&self) -> &[Bin] {
        &self.bins
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> f64 {
        self.bins.iter().map(|bin| bin.rows).sum()
    }

    /// Number of positive rows.
    #[must_use]
    pub fn positives(&self) -> f64 {
        self.bins.iter().map(|bin| bin.positives).sum()
    }
}

/// Joins neighbours while `same` says so; the margin of a joined bin is the mean of its rows.
fn join(bins: impl Iterator<Item = Bin>, same: impl Fn(&Bin, &Bin) -> bool) -> Vec<Bin> {
    let mut joined: Vec<Bin> = Vec::new();
    for bin in bins {
        match joined.last_mut() {
            Some(last) if same(last, &bin) => {
                let rows = last.rows + bin.rows;
                // Exact where both margins are equal.
                last.margin += (bin.margin - last.margin) * (bin.rows / rows);
                last.rows = rows;
                last.positives += bin.positives;
            }
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
