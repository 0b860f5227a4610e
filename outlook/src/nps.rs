//! What groups of accounts say: net promoter score of the latest answers.

use bellwether_features::contract::TableName;
use bellwether_features::facts::{Facts, NpsFact};
use bellwether_features::time::Instant;
use serde::Serialize;

use crate::cohort::Share;
use crate::pool::Estimate;

/// Days in which an answer speaks for its account.
pub const ANSWER_DAYS: i64 = 365;

/// What an answer is: 9 and 10, 7 and 8, 0 to 6 (Reichheld 2003).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Voice {
    /// 9 or 10.
    Promoter,
    /// 7 or 8.
    Passive,
    /// 0 to 6.
    Detractor,
}

impl Voice {
    /// Of a score from 0 to 10.
    #[must_use]
    pub fn of_score(score: f64) -> Self {
        if score >= 9.0 {
            Self::Promoter
        } else if score >= 7.0 {
            Self::Passive
        } else {
            Self::Detractor
        }
    }
}

/// Answers of an account that count before `as_of`: of the versions of one answer the one known last, by time.
pub(crate) fn answers(facts: &Facts, account: usize, as_of: Instant) -> impl DoubleEndedIterator<Item = &NpsFact> {
    let counts = facts.count_since(TableName::Nps, account) < as_of;
    let rows = facts.nps.as_ref().filter(|_| counts).map_or(&[][..], |rows| rows.of(account));
    let is_visible = move |row: &NpsFact| row.at < as_of && row.known_at < as_of;
    // The versions of one answer lie beside those of others of the same instant, those known later after them.
    let holds = move |place: usize| {
        let row = &rows[place];
        let mut later = rows[place + 1..].iter().take_while(|later| later.at == row.at);
        is_visible(row) && !later.any(|later| later.respondent == row.respondent && is_visible(later))
    };
    (0..rows.len()).filter(move |place| holds(*place)).map(move |place| &rows[place])
}

/// What the account's latest answer of the last [`ANSWER_DAYS`] days says; `None` without one.
#[must_use]
pub fn voice(facts: &Facts, account: usize, as_of: Instant) -> Option<Voice> {
    let last = answers(facts, account, as_of).next_back()?;
    (last.at >= as_of.plus_days(-ANSWER_DAYS)).then(|| Voice::of_score(last.score))
}

/// Accounts by what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Voices {
    /// Promoters.
    pub promoters: u32,
    /// Passives.
    pub passives: u32,
    /// Detractors.
    pub detractors: u32,
}

impl Voices {
    /// One more account.
    pub fn add(&mut self, voice: Option<Voice>) {
        match voice {
            Some(Voice::Promoter) => self.promoters += 1,
            Some(Voice::Passive) => self.passives += 1,
            Some(Voice::Detractor) => self.detractors += 1,
            None => {}
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.promoters += other.promoters;
        self.passives += other.passives;
        self.detractors += other.detractors;
    }

    /// Accounts that have answered.
    #[must_use]
    pub fn answers(&self) -> u32 {
        self.promoters + self.passives + self.detractors
    }

    /// `100 (promoters - detractors) / answers`, from -100 to 100, with a 95 % interval; `None` without an answer.
    ///
    /// The variance of the difference of two shares of one sample is `(p + d - (p - d)^2) / n`; for it, half an answer of each
    /// kind is added, so that answers that all say the same do not make the score certain.
    #[must_use]
    pub fn score(&self) -> Option<Share> {
        let n = f64::from(self.answers());
        if n == 0.0 {
            return None;
        }
        let value = (f64::from(self.promoters) - f64::from(self.detractors)) / n;
        let half = 1.959_963_984_540_054 * self.estimate().variance.sqrt();
        let within = |share: f64| 100.0 * share.clamp(-1.0, 1.0);
        Some(Share { value: 100.0 * value, low: within(value - half), high: within(value + half) })
    }

    /// The score as a share from -1 to 1 with its variance, for groups that are drawn towards each other.
    fn estimate(&self) -> Estimate {
        let n = f64::from(self.answers()) + 1.5;
        let (promoters, detractors) = ((f64::from(self.promoters) + 0.5) / n, (f64::from(self.detractors) + 0.5) / n);
        let value = promoters - detractors;
        Estimate { value, variance: (promoters + detractors - value * value) / n }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// known-answers 7.
    #[test]
    fn a_score_is_promoters_less_detractors() {
        assert_eq!(
            [6.0, 7.0, 8.0, 9.0].map(Voice::of_score),
            [Voice::Detractor, Voice::Passive, Voice::Passive, Voice::Promoter]
        );
        let score = |promoters, passives, detractors| Voices { promoters, passives, detractors }.score();
        assert_eq!(score(60, 25, 15).unwrap().value, 45.0);
        assert_eq!(score(45, 35, 20).unwrap().value, 25.0);
        // By hand, without what is added: sqrt((0.75 - 0.45^2) / 100) = 0.073993, times 1.96 is 14.5 points.
        let found = score(60, 25, 15).unwrap();
        assert!((found.high - 45.0 - 14.5).abs() < 0.3, "{found:?}");
        assert_eq!(score(0, 0, 0), None);
        assert!(score(3, 0, 0).unwrap().low < 90.0, "three answers are not certain");
    }
}
