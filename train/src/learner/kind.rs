//! The learners by name.

use std::str::FromStr;

use crate::calibrate::Prior;

use super::{BaseRate, Boosting, BoostingParameters, Forest, HealthScore, LearnError, Learner, Logistic};

/// Every learner there is, from the simplest to the most complex: of two that forecast equally well, the one that comes
/// first here is chosen ([`Ord`] is complexity).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LearnerKind {
    /// The base rate: no signal is read.
    BaseRate,
    /// The hand-weighted health score that is in use today.
    HealthScore,
    /// Regularised logistic regression.
    Logistic,
    /// Random forest.
    Forest,
    /// Gradient boosting.
    Boosting,
}

/// With fewer accounts of either outcome nothing is fitted.
pub const LEAST_ACCOUNTS: usize = 5;

impl LearnerKind {
    /// All learners, simplest first.
    pub const ALL: [Self; 5] = [Self::BaseRate, Self::HealthScore, Self::Logistic, Self::Forest, Self::Boosting];

    /// The learners that are fitted unless others are asked for: all but the forest, which takes longest and is not the
    /// best of them.
    #[must_use]
    pub fn default_learners() -> Vec<Self> {
        Self::ALL.into_iter().filter(|kind| *kind != Self::Forest).collect()
    }

    /// Accounts of the rarer outcome without which it is not fitted. The least of all is what a base rate needs to be
    /// calibrated; 20 and 50 are choices that no measurement stands behind yet (docs/calibration.md says how to make it).
    #[must_use]
    pub fn least_accounts(self) -> usize {
        match self {
            Self::BaseRate | Self::HealthScore => LEAST_ACCOUNTS,
            Self::Logistic => 20,
            Self::Forest | Self::Boosting => 50,
        }
    }

    /// The learner that takes its place where there are too few accounts for it.
    #[must_use]
    pub fn simpler(self) -> Option<Self> {
        match self {
            Self::BaseRate => None,
            Self::HealthScore | Self::Logistic => Some(Self::BaseRate),
            Self::Forest | Self::Boosting => Some(Self::Logistic),
        }
    }

    /// Whether its forecast can change at a single value of a signal: trees can, weighted sums cannot.
    #[must_use]
    pub fn has_steps(self) -> bool {
        matches!(self, Self::Forest | Self::Boosting)
    }

    /// What is known of its margins before an outcome calibrates them: those that are fitted by log loss are log-odds already,
    /// a health score and a share of trees are on scales of their own.
    #[must_use]
    pub fn calibration_prior(self) -> Prior {
        match self {
            Self::BaseRate | Self::Logistic | Self::Boosting => Prior::LOG_ODDS,
            Self::HealthScore | Self::Forest => Prior::ANY_SCALE,
        }
    }

    /// Name as written in `--learners`, reports and bundles.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BaseRate => "base_rate",
            Self::HealthScore => "health_score",
            Self::Logistic => "logistic",
            Self::Forest => "forest",
            Self::Boosting => "boosting",
        }
    }

    /// The learner with its default parameters, trying `settings` of them (1 to [`super::boosting::MOST_SETTINGS`]) on the latest training rows
    /// where it can choose: boosting does, and logistic regression has its path of penalties anyway.
    ///
    /// # Errors
    /// [`LearnError::Parameter`] for another number of settings.
    pub fn learner_within(self, settings: usize) -> Result<Box<dyn Learner>, LearnError> {
        match self {
            Self::Boosting => Ok(Box::new(BoostingParameters { settings, ..BoostingParameters::default() }.check()?)),
            _ => Ok(self.learner()),
        }
    }

    /// The learner with its default parameters.
    #[must_use]
    pub fn learner(self) -> Box<dyn Learner> {
        match self {
            Self::BaseRate => Box::new(BaseRate),
            Self::HealthScore => Box::new(HealthScore),
            Self::Logistic => Box::new(Logistic::default()),
            Self::Forest => Box::new(Forest::default()),
            Self::Boosting => Box::new(Boosting::default()),
        }
    }
}

impl std::fmt::Display for LearnerKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A name that is no learner's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("unknown learner: expected one of base_rate, health_score, logistic, forest, boosting, found `{found}`")]
#[diagnostic(code(bellwether::learn::unknown_learner), help("did you mean `{nearest}`?"))]
pub struct UnknownLearner {
    /// What was given.
    pub found: String,
    /// The nearest name.
    pub nearest: LearnerKind,
}

impl FromStr for LearnerKind {
    type Err = UnknownLearner;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(kind) = Self::ALL.into_iter().find(|kind| kind.name() == text) {
            return Ok(kind);
        }
        let distance = |kind: &Self| strsim::damerau_levenshtein(kind.name(), text);
        let nearest = Self::ALL.into_iter().min_by_key(distance).unwrap_or(Self::BaseRate);
        Err(UnknownLearner { found: text.to_owned(), nearest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for kind in LearnerKind::ALL {
            assert_eq!(kind.name().parse::<LearnerKind>(), Ok(kind));
            assert_eq!(kind.learner().name(), kind.name());
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }

    #[test]
    fn the_simpler_one_needs_no_more_accounts() {
        for kind in LearnerKind::ALL {
            match kind.simpler() {
                Some(simpler) => assert!(simpler < kind && simpler.least_accounts() <= kind.least_accounts()),
                None => assert_eq!((kind, kind.least_accounts()), (LearnerKind::BaseRate, LEAST_ACCOUNTS)),
            }
        }
    }

    #[test]
    fn the_simplest_comes_first() {
        assert!(LearnerKind::ALL.is_sorted());
        assert!(LearnerKind::BaseRate < LearnerKind::Logistic && LearnerKind::Logistic < LearnerKind::Boosting);
        assert!(!LearnerKind::default_learners().contains(&LearnerKind::Forest));
    }

    #[test]
    fn a_misspelling_gets_the_nearest_name() {
        let error = "boostng".parse::<LearnerKind>().unwrap_err();
        assert_eq!(error.nearest, LearnerKind::Boosting);
        assert!(error.to_string().contains("found `boostng`"));
    }
}
