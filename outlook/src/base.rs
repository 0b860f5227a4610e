//! What the base as a whole says beside its movements: price, volume and mix, plans, renewals, what precedes an expansion,
//! who is compared with whom.

use bellwether_features::CatalogueSettings;
use bellwether_features::facts::Facts;
use chrono::NaiveDate;

use crate::archetype::{Archetype, archetypes};
use crate::behaviour::{self, Behaviour};
use crate::cohort::{CohortSpan, cohorts};
use crate::compared::{Compared, compared};
use crate::curve::{CohortCurve, curves};
use crate::expansion::{Expansions, expansions};
use crate::landmark::{ExpansionRule, Preceding, landmarks};
use crate::mix::{self, BillingShare, PriceVolumeMix};
use crate::movement;
use crate::plan_move::{PlanMove, plan_moves};
use crate::renewal::{RenewalQuality, renewal_quality};
use crate::segment::{SegmentRow, SizeCutOffs};
use crate::timeline::Timeline;

/// What the analysis is made with.
#[derive(Debug, Clone, Copy)]
pub struct BaseSettings<'a> {
    /// A gap in paying shorter than this is a late renewal.
    pub grace_days: u32,
    /// From which annual value an account is of which size.
    pub sizes: SizeCutOffs,
    /// What the project declares of its product.
    pub catalogue: &'a CatalogueSettings,
    /// What counts as an expansion.
    pub expansion: ExpansionRule,
}

/// The base, taken apart, as it was known at `as_of`.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseAnalysis {
    /// Why MRR changed, month by month and over trailing years.
    pub price_volume_mix: Vec<PriceVolumeMix>,
    /// By billing period, month by month.
    pub billing: Vec<BillingShare>,
    /// From plan to plan over the last twelve months.
    pub plan_moves: Vec<PlanMove>,
    /// How accounts come to pay more.
    pub expansions: Vec<Expansions>,
    /// Renewals of the last twelve months.
    pub renewals: Vec<RenewalQuality>,
    /// What precedes an expansion.
    pub landmarks: Vec<Preceding>,
    /// Where retention curves fall.
    pub curves: Vec<CohortCurve>,
    /// Channels, campaigns and plans at equal size.
    pub compared: Vec<Compared>,
    /// Rows of segments by what accounts did.
    pub behaviour_segments: Vec<SegmentRow>,
    /// Combinations of attributes that stand out.
    pub archetypes: Vec<Archetype>,
}

impl BaseAnalysis {
    /// From the facts known before `as_of`. `timelines` as of [`crate::timelines`] with the same grace period.
    #[must_use]
    pub fn of(facts: &Facts, timelines: &[Timeline], as_of: NaiveDate, settings: &BaseSettings<'_>) -> Self {
        let BaseSettings { grace_days, sizes, catalogue, expansion } = *settings;
        let movements = movement::of_timelines(timelines, as_of);
        let levels = mix::levels(facts, timelines, &movements, as_of);
        let behaviour = Behaviour::of(facts, catalogue, behaviour::opening_day(as_of));
        let behaviour_segments = behaviour
            .as_ref()
            .map_or_else(Vec::new, |behaviour| behaviour::segments(facts, timelines, as_of, behaviour));
        Self {
            price_volume_mix: mix::price_volume_mix(&levels, timelines, &movements, as_of),
            billing: mix::billing_shares(&levels, &movements, as_of),
            plan_moves: plan_moves(facts, timelines, as_of),
            expansions: expansions(facts, timelines, as_of, sizes),
            renewals: renewal_quality(facts, as_of, grace_days),
            landmarks: landmarks(facts, timelines, as_of, sizes, catalogue, &expansion),
            curves: curves(&cohorts(timelines, as_of, CohortSpan::Quarter)),
            compared: compared(facts, timelines, as_of, sizes),
            archetypes: archetypes(facts, timelines, as_of, sizes, behaviour.as_ref()),
            behaviour_segments,
        }
    }
}
