//! Runs the programs of trees over blocks of rows, one row per lane.
//!
//! Every operation is done lane by lane in plain `f64`, in one order, without fused operations: an instruction set
//! changes how many lanes are done at once and not one bit of the result. The code is compiled for several of them, and
//! the widest that the processor has is used.

/// Rows that are done at once: the doubles of one AVX-512 register.
const LANES: usize = 8;
/// Rows of a block: few enough that their contributions stay in the second level of cache while all trees pass by, and
/// enough that a tree's tables are read from the first.
pub(crate) const BLOCK_ROWS: usize = 64;

type Lanes = [f64; LANES];
/// All bits of a lane, or none.
type Mask = [u64; LANES];

/// A side of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A split of a tree; see the `treeshap` module for what is computed of it.
#[derive(Debug, Clone)]
pub(super) struct Split {
    pub(super) column: usize,
    pub(super) threshold: f32,
    pub(super) missing_left: bool,
    /// Cover share of the left side.
    pub(super) share: f64,
    /// Splits above it.
    pub(super) slot: usize,
    /// Slot of the last split above on the same column, and the side taken there.
    pub(super) ancestor: Option<(usize, Side)>,
    /// Values of the sides that are leaves.
    pub(super) leaves: [Option<f64>; 2],
    /// Side of the split above on which this one is; none for the root.
    pub(super) parent_side: Option<Side>,
}

/// What a split needs at one point of the quadrature.
#[derive(Debug, Clone, Copy)]
pub(super) struct Constants {
    /// Factor of the left side for rows that go left.
    pub(super) passes: f64,
    /// Factor of the left side for rows that go right.
    pub(super) fails: f64,
    /// Weight of the split's contribution; used where there is an ancestor on the same column, 1 elsewhere.
    pub(super) weight: f64,
}

/// A step of a program; the number is that of the split.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Reads the column and goes down on the left.
    Enter(u32),
    /// Goes down on the right, where that is not a leaf.
    Cross(u32),
    /// Both sides are done: contributes, and hands the sum up.
    Leave(u32),
}

/// A tree in the order in which it is walked.
#[derive(Debug, Clone, Default)]
pub(super) struct TreeProgram {
    pub(super) splits: Vec<Split>,
    pub(super) steps: Vec<Step>,
    /// Per split, then point.
    pub(super) constants: Vec<Constants>,
    /// Weights of the quadrature.
    pub(super) weights: Vec<f64>,
    /// Splits on the longest path.
    pub(super) slots: usize,
}

/// How the code was compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InstructionSet {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl InstructionSet {
    /// Those of this processor, the widest last.
    pub(super) fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut sets = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx2") {
                sets.push(Self::Avx2);
            }
            if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512vl") {
                sets.push(Self::Avx512);
            }
        }
        sets
    }
}

/// Some rows, column by column, and what is found of them.
#[derive(Debug)]
pub(crate) struct Block {
    rows: usize,
    /// Per column, [`BLOCK_ROWS`] values.
    values: Vec<f32>,
    /// Per column, [`BLOCK_ROWS`] contributions.
    contributions: Vec<f64>,
    stack: Stack,
    pub(super) instruction_set: InstructionSet,
}

impl Block {
    /// Room for rows of so many design columns.
    pub(crate) fn new(width: usize) -> Self {
        let instruction_set = InstructionSet::available().pop().unwrap_or(InstructionSet::Portable);
        Self {
            rows: 0,
            values: vec![0.0; width * BLOCK_ROWS],
            contributions: vec![0.0; width * BLOCK_ROWS],
            stack: Stack::default(),
            instruction_set,
        }
    }

    /// Takes up to [`BLOCK_ROWS`] rows of the block's width in the place of those before.
    pub(crate) fn load<'a>(&mut self, rows: impl Iterator<Item = &'a [f32]>) {
        self.rows = 0;
        for row in rows.take(BLOCK_ROWS) {
            for (column, value) in self.values.chunks_exact_mut(BLOCK_ROWS).zip(row) {
                column[self.rows] = *value;
            }
            self.rows += 1;
        }
        self.contributions.fill(0.0);
    }

    /// Replaces missing values, one fill per column.
    pub(super) fn fill(&mut self, fill: &[f32]) {
        for (column, fill) in self.values.chunks_exact_mut(BLOCK_ROWS).zip(fill) {
            column.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = *fill);
        }
    }

    /// Contribution of a column to the margin of a row.
    pub(crate) fn contribution(&self, column: usize, row: usize) -> f64 {
        self.contributions[column * BLOCK_ROWS + row]
    }

    /// Adds the contributions of trees, in their order.
    pub(super) fn run(&mut self, programs: &[TreeProgram]) {
        match self.instruction_set {
            InstructionSet::Portable => run(self, programs),
            // SAFETY: these are taken from `available` alone, which asks the processor.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => unsafe { run_avx2(self, programs) },
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => unsafe { run_avx512(self, programs) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2(block: &mut Block, programs: &[TreeProgram]) {
    run(block, programs);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl")]
fn run_avx512(block: &mut Block, programs: &[TreeProgram]) {
    run(block, programs);
}

#[inline(always)]
fn run(block: &mut Block, programs: &[TreeProgram]) {
    let Block { rows, values, contributions, stack, .. } = block;
    for program in programs {
        stack.prepare(program);
        for first in (0..*rows).step_by(LANES) {
            for step in &program.steps {
                match *step {
                    Step::Enter(split) => stack.enter(program, split as usize, first, values),
                    Step::Cross(split) => stack.cross(&program.splits[split as usize]),
                    Step::Leave(split) => stack.leave(program, split as usize, first, contributions),
                }
            }
        }
    }
}

/// What is known of the path down to a split, for one row per lane. Slots are splits from the root on.
#[derive(Debug, Default)]
struct Stack {
    points: usize,
    /// Per slot: rows that go left.
    left: Vec<Mask>,
    /// Per slot: rows that pass all splits above on the same column.
    passed: Vec<Mask>,
    /// Per slot, then point: weight times the factors down to the split.
    product: Vec<Lanes>,
    /// Per slot, then point: factor of the left side.
    factor: Vec<Lanes>,
    /// Per slot, side, then point: sum over the leaves of a side of value times factors.
    sums: Vec<Lanes>,
    /// Per point: the sum over all leaves.
    margin: Vec<Lanes>,
}

impl Stack {
    /// Makes room for a tree, and begins at its root.
    #[inline(always)]
    fn prepare(&mut self, program: &TreeProgram) {
        let points = program.weights.len();
        self.points = points;
        self.left.resize(self.left.len().max(program.slots), [0; LANES]);
        self.passed.resize(self.passed.len().max(program.slots), [0; LANES]);
        let room = program.slots * points;
        self.product.resize(self.product.len().max(room), [0.0; LANES]);
        self.factor.resize(self.factor.len().max(room), [0.0; LANES]);
        self.sums.resize(self.sums.len().max(2 * room), [0.0; LANES]);
        self.margin.resize(self.margin.len().max(points), [0.0; LANES]);
        for (product, weight) in self.product.iter_mut().zip(&program.weights) {
            *product = [*weight; LANES];
        }
    }

    #[inline(always)]
    fn enter(&mut self, program: &TreeProgram, index: usize, first: usize, values: &[f32]) {
        let split = &program.splits[index];
        let points = self.points;
        let at = split.column * BLOCK_ROWS + first;
        let left = goes_left(split, &values[at..at + LANES]);
        self.left[split.slot] = left;
        let constants = &program.constants[index * points..(index + 1) * points];
        let start = split.slot * points;
        let factors = &mut self.factor[start..start + points];
        match split.ancestor {
            None => {
                self.passed[split.slot] = [u64::MAX; LANES];
                for (factor, constant) in factors.iter_mut().zip(constants) {
                    *factor = select(&left, constant.passes, constant.fails);
                }
            }
            Some((slot, side)) => {
                let passed = both(&self.passed[slot], &self.left[slot], side);
                self.passed[split.slot] = passed;
                for (factor, constant) in factors.iter_mut().zip(constants) {
                    let known = select(&left, constant.passes, constant.fails);
                    *factor = choose_lanes(&passed, &known, split.share);
                }
            }
        }
        if split.leaves[0].is_none() {
            let (above, below) = self.product.split_at_mut(start + points);
            for ((product, below), factor) in above[start..].iter().zip(below).zip(factors.iter()) {
                *below = lanewise(product, factor, |product, factor| product * factor);
            }
        }
    }

    #[inline(always)]
    fn cross(&mut self, split: &Split) {
        let (start, points) = (split.slot * self.points, self.points);
        let factors = &self.factor[start..start + points];
        let (above, below) = self.product.split_at_mut(start + points);
        for ((product, below), factor) in above[start..].iter().zip(below).zip(factors) {
            *below = lanewise(product, factor, |product, factor| product * (1.0 - factor));
        }
    }

    #[inline(always)]
    fn leave(&mut self, program: &TreeProgram, index: usize, first: usize, contributions: &mut [f64]) {
        let split = &program.splits[index];
        let points = self.points;
        let constants = &program.constants[index * points..(index + 1) * points];
        let integral = match split.leaves {
            [Some(left), Some(right)] => self.merge(split, constants, |_| [left; LANES], |_| [right; LANES]),
            [Some(left), None] => self.merge(split, constants, |_| [left; LANES], |sums| *sums[1]),
            [None, Some(right)] => self.merge(split, constants, |sums| *sums[0], |_| [right; LANES]),
            [None, None] => self.merge(split, constants, |sums| *sums[0], |sums| *sums[1]),
        };
        let mut known = select(&self.left[split.slot], 1.0 - split.share, -split.share);
        if split.ancestor.is_some() {
            known = choose_lanes(&self.passed[split.slot], &known, 0.0);
        }
        let at = split.column * BLOCK_ROWS + first;
        let Some(sums) = contributions[at..].first_chunk_mut::<LANES>() else { return };
        let parts = lanewise(&known, &integral, |known, integral| known * integral);
        *sums = lanewise(sums, &parts, |sum, part| sum + part);
    }

    /// Hands the sum of both sides up; returns the integral of the split's contribution.
    #[inline(always)]
    fn merge(
        &mut self,
        split: &Split,
        constants: &[Constants],
        left: impl Fn([&Lanes; 2]) -> Lanes,
        right: impl Fn([&Lanes; 2]) -> Lanes,
    ) -> Lanes {
        let (start, points) = (split.slot * self.points, self.points);
        let (above, here) = self.sums.split_at_mut(2 * start);
        let (lefts, rights) = here[..2 * points].split_at(points);
        // The root's sum is the tree's margin, which nobody asks for.
        let up = match split.parent_side {
            Some(Side::Left) => &mut above[2 * (start - points)..2 * start - points],
            Some(Side::Right) => &mut above[2 * start - points..],
            None => &mut self.margin[..points],
        };
        let weighted = split.ancestor.is_some();
        let sides = lefts.iter().zip(rights).zip(up);
        let tables = self.product[start..start + points].iter().zip(&self.factor[start..start + points]);
        let mut integral = [0.0; LANES];
        for ((((lefts, rights), up), (product, factor)), constant) in sides.zip(tables).zip(constants) {
            let (left, right) = (left([lefts, rights]), right([lefts, rights]));
            let difference = lanewise(&left, &right, |left, right| left - right);
            let moved = lanewise(factor, &difference, |factor, difference| factor * difference);
            *up = lanewise(&right, &moved, |right, moved| right + moved);
            let mut part = lanewise(product, &difference, |product, difference| product * difference);
            if weighted {
                part = lanewise(&part, &[constant.weight; LANES], |part, weight| part * weight);
            }
            integral = lanewise(&integral, &part, |integral, part| integral + part);
        }
        integral
    }
}

/// Rows of which the value goes left.
#[inline(always)]
fn goes_left(split: &Split, values: &[f32]) -> Mask {
    let mut mask = [0; LANES];
    for (mask, value) in mask.iter_mut().zip(values) {
        let left = (*value <= split.threshold) | (value.is_nan() & split.missing_left);
        *mask = if left { u64::MAX } else { 0 };
    }
    mask
}

/// Rows that passed above and took this side.
#[inline(always)]
fn both(passed: &Mask, left: &Mask, side: Side) -> Mask {
    let turn = if side == Side::Left { 0 } else { u64::MAX };
    let mut mask = *passed;
    for (mask, left) in mask.iter_mut().zip(left) {
        *mask &= left ^ turn;
    }
    mask
}

#[inline(always)]
fn choose(mask: u64, yes: f64, no: f64) -> f64 {
    f64::from_bits((yes.to_bits() & mask) | (no.to_bits() & !mask))
}

/// One operation on each lane, from and to registers: with nothing stored before all is read, the compiler is free to do
/// the lanes at once.
#[inline(always)]
fn lanewise(left: &Lanes, right: &Lanes, operation: impl Fn(f64, f64) -> f64) -> Lanes {
    let (left, right) = (*left, *right);
    let mut lanes = [0.0; LANES];
    for ((lane, left), right) in lanes.iter_mut().zip(left).zip(right) {
        *lane = operation(left, right);
    }
    lanes
}

#[inline(always)]
fn choose_lanes(mask: &Mask, yes: &Lanes, no: f64) -> Lanes {
    let (mask, yes) = (*mask, *yes);
    let mut lanes = [0.0; LANES];
    for ((lane, mask), yes) in lanes.iter_mut().zip(mask).zip(yes) {
        *lane = choose(mask, yes, no);
    }
    lanes
}

#[inline(always)]
fn select(mask: &Mask, yes: f64, no: f64) -> Lanes {
    let mut lanes = [0.0; LANES];
    for (lane, mask) in lanes.iter_mut().zip(mask) {
        *lane = choose(*mask, yes, no);
    }
    lanes
}
