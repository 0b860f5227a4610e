//! How a signal is written down.

use super::{Availability, CatalogueSettings, Signal, Workflow};
use crate::engine::view::View;
use crate::signal::{Direction, Family, SignalDefinition, Unit};

/// Where the texts of a category come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Levels {
    /// A fixed list.
    Fixed(&'static [&'static str]),
    /// Names of plans.
    Plans,
    /// Names of segments.
    Segments,
    /// Names of industries.
    Industries,
    /// Names of regions.
    Regions,
    /// Names of channels.
    Channels,
}

/// How a value is computed from what is visible; the second argument of a number is the window in days.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Formula {
    /// A number, `None` where it cannot be known.
    Number(fn(&View<'_>, u32) -> Option<f64>),
    /// A number told of one declared workflow, by its place among them.
    Workflow(fn(&View<'_>, usize) -> Option<f64>, usize),
    /// A code into the levels.
    Category(fn(&View<'_>) -> Option<u32>, Levels),
    /// The declared signal at this place of the settings.
    Declared(usize),
    /// Where a number stands among those of other accounts: told only once the rows of all accounts are there.
    Percentile(Ranking),
}

/// What is compared, and with whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranking {
    /// The number, as for [`Formula::Number`].
    pub(crate) value: fn(&View<'_>, u32) -> Option<f64>,
    /// The group within which it is compared; without one it is not.
    pub(crate) group: fn(&View<'_>) -> Option<u32>,
    /// What the group's code stands for.
    pub(crate) levels: Levels,
}

/// What must be declared for a signal to exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// A use names its user.
    Users,
    /// The subscriptions table.
    Subscriptions,
    /// Names of plans, segments, industries, regions, channels.
    Plans,
    Segments,
    Industries,
    Regions,
    Channels,
    /// Declared lists of the product.
    Features,
    Advanced,
    Integrations,
    ValueMoments,
    Complaints,
    Workflows,
    /// How long after a review the next is due.
    ReviewInterval,
    /// The contacts table.
    Contacts,
}

impl Need {
    /// The column or key that meets it.
    fn key(self) -> &'static str {
        match self {
            Self::Users => "usage.user_id",
            Self::Subscriptions => "subscriptions",
            Self::Plans => "subscriptions.plan",
            Self::Segments => "accounts.segment",
            Self::Industries => "accounts.industry",
            Self::Regions => "accounts.region",
            Self::Channels => "accounts.channel",
            Self::Features => "catalogue.features",
            Self::Advanced => "catalogue.advanced",
            Self::Integrations => "catalogue.integrations",
            Self::ValueMoments => "catalogue.value_moments",
            Self::Complaints => "tickets.kinds.complaint",
            Self::Workflows => "workflows",
            Self::ReviewInterval => "reviews.interval",
            Self::Contacts => "contacts",
        }
    }

    fn is_met(self, available: &Availability, settings: &CatalogueSettings) -> bool {
        match self {
            Self::Users => available.users,
            Self::Subscriptions => available.subscriptions,
            Self::Plans => available.plans,
            Self::Segments => available.segments,
            Self::Industries => available.industries,
            Self::Regions => available.regions,
            Self::Channels => available.channels,
            Self::Contacts => available.contacts,
            Self::Workflows => !settings.workflows.is_empty(),
            Self::ReviewInterval => settings.review_interval_days.is_some(),
            Self::Features | Self::Advanced | Self::Integrations | Self::ValueMoments | Self::Complaints => {
                self.declared(settings).is_some_and(|list| !list.is_empty())
            }
        }
    }

    /// The declared list that the value depends on.
    fn declared(self, settings: &CatalogueSettings) -> Option<&[String]> {
        match self {
            Self::Features => Some(&settings.features),
            Self::Advanced => Some(&settings.advanced),
            Self::Integrations => Some(&settings.integrations),
            Self::ValueMoments => Some(&settings.value_moments),
            Self::Complaints => Some(&settings.complaint_categories),
            _ => None,
        }
    }
}

/// One signal, or the same signal over several windows or of several workflows; in a name or text `{w}` stands for the window
/// in days and `{workflow}` for the workflow's name.
#[derive(Debug, Clone)]
pub(super) struct Template {
    name: &'static str,
    family: Family,
    idea: &'static str,
    unit: Unit,
    table: &'static str,
    windows: &'static [u32],
    text: &'static str,
    null_text: Option<&'static str>,
    churn: Direction,
    expansion: Direction,
    actionable: bool,
    needs: &'static [Need],
    rule: &'static str,
    formula: Formula,
}

/// Whatever is not said of a signal: no window, no expectation, actionable, nothing to be declared.
pub(super) fn signal(family: Family, table: &'static str, name: &'static str, idea: &'static str) -> Template {
    Template {
        name,
        family,
        idea,
        unit: Unit::Count,
        table,
        windows: &[],
        text: "{value}",
        null_text: None,
        churn: Direction::Unknown,
        expansion: Direction::Unknown,
        actionable: true,
        needs: &[],
        rule: "",
        formula: Formula::Number(|_, _| None),
    }
}

impl Template {
    /// The unit of the value.
    pub(super) fn unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    /// The windows, in days.
    pub(super) fn over(self, windows: &'static [u32]) -> Self {
        Self { windows, ..self }
    }

    /// The text with its `{value}`.
    pub(super) fn text(self, text: &'static str) -> Self {
        Self { text, ..self }
    }

    /// What a null says, where that can be said better than "not known": a sentence that is true in every case that the
    /// rule calls null.
    pub(super) fn null_text(self, null_text: &'static str) -> Self {
        Self { null_text: Some(null_text), ..self }
    }

    /// Where a higher value is expected to move churn and expansion.
    pub(super) fn expect(self, churn: Direction, expansion: Direction) -> Self {
        Self { churn, expansion, ..self }
    }

    /// A fact that nobody can act on.
    pub(super) fn fixed(self) -> Self {
        Self { actionable: false, ..self }
    }

    /// What must be declared.
    pub(super) fn needs(self, needs: &'static [Need]) -> Self {
        Self { needs, ..self }
    }

    /// Meaning, formula and when it is null.
    pub(super) fn rule(self, rule: &'static str) -> Self {
        Self { rule, ..self }
    }

    /// The computation of a number.
    pub(super) fn number(self, formula: fn(&View<'_>, u32) -> Option<f64>) -> Self {
        Self { formula: Formula::Number(formula), ..self }
    }

    /// The computation of a category.
    pub(super) fn category(self, levels: Levels, formula: fn(&View<'_>) -> Option<u32>) -> Self {
        Self { formula: Formula::Category(formula, levels), unit: Unit::Category, ..self }
    }

    /// The mid-rank percentile of a number among the rows of one date with the same group
    /// ([`crate::matrix::Population`]).
    pub(super) fn percentile_within(
        self,
        levels: Levels,
        group: fn(&View<'_>) -> Option<u32>,
        value: fn(&View<'_>, u32) -> Option<f64>,
    ) -> Self {
        Self { formula: Formula::Percentile(Ranking { value, group, levels }), ..self }
    }

    /// The computation of a number for each declared workflow.
    pub(super) fn per_workflow(self, formula: fn(&View<'_>, usize) -> Option<f64>) -> Self {
        Self { formula: Formula::Workflow(formula, 0), needs: &[Need::Workflows], ..self }
    }

    /// Whether tables and declarations allow it.
    pub(super) fn is_possible(&self, available: &Availability, settings: &CatalogueSettings) -> bool {
        let table = match self.table {
            "usage" => available.usage,
            "subscriptions" => available.subscriptions,
            "subscription_items" => available.subscription_items,
            "nps" => available.nps,
            "invoices" => available.invoices,
            "tickets" => available.tickets,
            "contacts" => available.contacts,
            "meetings" => available.meetings,
            "firmographics" => available.firmographics,
            _ => true,
        };
        table && self.needs.iter().all(|need| need.is_met(available, settings))
    }

    /// The signals that it stands for, one per window or workflow.
    pub(super) fn signals(self, settings: &CatalogueSettings) -> Vec<Signal> {
        if let Formula::Workflow(formula, _) = self.formula {
            let of = |(place, workflow)| self.of_workflow(workflow, Formula::Workflow(formula, place), settings);
            return settings.workflows.iter().enumerate().map(of).collect();
        }
        if self.windows.is_empty() {
            return vec![self.signal(None, settings)];
        }
        self.windows.iter().map(|window| self.signal(Some(*window), settings)).collect()
    }

    /// The same, told without what a business declares: the parameters are the rule alone.
    pub(super) fn described(self) -> Vec<Signal> {
        let rule = self.rule;
        let some = Workflow { name: "WORKFLOW".to_owned(), steps: Vec::new() };
        let mut signals = self.signals(&CatalogueSettings { workflows: vec![some], ..CatalogueSettings::default() });
        for signal in &mut signals {
            rule.clone_into(&mut signal.definition.parameters);
        }
        signals
    }

    fn of_workflow(&self, workflow: &Workflow, formula: Formula, settings: &CatalogueSettings) -> Signal {
        let mut definition = self.signal(None, settings).definition;
        for text in [&mut definition.name, &mut definition.idea, &mut definition.text] {
            *text = text.replace("{workflow}", &workflow.name);
        }
        definition.null_text = definition.null_text.map(|text| text.replace("{workflow}", &workflow.name));
        // Here the order does mean something.
        definition.parameters.push_str(&format!("; steps: {:?}", workflow.steps));
        Signal { definition, formula, needs: self.needs.iter().map(|need| need.key()).collect() }
    }

    fn signal(&self, window_days: Option<u32>, settings: &CatalogueSettings) -> Signal {
        let filled = |text: &str| window_days.map_or_else(|| text.to_owned(), |w| text.replace("{w}", &w.to_string()));
        let definition = SignalDefinition {
            name: filled(self.name),
            family: self.family,
            idea: self.idea.to_owned(),
            unit: self.unit,
            window_days,
            table: self.table.to_owned(),
            text: filled(self.text),
            null_text: self.null_text.map(filled),
            churn: self.churn,
            expansion: self.expansion,
            actionable: self.actionable,
            parameters: self.parameters(settings),
        };
        Signal { definition, formula: self.formula, needs: self.needs.iter().map(|need| need.key()).collect() }
    }

    /// The rule, and the declared lists that it reads (sorted: their order in the file means nothing).
    fn parameters(&self, settings: &CatalogueSettings) -> String {
        let mut text = self.rule.to_owned();
        for need in self.needs {
            if let Some(declared) = need.declared(settings) {
                append_list(&mut text, "declared", declared);
            }
            if *need == Need::Complaints {
                append_list(&mut text, "how-to", &settings.how_to_categories);
            }
            if let (Need::ReviewInterval, Some(days)) = (need, settings.review_interval_days) {
                text.push_str(&format!("; interval: {days} days"));
            }
        }
        text
    }
}

/// Appends a list as JSON, so that no name can be taken for two.
fn append_list(text: &mut String, word: &str, list: &[String]) {
    let mut sorted: Vec<&String> = list.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    let names: Vec<String> = sorted.iter().map(|name| format!("{name:?}")).collect();
    text.push_str(&format!("; {word}: [{}]", names.join(",")));
}
