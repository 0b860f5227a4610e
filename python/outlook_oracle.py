"""A second reading of an outlook, with polars and plain loops: movements, retention of twelve months, cohorts, value.

    python python/outlook_oracle.py eslint|retail prepare DATA FOLDER AS_OF     writes subscriptions and a project
    python python/outlook_oracle.py eslint|retail compare DATA FOLDER AS_OF     compares FOLDER/out with what this script counts

eslint: the plan changes of a real subscription book. retail: what each customer of a wholesaler spends in a month, credits taken off, as
the MRR of the month after, which is when it is known. No gap is bridged: the grace period is 0. Exits with 1 and the first
difference, else prints how many numbers were equal.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections import defaultdict
from pathlib import Path

import polars as pl

PROJECT = """config_version = 1
[project]
name = "real"
currency = "EUR"
[tables.subscriptions]
path = "subscriptions.csv"
error_if_pct = 0.5
[eligibility]
active_by = "subscription"
[targets.churn_90d]
event = "subscription_end"
horizon = "90d"
grace = "0d"
"""


def after(month: dt.date, months: int) -> dt.date:
    count = month.year * 12 + month.month - 1 + months
    return dt.date(count // 12, count % 12 + 1, 1)


def changes(source: str, data: Path) -> pl.DataFrame:
    """account_id, effective_at (a day, or a moment), mrr."""
    if source == "eslint":
        table = pl.read_csv(data / "sponsors_eslint_plan_changes.csv")
        return table.select("account_id", pl.col("ts").alias("effective_at"), pl.col("mrr_after").alias("mrr"))
    table = pl.read_parquet(data / "online_retail.parquet").drop_nulls("CustomerID")
    table = table.with_columns(
        pl.col("CustomerID").cast(pl.Int64).cast(pl.String).alias("account_id"),
        pl.col("InvoiceDate").dt.truncate("1mo").dt.date().alias("month"),
        (pl.col("Quantity") * pl.col("UnitPrice")).alias("spent"),
    )
    spent = {(account, month): amount for account, month, amount in table.group_by("account_id", "month").agg(pl.col("spent").sum()).iter_rows()}
    months = sorted({month for _, month in spent})
    rows = []
    for account in sorted({account for account, _ in spent}):
        last = None
        for month in months:
            mrr = round(max(spent.get((account, month), 0.0), 0.0), 2)
            if mrr != last and not (last is None and mrr == 0.0):
                rows.append((account, after(month, 1).isoformat(), mrr))
                last = mrr
    return pl.DataFrame(rows, schema=["account_id", "effective_at", "mrr"], orient="row")


class Book:
    """What every account paid, by looking at all its rows each time."""

    def __init__(self, table: pl.DataFrame) -> None:
        self.rows = defaultdict(list)
        for place, (account, at, mrr) in enumerate(table.select("account_id", "effective_at", "mrr").iter_rows()):
            self.rows[account].append((at[:10], at, place, round(mrr * 100)))
        for rows in self.rows.values():
            rows.sort(key=lambda row: (row[1], row[2]))

    def paid(self, account: str, day: dt.date) -> int:
        """Cents just before a day."""
        cents = 0
        for date, _, _, mrr in self.rows[account]:
            if date < day.isoformat():
                cents = mrr
        return cents

    def first_month(self, account: str) -> dt.date | None:
        paying = [date for date, _, _, mrr in self.rows[account] if mrr > 0]
        return dt.date.fromisoformat(min(paying)).replace(day=1) if paying else None


def same(name: str, found: float | None, expected: float | None) -> None:
    close = found == expected or (found is not None and expected is not None and abs(found - expected) <= 1e-9 * max(1.0, abs(expected)))
    if not close:
        sys.exit(f"{name}: the outlook has {found}, this script {expected}")


def compare(source: str, data: Path, folder: Path, as_of: dt.date) -> int:
    tables = folder / "out" / "outlook" / "v1" / f"as_of={as_of}"
    book = Book(changes(source, data))
    accounts = sorted(book.rows)
    compared = 0
    for row in pl.read_parquet(tables / "movements.parquet").iter_rows(named=True):
        month = row["month"]
        until = min(after(month, 1), as_of)
        sums = defaultdict(int)
        for account in accounts:
            opening, closing = book.paid(account, month), book.paid(account, until)
            had_paid = any(book.paid(account, day) for day in [month]) or any(date < month.isoformat() and mrr > 0 for date, _, _, mrr in book.rows[account])
            kind = None
            if opening == 0 and closing > 0:
                kind = "reactivation" if had_paid else "new"
            elif closing > opening:
                kind = "expansion"
            elif 0 < closing < opening:
                kind = "contraction"
            elif closing == 0 < opening:
                kind = "churn"
            for name, cents in (("opening", opening), ("closing", closing), *(((kind, abs(closing - opening)),) if kind else ())):
                sums[f"{name}_mrr"] += cents
                sums[f"{name}_accounts"] += cents > 0
        for name in ("opening", "new", "reactivation", "expansion", "contraction", "churn", "closing"):
            same(f"movements {month} {name}_mrr", row[f"{name}_mrr"], sums[f"{name}_mrr"] / 100)
            same(f"movements {month} {name}_accounts", row[f"{name}_accounts"], sums[f"{name}_accounts"])
            compared += 2
        ago = until.replace(year=until.year - 1)
        pairs = [(book.paid(account, ago), book.paid(account, until)) for account in accounts]
        pairs = [pair for pair in pairs if pair[0] > 0]
        opening = sum(pair[0] for pair in pairs)
        shares = (None, None, None) if not pairs else (
            sum(pair[1] for pair in pairs) / opening, sum(min(pair) for pair in pairs) / opening, sum(pair[1] > 0 for pair in pairs) / len(pairs),
        )
        for name, share in zip(("nrr_12m", "grr_12m", "logo_retention_12m"), shares):
            same(f"movements {month} {name}", row[name], share)
            compared += 1
    began = {account: book.first_month(account) for account in accounts}
    cohorts = pl.read_parquet(tables / "cohorts.parquet").filter(pl.col("span") == "month")
    for row in cohorts.iter_rows(named=True):
        members = [account for account in accounts if began[account] == row["cohort"]]
        end = after(row["cohort"], row["age_months"] + 1)
        paid = [book.paid(account, end) for account in members]
        for name, expected in (("accounts", len(members)), ("kept_accounts", sum(one > 0 for one in paid)), ("mrr", sum(paid) / 100)):
            same(f"cohort {row['cohort']} age {row['age_months']} {name}", row[name], expected)
            compared += 1
    value = pl.read_parquet(tables / "value.parquet").filter(pl.col("by") == "base").row(0, named=True)
    known = [account for account in accounts if began[account] and any(mrr > 0 and date < as_of.isoformat() for date, _, _, mrr in book.rows[account])]
    same("value accounts", value["accounts"], len(known))
    same("value paying_accounts", value["paying_accounts"], sum(book.paid(account, as_of) > 0 for account in known))
    return compared + 2


def main() -> None:
    source, what, data, folder, as_of = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), dt.date.fromisoformat(sys.argv[5])
    if what == "prepare":
        changes(source, data).write_csv(folder / "subscriptions.csv")
        (folder / "bellwether.toml").write_text(PROJECT)
    else:
        print(f"{compare(source, data, folder, as_of)} numbers are equal")


if __name__ == "__main__":
    main()
