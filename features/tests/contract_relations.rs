//! Add-ons, contacts, meetings and firmographics as they are read.

mod contract_support;

use bellwether_features::facts::{MeetingKind, Role};
use bellwether_features::time::Instant;
use contract_support::{Project, date, rules};

const TABLES: &str = r#"
[tables.usage]
path = "u.csv"
[tables.subscriptions]
path = "s.csv"
[tables.subscription_items]
path = "items.csv"
[tables.nps]
path = "n.csv"
[tables.contacts]
path = "c.csv"
error_if_pct = 100
[tables.meetings]
path = "m.csv"
error_if_pct = 100
[tables.firmographics]
path = "f.csv"
"#;

fn project(changed: &[(&str, &str)]) -> Project {
    let project = Project::with(&[
        ("u.csv", "account_id,feature,at\na,f,2024-01-01\n"),
        ("s.csv", "account_id,effective_at,mrr,list_price,auto_renew\na,2023-01-01,10,20,Yes\na,2023-02-01,10,,0\n"),
        ("items.csv", "account_id,item,effective_at,mrr\na,sso,2023-01-01,5\na,api,2023-01-01,2\na,sso,2023-06-01,0\n"),
        ("n.csv", "account_id,respondent_id,at,score\na,zoe,2024-01-01,9\na,bob,2024-01-01,3\n"),
        (
            "c.csv",
            "account_id,contact_id,role,since,until\na,bob,Sponsor,2023-01-01,\na,ann,champion,2023-01-01,2023-05-01\n",
        ),
        (
            "m.csv",
            "account_id,at,kind,contact_id,attended\na,2023-03-01,QBR,bob,true\na,2023-03-01,qbr,,no\na,2023-04-01,call,ann,1\n",
        ),
        ("f.csv", "account_id,at,employees\na,2023-01-01,50\na,2024-01-01,70\n"),
    ]);
    for (name, content) in changed {
        project.write(name, content.as_bytes());
    }
    project
}

#[test]
fn people_are_the_same_in_answers_contacts_and_meetings() {
    let loaded = project(&[]).loaded(TABLES);
    assert_eq!(loaded.report.at(None).missing_tables, ["accounts", "invoices", "tickets"]);
    let facts = &loaded.facts;
    let contacts = facts.contacts.as_ref().unwrap().of(0);
    assert_eq!(contacts.len(), 2);
    let of_role = |role: Role| contacts.iter().find(|contact| contact.role == role).unwrap();
    let (bob, ann) = (of_role(Role::Sponsor), of_role(Role::Champion));
    assert_eq!((bob.until, ann.until), (None, Some(Instant::start_of(date("2023-05-01")))));
    let answers = facts.nps.as_ref().unwrap().of(0);
    let of_bob: Vec<f64> =
        answers.iter().filter(|answer| answer.respondent == bob.contact).map(|answer| answer.score).collect();
    assert_eq!(of_bob, [3.0]);
    let meetings = facts.meetings.as_ref().unwrap().of(0);
    let found: Vec<_> = meetings.iter().map(|row| (row.kind, row.contact, row.attended)).collect();
    let expected = [
        (MeetingKind::Review, Some(bob.contact), true),
        (MeetingKind::Review, None, false),
        (MeetingKind::Call, Some(ann.contact), true),
    ];
    assert_eq!(found, expected);
}

#[test]
fn terms_add_ons_and_sizes_are_read() {
    let facts = project(&[]).loaded(TABLES).facts;
    let terms: Vec<_> =
        facts.subscriptions.as_ref().unwrap().of(0).iter().map(|row| (row.list_price, row.auto_renew)).collect();
    assert_eq!(terms, [(Some(20.0), Some(true)), (None, Some(false))]);
    let items = facts.subscription_items.as_ref().unwrap().of(0);
    assert_eq!(items.iter().map(|row| row.mrr).collect::<Vec<_>>(), [5.0, 2.0, 0.0]);
    assert_eq!((items[0].item, items[0].item == items[1].item), (items[2].item, false));
    let sizes: Vec<f64> = facts.firmographics.as_ref().unwrap().of(0).iter().map(|row| row.employees).collect();
    assert_eq!(sizes, [50.0, 70.0]);
}

#[test]
fn roles_kinds_and_orders_are_checked() {
    let contacts = "account_id,contact_id,role,since,until\na,bob,sponsor,2023-01-01,2022-01-01\na,ann,boss,2023-01-01,\n\
                    a,cy,user,2023-01-01,\na,cy,admin,2023-02-01,\n";
    let meetings = "account_id,at,kind,contact_id,attended\na,2023-03-01,lunch,bob,true\na,2023-03-01,call,bob,maybe\n\
                    a,2023-03-01,call,bob,yes\na,2023-03-01,call,bob,yes\n";
    let loaded = project(&[("c.csv", contacts), ("m.csv", meetings)]).loaded(TABLES);
    let outcome = loaded.report.at(None);
    assert_eq!(
        rules(&outcome, "contacts"),
        [
            ("duplicate_key", "account_id", 1, true),
            ("not_allowed", "role", 1, true),
            ("until_before_since", "until", 1, true)
        ]
    );
    assert_eq!(rules(&outcome, "meetings"), [("not_allowed", "attended", 1, true), ("not_allowed", "kind", 1, true)]);
    assert_eq!(loaded.facts.contacts.as_ref().unwrap().of(0).len(), 1);
    // Two invitations alike are two facts.
    assert_eq!(loaded.facts.meetings.as_ref().unwrap().of(0).len(), 2);
}
