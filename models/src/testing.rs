//! Random signatures, rows and heads for tests, from one seed each. Shared by unit tests and integration tests.

use bellwether_models::{
    Calibration, Curve, FeatureBlock, Head, Input, InputKind, Knot, LinearModel, LinearTerm, MarginModel, Node,
    PiecewiseLinear, Signature, Transform, Tree, TreeEnsemble,
};

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) struct Generator(pub(crate) u64);

impl Generator {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// In [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Symmetric around 0, most of it within the scale.
    pub(crate) fn spread(&mut self, scale: f64) -> f64 {
        (self.unit() + self.unit() + self.unit() - 1.5) * scale
    }
}

pub(crate) fn numeric(name: &str) -> Input {
    let (unit, definition) = ("events".to_owned(), "00".to_owned());
    Input { name: name.to_owned(), kind: InputKind::Numeric, unit, nullable: true, definition }
}

pub(crate) fn category(name: &str, levels: &[&str]) -> Input {
    let levels = levels.iter().map(|level| (*level).to_owned()).collect();
    let (unit, definition) = ("category".to_owned(), "01".to_owned());
    Input { name: name.to_owned(), kind: InputKind::Category { levels }, unit, nullable: true, definition }
}

/// One to seven numbers and up to three categories, in mixed order.
pub(crate) fn random_signature(seed: u64) -> Signature {
    let mut generator = Generator(seed ^ 0x51);
    let levels = ["agency", "bank", "caf\u{e9}", "retail", "school"];
    let mut inputs: Vec<Input> = (0..=generator.below(7)).map(|index| numeric(&format!("usage_{index}"))).collect();
    for index in 0..generator.below(4) {
        let at = generator.below(inputs.len() + 1);
        inputs.insert(at, category(&format!("segment_{index}"), &levels[..=generator.below(levels.len())]));
    }
    Signature { inputs }
}

/// Rows with missing values, infinities, unseen and missing categories.
pub(crate) fn random_block(signature: &Signature, rows: usize, seed: u64) -> FeatureBlock {
    let mut generator = Generator(seed ^ 0xB10C);
    let numeric = signature.numeric_inputs().map(|_| (0..rows).map(|_| random_value(&mut generator)).collect());
    let numeric = numeric.collect();
    let categories = signature
        .category_inputs()
        .map(|(_, _, levels)| (0..rows).map(|_| generator.below(levels.len() + 2) as u32).collect())
        .collect();
    FeatureBlock::new(signature, rows, numeric, categories).expect("a block of its own signature")
}

fn random_value(generator: &mut Generator) -> f32 {
    match generator.below(12) {
        0 | 1 => f32::NAN,
        2 => [f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0][generator.below(4)],
        3 => generator.spread(1e6) as f32,
        // A coarse grid, so that values meet thresholds.
        _ => (generator.spread(6.0) * 2.0).round() as f32 / 2.0,
    }
}

/// One head of every kind: base rate, linear, trees, forest with fills; every kind of calibrator.
pub(crate) fn random_heads(signature: &Signature, seed: u64) -> Vec<Head> {
    let mut generator = Generator(seed ^ 0x4EAD);
    let width = signature.design_width();
    let base = MarginModel::Linear(LinearModel { terms: vec![], intercept: generator.spread(3.0) });
    let trees = random_ensemble(&mut generator, width, 12, 16, false);
    let forest = random_ensemble(&mut generator, width, 9, 24, true);
    let leaf_only = TreeEnsemble { trees: vec![random_tree(&mut generator, width, 1)], base: 0.5, fill: None };
    let models = [
        ("base_rate", base),
        ("linear", MarginModel::Linear(random_linear(&mut generator, width))),
        ("trees", MarginModel::Trees(trees)),
        ("forest", MarginModel::Trees(forest)),
        ("one_leaf", MarginModel::Trees(leaf_only.with_exact_sums())),
    ];
    let mut heads = Vec::new();
    for (name, margin) in models {
        for point in ["logistic", "beta", "curve"] {
            let target = format!("{name}_{point}");
            let calibration = random_calibration(&mut generator, point);
            heads.push(Head { target, margin: margin.clone(), calibration });
        }
    }
    heads
}

pub(crate) fn random_linear(generator: &mut Generator, width: usize) -> LinearModel {
    let transforms = [Transform::Identity, Transform::SignedLog, Transform::IsMissing];
    let mut terms = Vec::new();
    for column in 0..width {
        for _ in 0..generator.below(3) {
            let lower = generator.spread(4.0) - 3.0;
            terms.push(LinearTerm {
                column,
                transform: transforms[generator.below(3)],
                fill: generator.spread(2.0),
                lower,
                upper: lower + generator.unit() * 9.0,
                center: generator.spread(1.0),
                scale: 0.1 + generator.unit(),
                weight: generator.spread(0.5),
                mean: generator.spread(0.5),
            });
        }
    }
    LinearModel { terms, intercept: generator.spread(2.0) }
}

pub(crate) fn random_ensemble(
    generator: &mut Generator,
    width: usize,
    trees: usize,
    leaves: usize,
    filled: bool,
) -> TreeEnsemble {
    let trees = (0..trees).map(|_| random_tree(generator, width, leaves)).collect();
    let fill = filled.then(|| (0..width).map(|_| generator.spread(3.0) as f32).collect());
    TreeEnsemble { trees, base: generator.spread(2.0) as f32, fill }.with_exact_sums()
}

/// Grows a tree by splitting random leaves, so that it is unbalanced and a column may repeat on a path.
pub(crate) fn random_tree(generator: &mut Generator, width: usize, leaves: usize) -> Tree {
    let mut nodes = vec![Node::Leaf { value: generator.spread(0.8) as f32, cover: 1000.0 }];
    for _ in 1..leaves {
        let open: Vec<usize> = (0..nodes.len()).filter(|at| matches!(nodes[*at], Node::Leaf { .. })).collect();
        let at = open[generator.below(open.len())];
        let (left, right) = (nodes.len() as u32, nodes.len() as u32 + 1);
        let cover = nodes[at].cover();
        let left_cover = (f64::from(cover) * generator.unit()).floor() as f32;
        nodes[at] = Node::Split {
            column: generator.below(width) as u32,
            threshold: (generator.spread(6.0) * 2.0).round() as f32 / 2.0,
            missing_left: generator.below(2) == 0,
            left,
            right,
            cover,
        };
        nodes.push(Node::Leaf { value: generator.spread(0.8) as f32, cover: left_cover });
        nodes.push(Node::Leaf { value: generator.spread(0.8) as f32, cover: cover - left_cover });
    }
    Tree { nodes }
}

pub(crate) fn random_curve(generator: &mut Generator, knots: usize) -> PiecewiseLinear {
    let (mut margin, mut probability) = (generator.spread(1.0) - 3.0, generator.unit() * 0.2);
    let mut points = Vec::new();
    for _ in 0..knots {
        points.push(Knot { margin, probability });
        margin += 0.3 + generator.unit();
        probability = (probability + generator.unit() * 0.2).min(1.0);
    }
    PiecewiseLinear { knots: points }
}

pub(crate) fn random_calibration(generator: &mut Generator, point: &str) -> Calibration {
    let knots = 1 + generator.below(8);
    let point = match point {
        "logistic" => Curve::Logistic { slope: generator.unit() * 3.0, intercept: generator.spread(2.0) },
        "beta" => Curve::Beta {
            slope_below: generator.unit() * 3.0,
            slope_above: generator.unit() * 3.0,
            intercept: generator.spread(2.0),
        },
        _ => Curve::PiecewiseLinear(random_curve(generator, knots)),
    };
    let (below, above) = (1 + generator.below(5), 1 + generator.below(5));
    Calibration { point, low: random_curve(generator, below), high: random_curve(generator, above) }
}
