"""Reasons beside LightGBM's: exact Shapley values of the same models and rows, in one run.

Usage: compare.py [--rows N] [--repeats N] [--threads N] [--keep FOLDER]

Trains two LightGBM models (300 trees of 31 leaves on 100 float columns, 8 % missing), explains the rows with
`Booster.predict(pred_contrib=True)` and with `cargo run --release --example explain_rows`, compares every value first, and
prints seconds, rows per second and the ratio. Rows are those of both models. With --keep, models are kept and taken again.
Needs: pip install lightgbm numpy.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lightgbm
import numpy

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models/python"))
import lightgbm_trees  # noqa: E402

COLUMNS, TRAINING_ROWS, TREES, LEAVES, HEADS = 100, 100_000, 300, 31, 2
TOLERANCE = 1e-6


def make(folder: Path, threads: int) -> tuple[list, numpy.ndarray]:
    """The models and the rows they were trained on, as LightGBM has them."""
    random = numpy.random.default_rng(7)
    values = random.standard_normal((TRAINING_ROWS, COLUMNS)).astype(numpy.float32)
    values[random.random(values.shape) < 0.08] = numpy.nan
    known, boosters = numpy.nan_to_num(values), []
    for head in range(HEADS):
        margin = known @ (random.standard_normal(COLUMNS) * 0.3) - 1.0
        margin += known[:, head] * known[:, head + 3] + numpy.abs(known[:, head + 5])
        labels = (random.random(TRAINING_ROWS) < 1.0 / (1.0 + numpy.exp(-margin))).astype(int)
        parameters = {"objective": "binary", "num_leaves": LEAVES, "verbose": -1, "seed": 1, "num_threads": threads}
        model = folder / f"head_{head}.txt"
        if not model.exists():
            lightgbm.train(parameters, lightgbm.Dataset(values, labels), TREES).save_model(model)
        boosters.append(lightgbm.Booster(model_file=model))
        lightgbm_trees.write(boosters[-1], folder / f"head_{head}.json")
    return boosters, values


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    build = ["cargo", "build", "--release", "--workspace", "--example", "explain_rows", "--message-format", "json"]
    built = subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    binary = [one["executable"] for one in map(json.loads, built.splitlines()) if one.get("executable")][-1]
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        boosters, values = make(folder, arguments.threads)
        rows = numpy.ascontiguousarray(values[: arguments.rows])
        rows.tofile(folder / "rows.f32")
        (folder / "width").write_text(str(COLUMNS))
        runs = []
        for _ in range(arguments.repeats):
            command = [binary, folder, str(arguments.threads), str(HEADS)]
            runs.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))
        start, expected = time.perf_counter(), []
        for booster in boosters:
            expected.append(booster.predict(rows, pred_contrib=True, num_threads=arguments.threads))
        theirs = time.perf_counter() - start
        largest = 0.0
        for head, values in enumerate(expected):
            found = numpy.fromfile(folder / f"ours_{head}.f64").reshape(len(rows), COLUMNS)
            largest = max(largest, float(numpy.max(numpy.abs(found - values[:, :-1]))))
    print(f"lightgbm {lightgbm.__version__}, {len(rows)} rows of {HEADS} models, {arguments.threads} threads")
    print(f"largest difference of a contribution: {largest:.3g}")
    if not largest <= TOLERANCE:
        print(f"expected at most {TOLERANCE}")
        return 1
    best = min(runs, key=lambda run: run["layout"] + run["explain"])
    ours = best["layout"] + best["explain"]
    for name, seconds in [("LightGBM", theirs), ("Bellwether", ours)]:
        print(f"{name}: {seconds:.3f} s, {len(rows) * HEADS / seconds:,.0f} rows/s")
    print(f"of ours, laying out the trees: {best['layout']:.3f} s (best of {arguments.repeats} runs)")
    print(f"ratio: {theirs / ours:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
