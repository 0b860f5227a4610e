//! What the simulated company sells: features, plans, and the words of its tables.

/// What a feature is to the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Everybody starts here.
    Core,
    /// Found by accounts that have understood the product.
    Advanced,
    /// Ties the product to other systems.
    Integration,
}

/// A feature of the product.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Feature {
    /// Name in the usage table.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Breadth of adoption (0 to 1) at which half of the accounts have taken it up.
    pub difficulty: f64,
    /// How often it is used once taken up.
    pub weight: f64,
    /// Whether using it is a moment of value.
    pub value_moment: bool,
    /// How use of it follows value perception beyond adoption; the share of uses that matter falls first.
    pub value_slope: f64,
}

const fn feature(
    name: &'static str,
    kind: Kind,
    difficulty: f64,
    weight: f64,
    value_moment: bool,
    value_slope: f64,
) -> Feature {
    Feature { name, kind, difficulty, weight, value_moment, value_slope }
}

/// All features; the index is the code in a usage row.
pub(crate) const FEATURES: [Feature; 18] = [
    feature("browse", Kind::Core, -0.5, 3.0, false, -0.35),
    feature("search", Kind::Core, -0.3, 2.0, false, -0.25),
    feature("document", Kind::Core, -0.3, 2.5, false, 0.0),
    feature("comment", Kind::Core, 0.05, 1.5, false, 0.15),
    feature("share", Kind::Core, 0.15, 1.2, true, 0.25),
    feature("task", Kind::Core, 0.1, 1.5, false, 0.0),
    feature("draft", Kind::Core, 0.1, 1.2, false, 0.0),
    feature("review", Kind::Core, 0.25, 0.9, false, 0.2),
    feature("publish", Kind::Core, 0.3, 0.7, true, 0.4),
    feature("dashboard", Kind::Core, 0.35, 0.8, true, 0.2),
    feature("export", Kind::Core, 0.4, 0.4, false, 0.0),
    feature("automation", Kind::Advanced, 0.55, 0.8, true, 0.3),
    feature("forecast", Kind::Advanced, 0.65, 0.5, false, 0.2),
    feature("permissions", Kind::Advanced, 0.6, 0.3, false, 0.1),
    feature("api", Kind::Advanced, 0.7, 0.9, false, 0.2),
    feature("chat_integration", Kind::Integration, 0.45, 0.7, false, 0.15),
    feature("crm_integration", Kind::Integration, 0.6, 0.5, false, 0.2),
    feature("webhook", Kind::Integration, 0.75, 0.4, false, 0.2),
];

/// A plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Name in the subscriptions table.
    pub name: &'static str,
    /// List price per seat and month.
    pub price: f64,
    /// Units of use included per seat and 30 days.
    pub quota: f64,
}

/// Plans from small to large; an upgrade is the next one.
pub(crate) const PLANS: [Plan; 4] = [
    Plan { name: "starter", price: 19.0, quota: 120.0 },
    Plan { name: "team", price: 29.0, quota: 180.0 },
    Plan { name: "business", price: 45.0, quota: 260.0 },
    Plan { name: "enterprise", price: 69.0, quota: 400.0 },
];

/// Industries and the swing and phase of their year.
pub(crate) const INDUSTRIES: [(&str, f64, f64); 6] = [
    ("software", 0.03, 0.0),
    ("retail", 0.22, 0.62),
    ("education", 0.25, 0.05),
    ("manufacturing", 0.05, 0.2),
    ("finance", 0.06, 0.9),
    ("healthcare", 0.03, 0.4),
];
/// How common each industry is.
pub(crate) const INDUSTRY_WEIGHTS: [f64; 6] = [0.28, 0.2, 0.12, 0.16, 0.14, 0.1];
/// Regions.
pub(crate) const REGIONS: [&str; 4] = ["europe", "north_america", "asia_pacific", "latin_america"];
/// How common each region is.
pub(crate) const REGION_WEIGHTS: [f64; 4] = [0.42, 0.36, 0.14, 0.08];
/// Channels and the shift of value level of the accounts they bring.
pub(crate) const CHANNELS: [(&str, f64); 4] =
    [("inbound", 0.0), ("outbound", -0.15), ("partner", 0.05), ("referral", 0.25)];
/// How common each channel is.
pub(crate) const CHANNEL_WEIGHTS: [f64; 4] = [0.45, 0.25, 0.18, 0.12];
/// Campaigns that bring some of the accounts; what an account becomes does not depend on them.
pub(crate) const CAMPAIGNS: [&str; 3] = ["spring_webinar", "search_ads", "trade_fair"];
/// Who looks after accounts; most of the smallest have nobody.
pub(crate) const OWNERS: [&str; 8] = ["Ada", "Chen", "Elif", "Jonas", "Kofi", "Lena", "Priya", "Tomas"];

/// Ticket categories of the "how do I" kind: a customer that is learning.
pub(crate) const HOW_TO_CATEGORIES: [&str; 3] = ["how_do_i", "setup", "training"];
/// Ticket categories of the "why doesn't it" kind: a customer that is annoyed.
pub(crate) const COMPLAINT_CATEGORIES: [&str; 3] = ["why_does_it_not", "bug", "performance"];
/// Other ticket categories.
pub(crate) const OTHER_CATEGORIES: [&str; 2] = ["billing", "feature_request"];
/// Severities, mild to severe.
pub(crate) const SEVERITIES: [&str; 4] = ["low", "normal", "high", "critical"];

/// Add-on modules.
pub(crate) const MODULES: [&str; 6] =
    ["analytics", "audit_log", "data_export", "premium_support", "sandbox", "single_sign_on"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_plans_ascend() {
        let mut names: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FEATURES.len());
        // An upgrade must count as an expansion (mrr up by at least 5 %) and give more room.
        assert!(PLANS.windows(2).all(|pair| pair[1].price >= 1.05 * pair[0].price && pair[1].quota > pair[0].quota));
    }
}
