//! Dataset, folds, learners, calibration, metrics, backtest, selection and registry of Bellwether.
