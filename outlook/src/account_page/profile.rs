//! Who the account is.

use bellwether_features::facts::Names;
use bellwether_features::time::Instant;

use super::{AccountInput, days_between};

/// Who the account is, as known at the date.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Since when there is the account: sign-up, else its first use or subscription.
    pub since: Option<Instant>,
    /// Days since then.
    pub tenure_days: Option<i64>,
    /// Segment.
    pub segment: Option<String>,
    /// Industry.
    pub industry: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Channel by which it came.
    pub channel: Option<String>,
}

impl Profile {
    pub(super) fn of(input: &AccountInput<'_>) -> Self {
        let (facts, moment) = (input.facts, input.moment());
        let row = facts.visible_row(input.account, moment);
        let since = facts.start_of_account(input.account, moment);
        Self {
            since,
            tenure_days: since.map(|since| days_between(since, moment)),
            segment: name(&facts.segments, row.and_then(|row| row.segment)),
            industry: name(&facts.industries, row.and_then(|row| row.industry)),
            region: name(&facts.regions, row.and_then(|row| row.region)),
            channel: name(&facts.channels, row.and_then(|row| row.channel)),
        }
    }
}

/// The text of a code.
pub(super) fn name(names: &Names, code: Option<u32>) -> Option<String> {
    code.and_then(|code| names.names.get(code as usize)).filter(|name| !name.is_empty()).cloned()
}
