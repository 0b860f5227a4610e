//! ONNX as the one model format: written from a [`crate::Head`], read back into one.
//!
//! The reader takes exactly what the writer writes. It finds the numbers of the model by the names of the initializers
//! and attributes, builds the head, checks it, writes it again and compares every byte; so a graph with one operator
//! more, one input swapped or one attribute changed is refused and never half understood. Reading what other tools
//! export is a reader of its own, beside this one.

mod error;
mod graph;
mod proto;
mod read;
mod write;

pub use error::OnnxError;
pub use read::read;
pub use write::write;

/// IR version that is written: 8 belongs to ONNX 1.13, which opset 17 needs, and every later runtime reads it.
pub const IR_VERSION: i64 = 8;

/// Version of the default operator set.
pub const OPSET: i64 = 17;

/// Version of `ai.onnx.ml`: the last before tree operators changed their attributes' meaning of base values.
pub const ML_OPSET: i64 = 3;

/// Largest model file that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 29;

/// Name of the producer in the file.
pub const PRODUCER: &str = "bellwether";

/// Metadata key of the target.
const METADATA_TARGET: &str = "bellwether.target";

/// Metadata key of the training means of linear terms, a JSON list of numbers that read back exactly.
const METADATA_MEANS: &str = "bellwether.linear_means";

#[cfg(test)]
mod tests {
    use super::proto::{GraphProto, ModelProto};
    use super::*;
    use crate::testing::{random_heads, random_signature};
    use crate::{Head, Signature};
    use prost::Message;

    fn cases() -> Vec<(Signature, Head)> {
        let of_seed = |seed| {
            let signature = random_signature(seed);
            let heads = random_heads(&signature, seed);
            heads.into_iter().map(move |head| (signature.clone(), head))
        };
        (0..8).flat_map(of_seed).collect()
    }

    /// The message of the error after a change to the graph.
    fn refused(signature: &Signature, bytes: &[u8], change: impl Fn(&mut ModelProto, &mut GraphProto)) -> String {
        let mut model = ModelProto::decode(bytes).expect("our own bytes");
        let mut graph = model.graph.take().expect("a graph");
        change(&mut model, &mut graph);
        model.graph = Some(graph);
        read(&model.encode_to_vec(), signature).expect_err("a changed model").to_string()
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (signature, head) in cases() {
            let bytes = write(&signature, &head).expect("valid");
            assert_eq!(read(&bytes, &signature).expect("our own model"), head);
        }
    }

    #[test]
    fn a_changed_graph_is_refused_by_name() {
        for (signature, head) in cases() {
            let bytes = write(&signature, &head).expect("valid");
            let message = refused(&signature, &bytes, |_, graph| graph.node[0].op_type = "Softmax".to_owned());
            assert!(message.contains("Softmax"), "{message}");
            let message = refused(&signature, &bytes, |model, _| model.opset_import[0].version = Some(99));
            assert!(message.contains("99"), "{message}");
            let message = refused(&signature, &bytes, |model, _| model.metadata_props.push(Default::default()));
            assert!(message.contains("metadata"), "{message}");
            let message = refused(&signature, &bytes, |_, graph| graph.initializer[0].name = "weight".to_owned());
            assert!(message.contains("weight") || message.contains("initializer"), "{message}");
            let message = refused(&signature, &bytes, |_, graph| graph.node[1].input.push("x".to_owned()));
            assert!(message.contains("node") || message.contains("differs"), "{message}");
            let message = refused(&signature, &bytes, |_, graph| graph.output.truncate(2));
            assert!(message.contains("output"), "{message}");
        }
    }

    #[test]
    fn another_signature_is_refused() {
        let signature = random_signature(5);
        let bytes = write(&signature, &random_heads(&signature, 5)[3]).expect("valid");
        let mut other = signature.clone();
        other.inputs.push(crate::testing::category("extra", &["x"]));
        assert!(read(&bytes, &other).expect_err("refused").to_string().contains("extra"));
    }

    #[test]
    fn damaged_bytes_never_panic_and_never_read_as_another_model() {
        let signature = random_signature(2);
        for head in random_heads(&signature, 2) {
            let bytes = write(&signature, &head).expect("valid");
            let mut generator = crate::testing::Generator(9);
            for _ in 0..400 {
                let mut damaged = bytes.clone();
                for _ in 0..=generator.below(3) {
                    let at = generator.below(damaged.len());
                    damaged[at] = generator.next() as u8;
                }
                if generator.below(4) == 0 {
                    damaged.truncate(generator.below(bytes.len()));
                }
                if let Ok(found) = read(&damaged, &signature) {
                    // A changed number is another model, and it is written as such; nothing is lost or made up.
                    assert_eq!(write(&signature, &found).expect("valid"), damaged);
                }
            }
        }
    }
}
