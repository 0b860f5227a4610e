//! What each tool takes: the form of its import, its limits, and how its fields are named. The sources are in
//! `docs/outlook/deliver.md`.

use super::ExportError;

/// Most records of a Salesforce Bulk API batch.
const SALESFORCE_ROWS: u64 = 10_000;
/// Most bytes of one (10 MB, and 10,000,000 characters).
const SALESFORCE_BYTES: u64 = 10_000_000;
/// Most inputs of a HubSpot batch.
const HUBSPOT_BATCH: usize = 100;
/// Most items of a Planhat bulk upsert.
const PLANHAT_BATCH: usize = 5_000;
/// Most bytes of its body are 32 MB; a little is left for the wrapping.
const PLANHAT_BYTES: usize = 31_000_000;
/// Most characters of a Salesforce custom field's name, `__c` not counted.
const SALESFORCE_NAME: usize = 40;
/// Most characters of a HubSpot property's name.
const HUBSPOT_NAME: usize = 100;

/// A tool that imports what we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tool {
    /// Salesforce Bulk API and Bulk API 2.0: upsert by an external id field.
    Salesforce,
    /// HubSpot CRM: batches of upserts by a unique property.
    HubSpot,
    /// Gainsight Bulk API: CSV whose columns a job maps.
    Gainsight,
    /// ChurnZero: batch import of accounts.
    ChurnZero,
    /// Planhat: bulk upserts of companies.
    Planhat,
    /// Vitally: CSV upload of account traits.
    Vitally,
    /// Any spreadsheet.
    Csv,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// RFC 4180.
    Csv(CsvForm),
    /// One request body a line: `{"inputs": [{"id", "idProperty", "properties"}]}`.
    HubSpot {
        /// Most records of a request.
        batch: usize,
    },
    /// One request body a line: `[{"externalId", "custom"}]`.
    Planhat {
        /// Most records of a request.
        batch: usize,
        /// Most bytes of a request.
        bytes: usize,
    },
}

/// What differs between the CSV files of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CsvForm {
    /// A value that is not known.
    pub(super) null: &'static str,
    /// End of a line.
    pub(super) line_end: &'static str,
    /// Whether ids, too, are kept from being formulas; where they are the tool's key, they stay byte for byte.
    pub(super) neutral_ids: bool,
    /// Whether the removal file clears our fields; else it lists ids.
    pub(super) clears: bool,
    /// Most rows of a file.
    pub(super) most_rows: u64,
    /// Most bytes of a file.
    pub(super) most_bytes: u64,
}

const PLAIN: CsvForm = CsvForm {
    null: "",
    line_end: "\r\n",
    neutral_ids: false,
    clears: false,
    most_rows: u64::MAX,
    most_bytes: u64::MAX,
};

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 7] =
        [Self::Salesforce, Self::HubSpot, Self::Gainsight, Self::ChurnZero, Self::Planhat, Self::Vitally, Self::Csv];

    /// As it is written on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Salesforce => "salesforce",
            Self::HubSpot => "hubspot",
            Self::Gainsight => "gainsight",
            Self::ChurnZero => "churnzero",
            Self::Planhat => "planhat",
            Self::Vitally => "vitally",
            Self::Csv => "csv",
        }
    }

    /// The tool of that name.
    ///
    /// ```
    /// use bellwether_outlook::export::Tool;
    /// assert!(Tool::ALL.into_iter().all(|tool| Tool::parse(tool.name()) == Some(tool)));
    /// ```
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    pub(super) fn form(self) -> Form {
        match self {
            Self::Salesforce => Form::Csv(CsvForm {
                null: "#N/A",
                line_end: "\n",
                clears: true,
                most_rows: SALESFORCE_ROWS,
                most_bytes: SALESFORCE_BYTES,
                ..PLAIN
            }),
            Self::HubSpot => Form::HubSpot { batch: HUBSPOT_BATCH },
            Self::Planhat => Form::Planhat { batch: PLANHAT_BATCH, bytes: PLANHAT_BYTES },
            Self::Gainsight | Self::ChurnZero | Self::Vitally => Form::Csv(PLAIN),
            Self::Csv => Form::Csv(CsvForm { neutral_ids: true, ..PLAIN }),
        }
    }

    /// The tool's field of one of our columns, where no mapping names another.
    #[must_use]
    pub fn field(self, column: &str) -> String {
        let is_id = column == "account_id";
        match self {
            Self::Salesforce => format!("Bellwether_{}__c", capitals(column, '_')),
            Self::HubSpot => format!("bellwether_{}", column.to_lowercase()),
            Self::Gainsight if is_id => "External ID".to_owned(),
            Self::ChurnZero if is_id => "accountExternalId".to_owned(),
            Self::Planhat | Self::Vitally if is_id => "externalId".to_owned(),
            Self::Gainsight | Self::Planhat => format!("Bellwether {}", capitals(column, ' ')),
            Self::ChurnZero => format!("cf_Bellwether{}", capitals(column, '_').replace('_', "")),
            Self::Vitally => format!("bellwether_{column}"),
            Self::Csv => column.to_owned(),
        }
    }

    pub(super) fn checked_field(self, column: &str) -> Result<String, ExportError> {
        let field = self.field(column);
        let (fits, rule) = match self {
            Self::Salesforce => {
                (is_salesforce(&field), "letters, digits and single underscores, at most 40 before `__c`")
            }
            Self::HubSpot => (is_hubspot(&field), "lower-case letters, digits and underscores, at most 100"),
            _ => (!field.trim().is_empty(), "any text"),
        };
        match fits {
            true => Ok(field),
            false => Err(ExportError::Field { column: column.to_owned(), tool: self.name(), rule, field }),
        }
    }
}

/// Words with a capital each, joined by `between`.
fn capitals(column: &str, between: char) -> String {
    let mut text = String::with_capacity(column.len());
    for (index, word) in column.split('_').enumerate() {
        if index > 0 {
            text.push(between);
        }
        let mut letters = word.chars();
        text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        text.push_str(letters.as_str());
    }
    text
}

fn is_salesforce(field: &str) -> bool {
    let Some(name) = field.strip_suffix("__c") else { return false };
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    plain && begins && !name.contains("__") && !name.ends_with('_') && name.len() <= SALESFORCE_NAME
}

fn is_hubspot(field: &str) -> bool {
    let plain = field.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    plain && field.len() <= HUBSPOT_NAME && field.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_as_each_tool_names_them() {
        let of = |tool: Tool, column: &str| tool.checked_field(column).unwrap();
        assert_eq!(of(Tool::Salesforce, "churn_90d_probability"), "Bellwether_Churn_90d_Probability__c");
        assert_eq!(of(Tool::HubSpot, "account_id"), "bellwether_account_id");
        assert_eq!(of(Tool::ChurnZero, "account_id"), "accountExternalId");
        assert_eq!(of(Tool::ChurnZero, "mrr_at_risk"), "cf_BellwetherMrrAtRisk");
        assert_eq!(of(Tool::Gainsight, "service_level"), "Bellwether Service Level");
        assert_eq!(of(Tool::Planhat, "account_id"), "externalId");
        assert_eq!(of(Tool::Vitally, "mrr"), "bellwether_mrr");
        assert_eq!(of(Tool::Csv, "mrr"), "mrr");
    }

    #[test]
    fn a_name_that_the_tool_does_not_take_is_refused() {
        // 11 characters of `Bellwether_` and 30 more: one too many.
        let long = "a".repeat(30);
        assert!(Tool::Salesforce.checked_field(&long).is_err());
        assert!(Tool::Salesforce.checked_field(&long[1..]).is_ok());
        for column in ["churn__90d_band", "churn-90d_band", "churn_90d_"] {
            assert!(Tool::Salesforce.checked_field(column).is_err(), "{column}");
        }
        assert!(Tool::HubSpot.checked_field("churn-90d_band").is_err());
    }
}
