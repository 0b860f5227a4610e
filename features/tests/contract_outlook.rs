//! The tables that the outlook reads and no signal does.

mod contract_support;

use bellwether_features::catalog::{Availability, Catalogue};
use bellwether_features::engine::FeaturePlan;
use bellwether_features::facts::{Arm, GoalMetric, InvoiceKind};
use bellwether_features::matrix::FeatureMetadata;
use bellwether_features::read::Loaded;
use bellwether_features::time::Instant;
use contract_support::{Project, date, resolve, rules};

const BASE: &str = r#"
[tables.accounts]
path = "a.csv"
[tables.usage]
path = "u.csv"
[tables.subscriptions]
path = "s.csv"
[tables.invoices]
path = "i.csv"
"#;

const MORE: &str = r#"
[tables.interventions]
path = "interventions.csv"
error_if_pct = 100
[tables.overrides]
path = "overrides.csv"
error_if_pct = 100
[tables.spend]
path = "spend.csv"
error_if_pct = 100
[tables.goals]
path = "goals.csv"
error_if_pct = 100
"#;

fn project() -> Project {
    Project::with(&[
        ("a.csv", "account_id,signed_up_at,owner\na,2023-01-01,ann\nb,2023-01-01,\n"),
        ("u.csv", "account_id,user_id,feature,at\na,x,f,2024-01-01\nb,y,g,2024-02-01\n"),
        ("s.csv", "account_id,effective_at,mrr\na,2023-01-01,10\nb,2023-01-01,20\n"),
        (
            "i.csv",
            "account_id,invoice_id,issued_at,due_at,amount,kind\na,1,2024-01-01,2024-01-31,10,recurring\n\
             a,2,2024-01-02,2024-01-31,5,One_Time\na,3,2024-01-03,2024-01-31,7,other\n",
        ),
        (
            "interventions.csv",
            "account_id,at,playbook,arm,owner,due,outcome\na,2024-01-05,save,treated,bea,2024-02-01,saved\n\
             b,2024-01-05,save,holdout,,,\nb,2024-01-05,save,control,,,\n",
        ),
        (
            "overrides.csv",
            "account_id,at,target,probability,author,reason\na,2024-01-05,churn_90d,0.9,ann,they said so\n\
             b,2024-01-05,churn_90d,1.5,ann,typo\nb,2024-01-05,churn_90d,0.5,ann,\n",
        ),
        (
            "spend.csv",
            "account_id,at,acquisition_cost,serve_cost\na,2023-01-01,1200,\na,2023-02-01,,30\na,2023-02-01,,31\n\
             zz,2023-01-01,5,\nb,2023-01-01,-1,\n",
        ),
        (
            "goals.csv",
            "account_id,owner,metric,use_case,target,from,until\na,,usage,f,100,2024-01-01,2024-04-01\n\
             ,ann,revenue,,500,2024-01-01,2024-04-01\n,,usage,,1,2024-01-01,2024-04-01\n\
             b,,usage,,1,2024-04-01,2024-01-01\nb,,glory,,1,2024-01-01,2024-04-01\n\
             ,ann,revenue,,600,2024-01-01,2024-05-01\n",
        ),
    ])
}

#[test]
fn rows_are_checked_and_become_facts() {
    let loaded = project().loaded(&format!("{BASE}{MORE}"));
    let outcome = loaded.report.at(None);
    assert_eq!(rules(&outcome, "interventions"), [("not_allowed", "arm", 1, true)]);
    assert_eq!(
        rules(&outcome, "overrides"),
        [("null_value", "reason", 1, true), ("out_of_range", "probability", 1, true)]
    );
    assert_eq!(
        rules(&outcome, "spend"),
        [
            ("duplicate_key", "account_id", 1, true),
            ("out_of_range", "acquisition_cost", 1, true),
            ("unknown_account", "account_id", 1, true)
        ]
    );
    assert_eq!(
        rules(&outcome, "goals"),
        [
            ("duplicate_key", "account_id", 1, true),
            ("goal_of_nobody", "account_id", 1, true),
            ("not_allowed", "metric", 1, true),
            ("until_before_from", "until", 1, true)
        ]
    );
    let facts = &loaded.facts;
    assert_eq!(
        (facts.owners.names.as_slice(), facts.owners.is_there),
        (&["ann".to_owned(), "bea".to_owned()][..], true)
    );
    let owner = |account: usize| facts.account_rows.as_ref().unwrap().of(account)[0].owner;
    assert_eq!((owner(0), owner(1)), (Some(0), None));
    let done = facts.interventions.as_ref().unwrap();
    assert_eq!((done.of(0)[0].arm, done.of(0)[0].owner, done.of(1)[0].arm), (Arm::Treated, Some(1), Arm::Holdout));
    assert_eq!((done.of(0)[0].outcome, done.of(1)[0].due), (Some(0), None));
    assert_eq!(facts.overrides.as_ref().unwrap().of(0)[0].probability, 0.9);
    let spend = facts.spend.as_ref().unwrap().of(0);
    assert_eq!((spend[0].acquisition_cost, spend[0].serve_cost), (Some(1200.0), None));
    assert_eq!((spend.len(), spend[1].serve_cost), (2, Some(30.0)));
    let goals = facts.goals.as_ref().unwrap();
    let told: Vec<_> = goals.iter().map(|goal| (goal.account, goal.owner, goal.metric, goal.target)).collect();
    assert_eq!(told, [(Some(0), None, GoalMetric::Usage, 100.0), (None, Some(0), GoalMetric::Revenue, 500.0)]);
    let kinds: Vec<_> = facts.invoices.as_ref().unwrap().of(0).iter().map(|row| row.kind).collect();
    assert_eq!(kinds, [Some(InvoiceKind::Recurring), Some(InvoiceKind::OneTime), None]);
}

/// Matrix and metadata of some dates, as they are written.
fn features(loaded: &Loaded, project: &Project, toml: &str) -> (String, String) {
    let contract = project.contract(toml);
    let catalogue = Catalogue::new(&Availability::of(&loaded.facts), &contract.catalogue);
    let plan = FeaturePlan::new(catalogue, contract.eligibility);
    let spine = plan.spine(&loaded.facts, &[date("2024-01-15"), date("2024-03-01")]);
    let matrix = plan.compute(&loaded.facts, &spine);
    let missing = Availability::of(&loaded.facts).missing_tables();
    let metadata = FeatureMetadata::of(&loaded.facts, &spine, &matrix.signals, &[0, 0], missing);
    (format!("{matrix:?}"), serde_json::to_string(&metadata).expect("metadata as text"))
}

/// With the four tables, even where they have accounts of their own, features and what the file says of itself are the same.
#[test]
fn no_signal_reads_them() {
    let project = project();
    let without = BASE.replace("[tables.accounts]\npath = \"a.csv\"\n", "");
    for base in [BASE, &without] {
        let (plain, all) = (project.loaded(base), project.loaded(&format!("{base}{MORE}")));
        assert_eq!(plain.facts.accounts, all.facts.accounts);
        assert_eq!(plain.report.missing_tables, all.report.missing_tables, "none of them is missed");
        assert_eq!(features(&plain, &project, base), features(&all, &project, &format!("{base}{MORE}")));
        let outcome = all.report.at(None);
        assert!(rules(&outcome, "spend").contains(&("unknown_account", "account_id", 1, true)));
    }
}

#[test]
fn a_goal_of_a_later_version_and_one_known_ahead() {
    let project = project();
    let goals = "account_id,metric,target,from,until,known_at\na,usage,1,2024-01-01,2024-04-01,2023-12-01\n\
                 a,usage,2,2024-01-01,2024-04-01,2024-02-01\n";
    project.write("goals.csv", goals.as_bytes());
    let loaded = project.loaded(&format!("{BASE}{MORE}"));
    assert_eq!(rules(&loaded.report.at(None), "goals"), []);
    let goals = loaded.facts.goals.as_ref().unwrap();
    assert_eq!((goals.len(), goals[0].key() == goals[1].key()), (2, true));
    assert_eq!(goals[1].known_at, Instant::start_of(date("2024-02-01")));
}

#[test]
fn a_declared_signal_cannot_read_them() {
    let declared = "[signals.declared.calls]\ntable = \"interventions\"\naggregate = \"count\"\ntext = \"{value}\"\n";
    let error = resolve(std::path::Path::new("."), &format!("{BASE}{MORE}{declared}")).unwrap_err();
    assert!(error.to_string().contains("table of events"), "{error}");
}
