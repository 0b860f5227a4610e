//! The canonical tables: which columns there are, what they hold, which are needed, and the values that can be true of
//! any business. The contract maps a user's own names onto these; everything after reading knows only these.

use std::fmt;

/// A canonical table. The order is that of reading and of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableName {
    /// Who the customers are.
    Accounts,
    /// What they did in the product.
    Usage,
    /// What they bought.
    Subscriptions,
    /// Which add-ons and modules.
    SubscriptionItems,
    /// What they answered.
    Nps,
    /// What they were billed and when they paid.
    Invoices,
    /// What they asked for help with.
    Tickets,
    /// Whom one knows there.
    Contacts,
    /// When one met them.
    Meetings,
    /// How large they are.
    Firmographics,
    /// What was done about an account.
    Interventions,
    /// Where a person put another probability in place of the model's.
    Overrides,
    /// What it cost to win and to serve them.
    Spend,
    /// What they, or those who look after them, are to reach.
    Goals,
}

impl TableName {
    /// All tables, in order.
    pub const ALL: [TableName; 14] = [
        Self::Accounts,
        Self::Usage,
        Self::Subscriptions,
        Self::SubscriptionItems,
        Self::Nps,
        Self::Invoices,
        Self::Tickets,
        Self::Contacts,
        Self::Meetings,
        Self::Firmographics,
        Self::Interventions,
        Self::Overrides,
        Self::Spend,
        Self::Goals,
    ];

    /// The name as written in `[tables.<name>]`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Usage => "usage",
            Self::Subscriptions => "subscriptions",
            Self::SubscriptionItems => "subscription_items",
            Self::Nps => "nps",
            Self::Invoices => "invoices",
            Self::Tickets => "tickets",
            Self::Contacts => "contacts",
            Self::Meetings => "meetings",
            Self::Firmographics => "firmographics",
            Self::Interventions => "interventions",
            Self::Overrides => "overrides",
            Self::Spend => "spend",
            Self::Goals => "goals",
        }
    }

    /// The table of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.as_str() == name)
    }

    /// Its columns.
    #[must_use]
    pub fn columns(self) -> &'static [CanonicalColumn] {
        match self {
            Self::Accounts => ACCOUNTS,
            Self::Usage => USAGE,
            Self::Subscriptions => SUBSCRIPTIONS,
            Self::SubscriptionItems => SUBSCRIPTION_ITEMS,
            Self::Nps => NPS,
            Self::Invoices => INVOICES,
            Self::Tickets => TICKETS,
            Self::Contacts => CONTACTS,
            Self::Meetings => MEETINGS,
            Self::Firmographics => FIRMOGRAPHICS,
            Self::Interventions => INTERVENTIONS,
            Self::Overrides => OVERRIDES,
            Self::Spend => SPEND,
            Self::Goals => GOALS,
        }
    }

    /// One of its columns.
    #[must_use]
    pub fn column(self, name: &str) -> Option<&'static CanonicalColumn> {
        self.columns().iter().find(|column| column.name == name)
    }

    /// Columns that identify a row, besides `known_at`; none: rows have no identity and repeats are facts.
    #[must_use]
    pub fn key(self) -> &'static [&'static str] {
        match self {
            Self::Accounts => &["account_id"],
            Self::Usage | Self::Meetings | Self::Interventions | Self::Overrides => &[],
            Self::Subscriptions => &["account_id", "effective_at"],
            Self::SubscriptionItems => &["account_id", "item", "effective_at"],
            Self::Nps => &["account_id", "respondent_id", "at"],
            Self::Invoices => &["invoice_id"],
            Self::Tickets => &["ticket_id"],
            Self::Contacts => &["account_id", "contact_id"],
            Self::Firmographics | Self::Spend => &["account_id", "at"],
            Self::Goals => &["account_id", "owner", "metric", "use_case", "from"],
        }
    }

    /// Whether signals are computed from it. The others say what was done, spent and aimed at because of what signals said, or
    /// beside it; a model that learned from them would learn from its own answers.
    #[must_use]
    pub fn feeds_signals(self) -> bool {
        !matches!(self, Self::Interventions | Self::Overrides | Self::Spend | Self::Goals)
    }

    /// Whether rows of one key are rows of one account.
    #[must_use]
    pub(crate) fn is_keyed_by_account(self) -> bool {
        self.key().first().is_none_or(|first| *first == "account_id")
    }

    /// The column that says when a row's event happened.
    #[must_use]
    pub fn event_time(self) -> &'static str {
        match self {
            Self::Accounts => "signed_up_at",
            Self::Usage | Self::Nps | Self::Meetings | Self::Firmographics => "at",
            Self::Interventions | Self::Overrides | Self::Spend => "at",
            Self::Goals => "from",
            Self::Subscriptions | Self::SubscriptionItems => "effective_at",
            Self::Invoices => "issued_at",
            Self::Tickets => "opened_at",
            Self::Contacts => "since",
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text, byte-exact: ids, categories.
    Text,
    /// A finite number.
    Number,
    /// An instant; without a zone it is in the table's, which is UTC unless declared.
    Time,
}

/// One canonical column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CanonicalColumn {
    /// Canonical name.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
    /// Whether every row must have it.
    pub required: bool,
    /// Whether anything computes with it; other columns may be declared, and are not read.
    pub read: bool,
    /// Whether signals compute with it; what only the outlook reads can leak into none.
    pub signals: bool,
    /// Whether its times are knowledge times of their own: such a time is null until it has come.
    pub known_later: bool,
    /// Least and greatest value that can be true of any business (numbers).
    pub range: [f64; 2],
    /// The only values there are, compared without regard to case (texts); empty: any.
    pub allowed: &'static [&'static str],
}

impl CanonicalColumn {
    /// What a number is where nothing is said.
    #[must_use]
    pub fn default_number(&self) -> Option<f64> {
        (self.name == "quantity").then_some(1.0)
    }
}

const ANY: [f64; 2] = [f64::MIN, f64::MAX];
const NOT_NEGATIVE: [f64; 2] = [0.0, f64::MAX];

const fn column(name: &'static str, kind: ColumnKind) -> CanonicalColumn {
    CanonicalColumn {
        name,
        kind,
        required: false,
        read: true,
        signals: true,
        known_later: false,
        range: ANY,
        allowed: &[],
    }
}

const fn required(name: &'static str, kind: ColumnKind) -> CanonicalColumn {
    CanonicalColumn { required: true, ..column(name, kind) }
}

const fn unread(name: &'static str, kind: ColumnKind) -> CanonicalColumn {
    CanonicalColumn { read: false, ..column(name, kind) }
}

/// Read for the outlook alone.
const fn outlook(name: &'static str, kind: ColumnKind) -> CanonicalColumn {
    CanonicalColumn { signals: false, ..column(name, kind) }
}

/// A time that comes to pass, and that nobody may see before.
const fn news(name: &'static str) -> CanonicalColumn {
    CanonicalColumn { known_later: true, ..column(name, ColumnKind::Time) }
}

const fn number(name: &'static str, range: [f64; 2]) -> CanonicalColumn {
    CanonicalColumn { range, ..column(name, ColumnKind::Number) }
}

const KNOWN_AT: CanonicalColumn = column("known_at", ColumnKind::Time);
const ACCOUNT_ID: CanonicalColumn = required("account_id", ColumnKind::Text);

/// Spellings of the monthly billing period.
pub(crate) const MONTHLY: [&str; 2] = ["monthly", "month"];
/// Spellings of the annual billing period.
pub(crate) const ANNUAL: [&str; 4] = ["annual", "annually", "yearly", "year"];
/// Spellings of yes.
pub(crate) const YES: [&str; 4] = ["true", "yes", "t", "1"];
/// Spellings of no.
pub(crate) const NO: [&str; 4] = ["false", "no", "f", "0"];
/// The two kinds of meeting that are reviews.
pub(crate) const REVIEWS: [&str; 2] = ["qbr", "review"];
const YES_OR_NO: &[&str] = &["true", "yes", "t", "1", "false", "no", "f", "0"];
const MEETING_KINDS: &[&str] = &["qbr", "review", "call", "email"];
const ROLES: &[&str] = &["sponsor", "champion", "admin", "user"];
const ARMS: &[&str] = &["treated", "holdout"];
const GOAL_METRICS: &[&str] = &["usage", "adoption", "revenue"];
const BILLING_PERIODS: &[&str] = &["monthly", "month", "annual", "annually", "yearly", "year"];

static ACCOUNTS: &[CanonicalColumn] = &[
    ACCOUNT_ID,
    column("signed_up_at", ColumnKind::Time),
    column("segment", ColumnKind::Text),
    column("industry", ColumnKind::Text),
    column("region", ColumnKind::Text),
    column("channel", ColumnKind::Text),
    outlook("campaign", ColumnKind::Text),
    outlook("owner", ColumnKind::Text),
    KNOWN_AT,
];

static USAGE: &[CanonicalColumn] = &[
    ACCOUNT_ID,
    column("user_id", ColumnKind::Text),
    required("feature", ColumnKind::Text),
    required("at", ColumnKind::Time),
    number("quantity", ANY),
    KNOWN_AT,
];

static SUBSCRIPTIONS: &[CanonicalColumn] = &[
    ACCOUNT_ID,
    required("effective_at", ColumnKind::Time),
    CanonicalColumn { required: true, ..number("mrr", NOT_NEGATIVE) },
    column("plan", ColumnKind::Text),
    number("seats", NOT_NEGATIVE),
    CanonicalColumn { allowed: BILLING_PERIODS, ..column("billing_period", ColumnKind::Text) },
    column("renews_at", ColumnKind::Time),
    number("usage_limit", NOT_NEGATIVE),
    number("discount", [0.0, 1.0]),
    number("list_price", NOT_NEGATIVE),
    CanonicalColumn { allowed: YES_OR_NO, ..column("auto_renew", ColumnKind::Text) },
    unread("cancel_reason", ColumnKind::Text),
    KNOWN_AT,
];

static SUBSCRIPTION_ITEMS: &[CanonicalColumn] = &[
    ACCOUNT_ID,
    required("item", ColumnKind::Text),
    required("effective_at", ColumnKind::Time),
    CanonicalColumn { required: true, ..number("mrr", NOT_NEGATIVE) },
    unread("quantity", ColumnKind::Number),
    KNOWN_AT,
];

static NPS: &[CanonicalColumn] = &[
    ACCOUNT_ID,
    required("respondent_id", ColumnKind::Text),
    required("at", ColumnKind::Time),
    CanonicalColumn { required: true, ..number("score", [0.0, 10.0]) },
    unread("comment", ColumnKind::Text),
    KNOWN_AT,
];

static INVOICES: &[CanonicalColumn] = &[
    required("invoice_id", ColumnKind::Text),
    ACCOUNT_ID,
    required("issued_at", ColumnKind::Time),
    required("due_at", ColumnKind::Time),
    news("paid_at"),
    CanonicalColumn { required: true, ..number("amount", ANY) },
    news("disputed_at"),
    unread("currency", ColumnKind::Text),
    outlook("kind", ColumnKind::Text),
    KNOWN_AT,
];

static TICKETS: &[CanonicalColumn] = &[
    required("ticket_id", ColumnKind::Text),
    ACCOUNT_ID,
    required("opened_at", ColumnKind::Time),
    news("resolved_at"),
    column("category", ColumnKind::Text),
    column("severity", ColumnKind::Text),
    KNOWN_AT,
];

static CONTACTS: &[CanonicalColumn] = &[
    ACCOUNT_ID,
    required("contact_id", ColumnKind::Text),
    CanonicalColumn { allowed: ROLES, ..required("role", ColumnKind::Text) },
    required("since", ColumnKind::Time),
    news("until"),
    KNOWN_AT,
];

static MEETINGS: &[CanonicalColumn] = &[
    ACCOUNT_ID,
    required("at", ColumnKind::Time),
    CanonicalColumn { allowed: MEETING_KINDS, ..required("kind", ColumnKind::Text) },
    column("contact_id", ColumnKind::Text),
    CanonicalColumn { allowed: YES_OR_NO, ..required("attended", ColumnKind::Text) },
    KNOWN_AT,
];

static FIRMOGRAPHICS: &[CanonicalColumn] = &[
    ACCOUNT_ID,
    required("at", ColumnKind::Time),
    CanonicalColumn { required: true, ..number("employees", NOT_NEGATIVE) },
    KNOWN_AT,
];

static INTERVENTIONS: &[CanonicalColumn] = &[
    ACCOUNT_ID,
    required("at", ColumnKind::Time),
    required("playbook", ColumnKind::Text),
    CanonicalColumn { allowed: ARMS, ..required("arm", ColumnKind::Text) },
    column("owner", ColumnKind::Text),
    column("due", ColumnKind::Time),
    column("outcome", ColumnKind::Text),
    KNOWN_AT,
];

static OVERRIDES: &[CanonicalColumn] = &[
    ACCOUNT_ID,
    required("at", ColumnKind::Time),
    required("target", ColumnKind::Text),
    CanonicalColumn { required: true, ..number("probability", [0.0, 1.0]) },
    required("author", ColumnKind::Text),
    required("reason", ColumnKind::Text),
    KNOWN_AT,
];

static SPEND: &[CanonicalColumn] = &[
    ACCOUNT_ID,
    required("at", ColumnKind::Time),
    number("acquisition_cost", NOT_NEGATIVE),
    number("serve_cost", NOT_NEGATIVE),
    KNOWN_AT,
];

static GOALS: &[CanonicalColumn] = &[
    column("account_id", ColumnKind::Text),
    column("owner", ColumnKind::Text),
    CanonicalColumn { allowed: GOAL_METRICS, ..required("metric", ColumnKind::Text) },
    column("use_case", ColumnKind::Text),
    CanonicalColumn { required: true, ..number("target", NOT_NEGATIVE) },
    required("from", ColumnKind::Time),
    required("until", ColumnKind::Time),
    KNOWN_AT,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Every time but the event's and `known_at` is either said ahead (a plan) or comes to pass later, and then nobody may
    /// see it before. Whoever adds such a column decides which, by [`CanonicalColumn::known_later`].
    #[test]
    fn every_further_time_is_a_plan_or_news() {
        let mut plans = Vec::new();
        let mut news = Vec::new();
        for table in TableName::ALL {
            for column in table.columns() {
                let further = column.name != table.event_time() && column.name != "known_at";
                if column.kind == ColumnKind::Time && further {
                    let list = if column.known_later { &mut news } else { &mut plans };
                    list.push(format!("{table}.{}", column.name));
                }
            }
        }
        assert_eq!(plans, ["subscriptions.renews_at", "invoices.due_at", "interventions.due", "goals.until"]);
        assert_eq!(news, ["invoices.paid_at", "invoices.disputed_at", "tickets.resolved_at", "contacts.until"]);
    }
}
