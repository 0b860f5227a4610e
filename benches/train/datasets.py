"""The benchmark's matrices: one Parquet file per task, each with account_id, as_of, label, fold and the features.

Fold -1 is training only; every fold k from 0 is tested by a model fitted on the rows of all other folds. A task in time has
fold 0 for its test rows, and no row whose label was not yet known at the split. Static tables have five stratified folds.
"""

from __future__ import annotations

import datetime as dt
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.model_selection import StratifiedKFold

STATIC = ["wa_churn", "mlc_churn", "bank_churners", "uci_credit"]
IN_TIME = [
    "dpdk_orgs_churn", "dpdk_orgs_expansion", "dpdk_users_churn",
    "retail_churn", "retail_expansion", "cdnow_churn", "cdnow_expansion",
]


def static_table(name: str, data: Path) -> pl.DataFrame:
    if name == "wa_churn":
        table = pl.read_csv(data / "wa_churn.csv", null_values=["", " "])
        label = table["churn"] == "Yes"
        table = table.drop("churn")
    elif name == "mlc_churn":
        table = pl.read_csv(data / "mlc_churn.csv")
        label = table["churn"] == "yes"
        table = table.drop("churn")
    elif name == "bank_churners":
        table = pl.read_csv(data / "BankChurners.csv")
        table = table.select([column for column in table.columns if column.strip()])
        label = table["Attrition_Flag"] == "Attrited Customer"
        table = table.drop("Attrition_Flag", "CLIENTNUM")
    else:
        table = pl.read_csv(data / "uci_credit_card.csv.gz")
        label = table["Default"] == 1
        table = table.drop("Default", "ID")
    folds = np.zeros(len(table), dtype=np.int32)
    cut = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
    for fold, (_, test) in enumerate(cut.split(np.zeros(len(table)), label.to_numpy())):
        folds[test] = fold
    numbers = [column for column, kind in table.schema.items() if kind.is_numeric()]
    return table.with_columns(
        pl.col(numbers).cast(pl.Float32),
        pl.Series("account_id", [f"{row:06}" for row in range(len(table))]),
        pl.lit(dt.date(1970, 1, 1)).alias("as_of"),
        label.cast(pl.Int32).alias("label"),
        pl.Series("fold", folds),
    )


def days(table: pl.DataFrame, column: str, as_of: dt.date) -> pl.Expr:
    """Whole days from the fact's day to as_of."""
    return (pl.lit(as_of) - pl.col(column).cast(pl.Date)).dt.total_days()


def simple_features(facts: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Facts: account_id, at (known), feature, user, value. The cohort: a fact known in the 90 days before."""
    start = dt.datetime.combine(as_of, dt.time())
    known = facts.filter(pl.col("at") < start).with_columns(
        ((pl.lit(start) - pl.col("at")).dt.total_seconds() / 86_400).alias("age")
    )
    last = pl.col("age") <= 90
    columns = [
        (pl.col("age") <= 30).sum().alias("events_30d"),
        last.sum().alias("events_90d"),
        ((pl.col("age") > 90) & (pl.col("age") <= 180)).sum().alias("events_90_before"),
        pl.col("at").filter(last).dt.date().n_unique().alias("active_days_90d"),
        pl.col("feature").filter(last).n_unique().alias("features_90d"),
        pl.col("user").filter(last).n_unique().alias("users_90d"),
        pl.col("age").min().alias("recency_days"),
        pl.col("age").max().alias("tenure_days"),
        pl.len().alias("events_ever"),
    ]
    if "value" in facts.columns:
        columns.append(pl.col("value").filter(last).sum().clip(0).alias("value_90d"))
    table = known.group_by("account_id").agg(columns).filter(pl.col("events_90d") > 0)
    names = [name for name in table.columns if name != "account_id"]
    return table.with_columns(pl.col(names).cast(pl.Float64).log1p().cast(pl.Float32)).with_columns(
        pl.lit(as_of).alias("as_of")
    )


def between(facts: pl.DataFrame, as_of: dt.date, first: int, until: int) -> pl.DataFrame:
    start = dt.datetime.combine(as_of, dt.time())
    return facts.filter(
        (pl.col("at") >= start + dt.timedelta(days=first)) & (pl.col("at") < start + dt.timedelta(days=until))
    )


def label(facts: pl.DataFrame, rows: pl.DataFrame, as_of: dt.date, kind: str) -> pl.DataFrame:
    if kind == "churn":
        alive = between(facts, as_of, 0, 90)["account_id"].unique()
        return rows.with_columns((~pl.col("account_id").is_in(alive.to_list())).cast(pl.Int32).alias("label"))
    before, after = between(facts, as_of, -60, 0), between(facts, as_of, 0, 60)
    if kind == "users":
        count = pl.col("user").n_unique().cast(pl.Float64)
        rule = (pl.col("after") >= 1.5 * pl.col("before")) & (pl.col("after") >= pl.col("before") + 2)
    else:
        count = pl.col("value").sum()
        rule = (pl.col("before") > 0) & (pl.col("after") > 1.5 * pl.col("before"))
    rows = rows.join(before.group_by("account_id").agg(count.alias("before")), on="account_id", how="left")
    rows = rows.join(after.group_by("account_id").agg(count.alias("after")), on="account_id", how="left")
    rows = rows.with_columns(pl.col("before", "after").fill_null(0.0))
    return rows.with_columns(rule.cast(pl.Int32).alias("label")).drop("before", "after")


def months(first: dt.date, last: dt.date, step: int) -> list[dt.date]:
    dates, date = [], first
    while date <= last:
        dates.append(date)
        month = date.month - 1 + step
        date = dt.date(date.year + month // 12, month % 12 + 1, 1)
    return dates


def facts_of(source: str, data: Path) -> pl.DataFrame:
    if source.startswith("dpdk"):
        table = pl.read_parquet(data / "git_dpdk_usage_events.parquet")
        if source == "dpdk_orgs":
            table = table.filter(pl.col("is_org"))
        account = "account_id" if source == "dpdk_orgs" else "user_id"
        return table.select(
            pl.col(account).alias("account_id"),
            pl.col("ingested_at").dt.replace_time_zone(None).alias("at"),
            (pl.col("event_type") + "/" + pl.col("feature")).alias("feature"),
            pl.col("user_id").alias("user"),
        )
    if source == "retail":
        table = pl.read_parquet(data / "online_retail.parquet").drop_nulls("CustomerID")
        return table.select(
            pl.col("CustomerID").cast(pl.String).alias("account_id"), pl.col("InvoiceDate").alias("at"),
            pl.col("StockCode").alias("feature"), pl.col("InvoiceNo").alias("user"),
            (pl.col("Quantity") * pl.col("UnitPrice")).alias("value"),
        )
    table = pl.read_csv(data / "cdnow_master.csv.gz")
    return table.select(
        pl.col("customer_id").cast(pl.String).alias("account_id"), pl.col("date").str.to_datetime().alias("at"),
        pl.col("cds").cast(pl.String).alias("feature"), pl.col("date").alias("user"), pl.col("amount").alias("value"),
    )


def table_in_time(name: str, data: Path) -> pl.DataFrame:
    source, _, target = name.rpartition("_")
    facts = facts_of(source, data)
    if source.startswith("dpdk"):
        dates, split, kind = months(dt.date(2015, 1, 1), dt.date(2026, 1, 1), 3), dt.date(2022, 1, 1), "users"
    elif source == "retail":
        dates, split, kind = months(dt.date(2011, 3, 1), dt.date(2011, 9, 1), 1), dt.date(2011, 8, 1), "value"
    else:
        dates, split, kind = months(dt.date(1997, 4, 1), dt.date(1998, 4, 1), 1), dt.date(1997, 12, 1), "value"
    kind = "churn" if target == "churn" else kind
    tables = []
    for as_of in dates:
        known = as_of + dt.timedelta(days=90) <= split
        if known or as_of >= split:
            rows = label(facts, simple_features(facts, as_of), as_of, kind)
            tables.append(rows.with_columns(pl.lit(-1 if known else 0, dtype=pl.Int32).alias("fold")))
    return pl.concat(tables).sort("as_of", "account_id")


def simulated(name: str, binary: Path, folder: Path) -> pl.DataFrame:
    """sim_<accounts>_<target>: 36 months, seed 7, split at 30 months. Of 1,000 accounts a row every month; from 20,000 on a row
    every third month, and from 200,000 on three training dates, so that the slowest peer ends within the hour."""
    _, accounts, target = name.split("_")
    size = int(accounts.removesuffix("k")) * 1_000
    home = folder / f"business_{accounts}"
    if not (home / "labels.parquet").is_file():
        run(binary, ["simulate", "--accounts", str(size), "--months", "36", "--seed", "7", "--truth", "--out", home])
        prepare_labels(binary, home)
    labels = pl.read_parquet(home / "labels.parquet").filter(pl.col("target").str.starts_with(target))
    interval = {"churn": 104, "expansion": 60}[target]
    features = pl.read_parquet(home / "features.parquet")
    table = features.join(labels.select("account_id", "as_of", "label"), on=["account_id", "as_of"])
    dates = sorted(table["as_of"].unique().to_list())
    split = dates[-6] if len(dates) > 8 else dates[-2]
    every = 3 if size >= 20_000 else 1
    train = [date for date in dates if date + dt.timedelta(days=interval) <= split][::-every]
    train = train[:3] if size >= 200_000 else train
    test = [date for date in dates if date >= split][:: 1 if every == 1 else 3]
    table = table.with_columns(
        pl.when(pl.col("as_of").is_in(test)).then(0).when(pl.col("as_of").is_in(train)).then(-1).otherwise(None)
        .cast(pl.Int32).alias("fold"),
        pl.col("label").cast(pl.Int32),
    )
    return table.drop_nulls("fold").sort("as_of", "account_id")


def prepare_labels(binary: Path, home: Path) -> None:
    """Labels are those of a backtest of the base rate whose first test is as early as it can be."""
    project = home / "bellwether.toml"
    text = project.read_text()
    lines = [line for line in text.splitlines() if not line.startswith(("first_test", "refit_every", "last_test"))]
    start = lines.index("[backtest]")
    first = dt.date.fromisoformat(next(
        line.split('"')[1] for line in text.splitlines() if line.startswith("first_test")
    ))
    early = dt.date(first.year - 1, first.month, 28)
    lines[start + 1 : start + 1] = [f'first_test = "{early.isoformat()}"', 'refit_every = "never"']
    usage = lines.index("[tables.usage]")
    lines.insert(usage + 1, "max_rows = 1_000_000_000")
    (home / "labels.toml").write_text("\n".join(lines) + "\n")
    run(binary, ["backtest", "--config", "labels.toml", "--learners", "base_rate", "--out", "labels_run"], home)
    labels = pl.read_parquet(home / "labels_run" / "predictions.parquet").select("target", "account_id", "as_of", "label")
    dates = sorted(labels["as_of"].unique().to_list())
    run(binary, ["features", "--from", str(dates[0]), "--to", str(dates[-1]), "--out", "features.parquet"], home)
    labels.write_parquet(home / "labels.parquet")


def run(binary: Path, arguments: list, folder: Path | None = None) -> None:
    subprocess.run([str(binary), "--quiet", *map(str, arguments)], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def build(name: str, data: Path | None, binary: Path, folder: Path) -> Path:
    """The file of a task, built once."""
    path = folder / f"{name}.parquet"
    if not path.is_file():
        if name.startswith("sim_"):
            table = simulated(name, binary, folder)
        elif name in STATIC:
            table = static_table(name, data)
        else:
            table = table_in_time(name, data)
        table.write_parquet(path)
    return path
