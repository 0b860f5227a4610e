"""Builds small models with the real exporters and writes what onnxruntime gives for rows that are hard.

Usage: export_models.py FOLDER. Per model NAME: NAME.onnx, and NAME.json with the columns, the rows (null is missing) and
the expected probabilities; where the learner knows them, also the rows it learned from, the rows at each node (parents
before children, the true side first) and the contributions of the inputs to the margin.
"""

import json
import sys
import warnings
from pathlib import Path

import catboost
import lightgbm
import numpy
import onnx
import onnxruntime
import pandas
import shap
import xgboost
from onnx import TensorProto, helper, numpy_helper
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as MlFloat
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (AdaBoostClassifier, ExtraTreesClassifier, GradientBoostingClassifier,
                              HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (Binarizer, MaxAbsScaler, MinMaxScaler, Normalizer, OneHotEncoder, PolynomialFeatures,
                                   PowerTransformer, RobustScaler, StandardScaler)
from sklearn.tree import DecisionTreeClassifier

warnings.filterwarnings("ignore")
folder = Path(sys.argv[1])
random = numpy.random.default_rng(20260101)
WIDTH, ROWS = 6, 400
LARGE = [0.0, -0.0, 1e30, -1e30, 3.4e38, -3.4e38, 1e-30, 7.0, -7.0]

# skl2onnx hands numpy's whole numbers to onnx, which now takes Python's only.
make_attribute = helper.make_attribute


def with_python_numbers(key, value, *rest, **named):
    if isinstance(value, list):
        value = [one.item() if isinstance(one, numpy.generic) else one for one in value]
        value = [int(one) if isinstance(one, bool) else one for one in value]
    return make_attribute(key, value, *rest, **named)


helper.make_attribute = with_python_numbers


def training(missing=True):
    rows = random.normal(size=(ROWS, WIDTH)).astype(numpy.float32)
    label = (rows[:, 0] + rows[:, 1] * rows[:, 2] + random.normal(size=ROWS) > 0.7).astype(int)
    if missing:
        rows[random.random(rows.shape) < 0.1] = numpy.nan
    return rows, label


def thresholds(model):
    """Thresholds of all trees, by feature."""
    found = {}
    for node in model.graph.node:
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        values = attributes.get("nodes_values")
        for name in ("nodes_values_as_tensor", "nodes_splits"):
            if name in attributes:
                values = numpy_helper.to_array(attributes[name])
        if values is not None:
            for feature, value in zip(attributes["nodes_featureids"], values):
                found.setdefault(feature, []).append(value)
    return found


def hard_rows(model, missing, large=True, width=WIDTH):
    rows = random.normal(size=(300, width)).astype(numpy.float32)
    of_feature = thresholds(model)
    for feature in range(width):
        known = numpy.array(of_feature.get(feature, [0.0]), dtype=numpy.float64)
        known = known[numpy.isfinite(known)]
        with numpy.errstate(over="ignore"):
            known = known.astype(numpy.float32)
        known = numpy.concatenate([known, numpy.nextafter(known, numpy.float32(numpy.inf)),
                                   numpy.nextafter(known, numpy.float32(-numpy.inf))])
        known = numpy.concatenate([known[numpy.isfinite(known)], [numpy.float32(0)]])
        rows[:100, feature] = random.choice(known, size=100)
        if large:
            rows[100:150, feature] = random.choice(numpy.array(LARGE, dtype=numpy.float32), size=50)
    if missing:
        rows[random.random(rows.shape) < 0.15] = numpy.nan
        rows[0] = numpy.nan
    return rows


def probability(outputs):
    value = outputs[-1]
    if isinstance(value, list):
        return [float(row[1]) for row in value]
    value = numpy.asarray(value)
    return [float(one) for one in (value[:, -1] if value.ndim == 2 else value)]


def session_outputs(model, feed):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    wanted = [name for name in names if "label" not in name]
    return session.run(wanted, feed)


def write(name, model, columns, feed, form, **more):
    expected = probability(session_outputs(model, feed))
    onnx.save(model, str(folder / f"{name}.onnx"))
    cells = {}
    for column in columns:
        values = column["values"]
        if column["is_text"]:
            cells[column["name"]] = [str(one) for one in values]
        else:
            cells[column["name"]] = [None if numpy.isnan(one) else float(one) for one in values]
    record = {
        "columns": [{"name": one["name"], "is_text": one["is_text"]} for one in columns],
        "rows": cells,
        "expected": [None if numpy.isnan(one) else one for one in expected],
        "form": form,
        **more,
    }
    (folder / f"{name}.json").write_text(json.dumps(record))


def numbers(rows):
    return [{"name": f"x{at}", "is_text": False, "values": rows[:, at]} for at in range(rows.shape[1])]


def one_matrix(name, model, form, missing, large=True, double=False, **more):
    rows = hard_rows(model, missing, large)
    feed = {model.graph.input[0].name: rows.astype(numpy.float64) if double else rows}
    write(name, model, numbers(rows), feed, form, **more)


def sklearn(name, estimator, form="trees", missing=True, large=True, zipmap=False, double=False, clean=False):
    rows, label = training(missing and not clean)
    estimator.fit(rows, label)
    kind = DoubleTensorType if double else FloatTensorType
    options = None if zipmap is None else {"zipmap": zipmap}
    model = convert_sklearn(estimator, initial_types=[("X", kind([None, WIDTH]))], options=options)
    one_matrix(name, model, form, missing, large, double)


def preorder(node):
    if "leaf_value" in node and "split_feature" not in node:
        return [node.get("leaf_count", 0)]
    return [node["internal_count"], *preorder(node["left_child"]), *preorder(node["right_child"])]


def plain(values):
    return [None if numpy.isnan(one) else float(one) for one in values]


def boosters():
    rows, label = training()
    for name, settings in [
        ("lightgbm", {}),
        ("lightgbm_forest", {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}),
        ("lightgbm_no_missing", {"use_missing": False}),
        ("lightgbm_zero_missing", {"zero_as_missing": True}),
    ]:
        learner = lightgbm.LGBMClassifier(n_estimators=8, num_leaves=9, min_child_samples=5, verbose=-1, **settings)
        learner.fit(rows, label)
        model = convert_lightgbm(learner, initial_types=[("input", MlFloat([None, WIDTH]))], zipmap=name == "lightgbm")
        more = {}
        if name == "lightgbm":
            trees = learner.booster_.dump_model()["tree_info"]
            some = rows[:60]
            more = {
                "training": [plain(row) for row in rows],
                "counts": [preorder(tree["tree_structure"]) for tree in trees],
                "explained": [plain(row) for row in some],
                "contributions": learner.predict(some, pred_contrib=True).tolist(),
                "shap": shap.TreeExplainer(learner).shap_values(some).tolist(),
            }
        # A forest is averaged by nodes after the trees.
        one_matrix(name, model, "graph" if name == "lightgbm_forest" else "trees", True, **more)
    categories = rows.copy()
    categories[:, 5] = random.integers(0, 6, size=ROWS)
    learner = lightgbm.LGBMClassifier(n_estimators=4, num_leaves=6, min_child_samples=5, verbose=-1, max_cat_to_onehot=2,
                                      min_data_per_group=5, cat_smooth=1)
    learner.fit(categories, ((label + (categories[:, 5] % 2)) > 0).astype(int), categorical_feature=[5])
    model = convert_lightgbm(learner, initial_types=[("input", MlFloat([None, WIDTH]))], zipmap=False)
    given = hard_rows(model, False, large=False)
    given[:, 5] = random.integers(0, 8, size=len(given))
    write("lightgbm_categories", model, numbers(given), {"input": given}, "trees")
    for name, learner in [
        ("xgboost", xgboost.XGBClassifier(n_estimators=6, max_depth=3)),
        ("xgboost_forest", xgboost.XGBRFClassifier(n_estimators=5, max_depth=3)),
        ("xgboost_scaled", xgboost.XGBClassifier(n_estimators=4, max_depth=4, scale_pos_weight=3, base_score=0.3)),
    ]:
        learner.fit(rows, label)
        one_matrix(name, convert_xgboost(learner, initial_types=[("input", MlFloat([None, WIDTH]))]), "trees", True)
    for name, settings in [("catboost", {}), ("catboost_newton", {"nan_mode": "Max", "leaf_estimation_method": "Newton"})]:
        learner = catboost.CatBoostClassifier(iterations=6, depth=3, verbose=False, allow_writing_files=False, **settings)
        learner.fit(rows, label)
        learner.save_model(str(folder / "catboost.tmp"), format="onnx")
        model = onnx.load(str(folder / "catboost.tmp"))
        (folder / "catboost.tmp").unlink()
        one_matrix(name, model, "trees", False)


def pipelines():
    small = {"n_estimators": 5, "max_depth": 4, "random_state": 1}
    sklearn("sk_logistic", make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()), "linear", large=False)
    sklearn("sk_logistic_zipmap", make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()), "linear",
            large=False, zipmap=True)
    sklearn("sk_logistic_no_imputer", LogisticRegression(), "linear", missing=False, large=False)
    sklearn("sk_logistic_minmax", make_pipeline(SimpleImputer(strategy="median"), MinMaxScaler(), LogisticRegression()),
            "linear", large=False)
    sklearn("sk_logistic_clip", make_pipeline(SimpleImputer(), MinMaxScaler(clip=True), LogisticRegression()), "graph")
    sklearn("sk_logistic_robust", make_pipeline(SimpleImputer(), RobustScaler(), LogisticRegression()), "linear",
            large=False)
    sklearn("sk_logistic_normalizer", make_pipeline(SimpleImputer(), Normalizer(), LogisticRegression()), "graph",
            large=False)
    sklearn("sk_logistic_maxabs", make_pipeline(SimpleImputer(strategy="constant", fill_value=0), MaxAbsScaler(),
                                                LogisticRegression()), "linear", large=False)
    sklearn("sk_logistic_power", make_pipeline(SimpleImputer(), PowerTransformer(), LogisticRegression()), "graph",
            large=False)
    sklearn("sk_logistic_polynomial", make_pipeline(SimpleImputer(), PolynomialFeatures(2), LogisticRegression()),
            "graph", large=False)
    sklearn("sk_logistic_binarizer", make_pipeline(SimpleImputer(), Binarizer(), LogisticRegression()), "graph")
    sklearn("sk_forest", make_pipeline(SimpleImputer(), RandomForestClassifier(**small)))
    sklearn("sk_forest_missing", RandomForestClassifier(**small))
    sklearn("sk_forest_scaled", make_pipeline(SimpleImputer(), StandardScaler(), RandomForestClassifier(**small)))
    sklearn("sk_forest_minmax", make_pipeline(SimpleImputer(), MinMaxScaler((1, -1 + 3), clip=True),
                                              RandomForestClassifier(**small)))
    sklearn("sk_extra_trees", make_pipeline(SimpleImputer(), ExtraTreesClassifier(**small)))
    sklearn("sk_tree", DecisionTreeClassifier(max_depth=4))
    sklearn("sk_boosting", make_pipeline(SimpleImputer(), RobustScaler(), GradientBoostingClassifier(n_estimators=5)))
    sklearn("sk_hist_boosting", HistGradientBoostingClassifier(max_iter=6))
    sklearn("sk_calibrated", CalibratedClassifierCV(make_pipeline(SimpleImputer(), RandomForestClassifier(**small)),
                                                    method="sigmoid", cv=2), "graph")
    sklearn("sk_calibrated_isotonic", CalibratedClassifierCV(
        make_pipeline(SimpleImputer(), RandomForestClassifier(**small)), method="isotonic", cv=2), "graph")
    sklearn("sk_calibrated_boosting", CalibratedClassifierCV(HistGradientBoostingClassifier(max_iter=3),
                                                             method="sigmoid", cv=2), "graph")
    sklearn("sk_ada", AdaBoostClassifier(n_estimators=3), "graph", missing=False)
    sklearn("sk_logistic_double", make_pipeline(StandardScaler(), LogisticRegression()), "graph", missing=False,
            large=False, double=True)
    sklearn("sk_forest_regressor", RandomForestRegressor(n_estimators=4, max_depth=3), zipmap=None)


def tables():
    rows, label = training()
    frame = pandas.DataFrame(rows, columns=[f"x{at}" for at in range(WIDTH)])
    frame["plan"] = random.choice(["basic", "pro", "team"], ROWS)
    frame["region"] = random.choice(["eu", "us"], ROWS)
    frame["seats"] = random.integers(1, 5, ROWS)
    floats = [f"x{at}" for at in range(WIDTH)]
    encoders = lambda scaler: ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(), scaler), floats),
        ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["plan", "region"]),
        ("whole", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["seats"]),
    ])
    texts_only = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), floats),
        ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["plan", "region"]),
    ])
    for name, encoder, estimator, form in [
        ("sk_columns_logistic", encoders(StandardScaler()), LogisticRegression(), "graph"),
        ("sk_texts_logistic", texts_only, LogisticRegression(), "linear"),
        ("sk_columns_boosting", encoders(StandardScaler()), GradientBoostingClassifier(n_estimators=12), "trees"),
        ("sk_columns_forest", encoders(RobustScaler()), RandomForestClassifier(n_estimators=6, max_depth=6), "trees"),
    ]:
        given = frame if name != "sk_texts_logistic" else frame.drop(columns="seats")
        pipeline = make_pipeline(encoder, estimator).fit(given, label)
        kinds = {"plan": StringTensorType, "region": StringTensorType, "seats": Int64TensorType}
        types = [(column, kinds.get(column, FloatTensorType)([None, 1])) for column in given.columns]
        model = convert_sklearn(pipeline, initial_types=types, options={"zipmap": False})
        hard = hard_rows(model, True, large=False)
        columns = numbers(hard)
        columns.append({"name": "plan", "is_text": True, "values": random.choice(["basic", "pro", "team", "new", ""], 300)})
        columns.append({"name": "region", "is_text": True, "values": random.choice(["eu", "us", "mars"], 300)})
        if "seats" in given:
            columns.append({"name": "seats", "is_text": False, "values": random.integers(-2, 8, 300)})
        feed = {}
        for column in columns:
            kind = object if column["is_text"] else numpy.int64 if column["name"] == "seats" else numpy.float32
            feed[column["name"]] = numpy.asarray(column["values"]).astype(kind).reshape(-1, 1)
        write(name, model, columns, feed, form)
    by_place = ColumnTransformer([("imputed", SimpleImputer(), [0, 2]), ("scaled", StandardScaler(), [1]),
                                  ("rest", "passthrough", [3, 4])])
    sklearn("sk_places", make_pipeline(by_place, GradientBoostingClassifier(n_estimators=4)), missing=False)


MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def random_lists(trees, depth, modes, dtype, missing):
    """Complete random trees; thresholds are whole numbers, so that they are hit."""
    lists = {name: [] for name in ("tree", "id", "feature", "value", "mode", "true", "false", "missing")}
    leaves = []
    for tree in range(trees):
        for node in range(2 ** (depth + 1) - 1):
            is_leaf = node >= 2 ** depth - 1
            lists["tree"].append(tree)
            lists["id"].append(node)
            lists["feature"].append(0 if is_leaf else int(random.integers(WIDTH)))
            lists["value"].append(0.0 if is_leaf else float(dtype(random.integers(-2, 3))))
            lists["mode"].append("LEAF" if is_leaf else str(random.choice(modes)))
            lists["true"].append(0 if is_leaf else 2 * node + 1)
            lists["false"].append(0 if is_leaf else 2 * node + 2)
            lists["missing"].append(0 if is_leaf or not missing else int(random.integers(2)))
            if is_leaf:
                leaves.append((tree, node, float(dtype(random.normal() * 0.2))))
    return lists, leaves


def hand_made(name, operator, post, form, modes=MODES, dtype=numpy.float32, missing=True, classes=1, base=None,
              aggregate=None, positive=False):
    lists, leaves = random_lists(4, 3, modes, dtype, missing)
    if positive:
        leaves = [(tree, node, abs(weight) / 3) for tree, node, weight in leaves]
    prefix = "class" if operator == "TreeEnsembleClassifier" else "target"
    entries = [(tree, node, one, weight if one == 0 else float(dtype(random.normal() * 0.2)))
               for tree, node, weight in leaves for one in range(classes)]
    attributes = {
        "nodes_treeids": lists["tree"], "nodes_nodeids": lists["id"], "nodes_featureids": lists["feature"],
        "nodes_modes": lists["mode"], "nodes_truenodeids": lists["true"], "nodes_falsenodeids": lists["false"],
        f"{prefix}_treeids": [one[0] for one in entries], f"{prefix}_nodeids": [one[1] for one in entries],
        f"{prefix}_ids": [one[2] for one in entries], "post_transform": post,
    }
    weights, values = [one[3] for one in entries], lists["value"]
    if missing:
        attributes["nodes_missing_value_tracks_true"] = lists["missing"]
    if dtype is numpy.float64:
        attributes["nodes_values_as_tensor"] = numpy_helper.from_array(numpy.array(values), "values")
        attributes[f"{prefix}_weights_as_tensor"] = numpy_helper.from_array(numpy.array(weights), "weights")
        if base:
            attributes["base_values_as_tensor"] = numpy_helper.from_array(numpy.array(base), "base")
    else:
        attributes["nodes_values"], attributes[f"{prefix}_weights"] = values, weights
        if base:
            attributes["base_values"] = base
    if prefix == "class":
        attributes["classlabels_int64s"] = [0, 1]
    else:
        attributes["n_targets"] = classes
    if aggregate:
        attributes["aggregate_function"] = aggregate
    outputs = ["label", "probabilities"] if prefix == "class" else ["probabilities"]
    finish(name, helper.make_node(operator, ["x"], outputs, domain="ai.onnx.ml", **attributes), 3, dtype, form, missing)


def finish(name, node, version, dtype, form, missing, output=None):
    kind = TensorProto.DOUBLE if dtype is numpy.float64 else TensorProto.FLOAT
    output = output or TensorProto.FLOAT
    infos = [helper.make_tensor_value_info(one, TensorProto.INT64 if one == "label" else output, None)
             for one in node.output]
    graph = helper.make_graph([node], "graph", [helper.make_tensor_value_info("x", kind, [None, WIDTH])], infos)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", version)],
                              ir_version=8)
    one_matrix(name, model, form, missing, double=dtype is numpy.float64)


def version_5(name, dtype, form, aggregate=1, trees=3, members=False):
    width = 2 ** 3 - 1
    modes, splits, features, sets = [], [], [], []
    fields = {name: [] for name in ("true", "true_leaf", "false", "false_leaf")}
    for tree in range(trees):
        for node in range(width):
            mode = int(random.integers(7 if members else 6))
            modes.append(mode)
            features.append(int(random.integers(WIDTH)))
            splits.append(0.0 if mode == 6 else float(random.integers(-2, 3)))
            if mode == 6:
                sets += [*random.choice(numpy.arange(-3.0, 4.0), size=3, replace=False).tolist(), float("nan")]
            for side, child in (("true", 2 * node + 1), ("false", 2 * node + 2)):
                is_leaf = child >= width
                fields[side].append(tree * (width + 1) + child - width if is_leaf else tree * width + child)
                fields[f"{side}_leaf"].append(int(is_leaf))
    leaves = trees * (width + 1)
    tensor = lambda values, kind: numpy_helper.from_array(numpy.array(values, dtype=kind), "tensor")
    attributes = {
        "tree_roots": [tree * width for tree in range(trees)], "n_targets": 1, "post_transform": 0,
        "aggregate_function": aggregate, "nodes_featureids": features, "nodes_modes": tensor(modes, numpy.uint8),
        "nodes_splits": tensor(splits, dtype), "nodes_truenodeids": fields["true"],
        "nodes_trueleafs": fields["true_leaf"], "nodes_falsenodeids": fields["false"],
        "nodes_falseleafs": fields["false_leaf"],
        "nodes_missing_value_tracks_true": random.integers(2, size=len(modes)).tolist(),
        "leaf_targetids": [0] * leaves, "leaf_weights": tensor(random.random(leaves) / 3, dtype),
    }
    if sets:
        attributes["membership_values"] = tensor(sets, dtype)
    output = TensorProto.DOUBLE if dtype is numpy.float64 else TensorProto.FLOAT
    finish(name, helper.make_node("TreeEnsemble", ["x"], ["probabilities"], domain="ai.onnx.ml", **attributes), 5, dtype,
           form, True, output)


def hand_mades():
    classifier, regressor = "TreeEnsembleClassifier", "TreeEnsembleRegressor"
    for mode in MODES:
        hand_made(f"mode_{mode}", classifier, "LOGISTIC", "trees", modes=[mode])
    hand_made("modes", classifier, "LOGISTIC", "trees", base=[0.25])
    hand_made("modes_not_missing", classifier, "LOGISTIC", "trees", missing=False)
    hand_made("modes_positive", classifier, "NONE", "trees", positive=True)
    hand_made("two_classes_logistic", classifier, "LOGISTIC", "trees", classes=2)
    hand_made("two_classes_softmax", classifier, "SOFTMAX", "trees", classes=2)
    hand_made("two_classes_softmax_zero", classifier, "SOFTMAX_ZERO", "graph", classes=2)
    for aggregate in ("SUM", "AVERAGE"):
        hand_made(f"aggregate_{aggregate}", regressor, "NONE", "trees", aggregate=aggregate, positive=True, base=[0.05])
    for aggregate in ("MIN", "MAX"):
        hand_made(f"aggregate_{aggregate}", regressor, "NONE", "graph", aggregate=aggregate, positive=True, base=[0.05])
    hand_made("double", classifier, "LOGISTIC", "trees", dtype=numpy.float64, base=[0.1])
    version_5("version_5", numpy.float32, "trees")
    version_5("version_5_members", numpy.float32, "trees", trees=1, members=True)
    version_5("version_5_members_double", numpy.float64, "trees", trees=1, members=True)
    version_5("version_5_average", numpy.float32, "trees", aggregate=0)
    version_5("version_5_double", numpy.float64, "trees")
    version_5("version_5_least", numpy.float32, "graph", aggregate=2)


for part in (boosters, pipelines, tables, hand_mades):
    part()
print(f"{len(list(folder.glob('*.json')))} models")
