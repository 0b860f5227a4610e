//! Laws of every head, whatever its kind: what is exported scores like what was trained, and is explained in full.

use bellwether_models::{DesignBlock, Explainer, FeatureBlock, MarginModel, Scorer, onnx};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

#[path = "../src/testing.rs"]
#[allow(dead_code)]
mod testing;

/// Any finite, infinite or missing float, ordinary ones more often.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => (-12_i8..12).prop_map(|half| f32::from(half) / 2.0),
        2 => Just(f32::NAN),
        1 => any::<f32>(),
        1 => prop::sample::select(vec![f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::MAX, f32::MIN_POSITIVE]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn an_exported_head_scores_and_explains_like_itself(
        seed in any::<u64>(),
        values in prop::collection::vec(value(), 8 * 16),
    ) {
        let signature = testing::random_signature(seed);
        let mut block = testing::random_block(&signature, 16, seed);
        for (column, values) in block.numeric.iter_mut().zip(values.chunks(16)) {
            column.copy_from_slice(values);
        }
        let block = FeatureBlock::new(&signature, 16, block.numeric, block.categories).expect("fits");
        let design = DesignBlock::new(&signature, &block).expect("expands");
        for head in testing::random_heads(&signature, seed) {
            let read = onnx::read(&onnx::write(&signature, &head).expect("valid"), &signature).expect("our own");
            let expected = Scorer::new(&signature, &head).expect("valid").score(&block).expect("scores");
            let found = Scorer::new(&signature, &read).expect("valid").score_design(&design).expect("scores");
            prop_assert_eq!(&found, &expected);
            let explainer = Explainer::new(&signature, &read).expect("valid");
            for row in 0..block.rows {
                prop_assert!(found.margin[row].is_finite());
                prop_assert!(0.0 <= found.low[row] && found.high[row] <= 1.0);
                prop_assert!(found.low[row] <= found.probability[row] && found.probability[row] <= found.high[row]);
                let explained = explainer.explain(&design, row).expect("explains");
                let way: f64 = explained.effects.iter().sum();
                prop_assert!((way - (found.probability[row] - explained.base_probability)).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn rows_are_scored_one_by_one_as_they_are_together(seed in any::<u64>()) {
        let signature = testing::random_signature(seed);
        let block = testing::random_block(&signature, 131, seed);
        for head in testing::random_heads(&signature, seed) {
            let scorer = Scorer::new(&signature, &head).expect("valid");
            let together = scorer.score(&block).expect("scores");
            for row in [0, 7, 8, 63, 64, 130] {
                let alone = scorer.score(&block.take(&[row]).expect("exists")).expect("scores");
                prop_assert_eq!(alone.margin[0].to_bits(), together.margin[row].to_bits());
                prop_assert_eq!(alone.high[0].to_bits(), together.high[row].to_bits());
            }
        }
    }

    #[test]
    fn exact_sums_move_a_margin_by_no_more_than_float_rounding(seed in any::<u64>()) {
        let mut generator = testing::Generator(seed);
        let mut model = testing::random_ensemble(&mut generator, 3, 20, 12, false);
        for tree in &mut model.trees {
            for node in &mut tree.nodes {
                if let bellwether_models::Node::Leaf { value, .. } = node {
                    *value = generator.spread(0.3) as f32;
                }
            }
        }
        let snapped = MarginModel::Trees(model.clone()).with_exact_sums();
        let row = [0.25, f32::NAN, -1.5];
        let most = model.bound() * 21.0 * 2.0_f64.powi(-23);
        prop_assert!((snapped.margin(&row) - model.margin(&row)).abs() <= most);
        let sum = snapped.margin(&row);
        prop_assert_eq!(f64::from(sum as f32), sum);
    }
}
