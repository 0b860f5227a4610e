//! `[money]` of `bellwether.toml`: what money is watched by.

use bellwether_features::contract::{ContractError, Problem, parse_days};
use serde::{Deserialize, Serialize};

/// `[money]` as it is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MoneyOptions {
    /// Largest discount on the list price that anyone may give, as a share, e.g. `0.2`. Default: not declared, and no discount
    /// is said to be beyond it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount_limit: Option<f64>,
    /// How far ahead renewals are looked at, e.g. `60d`. Default `90d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewals_within: Option<String>,
}

/// `[money]`, checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MoneySettings {
    /// Largest discount, from 0 to 1.
    pub discount_limit: Option<f64>,
    /// Days ahead.
    pub renewal_days: u32,
}

impl Default for MoneySettings {
    fn default() -> Self {
        Self { discount_limit: None, renewal_days: 90 }
    }
}

impl MoneyOptions {
    /// Checks what is written.
    ///
    /// # Errors
    /// [`ContractError`] at the key that cannot be meant.
    pub fn resolve(&self) -> Result<MoneySettings, ContractError> {
        let defaults = MoneySettings::default();
        if let Some(limit) = self.discount_limit.filter(|limit| !(0.0..=1.0).contains(limit)) {
            let expected = "a share from 0 to 1".to_owned();
            let hint = Some("write 20 % as 0.2".to_owned());
            let problem = Box::new(Problem::InvalidValue { expected, found: limit.to_string(), hint });
            let key = ["money", "discount_limit"].map(str::to_owned).to_vec();
            return Err(ContractError { problem, key, place: None });
        }
        let within = self.renewals_within.as_deref();
        let renewal_days = within.map(|text| parse_days(text, 1, &["money", "renewals_within"])).transpose()?;
        Ok(MoneySettings {
            discount_limit: self.discount_limit,
            renewal_days: renewal_days.unwrap_or(defaults.renewal_days),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_told_with_its_key() {
        let options = |limit, within: Option<&str>| MoneyOptions {
            discount_limit: limit,
            renewals_within: within.map(str::to_owned),
        };
        assert_eq!(options(None, None).resolve(), Ok(MoneySettings::default()));
        let found = options(Some(0.2), Some("60d")).resolve();
        assert_eq!(found, Ok(MoneySettings { discount_limit: Some(0.2), renewal_days: 60 }));
        for (options, key) in [
            (options(Some(20.0), None), "money.discount_limit"),
            (options(Some(f64::NAN), None), "money.discount_limit"),
            (options(None, Some("2 months")), "money.renewals_within"),
        ] {
            assert_eq!(options.resolve().unwrap_err().key_path().join("."), key);
        }
    }
}
