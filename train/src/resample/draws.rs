//! Which accounts a replicate holds, and how often.

/// Rows by the account that they are resampled with.
pub(crate) struct Clusters {
    of_row: Vec<u32>,
    count: usize,
}

impl Clusters {
    /// Accounts as consecutive numbers, in the order of their codes.
    pub(crate) fn of(accounts: &[u32]) -> Self {
        let mut codes = accounts.to_vec();
        codes.sort_unstable();
        codes.dedup();
        let place = |account: &u32| codes.binary_search(account).unwrap_or_default() as u32;
        Self { of_row: accounts.iter().map(place).collect(), count: codes.len() }
    }

    /// Each row as if it were an account.
    pub(crate) fn each_alone(rows: usize) -> Self {
        Self { of_row: (0..rows as u32).collect(), count: rows }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Cluster of each row.
    pub(crate) fn of_row(&self) -> &[u32] {
        &self.of_row
    }
}

/// The draws of a bootstrap: replicate by replicate, each from a stream of its own.
pub(crate) struct Draws {
    seed: u64,
    clusters: usize,
}

impl Draws {
    pub(crate) fn new(seed: u64, clusters: usize) -> Self {
        Self { seed, clusters }
    }

    /// How often each cluster is drawn in a replicate: as many draws as clusters, with replacement. The same for every
    /// forecast on the same accounts, so that differences are paired.
    pub(crate) fn fill(&self, replicate: usize, weights: &mut Vec<u32>) {
        weights.clear();
        weights.resize(self.clusters, 0);
        let mut state = mixed(self.seed ^ mixed(replicate as u64 + 1));
        for _ in 0..self.clusters {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            // The high half of the product is uniform over the clusters to within 2^-64 (Lemire 2019).
            let drawn = (u128::from(mixed(state)) * self.clusters as u128) >> 64;
            weights[drawn as usize] += 1;
        }
    }
}

/// The finaliser of SplitMix64 (Steele et al. 2014).
fn mixed(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replicate_draws_as_many_as_there_are() {
        let draws = Draws::new(7, 1_000);
        let mut weights = Vec::new();
        let (mut sum_of_squares, mut first) = (0.0, 0_u32);
        for replicate in 0..200 {
            draws.fill(replicate, &mut weights);
            assert_eq!(weights.iter().sum::<u32>(), 1_000);
            sum_of_squares += weights.iter().map(|w| f64::from(*w) * f64::from(*w)).sum::<f64>() / 1_000.0;
            first += weights[0];
        }
        // A multinomial count of mean 1 has variance 1 - 1/G, so mean square 2 - 1/G.
        assert!((sum_of_squares / 200.0 - 1.999).abs() < 0.02, "{sum_of_squares}");
        assert!((140..260).contains(&first), "{first}");
    }

    #[test]
    fn draws_are_pinned() {
        let mut weights = Vec::new();
        Draws::new(7, 8).fill(3, &mut weights);
        let again = weights.clone();
        Draws::new(7, 8).fill(3, &mut weights);
        assert_eq!(weights, again);
        Draws::new(8, 8).fill(3, &mut weights);
        assert_ne!(weights, again);
    }

    #[test]
    fn accounts_become_consecutive_numbers() {
        let clusters = Clusters::of(&[70, 3, 70, 9]);
        assert_eq!((clusters.of_row(), clusters.count()), ([2, 0, 2, 1].as_slice(), 3));
    }
}
