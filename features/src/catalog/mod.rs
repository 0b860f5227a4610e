//! The catalogue: every signal once, its words beside its formula.
//!
//! A family module is a list of [`template::Template`]s. A template says all there is to say about a signal (name, idea, unit,
//! windows, text, expected directions, its rule in words) and ends in the function that computes it from a
//! [`View`]: what is visible of one account at one date. There is no second list to keep in step: a signal without a
//! formula cannot be written down, and a formula without a definition has no place to stand.
//!
//! The words of the rule are part of the definition and so of its digest: to change what a signal means is to change its
//! rule, and then a bundle that was trained on the old meaning refuses the new features.
//!
//! Which signals exist depends on declarations only (tables, declared product catalogue), never on values. A missing
//! optional table takes its signals away and changes nothing else.

mod adoption;
mod commercial;
mod declared;
mod depth;
mod holdings;
mod nps;
mod payments;
mod renewals;
mod segment;
mod settings;
mod sponsorship;
mod support;
mod template;
mod usage;

use crate::engine::view::View;
use crate::facts::{Facts, Names};
use crate::signal::SignalDefinition;
pub use declared::{Aggregate, Comparison, DeclaredSignal};
pub(crate) use settings::matches;
pub use settings::{CatalogueSettings, Workflow};
pub(crate) use template::{Formula, Levels, Ranking};

/// Which tables, and which of their optional columns, there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Availability {
    /// Usage.
    pub usage: bool,
    /// Usage names its users.
    pub users: bool,
    /// Subscriptions.
    pub subscriptions: bool,
    /// Subscriptions name their plans.
    pub plans: bool,
    /// Add-ons and modules.
    pub subscription_items: bool,
    /// NPS answers.
    pub nps: bool,
    /// Invoices.
    pub invoices: bool,
    /// Tickets.
    pub tickets: bool,
    /// Contacts.
    pub contacts: bool,
    /// Meetings.
    pub meetings: bool,
    /// Sizes of the customers.
    pub firmographics: bool,
    /// Accounts name their segments.
    pub segments: bool,
    /// Accounts name their industries.
    pub industries: bool,
    /// Accounts name their regions.
    pub regions: bool,
    /// Accounts name their channels.
    pub channels: bool,
}

impl Availability {
    /// What `facts` hold: a table is there when it is declared, an optional column when a file has it.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        let named = |names: &Names| names.is_there || !names.names.is_empty();
        Self {
            usage: facts.usage.is_some(),
            users: facts.usage.is_some() && named(&facts.users),
            subscriptions: facts.subscriptions.is_some(),
            plans: facts.subscriptions.is_some() && named(&facts.plans),
            subscription_items: facts.subscription_items.is_some(),
            nps: facts.nps.is_some(),
            invoices: facts.invoices.is_some(),
            tickets: facts.tickets.is_some(),
            contacts: facts.contacts.is_some(),
            meetings: facts.meetings.is_some(),
            firmographics: facts.firmographics.is_some(),
            segments: named(&facts.segments),
            industries: named(&facts.industries),
            regions: named(&facts.regions),
            channels: named(&facts.channels),
        }
    }

    /// Everything is there.
    #[must_use]
    pub fn full() -> Self {
        Self {
            usage: true,
            users: true,
            subscriptions: true,
            plans: true,
            subscription_items: true,
            nps: true,
            invoices: true,
            tickets: true,
            contacts: true,
            meetings: true,
            firmographics: true,
            segments: true,
            industries: true,
            regions: true,
            channels: true,
        }
    }

    /// Optional tables that are not there, by canonical name, in the order of signals.md.
    #[must_use]
    pub fn missing_tables(&self) -> Vec<String> {
        let tables = [
            ("usage", self.usage),
            ("subscriptions", self.subscriptions),
            ("subscription_items", self.subscription_items),
            ("nps", self.nps),
            ("invoices", self.invoices),
            ("tickets", self.tickets),
            ("contacts", self.contacts),
            ("meetings", self.meetings),
            ("firmographics", self.firmographics),
        ];
        tables.into_iter().filter(|(_, there)| !there).map(|(name, _)| name.to_owned()).collect()
    }
}

/// A signal: what it is, and how it is computed.
#[derive(Debug, Clone)]
pub struct Signal {
    /// The definition.
    pub definition: SignalDefinition,
    pub(crate) formula: Formula,
    /// What must be declared besides its table, as keys and columns.
    pub(crate) needs: Vec<&'static str>,
}

impl Signal {
    /// What must be declared or mapped besides its table, e.g. `usage.user_id` or `catalogue.value_moments`.
    #[must_use]
    pub fn needs(&self) -> &[&'static str] {
        &self.needs
    }

    /// Whether the business declared it itself.
    #[must_use]
    pub fn is_declared(&self) -> bool {
        matches!(self.formula, Formula::Declared(_))
    }

    /// What is compared, where the value tells where the account stands among others.
    pub(crate) fn ranking(&self) -> Option<&Ranking> {
        match &self.formula {
            Formula::Percentile(ranking) => Some(ranking),
            _ => None,
        }
    }

    /// The value for one account and date, as the column holds it; NaN is null. Of a percentile, the number that is
    /// compared.
    pub(crate) fn number(&self, view: &View<'_>) -> f32 {
        let window = self.definition.window_days.unwrap_or(0);
        match self.formula {
            Formula::Number(formula) => formula(view, window).map_or(f32::NAN, to_column),
            Formula::Declared(place) => view.declared_value(place).map_or(f32::NAN, to_column),
            Formula::Workflow(formula, workflow) => formula(view, workflow).map_or(f32::NAN, to_column),
            Formula::Percentile(Ranking { value, .. }) => value(view, window).map_or(f32::NAN, to_column),
            Formula::Category(..) => f32::NAN,
        }
    }
}

/// Narrows to the column's float; what is not finite is null.
#[expect(clippy::cast_possible_truncation, reason = "columns are 32-bit by contract; out of range is null")]
fn to_column(value: f64) -> f32 {
    // An empty sum is -0.0; a column has one zero.
    let narrow = value as f32 + 0.0;
    if narrow.is_finite() { narrow } else { f32::NAN }
}

/// The signals of a business.
#[derive(Debug, Clone)]
pub struct Catalogue {
    signals: Vec<Signal>,
    settings: CatalogueSettings,
}

impl Catalogue {
    /// Every template, family by family.
    fn templates() -> impl Iterator<Item = template::Template> {
        let families = [
            usage::templates(),
            depth::templates(),
            adoption::templates(),
            nps::templates(),
            payments::templates(),
            commercial::templates(),
            renewals::templates(),
            holdings::templates(),
            support::templates(),
            sponsorship::templates(),
            segment::templates(),
        ];
        families.into_iter().flatten()
    }

    /// The signals that `available` tables and declared `settings` allow, family by family, in a fixed order; then those
    /// that the business declares itself, by name.
    #[must_use]
    pub fn new(available: &Availability, settings: &CatalogueSettings) -> Self {
        let possible = Self::templates().filter(|template| template.is_possible(available, settings));
        let signals = possible.flat_map(|template| template.signals(settings));
        let declared = settings.declared.iter().enumerate().map(|(place, signal)| Signal {
            definition: signal.definition.clone(),
            formula: Formula::Declared(place),
            needs: Vec::new(),
        });
        let signals = signals.chain(declared);
        let wanted = signals.filter(|signal| settings.wants(&signal.definition.name)).collect();
        Self { signals: wanted, settings: settings.clone() }
    }

    /// Every built-in signal, whatever the business has and declares; the parameters of a definition are its rule alone.
    #[must_use]
    pub fn whole() -> Vec<Signal> {
        Self::templates().flat_map(template::Template::described).collect()
    }

    /// The names of all built-in signals of a business with these workflows.
    #[must_use]
    pub fn everything(workflows: &[Workflow]) -> Vec<String> {
        let settings = CatalogueSettings { workflows: workflows.to_vec(), ..CatalogueSettings::default() };
        Self::templates()
            .flat_map(|template| template.signals(&settings))
            .map(|signal| signal.definition.name)
            .collect()
    }

    /// Only the signals that compare accounts with each other.
    #[must_use]
    pub fn compared(&self) -> Self {
        let signals = self.signals.iter().filter(|signal| signal.ranking().is_some());
        Self { signals: signals.cloned().collect(), settings: self.settings.clone() }
    }

    /// The signals, in column order.
    #[must_use]
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    /// The definitions, in column order.
    #[must_use]
    pub fn definitions(&self) -> Vec<SignalDefinition> {
        self.signals.iter().map(|signal| signal.definition.clone()).collect()
    }

    /// What the business declares.
    #[must_use]
    pub fn settings(&self) -> &CatalogueSettings {
        &self.settings
    }
}

#[cfg(test)]
mod tests;
