"""Trains LightGBM models and writes their trees, rows and contributions for the test `reasons_python`.

Usage: make_reasons.py FOLDER

Per case: CASE.json (trees), CASE_training.f32, CASE_rows.f32, CASE_lightgbm.f64 (`pred_contrib`, the expected margin in the
last column) and, where the `shap` package can be imported, CASE_shap.f64 (tree_path_dependent, the same shape); cases.json
says which. Contributions are by row, then column.
"""

import json
import sys
from pathlib import Path

import lightgbm
import lightgbm_trees
import numpy

try:
    import shap
except ImportError:
    shap = None

# Name, columns, columns that matter, share missing, trees, leaves.
CASES = [
    ("few_columns", 5, 5, 0.1, 20, 31),
    ("nothing_missing", 12, 6, 0.0, 40, 15),
    ("many_columns", 60, 40, 0.08, 60, 31),
    ("stumps", 20, 20, 0.3, 30, 2),
    ("one_deep_column", 2, 1, 0.05, 10, 64),
]


def main() -> int:
    folder, told = Path(sys.argv[1]), []
    for seed, (name, columns, useful, missing, trees, leaves) in enumerate(CASES):
        random = numpy.random.default_rng(seed)
        values = random.standard_normal((4_000, columns)).astype(numpy.float32)
        values[random.random(values.shape) < missing] = numpy.nan
        known = numpy.nan_to_num(values)
        margin = known[:, :useful] @ random.standard_normal(useful) + known[:, 0] * known[:, -1] - 1.0
        labels = (random.random(len(values)) < 1.0 / (1.0 + numpy.exp(-margin))).astype(int)
        training, rows = values[:3_700], numpy.ascontiguousarray(values[3_700:])
        parameters = {"objective": "binary", "num_leaves": leaves, "min_data_in_leaf": 5, "verbose": -1, "seed": seed}
        parameters |= {"num_threads": 2, "deterministic": True}
        booster = lightgbm.train(parameters, lightgbm.Dataset(training, labels[:3_700]), trees)
        lightgbm_trees.write(booster, folder / f"{name}.json")
        numpy.ascontiguousarray(training).tofile(folder / f"{name}_training.f32")
        rows.tofile(folder / f"{name}_rows.f32")
        booster.predict(rows, pred_contrib=True).astype(numpy.float64).tofile(folder / f"{name}_lightgbm.f64")
        if shap is not None:
            explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
            found = numpy.asarray(explainer.shap_values(rows, check_additivity=False), dtype=numpy.float64)
            base = numpy.full((len(rows), 1), numpy.ravel(explainer.expected_value)[-1])
            numpy.hstack([found, base]).tofile(folder / f"{name}_shap.f64")
        told.append({"name": name, "columns": columns})
    (folder / "cases.json").write_text(json.dumps({"cases": told, "shap": shap is not None}))
    print(f"lightgbm {lightgbm.__version__}, shap {shap.__version__ if shap else 'not installed'}: {len(told)} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main())
