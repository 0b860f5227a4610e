//! The section `[alerts]`: options as written, and settings as checked; and what is wrong where they cannot be meant.

use serde::{Deserialize, Serialize};

use super::trigger::{Lines, Worse};

/// What is wrong with a key of `[plays]` or `[alerts]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{}: expected {expected}, found {found}", .key.join("."))]
#[diagnostic(code(bellwether::outlook::settings), help("{hint}"))]
pub struct SectionError {
    /// The key, part by part, e.g. `alerts`, `margin`.
    pub key: Vec<String>,
    /// What it may be.
    pub expected: String,
    /// What it is.
    pub found: String,
    /// The next step.
    pub hint: String,
}

/// `[alerts]` as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertOptions {
    /// Fewer days with use than this in the last 28 are a warning. Default 10.
    pub active_days_warning: Option<f64>,
    /// Fewer days with use than this in the last 28 are below the threshold. Default 5.
    pub active_days: Option<f64>,
    /// From this share of the usage limit on an account comes near it. Default 0.8.
    pub limit_warning: Option<f64>,
    /// From this share of the usage limit on it is reached. Default 1.0.
    pub limit: Option<f64>,
    /// From this probability of churn on: a warning. Default: where the scores' band `medium` begins.
    pub churn_warning: Option<f64>,
    /// From this probability of churn on: the threshold. Default: where the scores' band `high` begins.
    pub churn: Option<f64>,
    /// The same for expansion.
    pub expansion_warning: Option<f64>,
    /// The same for expansion.
    pub expansion: Option<f64>,
    /// How far beyond a line a value must come back before the line counts as left: as a share of the distance between
    /// warning and threshold. Default 0.5.
    pub margin: Option<f64>,
    /// By which share use of the last 28 days must differ from what it would be, had it gone from the 28 days before as that
    /// of all others, to rise or to fall. Default 0.2.
    pub trend_change: Option<f64>,
    /// How many dates with scores, up to the one compared with, are looked back on to know what was crossed before.
    /// Default 12.
    pub history_dates: Option<usize>,
}

/// The two lines of a probability, where they are declared.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DeclaredLines {
    /// Warning.
    pub warning: Option<f64>,
    /// Threshold.
    pub threshold: Option<f64>,
}

/// `[alerts]`, checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlertSettings {
    /// Days with use in the last 28.
    pub active_days: Lines,
    /// Use as a share of the limit.
    pub limit: Lines,
    /// Probability of churn.
    pub churn: DeclaredLines,
    /// Probability of expansion.
    pub expansion: DeclaredLines,
    /// Share of the distance between the lines.
    pub margin: f64,
    /// Least relative change of use.
    pub trend_change: f64,
    /// Dates looked back on.
    pub history_dates: usize,
}

impl Default for AlertSettings {
    fn default() -> Self {
        let margin = 0.5;
        Self {
            active_days: Lines { warning: 10.0, threshold: 5.0, margin, worse: Worse::Below },
            limit: Lines { warning: 0.8, threshold: 1.0, margin, worse: Worse::From },
            churn: DeclaredLines::default(),
            expansion: DeclaredLines::default(),
            margin,
            trend_change: 0.2,
            history_dates: 12,
        }
    }
}

impl AlertOptions {
    /// Checks the section.
    ///
    /// # Errors
    /// [`SectionError`] names the first key that cannot be meant.
    pub fn resolve(&self) -> Result<AlertSettings, SectionError> {
        let default = AlertSettings::default();
        let margin = within("margin", self.margin, 0.0, 1.0)?.unwrap_or(default.margin);
        let active_days = Lines {
            warning: within("active_days_warning", self.active_days_warning, 0.0, 28.0)?
                .unwrap_or(default.active_days.warning),
            threshold: within("active_days", self.active_days, 0.0, 28.0)?.unwrap_or(default.active_days.threshold),
            margin,
            worse: Worse::Below,
        };
        ordered("active_days_warning", active_days.threshold, active_days.warning)?;
        let limit = Lines {
            warning: within("limit_warning", self.limit_warning, 0.0, 100.0)?.unwrap_or(default.limit.warning),
            threshold: within("limit", self.limit, 0.0, 100.0)?.unwrap_or(default.limit.threshold),
            margin,
            worse: Worse::From,
        };
        ordered("limit", limit.warning, limit.threshold)?;
        Ok(AlertSettings {
            active_days,
            limit,
            churn: probability(("churn_warning", self.churn_warning), ("churn", self.churn))?,
            expansion: probability(("expansion_warning", self.expansion_warning), ("expansion", self.expansion))?,
            margin,
            trend_change: within("trend_change", self.trend_change, 0.0, 10.0)?.unwrap_or(default.trend_change),
            history_dates: match self.history_dates {
                Some(0) => return Err(alert_error("history_dates", "1 or more", "0")),
                dates => dates.unwrap_or(default.history_dates),
            },
        })
    }
}

fn probability(
    warning: (&'static str, Option<f64>),
    threshold: (&'static str, Option<f64>),
) -> Result<DeclaredLines, SectionError> {
    let lines = DeclaredLines {
        warning: within(warning.0, warning.1, 0.0, 1.0)?,
        threshold: within(threshold.0, threshold.1, 0.0, 1.0)?,
    };
    if let (Some(warning), Some(line)) = (lines.warning, lines.threshold) {
        ordered(threshold.0, warning, line)?;
    }
    Ok(lines)
}

fn within(key: &str, value: Option<f64>, least: f64, most: f64) -> Result<Option<f64>, SectionError> {
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(alert_error(key, &format!("a number from {least} to {most}"), &value.to_string()))
        }
        value => Ok(value),
    }
}

fn ordered(key: &str, least: f64, value: f64) -> Result<(), SectionError> {
    if value >= least { Ok(()) } else { Err(alert_error(key, &format!("{least} or more"), &value.to_string())) }
}

fn alert_error(key: &str, expected: &str, found: &str) -> SectionError {
    SectionError {
        key: vec!["alerts".to_owned(), key.to_owned()],
        expected: expected.to_owned(),
        found: found.to_owned(),
        hint: "a warning comes before its threshold; leave a key out to take its default".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_key() {
        assert_eq!(AlertOptions::default().resolve(), Ok(AlertSettings::default()));
        let cases: [(AlertOptions, &str); 5] = [
            (AlertOptions { active_days: Some(11.0), ..AlertOptions::default() }, "alerts.active_days_warning"),
            (AlertOptions { margin: Some(f64::NAN), ..AlertOptions::default() }, "alerts.margin"),
            (AlertOptions { limit: Some(0.5), ..AlertOptions::default() }, "alerts.limit"),
            (
                AlertOptions { churn_warning: Some(0.4), churn: Some(0.3), ..AlertOptions::default() },
                "alerts.churn: expected 0.4 or more",
            ),
            (AlertOptions { history_dates: Some(0), ..AlertOptions::default() }, "alerts.history_dates"),
        ];
        for (options, expected) in cases {
            let error = options.resolve().expect_err("refused").to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
