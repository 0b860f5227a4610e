//! Triggers with hysteresis (Schmitt triggers): a line counts as crossed at once, and as left only when the value has come
//! back beyond it by a margin. A value that wavers about a line so raises one alert and no more.
//!
//! Where a trigger stands is a fold over the values of the dates so far, so it is known from the history alone: no file
//! remembers it, and a past date gives today what it gave then.

use bellwether_models::policy::Health;

/// Which side of a line is the worse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worse {
    /// Below the line.
    Below,
    /// On the line and above.
    From,
}

/// A warning line, and the threshold behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lines {
    /// Comes first.
    pub warning: f64,
    /// Comes second, or is the same.
    pub threshold: f64,
    /// How far beyond a line a value must come back, as a share of the distance between the lines; where both are one, of
    /// the line itself.
    pub margin: f64,
    /// The worse side.
    pub worse: Worse,
}

/// How far a value has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Before both lines.
    Normal,
    /// Beyond the warning.
    Warning,
    /// Beyond the threshold.
    Crossed,
}

impl Reach {
    /// Name in tables.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Warning => "warning",
            Self::Crossed => "crossed",
        }
    }
}

impl Lines {
    /// Where a value stands, given where the one before it stood.
    ///
    /// ```
    /// use bellwether_outlook::account::trigger::{Lines, Reach, Worse};
    /// let days = Lines { warning: 10.0, threshold: 5.0, margin: 0.2, worse: Worse::Below };
    /// let nine = days.next(None, 9.0);
    /// assert_eq!(nine, Reach::Warning);
    /// assert_eq!(days.next(Some(nine), 10.0), Reach::Warning, "not yet a day beyond the line");
    /// assert_eq!(days.next(Some(nine), 11.0), Reach::Normal);
    /// ```
    #[must_use]
    pub fn next(&self, before: Option<Reach>, value: f64) -> Reach {
        let reached = self.reached(value, 0.0);
        before.map_or(reached, |before| reached.max(before.min(self.reached(value, self.back()))))
    }

    /// How far back beyond a line a value must come.
    fn back(&self) -> f64 {
        let distance = (self.threshold - self.warning).abs();
        self.margin * if distance > 0.0 { distance } else { self.threshold.abs() }
    }

    /// Where a value stands when the lines are moved towards the better side.
    fn reached(&self, value: f64, by: f64) -> Reach {
        let is_beyond = |line: f64| match self.worse {
            Worse::Below => value < line + by,
            Worse::From => value >= line - by,
        };
        if is_beyond(self.threshold) {
            Reach::Crossed
        } else if is_beyond(self.warning) {
            Reach::Warning
        } else {
            Reach::Normal
        }
    }
}

/// Health over time: a turn to the worse counts at once, one to the better when it has held for two dates. What is not known
/// changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HealthState {
    /// What counts.
    pub held: Option<Health>,
    /// What was seen last.
    seen: Option<Health>,
}

/// From best to worst; `None`: not known.
fn rank(health: Health) -> Option<u8> {
    match health {
        Health::Champion => Some(0),
        Health::Sleeper => Some(1),
        Health::Hostage => Some(2),
        Health::AtRisk => Some(3),
        Health::Unknown => None,
    }
}

/// Whether the first is worse than the second.
#[must_use]
pub fn is_worse(one: Health, other: Health) -> bool {
    rank(one) > rank(other)
}

impl HealthState {
    /// The state after one more date.
    #[must_use]
    pub fn next(self, health: Option<Health>) -> Self {
        let Some(now) = health.filter(|health| rank(*health).is_some()) else { return self };
        let held = match (self.held, self.seen) {
            (Some(held), Some(seen)) if rank(now) < rank(held) => {
                let confirmed = if is_worse(seen, now) { seen } else { now };
                if rank(confirmed) < rank(held) { confirmed } else { held }
            }
            _ => now,
        };
        Self { held: Some(held), seen: Some(now) }
    }
}

/// Whether use grows or shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trend {
    /// It grows.
    Rising,
    /// It shrinks.
    Falling,
}

impl Trend {
    /// Name in tables.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Rising => "rising",
            Self::Falling => "falling",
        }
    }

    /// The trend after `uses` in a window where `expected` would have been no change: it turns when they differ by at least
    /// the share `least` of what was expected and by more than two standard errors of the difference of two Poisson counts,
    /// `|uses - expected| > 2 sqrt(uses + expected)`; else it goes on.
    #[must_use]
    pub fn next(was: Option<Self>, expected: f64, uses: u64, least: f64) -> Option<Self> {
        let now = uses as f64;
        let difference = now - expected;
        let counts = difference.abs() >= least * expected && difference.powi(2) > 4.0 * (now + expected);
        match counts {
            true if difference > 0.0 => Some(Self::Rising),
            true => Some(Self::Falling),
            false => was,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(lines: Lines, values: &[f64]) -> Vec<Reach> {
        let mut reach = None;
        let next = |value: &f64| {
            reach = Some(lines.next(reach, *value));
            reach.expect("a value was seen")
        };
        values.iter().map(next).collect()
    }

    #[test]
    fn a_value_that_wavers_about_a_line_crosses_it_once() {
        let days = Lines { warning: 10.0, threshold: 5.0, margin: 0.2, worse: Worse::Below };
        let turns = |values: &[f64]| fold(days, values).windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(turns(&[11.0, 9.0]), 1, "known-answers 10");
        assert_eq!(turns(&[9.0, 9.0]), 0, "known-answers 10");
        assert_eq!(turns(&[12.0, 9.0, 10.0, 9.0, 10.5, 9.5]), 1);
        assert_eq!(turns(&[12.0, 9.0, 11.0, 9.0]), 3, "it came back beyond the margin");
        use Reach::{Crossed, Normal, Warning};
        assert_eq!(
            fold(days, &[12.0, 4.0, 5.0, 6.0, 10.0, 11.0]),
            [Normal, Crossed, Crossed, Warning, Warning, Normal]
        );
    }

    #[test]
    fn a_share_of_the_limit_counts_from_the_line_on() {
        let limit = Lines { warning: 0.8, threshold: 1.0, margin: 0.2, worse: Worse::From };
        use Reach::{Crossed, Normal, Warning};
        assert_eq!(fold(limit, &[0.799, 0.801]), [Normal, Warning], "known-answers 10");
        assert_eq!(fold(limit, &[1.0, 0.97, 0.95, 0.77, 0.75]), [Crossed, Crossed, Warning, Warning, Normal]);
        let one = Lines { warning: 0.3, threshold: 0.3, ..limit };
        assert_eq!(fold(one, &[0.3, 0.25, 0.23]), [Crossed, Crossed, Normal], "a fifth of the line itself");
    }

    #[test]
    fn health_turns_worse_at_once_and_better_when_it_holds() {
        use Health::{AtRisk, Champion, Hostage, Sleeper, Unknown};
        let fold = |seen: &[Health]| -> Vec<Option<Health>> {
            let mut state = HealthState::default();
            let next = |health: &Health| {
                state = state.next(Some(*health));
                state.held
            };
            seen.iter().map(next).collect()
        };
        let held = |seen: &[Health]| -> Vec<Health> { fold(seen).into_iter().flatten().collect() };
        assert_eq!(held(&[Champion, AtRisk, Champion, AtRisk]), [Champion, AtRisk, AtRisk, AtRisk]);
        assert_eq!(held(&[AtRisk, Champion, Champion]), [AtRisk, AtRisk, Champion]);
        assert_eq!(held(&[AtRisk, Sleeper, Champion, Champion]), [AtRisk, AtRisk, Sleeper, Champion]);
        assert_eq!(held(&[Champion, Unknown, Hostage]), [Champion, Champion, Hostage]);
        assert_eq!(fold(&[Unknown]), [None]);
    }

    #[test]
    fn a_trend_turns_on_more_than_chance() {
        use Trend::{Falling, Rising};
        let next = |was, before: u32, uses| Trend::next(was, f64::from(before), uses, 0.2);
        assert_eq!(next(None, 100, 150), Some(Rising));
        assert_eq!(next(Some(Rising), 150, 148), Some(Rising), "hardly a change");
        assert_eq!(next(Some(Rising), 150, 90), Some(Falling));
        assert_eq!(next(Some(Rising), 4, 2), Some(Rising), "half, by chance");
        assert_eq!(next(Some(Rising), 10_000, 9_000), Some(Rising), "more than chance, but not much");
        assert_eq!(next(None, 0, 0), None);
    }
}
