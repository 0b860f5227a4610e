//! Segments: who they are. Categories, never free text, and nothing that anyone can act on.

use super::Levels;
use super::template::{Need, Template, signal};
use crate::signal::Family;

/// The texts of `tenure_cohort`, sorted.
const TENURES: &[&str] = &["3 years or more", "under 1 year", "under 3 years", "under 90 days"];

/// The place of one of some fixed texts.
pub(super) fn code(levels: &[&str], text: &str) -> Option<u32> {
    levels.iter().position(|level| *level == text).and_then(|place| u32::try_from(place).ok())
}

fn segment(table: &'static str, name: &'static str, idea: &'static str) -> Template {
    signal(Family::Segment, table, name, idea).fixed()
}

pub(super) fn templates() -> Vec<Template> {
    vec![
        segment("accounts", "segment", "segment.segment")
            .text("segment: {value}")
            .needs(&[Need::Segments])
            .rule("segment of the account's row at as_of; null when unknown")
            .category(Levels::Segments, |view| view.row?.segment),
        segment("accounts", "industry", "segment.industry")
            .text("industry: {value}")
            .needs(&[Need::Industries])
            .rule("industry of the account's row at as_of; null when unknown")
            .category(Levels::Industries, |view| view.row?.industry),
        segment("accounts", "region", "segment.region")
            .text("region: {value}")
            .needs(&[Need::Regions])
            .rule("region of the account's row at as_of; null when unknown")
            .category(Levels::Regions, |view| view.row?.region),
        segment("accounts", "channel", "segment.channel")
            .text("channel: {value}")
            .needs(&[Need::Channels])
            .rule("channel of the account's row at as_of; null when unknown")
            .category(Levels::Channels, |view| view.row?.channel),
        segment("accounts", "tenure_cohort", "segment.tenure")
            .text("customer for {value}")
            .null_text("how long it has been a customer: not known")
            .rule(
                "by tenure_days: up to 89 under 90 days, up to 364 under 1 year, up to 1094 under 3 years, else 3 years or \
                 more; null with it",
            )
            .category(Levels::Fixed(TENURES), |view| {
                let days = view.start_age?;
                let word = match days {
                    ..90 => "under 90 days",
                    90..365 => "under 1 year",
                    365..1095 => "under 3 years",
                    _ => "3 years or more",
                };
                code(TENURES, word)
            }),
        segment("subscriptions", "plan", "segment.plan")
            .text("plan: {value}")
            .needs(&[Need::Plans])
            .rule("plan of the subscription at as_of; null when unknown")
            .category(Levels::Plans, |view| view.subscription()?.plan),
    ]
}
