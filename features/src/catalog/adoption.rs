//! Adoption breadth: how widely the product is used.
//!
//! Distinct features and users of a window, judged by visible uses. Counts are never null. What compares two windows is null
//! while the account's history does not reach the start of the earlier one.

use super::template::{Need, Template, signal};
use super::usage::days;
use crate::engine::uses::{Part, count};
use crate::measure::{ratio, relative_change};
use crate::signal::Direction::{Down, Unknown, Up};
use crate::signal::{Family, Unit};

const STANDARD: &[u32] = &[7, 28, 90, 365];

fn adoption(name: &'static str, idea: &'static str) -> Template {
    signal(Family::Adoption, "usage", name, idea)
}

pub(super) fn templates() -> Vec<Template> {
    [features(), declared_features(), users(), first_value()].concat()
}

fn features() -> Vec<Template> {
    vec![
        adoption("adoption_features_{w}d", "adoption.features")
            .over(STANDARD)
            .text("features used in the last {w} days: {value}")
            .expect(Down, Up)
            .rule("number of distinct features used in the window")
            .number(|view, w| Some(view.uses.features().distinct(w))),
        adoption("adoption_features_change_{w}d", "adoption.features.change")
            .over(&[28])
            .unit(Unit::Difference)
            .text("change in features used, last {w} days against the {w} days before: {value}")
            .null_text("change in features used over {w} days: history too short to compare")
            .expect(Down, Up)
            .rule("distinct features of the window less those of the window before")
            .number(|view, w| {
                view.reaches(2 * w)?;
                let now = view.uses.features().distinct(w);
                Some(now - view.uses.features().distinct_before(w))
            }),
        adoption("adoption_features_new_{w}d", "adoption.features.new")
            .over(&[28])
            .text("features taken up in the last {w} days: {value}")
            .null_text("features taken up in the last {w} days: history too short to tell")
            .expect(Down, Up)
            .rule("distinct features used in the window and not in the window before")
            .number(|view, w| {
                view.reaches(2 * w)?;
                Some(count(view.uses.features().parts().filter(|part| part.within(w) && !part.in_before(w))))
            }),
        adoption("adoption_features_dropped_{w}d", "adoption.features.dropped")
            .over(&[28])
            .text("features dropped in the last {w} days: {value}")
            .null_text("features dropped in the last {w} days: history too short to tell")
            .expect(Up, Down)
            .rule("distinct features used in the window before and not in the window")
            .number(|view, w| {
                view.reaches(2 * w)?;
                Some(count(view.uses.features().parts().filter(|part| part.in_before(w) && !part.within(w))))
            }),
        adoption("adoption_feature_entropy_90d", "adoption.concentration")
            .unit(Unit::Score)
            .text("spread of use over features in the last 90 days (0 is one feature): {value}")
            .null_text("no use in the last 90 days")
            .expect(Down, Up)
            .rule("-sum p ln p, p the share of each feature in the uses of the last 90 days; null without a use")
            .number(|view, _| {
                let shares = shares(view.uses.features().parts())?;
                Some(shares.iter().filter(|share| **share > 0.0).map(|share| share * share.recip().ln()).sum())
            }),
        adoption("adoption_top_feature_share_90d", "adoption.concentration")
            .unit(Unit::Share)
            .text("most used feature's share of the use of the last 90 days: {value}")
            .null_text("no use in the last 90 days")
            .expect(Up, Down)
            .rule("largest share of one feature in the uses of the last 90 days; null without a use")
            .number(|view, _| shares(view.uses.features().parts())?.into_iter().reduce(f64::max)),
    ]
}

fn declared_features() -> Vec<Template> {
    vec![
        adoption("adoption_catalogue_share_90d", "adoption.catalogue")
            .unit(Unit::Share)
            .text("share of the product's features used in the last 90 days: {value}")
            .expect(Down, Up)
            .needs(&[Need::Features])
            .rule("distinct declared features used in the last 90 days / number of declared features")
            .number(|view, _| {
                let used = view.uses.features_of_kind(90, |kind| kind.in_catalogue);
                ratio(used, view.declared.catalogue_size)
            }),
        adoption("adoption_advanced_features_90d", "adoption.advanced")
            .text("advanced features used in the last 90 days: {value}")
            .expect(Down, Up)
            .needs(&[Need::Advanced])
            .rule("distinct declared advanced features used in the last 90 days")
            .number(|view, _| Some(view.uses.features_of_kind(90, |kind| kind.advanced))),
        adoption("adoption_integrations_90d", "adoption.integrations")
            .text("integrations used in the last 90 days: {value}")
            .expect(Down, Up)
            .needs(&[Need::Integrations])
            .rule("distinct declared integrations used in the last 90 days")
            .number(|view, _| Some(view.uses.features_of_kind(90, |kind| kind.integration))),
    ]
}

fn users() -> Vec<Template> {
    vec![
        adoption("adoption_active_users_{w}d", "adoption.users")
            .over(STANDARD)
            .text("active users in the last {w} days: {value}")
            .expect(Down, Up)
            .needs(&[Need::Users])
            .rule("number of distinct users in the window; uses without a user do not count")
            .number(|view, w| Some(view.uses.users().distinct(w))),
        adoption("adoption_active_users_change_{w}d", "adoption.users.change")
            .over(&[28, 90])
            .unit(Unit::RelativeChange)
            .text("active users in the last {w} days {value} against the {w} days before")
            .null_text("active users in the last {w} days: nothing to compare with (none before, or a short history)")
            .expect(Down, Up)
            .needs(&[Need::Users])
            .rule("distinct users of the window / of the window before - 1; null when there were none before")
            .number(|view, w| {
                view.reaches(2 * w)?;
                let now = view.uses.users().distinct(w);
                relative_change(now, view.uses.users().distinct_before(w))
            }),
        adoption("adoption_users_new_{w}d", "adoption.users.new")
            .over(&[28])
            .text("users gained in the last {w} days: {value}")
            .null_text("users gained in the last {w} days: history too short to tell")
            .expect(Down, Up)
            .needs(&[Need::Users])
            .rule("distinct users of the window who were not active in the window before")
            .number(|view, w| {
                view.reaches(2 * w)?;
                Some(count(view.uses.users().parts().filter(|part| part.within(w) && !part.in_before(w))))
            }),
        adoption("adoption_users_lost_{w}d", "adoption.users.lost")
            .over(&[28])
            .text("users lost in the last {w} days: {value}")
            .null_text("users lost in the last {w} days: history too short to tell")
            .expect(Up, Down)
            .needs(&[Need::Users])
            .rule("distinct users of the window before who were not active in the window")
            .number(|view, w| {
                view.reaches(2 * w)?;
                Some(count(view.uses.users().parts().filter(|part| part.in_before(w) && !part.within(w))))
            }),
        adoption("adoption_users_per_seat_{w}d", "adoption.users_per_seat")
            .over(&[28])
            .unit(Unit::Share)
            .text("active users of the last {w} days as a share of the seats: {value}")
            .null_text("active users as a share of the seats: no seats on record")
            .expect(Down, Up)
            .needs(&[Need::Users, Need::Subscriptions])
            .rule("distinct users of the window / seats at as_of; null without seats")
            .number(|view, w| ratio(view.uses.users().distinct(w), view.seats()?)),
        adoption("adoption_top_user_share_90d", "adoption.single_user")
            .unit(Unit::Share)
            .text("busiest user's share of the use of the last 90 days: {value}")
            .null_text("no use by a known user in the last 90 days")
            .expect(Up, Down)
            .needs(&[Need::Users])
            .rule("largest share of one user in the uses of the last 90 days that name a user; null without one")
            .number(|view, _| shares(view.uses.users().parts())?.into_iter().reduce(f64::max)),
    ]
}

fn first_value() -> Vec<Template> {
    vec![
        adoption("adoption_days_to_first_value", "adoption.first_value")
            .unit(Unit::Days)
            .text("first value moment {value} after sign-up")
            .null_text("time from sign-up to the first value moment: not known")
            .expect(Up, Unknown)
            .fixed()
            .needs(&[Need::ValueMoments])
            .rule(
                "days from sign-up to the first visible value moment, at least 0; null before it, without sign-up, and when \
                 the first visible use of the whole table is of a later UTC day than the sign-up: an earlier moment may be \
                 unseen",
            )
            .number(|view, _| {
                let signed_up_at = view.row?.signed_up_at?;
                if view.usage_begins?.day() > signed_up_at.day() {
                    return None;
                }
                Some(days((view.uses.first_value_moment_day()? - signed_up_at.day()).max(0)))
            }),
    ]
}

/// Share of each part in the uses of the last 90 days; null without a use.
fn shares<'a>(parts: impl Iterator<Item = Part<'a>> + Clone) -> Option<Vec<f64>> {
    let total: u32 = parts.clone().map(|part| part.uses_90d()).sum();
    if total == 0 {
        return None;
    }
    parts.map(|part| ratio(f64::from(part.uses_90d()), f64::from(total))).collect()
}
