//! What the contract says about the product: its features, which of them carry value, and how tickets are worded.

/// An ordered list of features that together are one piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Workflow {
    /// Name, e.g. `publish`.
    pub name: String,
    /// Features in order; the first starts the workflow, the last completes it.
    pub steps: Vec<String>,
}

/// Declared product knowledge that signals depend on; names are those of the usage table, byte-exact.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CatalogueSettings {
    /// Every feature that the product offers; empty: not declared.
    pub features: Vec<String>,
    /// Features that only advanced customers use.
    pub advanced: Vec<String>,
    /// Integrations with other products.
    pub integrations: Vec<String>,
    /// Features in whose use the customer gets the value paid for.
    pub value_moments: Vec<String>,
    /// Ticket categories that complain ("why doesn't it").
    pub complaint_categories: Vec<String>,
    /// Ticket categories that ask ("how do I").
    pub how_to_categories: Vec<String>,
    /// Declared workflows, sorted by name.
    pub workflows: Vec<Workflow>,
}
