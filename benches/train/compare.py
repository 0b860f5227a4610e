"""Learners on the same matrices and splits in one run: Bellwether beside LightGBM, XGBoost, CatBoost and scikit-learn.

    cargo build --release -p bellwether-train --example fit_matrix && cargo build --release
    BELLWETHER_REAL_DATA=DIR python benches/train/compare.py [--tasks NAMES] [--folder DIR] [--report FILE]

Tasks: four static tables (five stratified folds), seven tasks in time of three real data sets, and simulated businesses
(sim_1k_churn, sim_20k_expansion, ...; see datasets.py for how each is cut). Peers run with their defaults and with the best of
eight settings, chosen on the training rows alone (peers.py). Ours runs with its defaults; what it chooses, it chooses on
the training rows too. Every fit is a process of its own with two threads; seconds are those of fitting (choosing
included), memory is the peak of the process (Python's own libraries included, for the peers). What is compared is each
learner's own probability, before any calibration. Packages: benches/train/requirements.txt.

The interval of a difference in log loss to the best peer (of that task, so the least favourable one) comes from 2,000 draws of
accounts with replacement, the same draws for both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import datasets

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SIMULATED = ["sim_1k_churn", "sim_1k_expansion", "sim_20k_churn", "sim_20k_expansion"]
PEERS = [
    f"{peer}.{mode}" for peer in ("lightgbm", "xgboost", "catboost", "hist_gradient_boosting", "logistic")
    for mode in ("default", "tuned")
]
OURS = ["ours.boosting", "ours.logistic"]
DRAWS = 2_000
LEAST, MOST = 1e-7, 1 - 1e-7


def run_side(side: str, task: str, matrix: Path, folder: Path, release: Path, parameters: Path | None) -> dict:
    """Fits a side, or takes what an earlier run left in the folder."""
    report, out = folder / f"{task}.{side}.json", folder / f"{task}.{side}.npy"
    if report.is_file() and report.stat().st_size:
        return json.loads(report.read_text())
    kind, name = side.split(".")
    if kind == "ours":
        raw = out.with_suffix(".f64")
        command = [release / "examples" / "fit_matrix", matrix, name, raw]
        command += [parameters] if parameters and name == "boosting" else []
        environment = {**os.environ, "RAYON_NUM_THREADS": "2"}
        done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, env=environment)
        np.save(out, np.fromfile(raw, dtype="<f8"))
        raw.unlink()
    else:
        command = [sys.executable, HERE / "peers.py", matrix, kind, name, out]
        environment = {**os.environ, "OMP_NUM_THREADS": "2"}
        done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, env=environment)
    report.write_text(done.stdout.strip().splitlines()[-1] + "\n")
    return json.loads(report.read_text())


def losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    bounded = np.clip(probabilities, LEAST, MOST)
    return -np.where(labels == 1, np.log(bounded), np.log1p(-bounded))


def slope(labels: np.ndarray, probabilities: np.ndarray) -> float:
    bounded = np.clip(probabilities, LEAST, MOST)
    margins = np.log(bounded / (1 - bounded)).reshape(-1, 1)
    return float(LogisticRegression(C=1e9, max_iter=1000).fit(margins, labels).coef_[0, 0])


def interval(ours: np.ndarray, peer: np.ndarray, accounts: np.ndarray) -> tuple[float, float, float]:
    """Relative difference in mean loss in per cent, and its 95 % interval over draws of accounts."""
    _, codes = np.unique(accounts, return_inverse=True)
    count = np.bincount(codes).astype(float)
    difference, of_peer = np.bincount(codes, ours - peer), np.bincount(codes, peer)
    random = np.random.default_rng(7)
    draws = []
    for _ in range(DRAWS):
        weight = np.bincount(random.integers(0, len(count), len(count)), minlength=len(count))
        draws.append(100 * (weight @ difference) / (weight @ of_peer))
    low, high = np.percentile(draws, [2.5, 97.5])
    return 100 * difference.sum() / of_peer.sum(), float(low), float(high)


def task_table(task: str, matrix: Path, folder: Path, sides: list[str], runs: dict[str, dict]) -> tuple[list[str], dict]:
    rows = pl.read_parquet(matrix, columns=["account_id", "label", "fold"])
    tested = (rows["fold"] >= 0).to_numpy()
    labels, accounts = rows["label"].to_numpy()[tested], rows["account_id"].to_numpy()[tested]
    of_side, lines = {}, []
    for side in sides:
        probabilities = np.load(folder / f"{task}.{side}.npy")[tested]
        if np.isnan(probabilities).any():
            sys.exit(f"{task}, {side}: expected a probability for every tested row, found gaps")
        of_side[side] = losses(labels, probabilities)
        lines.append((of_side[side].mean(), side, roc_auc_score(labels, probabilities), slope(labels, probabilities)))
    lines.sort()
    best_peer = next(side for _, side, *_ in lines if not side.startswith("ours"))
    difference = interval(of_side["ours.boosting"], of_side[best_peer], accounts)
    text = [
        f"\n### {task}: {tested.sum():,} tested rows, {labels.mean():.3f} positive\n",
        "| side | log loss | ROC AUC | slope | fit s | peak MiB |", "|---|---|---|---|---|---|",
    ]
    for loss, side, auc, steepness in lines:
        run = runs[side]
        name = f"**{side}**" if side.startswith("ours") else side
        text.append(
            f"| {name} | {loss:.5f} | {auc:.4f} | {steepness:.2f} | {run['fit_seconds']:.2f} | {run['peak_mib']:.0f} |"
        )
    ranks = {side: place + 1 for place, (_, side, *_) in enumerate(lines)}
    return text, {"task": task, "best_peer": best_peer, "difference": difference, "ranks": ranks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default=",".join(datasets.STATIC + datasets.IN_TIME + SIMULATED))
    parser.add_argument("--sides", default=",".join(PEERS + OURS))
    parser.add_argument("--folder", type=Path, help="matrices and results; what is there is not done again")
    parser.add_argument("--release", type=Path, default=ROOT / "target" / "release", help="where cargo put the binaries")
    parser.add_argument("--parameters", type=Path, help="JSON with other parameters of our boosting than its defaults")
    parser.add_argument("--report", type=Path, help="also write the tables to this file")
    arguments = parser.parse_args()
    data = os.environ.get("BELLWETHER_REAL_DATA")
    tasks, sides = arguments.tasks.split(","), arguments.sides.split(",")
    if not data and any(not task.startswith("sim_") for task in tasks):
        sys.exit("BELLWETHER_REAL_DATA: expected the folder of real data sets, found nothing; or ask for --tasks sim_1k_churn")
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="bellwether-train-"))
    folder.mkdir(parents=True, exist_ok=True)
    text, judged = [], []
    for task in tasks:
        matrix = datasets.build(task, Path(data) if data else None, arguments.release / "bellwether", folder)
        runs = {}
        for side in sides:
            print(f"{task} {side}", file=sys.stderr)
            runs[side] = run_side(side, task, matrix, folder, arguments.release, arguments.parameters)
        table, result = task_table(task, matrix, folder, sides, runs)
        print("\n".join(table), flush=True)
        text += table
        judged.append(result)
    text += summary(judged, sides)
    print("\n".join(text[-len(summary(judged, sides)):]))
    if arguments.report:
        arguments.report.write_text("\n".join(text) + "\n")


def summary(judged: list[dict], sides: list[str]) -> list[str]:
    without = [side for side in sides if not side.startswith("ours.l")]
    mean_rank = {}
    for side in without:
        # Ranks among the peers and our boosting: our logistic regression is shown, not counted.
        places = [sum(one["ranks"][other] < one["ranks"][side] for other in without) + 1 for one in judged]
        mean_rank[side] = float(np.mean(places))
    lines = ["\n### Mean rank in log loss\n", "| side | mean rank |", "|---|---|"]
    lines += [f"| {side} | {rank:.2f} |" for side, rank in sorted(mean_rank.items(), key=lambda pair: pair[1])]
    lines += [
        "\n### Our boosting against the best peer of each task\n",
        "| task | best peer | difference in log loss | 95 % interval |", "|---|---|---|---|",
    ]
    for one in judged:
        mean, low, high = one["difference"]
        lines.append(f"| {one['task']} | {one['best_peer']} | {mean:+.2f} % | {low:+.2f} to {high:+.2f} % |")
    return lines


if __name__ == "__main__":
    main()
