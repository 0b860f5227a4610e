"""What ten times as many accounts would bring: the same learner on a tenth of the accounts and on all of them.

    cargo build --release --examples && cargo build --release
    python benches/train/more_accounts.py [--accounts 92000] [--learners boosting,logistic]

One simulated business. A fifth of its accounts is tested, at dates whose history the learners know; all others are training
rows, as far as their labels were known at the split: once all of them, once every tenth account. Prints the log loss of both
before calibration, of the hidden truth, and how far apart they are.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import polars as pl

import datasets

ROOT = Path(__file__).parent.parent.parent
INTERVAL_DAYS = {"churn": 104, "expansion": 60}


def lot(account: str) -> int:
    """A number from 0 to 99 that nothing but the name decides."""
    return zlib.crc32(account.encode()) % 100


def matrix(folder: Path, binary: Path, accounts: int, seed: int, target: str) -> pl.DataFrame:
    """Features, label and truth of every month."""
    home = folder / f"business_{accounts}_{seed}"
    if not (home / "labels.parquet").is_file():
        arguments = ["simulate", "--accounts", str(accounts), "--months", "36", "--seed", str(seed), "--truth", "--out", home]
        datasets.run(binary, arguments)
        datasets.prepare_labels(binary, home)
    labels = pl.read_parquet(home / "labels.parquet").filter(pl.col("target").str.starts_with(target))
    truth = pl.read_parquet(home / "truth" / "probabilities.parquet", columns=["account_id", "as_of", labels["target"][0]])
    keys = ["account_id", "as_of"]
    table = pl.read_parquet(home / "features.parquet").join(labels.select(*keys, "label"), on=keys)
    return table.join(truth.rename({labels["target"][0]: "truth"}), on=keys, how="left")


def fit(learner: str, rows: pl.DataFrame, folder: Path, release: Path) -> tuple[np.ndarray, dict]:
    task, out = folder / "task.parquet", folder / "out.f64"
    rows.write_parquet(task)
    command = [release / "examples" / "fit_matrix", task, learner, out]
    environment = {**os.environ, "RAYON_NUM_THREADS": "2"}
    done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return np.fromfile(out, dtype="<f8"), json.loads(done.stdout.splitlines()[-1])


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    bounded = np.clip(probabilities, 1e-7, 1 - 1e-7)
    return float(-np.where(labels == 1, np.log(bounded), np.log1p(-bounded)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=92_000)
    parser.add_argument("--seed", type=int, default=1_001)
    parser.add_argument("--learners", default="boosting,logistic")
    parser.add_argument("--targets", default="churn,expansion")
    parser.add_argument("--folder", type=Path, help="simulated tables; what is there is not made again")
    parser.add_argument("--release", type=Path, default=ROOT / "target" / "release", help="where cargo put the binaries")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="bellwether-accounts-"))
    folder.mkdir(parents=True, exist_ok=True)
    print("| target | learner | accounts learned from | rows | log loss | fit s | above ten times as many | truth |")
    print("|---|---|---|---|---|---|---|---|")
    for target in options.targets.split(","):
        table = matrix(folder, options.release / "bellwether", options.accounts, options.seed, target)
        dates = sorted(table["as_of"].unique().to_list())
        split = dates[2 * len(dates) // 3]
        known = pl.col("as_of") <= split - dt.timedelta(days=INTERVAL_DAYS[target])
        lots = pl.DataFrame({"account_id": table["account_id"].unique(maintain_order=True)})
        lots = lots.with_columns(pl.col("account_id").map_elements(lot, return_dtype=pl.Int32).alias("lot"))
        table = table.join(lots, on="account_id")
        tested = (pl.col("lot") < 20) & (pl.col("as_of") >= split)
        for learner in options.learners.split(","):
            losses = []
            for share in (100, 10):
                trained = (pl.col("lot") >= 20) & known & ((pl.col("lot") - 20) % 10 < share // 10)
                rows = table.with_columns(
                    pl.when(tested).then(0).when(trained).then(-1).otherwise(None).cast(pl.Int32).alias("fold"),
                    pl.col("label").cast(pl.Int32),
                ).drop_nulls("fold").sort("as_of", "account_id")
                probabilities, run = fit(learner, rows.drop("lot", "truth"), folder, options.release)
                judged = (rows["fold"] == 0).to_numpy()
                labels = rows["label"].to_numpy()[judged]
                training = rows.filter(pl.col("fold") == -1)
                losses.append(log_loss(labels, probabilities[judged]))
                # Of a few rows the simulator states no probability.
                hidden = rows["truth"].cast(pl.Float64).fill_null(float("nan")).to_numpy()[judged]
                truth = log_loss(labels[~np.isnan(hidden)], hidden[~np.isnan(hidden)])
                above = "" if share == 100 else f"{100 * (losses[1] / losses[0] - 1):+.2f} %"
                print(
                    f"| {target} | {learner} | {training['account_id'].n_unique():,} | {len(training):,} | {losses[-1]:.5f} "
                    f"| {run['fit_seconds']:.1f} | {above} | {truth:.5f} |",
                    flush=True,
                )


if __name__ == "__main__":
    sys.exit(main())
