use std::collections::BTreeSet;

use super::*;
use crate::signal::{Family, Unit};

/// Every signal of a business that declares everything, with two workflows, in column order.
const NAMES: &str = "
usage_events_7d usage_events_28d usage_events_90d usage_events_365d
usage_quantity_7d usage_quantity_28d usage_quantity_90d usage_quantity_365d
usage_active_days_7d usage_active_days_28d usage_active_days_90d usage_active_days_365d
usage_events_per_active_user_28d usage_events_per_seat_28d
usage_days_since_last usage_longest_gap_days_90d usage_active_day_share_90d usage_active_months_12m
usage_events_change_7d usage_events_change_28d usage_events_change_90d usage_quantity_change_28d
usage_active_days_change_28d usage_events_change_year_ago_28d usage_daily_mean_change_30d usage_spike_7d
usage_slope_13w usage_acceleration_13w usage_direction usage_plateau_weeks_13w
usage_limit_share_28d usage_days_to_limit
usage_value_moment_events_28d usage_value_moment_change_28d usage_value_moment_share_28d
usage_events_per_active_day_28d usage_active_days_change_year_ago_28d usage_aimless_share_90d
usage_quantity_per_active_user_28d usage_quantity_per_seat_28d usage_quantity_per_mrr_28d
usage_quantity_per_mrr_plan_percentile_28d usage_quantity_change_year_ago_28d usage_limit_days_90d usage_quiet_days_28d usage_busy_days_28d
usage_workflow_publish_completed_share_90d usage_workflow_report_completed_share_90d
usage_workflow_publish_weeks_share_13w usage_workflow_report_weeks_share_13w
usage_workflow_publish_in_first_30_days usage_workflow_report_in_first_30_days
adoption_features_7d adoption_features_28d adoption_features_90d adoption_features_365d
adoption_features_change_28d adoption_features_new_28d adoption_features_dropped_28d
adoption_feature_entropy_90d adoption_top_feature_share_90d
adoption_catalogue_share_90d adoption_advanced_features_90d adoption_integrations_90d
adoption_active_users_7d adoption_active_users_28d adoption_active_users_90d adoption_active_users_365d
adoption_active_users_change_28d adoption_active_users_change_90d
adoption_users_new_28d adoption_users_lost_28d adoption_users_per_seat_28d adoption_top_user_share_90d
adoption_days_to_first_value
nps_latest_score nps_days_since_answer nps_change nps_never_answered
nps_mean_365d nps_net_365d nps_respondents_365d nps_detractor_after_promoter
nps_seats_answered_365d nps_sponsor_score
payments_days_late_mean_365d payments_days_late_max_365d payments_days_late_last payments_late_share_365d
payments_days_late_trend_365d payments_first_time_late
payments_overdue_amount payments_overdue_months_of_mrr payments_overdue_days payments_days_sales_outstanding_365d
payments_disputed_share_365d
mrr tenure_days commercial_days_to_renewal commercial_billed_annually commercial_seats commercial_discount
commercial_mrr_change_90d commercial_mrr_change_365d commercial_seats_change_90d
commercial_expansions_365d commercial_contractions_365d commercial_days_since_expansion
commercial_days_since_contraction commercial_contracted_after_expansion
commercial_days_to_first_expansion commercial_expanded_share commercial_contractions_in_a_row
commercial_prepaid_months commercial_last_contraction commercial_last_renewal
commercial_add_ons commercial_add_ons_change_90d commercial_add_on_mrr_share
commercial_employees commercial_employees_change_365d
support_tickets_28d support_tickets_90d support_tickets_per_user_28d support_tickets_per_user_90d support_open_tickets
support_resolve_days_median_90d support_repeat_category_share_90d support_complaint_share_90d
support_severe_tickets_90d
sponsorship_sponsor_present sponsorship_champion_present sponsorship_roles_covered
sponsorship_contacts_lost_90d sponsorship_champion_left_90d
sponsorship_days_since_sponsor_seen sponsorship_days_since_champion_seen
sponsorship_attendance_rate_90d sponsorship_attendance_rate_365d sponsorship_attendees_change_90d
sponsorship_reviews_without_sponsor_365d sponsorship_review_overdue_days sponsorship_reviews_365d
segment industry region channel tenure_cohort plan";

fn declared() -> CatalogueSettings {
    let one = |name: &str| vec![name.to_owned()];
    CatalogueSettings {
        features: one("board"),
        advanced: one("api"),
        integrations: one("chat"),
        value_moments: one("board"),
        complaint_categories: one("why"),
        how_to_categories: one("how"),
        workflows: vec![workflow("publish", &["draft", "publish"]), workflow("report", &["query", "export"])],
        review_interval_days: Some(90),
        ..CatalogueSettings::default()
    }
}

fn workflow(name: &str, steps: &[&str]) -> Workflow {
    Workflow { name: name.to_owned(), steps: steps.iter().map(|step| (*step).to_owned()).collect() }
}

fn names(catalogue: &Catalogue) -> Vec<String> {
    catalogue.signals().iter().map(|signal| signal.definition.name.clone()).collect()
}

#[test]
fn every_signal_is_there_once() {
    let catalogue = Catalogue::new(&Availability::full(), &declared());
    let expected: Vec<&str> = NAMES.split_whitespace().collect();
    assert_eq!(names(&catalogue), expected);
    let distinct: BTreeSet<&str> = expected.iter().copied().collect();
    assert_eq!(distinct.len(), expected.len());
}

#[test]
fn every_definition_says_what_it_must() {
    for signal in Catalogue::new(&Availability::full(), &declared()).signals() {
        let definition = &signal.definition;
        let name = &definition.name;
        assert_eq!(definition.text.matches("{value}").count(), 1, "{name}: {}", definition.text);
        assert!(!definition.text.contains("{w}"), "{name}: {}", definition.text);
        // Signals go with outcomes; no reason says that one brings the other about.
        for word in ["cause", "because", "due to", "leads to", "result"] {
            assert!(!definition.text.contains(word), "{name}: {}", definition.text);
        }
        assert!(!definition.parameters.is_empty(), "{name} has no rule");
        assert!(definition.idea.contains('.'), "{name}: {}", definition.idea);
        let is_category = matches!(signal.formula, Formula::Category(..));
        assert_eq!(is_category, definition.unit == Unit::Category, "{name}");
        if let Some(window) = definition.window_days {
            assert!(name.ends_with(&format!("_{window}d")), "{name}");
        }
        if definition.family == Family::Segment {
            assert!(!definition.actionable, "{name}");
        }
    }
}

#[test]
fn a_missing_table_takes_its_signals_and_changes_nothing_else() {
    let full = Catalogue::new(&Availability::full(), &declared());
    let without = Catalogue::new(&Availability { nps: false, ..Availability::full() }, &declared());
    let kept: Vec<_> = full.definitions().into_iter().filter(|definition| definition.table != "nps").collect();
    assert_eq!(without.definitions(), kept);
    assert_eq!(Availability { nps: false, ..Availability::full() }.missing_tables(), ["nps"]);

    let no_subscriptions = Availability { subscriptions: false, plans: false, ..Availability::full() };
    let left = names(&Catalogue::new(&no_subscriptions, &declared()));
    for gone in ["mrr", "usage_events_per_seat_28d", "usage_limit_share_28d", "payments_overdue_months_of_mrr", "plan"]
    {
        assert!(!left.iter().any(|name| name == gone), "{gone}");
    }
    assert!(left.iter().any(|name| name == "tenure_days"));

    let no_contacts = Availability { contacts: false, ..Availability::full() };
    let left = names(&Catalogue::new(&no_contacts, &declared()));
    let gone = ["nps_sponsor_score", "sponsorship_days_since_sponsor_seen", "sponsorship_reviews_without_sponsor_365d"];
    assert!(!left.iter().any(|name| gone.contains(&name.as_str()) || name.starts_with("sponsorship_contacts")));
    assert!(left.iter().any(|name| name == "sponsorship_attendance_rate_90d"));
}

#[test]
fn a_workflow_is_told_by_its_steps_in_their_order() {
    let digest = |steps: &[&str]| {
        let settings = CatalogueSettings { workflows: vec![workflow("publish", steps)], ..declared() };
        let definitions = Catalogue::new(&Availability::full(), &settings).definitions();
        let found = definitions.iter().find(|definition| definition.name == "usage_workflow_publish_weeks_share_13w");
        found.map(SignalDefinition::digest)
    };
    assert!(digest(&["draft", "publish"]).is_some());
    assert_eq!(digest(&["draft", "publish"]), digest(&["draft", "publish"]));
    assert_ne!(digest(&["draft", "publish"]), digest(&["publish", "draft"]));
}

#[test]
fn what_is_not_declared_does_not_exist() {
    let catalogue = Catalogue::new(&Availability::full(), &CatalogueSettings::default());
    let left = names(&catalogue);
    let gone: Vec<&str> = NAMES.split_whitespace().filter(|name| !left.iter().any(|there| there == name)).collect();
    let expected = [
        "usage_value_moment_events_28d",
        "usage_value_moment_change_28d",
        "usage_value_moment_share_28d",
        "usage_aimless_share_90d",
        "usage_workflow_publish_completed_share_90d",
        "usage_workflow_report_completed_share_90d",
        "usage_workflow_publish_weeks_share_13w",
        "usage_workflow_report_weeks_share_13w",
        "usage_workflow_publish_in_first_30_days",
        "usage_workflow_report_in_first_30_days",
        "adoption_catalogue_share_90d",
        "adoption_advanced_features_90d",
        "adoption_integrations_90d",
        "adoption_days_to_first_value",
        "support_complaint_share_90d",
        "sponsorship_review_overdue_days",
    ];
    assert_eq!(gone, expected);
}

#[test]
fn a_declared_list_is_part_of_the_digest_and_its_order_is_not() {
    let digest = |features: &[&str]| {
        let features = features.iter().map(|name| (*name).to_owned()).collect();
        let catalogue = Catalogue::new(&Availability::full(), &CatalogueSettings { features, ..declared() });
        let mut definitions = catalogue.definitions().into_iter();
        definitions
            .find(|definition| definition.name == "adoption_catalogue_share_90d")
            .map(|found| SignalDefinition::digest(&found))
    };
    assert_eq!(digest(&["board", "chat"]), digest(&["chat", "board", "chat"]));
    assert_ne!(digest(&["board", "chat"]), digest(&["board,chat"]));
    assert!(digest(&["board"]).is_some());
}
