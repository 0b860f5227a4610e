//! The accounts most worth a call: those with the most MRR at risk plus expected expansion, with their reasons.

use bellwether_outlook::scored::{Forecast, ScoredAccount, ScoredBase};

/// One account.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    account: &'a ScoredAccount,
    targets: &'a [String],
    worth: f64,
}

/// The `count` accounts with the most at stake, most first; ties by account id.
pub(crate) fn most_worth_a_call(base: &ScoredBase, count: usize) -> Vec<Call<'_>> {
    let call = |account| Call { account, targets: &base.targets, worth: worth(account) };
    let mut calls: Vec<Call<'_>> = base.accounts.iter().map(call).collect();
    calls.sort_by(|a, b| b.worth.total_cmp(&a.worth).then_with(|| a.account.account_id.cmp(&b.account.account_id)));
    calls.truncate(count);
    calls
}

/// MRR at stake; where there is no money in the data, the likeliest event decides.
fn worth(account: &ScoredAccount) -> f64 {
    if account.mrr.is_some() {
        return account.mrr_at_risk.unwrap_or(0.0) + account.expected_expansion_mrr.unwrap_or(0.0);
    }
    account.forecasts.iter().flatten().map(|forecast| forecast.probability).fold(0.0, f64::max)
}

impl Call<'_> {
    /// The account as lines: a headline, then each target with its reasons.
    pub(crate) fn lines(&self, rank: usize, currency: &str) -> Vec<String> {
        let account = self.account;
        let money = account
            .mrr
            .map_or_else(String::new, |mrr| format!("  MRR {mrr:.0} {currency}, {:.0} at stake", self.worth));
        let health = account.health.as_deref().unwrap_or("unknown");
        let mut lines = vec![format!("{rank:>2}. {}{money}  health: {health}", account.account_id)];
        let known = self.targets.iter().zip(&account.forecasts);
        lines.extend(known.filter_map(|(target, forecast)| Some(of_target(target, forecast.as_ref()?))).flatten());
        lines
    }
}

fn of_target(target: &str, forecast: &Forecast) -> Vec<String> {
    let percent = |share: f64| share * 100.0;
    let head = format!(
        "      {target:<14} {:>3.0} %  (between {:.0} and {:.0} %)",
        percent(forecast.probability),
        percent(forecast.low),
        percent(forecast.high)
    );
    let reason = |reason: &bellwether_outlook::scored::Reason| {
        format!("        {:>+5.1} points  {}", percent(reason.effect), reason.text)
    };
    std::iter::once(head).chain(forecast.reasons.iter().map(reason)).collect()
}
