//! Segments: who they are. Categories, never free text, and nothing that anyone can act on.

use super::Levels;
use super::template::{Need, Template, signal};
use crate::signal::Family;

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
        segment("subscriptions", "plan", "segment.plan")
            .text("plan: {value}")
            .needs(&[Need::Plans])
            .rule("plan of the subscription at as_of; null when unknown")
            .category(Levels::Plans, |view| view.subscription()?.plan),
    ]
}
