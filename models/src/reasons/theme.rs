//! Which ideas are told together.
//!
//! Signals that rise and fall together share one effect between them in a way that a model settles by chance: of two
//! counts of the same work one may get more than its part and the other, to make up for it, the opposite sign. Told as two
//! reasons they contradict each other and take two of five places. A theme adds up what says the same of an account; what
//! is left of it is what the model makes of the whole. Themes join what a reader would answer with the same call (how much
//! the product is worked, what is paid late), and keep apart what asks for another (the limit of the plan from the amount
//! of use, features from people).
//!
//! Only ideas of the catalogue are joined. Any other (a declared signal, an imported model's input) is a theme of its own,
//! and so is each fixed fact, of which nothing can be said together with what can be acted on; tenure, which comes as a
//! number and as a category, is one.

/// The theme of an idea: the name of its group, or the idea itself.
pub(super) fn theme(idea: &str, actionable: bool) -> &str {
    if !actionable {
        return if matches!(idea, "commercial.tenure" | "segment.tenure") { "tenure" } else { idea };
    }
    let mut parts = idea.splitn(3, '.');
    match (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) {
        (
            "usage",
            "events" | "quantity" | "active_days" | "active_months" | "recency" | "gap" | "intensity" | "trend"
            | "acceleration" | "direction" | "plateau" | "spike" | "quiet_days" | "busy_days" | "events_per_user"
            | "events_per_seat" | "quantity_per_user" | "quantity_per_seat" | "quantity_per_mrr",
        ) => "usage",
        ("usage", "limit" | "limit_days") => "usage.limit",
        ("usage", "value_moments" | "aimless" | "workflow") => "usage.value",
        ("adoption", "features" | "advanced" | "catalogue" | "concentration" | "integrations") => "adoption.features",
        ("adoption", "users" | "users_per_seat" | "single_user") => "adoption.users",
        ("nps", "score" | "change" | "net" | "sponsor" | "lost_promoter") => "nps",
        ("nps", "recency" | "silence" | "respondents") => "nps.answers",
        (
            "payments",
            "days_late" | "late_share" | "first_time_late" | "overdue" | "overdue_days" | "days_sales_outstanding",
        ) => "payments",
        ("support", "tickets" | "tickets_per_user" | "open" | "repeats" | "complaints" | "severe" | "resolve_days") => {
            "support"
        }
        ("sponsorship", "sponsor" | "sponsor_seen" | "delegation") => "sponsorship.sponsor",
        ("sponsorship", "champion" | "champion_seen" | "lost" | "roles") => "sponsorship.contacts",
        ("sponsorship", "attendance" | "attendees" | "reviews" | "review_overdue") => "sponsorship.meetings",
        ("commercial", "billing" | "prepaid") => "commercial.billing",
        ("commercial", "expansions" | "expanded" | "mrr" | "seats" | "add_ons") => "commercial.growth",
        ("commercial", "contractions" | "contraction_kind") => "commercial.contractions",
        _ => idea,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_the_same_is_one_theme_and_what_is_fixed_or_unknown_stands_alone() {
        let cases = [
            ("usage.events.change", true, "usage"),
            ("usage.active_days.change_year_ago", true, "usage"),
            ("usage.quantity_per_mrr.within_plan", true, "usage"),
            ("usage.limit", true, "usage.limit"),
            ("usage.workflow.publish", true, "usage.value"),
            ("usage.workflow.publish.onboarding", false, "usage.workflow.publish.onboarding"),
            ("payments.days_late.trend", true, "payments"),
            ("payments.disputed", true, "payments.disputed"),
            ("commercial.mrr", false, "commercial.mrr"),
            ("commercial.mrr.change", true, "commercial.growth"),
            ("commercial.tenure", false, "tenure"),
            ("segment.tenure", false, "tenure"),
            ("segment.plan", false, "segment.plan"),
            ("usage.of_our_own", true, "usage.of_our_own"),
            ("f17", false, "f17"),
            ("", true, ""),
        ];
        for (idea, actionable, expected) in cases {
            assert_eq!(theme(idea, actionable), expected, "{idea}");
        }
    }
}
