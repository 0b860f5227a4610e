//! What to simulate: parameters as given, and the checked simulation.

use chrono::NaiveDate;

use crate::SimulateError;
use crate::calendar::{Calendar, months_before};
use crate::world::World;

/// Parameters as given; [`Parameters::check`] turns them into a [`Simulation`].
///
/// | parameter | range | default |
/// |---|---|---|
/// | `accounts` | 1 to 9,999,999 | 5,000 |
/// | `months` | 1 to 120 | 36 |
/// | `seed` | any | 7 |
/// | `world` | see [`World`] | standard |
/// | `end` | 2000-01-01 to 2100-01-01 | 2026-01-31 |
/// | `truth` | | no |
/// | `blocks_in_flight` | 1 or more; memory only, never the result | two per thread |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Accounts that ever sign up until the end, churned ones included.
    pub accounts: u32,
    /// Months of business before `end`.
    pub months: u32,
    /// Every random choice comes from this.
    pub seed: u64,
    /// How customers behave.
    pub world: World,
    /// Facts exist strictly before the midnight (UTC) at the start of this date: the last observation date.
    pub end: NaiveDate,
    /// Whether to write `truth/probabilities.parquet` too.
    pub truth: bool,
    /// Blocks of accounts held in memory at once.
    pub blocks_in_flight: Option<usize>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            accounts: 5_000,
            months: 36,
            seed: 7,
            world: World::Standard,
            end: NaiveDate::from_ymd_opt(2026, 1, 31).unwrap_or_default(),
            truth: false,
            blocks_in_flight: None,
        }
    }
}

/// Account ids have seven digits.
const MAXIMUM_ACCOUNTS: u32 = 9_999_999;
/// Ten years.
const MAXIMUM_MONTHS: u32 = 120;

impl Parameters {
    /// Checks all parameters.
    ///
    /// # Errors
    /// [`SimulateError::Parameter`] for the first one outside its range.
    pub fn check(self) -> Result<Simulation, SimulateError> {
        in_range("accounts", self.accounts, 1, MAXIMUM_ACCOUNTS, "try --accounts 5000")?;
        in_range("months", self.months, 1, MAXIMUM_MONTHS, "36 months give a model two years to learn from")?;
        let (first, last) = (NaiveDate::from_ymd_opt(2000, 1, 1), NaiveDate::from_ymd_opt(2100, 1, 1));
        in_range("end", self.end, first.unwrap_or_default(), last.unwrap_or_default(), "the default is 2026-01-31")?;
        if let Some(blocks) = self.blocks_in_flight {
            in_range("blocks_in_flight", blocks, 1, 4_096, "leave it out: two per thread")?;
        }
        let calendar = Calendar::new(self.end, self.months, self.world.parameters());
        Ok(Simulation { parameters: self, calendar })
    }
}

fn in_range<T: PartialOrd + std::fmt::Display>(
    name: &'static str,
    found: T,
    low: T,
    high: T,
    hint: &'static str,
) -> Result<(), SimulateError> {
    if found >= low && found <= high {
        return Ok(());
    }
    let expected = format!("between {low} and {high}");
    Err(SimulateError::Parameter { name, expected, found: found.to_string(), hint })
}

/// A checked simulation: [`Simulation::run`] writes its tables, [`Simulation::project_toml`] its project file.
#[derive(Debug)]
pub struct Simulation {
    pub(crate) parameters: Parameters,
    pub(crate) calendar: Calendar,
}

impl Simulation {
    /// The parameters that were checked.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The first day of business: facts of usage, NPS, invoices, tickets, meetings and firmographics begin
    /// here.
    #[must_use]
    pub fn start(&self) -> NaiveDate {
        months_before(self.parameters.end, self.parameters.months)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_out_of_range_are_refused_by_name() {
        let cases = [
            ("accounts", Parameters { accounts: 0, ..Parameters::default() }),
            ("months", Parameters { months: 121, ..Parameters::default() }),
            ("end", Parameters { end: NaiveDate::MIN, ..Parameters::default() }),
            ("blocks_in_flight", Parameters { blocks_in_flight: Some(0), ..Parameters::default() }),
        ];
        for (expected, parameters) in cases {
            match parameters.check().unwrap_err() {
                SimulateError::Parameter { name, .. } => assert_eq!(name, expected),
                other => panic!("{expected}: {other}"),
            }
        }
        assert!(Parameters::default().check().is_ok());
    }
}
