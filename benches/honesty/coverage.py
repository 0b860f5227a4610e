"""How often the 95 % intervals of a backtest hold the truth, over many small simulated worlds.

    cargo build --release --examples && cargo build --release
    python benches/honesty/coverage.py [--worlds 200] [--accounts 300] [--seed 1001] [--learners logistic,boosting]

One business is simulated whose accounts live independently of one another; its accounts are dealt out into small worlds,
and the others, about 15,000, are kept apart as the very large draw from the same law and dates. Each small world is backtested with the full
trainer; the truth of a measure is that of the same fitted models on the large draw (train/examples/coverage.rs). Per measure
the share that holds is judged against 93 % by a one-sided binomial test; Holm's correction is over all measures and learners
of a target. Exits with 1 when a measure is rejected at 5 %.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from math import comb
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parent.parent / "train"))
import datasets  # noqa: E402

ROOT = Path(__file__).parent.parent.parent
LARGE_DRAW = 20_000
# A part of those who ever sign up has no month with a label.
SIGN_UPS_PER_ACCOUNT = 1.15
LEAST = 0.93
# Horizon and grace of the simulated project's targets.
INTERVAL_DAYS = {"churn": 104, "expansion": 60}


def chance_of_so_few(held: int, worlds: int) -> float:
    """P(X <= held) where each of the worlds' intervals holds with probability LEAST."""
    return sum(comb(worlds, count) * LEAST**count * (1 - LEAST) ** (worlds - count) for count in range(held + 1))


def matrix(folder: Path, binary: Path, accounts: int, seed: int, target: str) -> tuple[Path, str, str]:
    """Features and labels of every month, the target's column name, and a first test after two thirds of the dates."""
    home = folder / f"business_{accounts}_{seed}"
    if not (home / "labels.parquet").is_file():
        datasets.run(binary, ["simulate", "--accounts", str(accounts), "--months", "36", "--seed", str(seed), "--out", home])
        datasets.prepare_labels(binary, home)
    labels = pl.read_parquet(home / "labels.parquet").filter(pl.col("target").str.starts_with(target))
    name = labels["target"][0]
    path = folder / f"{target}_{accounts}_{seed}.parquet"
    dates = sorted(labels["as_of"].unique().to_list())
    if not path.is_file():
        features = pl.read_parquet(home / "features.parquet")
        labels = labels.select("account_id", "as_of", pl.col("label").cast(pl.Int32).alias(name))
        features.join(labels, on=["account_id", "as_of"]).sort("as_of", "account_id").write_parquet(path)
    return path, name, str(dates[2 * len(dates) // 3])


def holm(chances: list[float]) -> list[float]:
    """Adjusted p-values (Holm 1979)."""
    order = sorted(range(len(chances)), key=lambda place: chances[place])
    adjusted, largest = [0.0] * len(chances), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, chances[place] * (len(chances) - rank)))
        adjusted[place] = largest
    return adjusted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--accounts", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1_001)
    parser.add_argument("--learners", default="logistic,boosting")
    parser.add_argument("--targets", default="churn,expansion")
    parser.add_argument("--folder", type=Path, help="matrices; what is there is not made again")
    parser.add_argument("--release", type=Path, default=ROOT / "target" / "release", help="where cargo put the binaries")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="bellwether-coverage-"))
    folder.mkdir(parents=True, exist_ok=True)
    accounts = round((options.worlds * options.accounts + LARGE_DRAW) * SIGN_UPS_PER_ACCOUNT)
    rejected = False
    for target in options.targets.split(","):
        path, name, first_test = matrix(folder, options.release / "bellwether", accounts, options.seed, target)
        command = [options.release / "examples" / "coverage", path, name, INTERVAL_DAYS[target], first_test]
        command += [options.accounts, options.worlds, *options.learners.split(",")]
        done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        chances = [chance_of_so_few(row["held"], row["worlds"]) for row in rows]
        print(f"\n{name}: {options.worlds} worlds of {options.accounts} accounts, first test {first_test}\n")
        print("| learner | measure | held | share | naive share | p, Holm |\n|---|---|---|---|---|---|")
        for row, chance in zip(rows, holm(chances)):
            share, naive = row["held"] / row["worlds"], row["naive_held"] / max(1, row["naive_worlds"])
            mark = " **rejected**" if chance < 0.05 else ""
            print(
                f"| {row['learner']} | {row['metric']} | {row['held']} of {row['worlds']} | {share:.3f} | {naive:.3f} "
                f"| {chance:.3f}{mark} |"
            )
            rejected |= chance < 0.05
    return 1 if rejected else 0


if __name__ == "__main__":
    sys.exit(main())
