"""Runs exported models in Python's onnxruntime and compares every output with the native scorer's.

Usage: check_onnx.py FOLDER
       check_onnx.py --bundle BUNDLE FEATURES SCORES

FOLDER holds cases.json, a list of cases. Each case names a model file, its inputs (floats as lists of rows, with "NaN",
"Infinity" and "-Infinity" as JSON's usual extensions; texts as lists) and the expected outputs. Prints one line per case
kind and the largest difference of all; exits with 1 when a model fails the checker or an output is off by more than the
tolerance.

With --bundle, the cases are the models of a trained bundle over the rows of a feature file, and the expected outputs are
probability, low and high in the scores that the native scorer published of it; an account that was not scored is left out.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime

OUTPUTS = ["margin", "probability", "low", "high"]
TOLERANCE = 1e-6


def run(folder: Path, case: dict, threads: int, batch: int) -> dict:
    """Outputs of a model, run in batches of so many rows."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    path = str(folder / case["model"])
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feeds = {name: numpy.array(rows, dtype=numpy.float32) for name, rows in case["floats"].items()}
    feeds |= {name: numpy.array(texts, dtype=object).reshape(-1, 1) for name, texts in case["texts"].items()}
    found = {name: [] for name in OUTPUTS}
    for start in range(0, case["rows"], batch):
        part = {name: values[start : start + batch] for name, values in feeds.items()}
        for name, values in zip(OUTPUTS, session.run(OUTPUTS, part), strict=True):
            rows = len(next(iter(part.values())))
            if values.dtype != numpy.float64 or values.shape != (rows, 1):
                raise ValueError(f"{name}: expected float64 [{rows}, 1], found {values.dtype} {values.shape}")
            found[name].append(values[:, 0])
    return {name: numpy.concatenate(parts) for name, parts in found.items()}


def bundle_cases(bundle: Path, features: Path, scores: Path) -> list:
    """A case per target of a bundle."""
    import polars

    inputs = json.loads((bundle / "signature.json").read_text())["inputs"]
    numbers = [one["name"] for one in inputs if one["type"] == "numeric"]
    categories = [one["name"] for one in inputs if one["type"] == "category"]
    targets = [one["name"] for one in json.loads((bundle / "bundle.json").read_text())["targets"]]
    outputs = [f"{target}_{name}" for target in targets for name in OUTPUTS[1:]]
    rows = polars.read_parquet(features).join(
        polars.read_parquet(scores, columns=["account_id", *outputs]), on="account_id", how="inner", validate="1:1"
    )
    cases = []
    for target in targets:
        scored = rows.filter(polars.col(f"{target}_probability").is_not_null())
        if scored.height < 100:
            raise ValueError(f"{target}: expected at least 100 scored accounts, found {scored.height}")
        columns = [scored[name].cast(polars.Float32).fill_null(float("nan")).to_numpy() for name in numbers]
        cases.append(
            {
                "kind": target,
                "model": f"{target}.onnx",
                "rows": scored.height,
                "floats": {"numeric": numpy.column_stack(columns)} if numbers else {},
                "texts": {name: scored[name].cast(polars.String).fill_null("").to_list() for name in categories},
                "expected": {name: scored[f"{target}_{name}"].to_numpy() for name in OUTPUTS[1:]},
            }
        )
    return cases


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--bundle", type=Path, nargs=3, metavar=("BUNDLE", "FEATURES", "SCORES"))
    arguments = parser.parse_args()
    if (arguments.folder is None) == (arguments.bundle is None):
        parser.error("expected FOLDER or --bundle")
    folder = arguments.folder or arguments.bundle[0]
    if arguments.bundle:
        cases = bundle_cases(*arguments.bundle)
    else:
        cases = json.loads((folder / "cases.json").read_text())
    largest, by_kind, failed = 0.0, {}, 0
    for case in cases:
        onnx.checker.check_model(onnx.load(folder / case["model"]), full_check=True)
        for threads, batch in [(1, case["rows"]), (2, case["rows"]), (1, 1)]:
            found = run(folder, case, threads, batch)
            for name in case["expected"]:
                expected = numpy.array(case["expected"][name])
                size = numpy.maximum(1.0, numpy.abs(expected)) if name == "margin" else 1.0
                difference = float(numpy.max(numpy.abs(found[name] - expected) / size))
                kind = f"{case['kind']} {name}"
                by_kind[kind] = max(by_kind.get(kind, 0.0), difference)
                largest = max(largest, difference)
                if not difference <= TOLERANCE:
                    failed += 1
                    print(f"{case['model']}, {name}: expected within {TOLERANCE}, found {difference}")
    for kind, difference in sorted(by_kind.items()):
        print(f"{kind}: {difference:.3g}")
    print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}: {len(cases)} models")
    print(f"largest difference: {largest:.3g}")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
