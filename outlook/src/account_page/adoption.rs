//! What of the product the account uses.

use bellwether_features::time::Instant;
use rayon::prelude::*;

use super::AccountInput;

/// One feature in the hands of the account.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureUse {
    /// Feature.
    pub feature: String,
    /// First use; `None`: never used.
    pub first: Option<Instant>,
    /// Last use.
    pub last: Option<Instant>,
    /// Uses of the last 28 days.
    pub uses_28_days: u64,
    /// Uses of the last 90 days.
    pub uses_90_days: u64,
}

/// Every feature of the catalogue, in its order; without a catalogue every one that anybody had used by then, by name.
pub(super) fn features(input: &AccountInput<'_>) -> Vec<FeatureUse> {
    if input.facts.usage.is_none() {
        return Vec::new();
    }
    let names = if input.features.is_empty() { used_by_anybody(input) } else { input.features.to_vec() };
    let moment = input.moment();
    let (month, quarter) = (moment.plus_days(-28), moment.plus_days(-90));
    let mut found: Vec<FeatureUse> = names
        .into_iter()
        .map(|feature| FeatureUse { feature, first: None, last: None, uses_28_days: 0, uses_90_days: 0 })
        .collect();
    let place_of = |code: u32| {
        let name = input.facts.features.names.get(code as usize)?;
        found.iter().position(|one| one.feature == *name)
    };
    let places: Vec<Option<usize>> = (0..input.facts.features.names.len() as u32).map(place_of).collect();
    for one in input.facts.visible_uses(input.account, Instant::MIN, moment, moment) {
        let Some(place) = places.get(one.feature as usize).copied().flatten() else { continue };
        let feature = &mut found[place];
        feature.first = feature.first.or(Some(one.at));
        feature.last = Some(one.at);
        feature.uses_28_days += u64::from(one.at >= month);
        feature.uses_90_days += u64::from(one.at >= quarter);
    }
    found
}

/// A feature that nobody had used yet is not known yet.
fn used_by_anybody(input: &AccountInput<'_>) -> Vec<String> {
    let names = &input.facts.features.names;
    let moment = input.moment();
    let none = || vec![false; names.len()];
    let seen = (0..input.facts.accounts.len()).into_par_iter().fold(none, |mut seen, account| {
        for one in input.facts.visible_uses(account, Instant::MIN, moment, moment) {
            seen[one.feature as usize] = true;
        }
        seen
    });
    let seen = seen.reduce(none, |one, other| one.iter().zip(&other).map(|(one, other)| *one || *other).collect());
    names.iter().zip(seen).filter(|(_, seen)| *seen).map(|(name, _)| name.clone()).collect()
}
