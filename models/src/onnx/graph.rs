//! A graph under construction: nodes, initializers and fresh names.

use super::proto::{
    AttributeProto, DimensionProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto,
    ValueInfoProto, attribute_type, data_type,
};

/// Domain of the classical machine learning operators.
pub(crate) const ML_DOMAIN: &str = "ai.onnx.ml";

/// The name of an inner value or initializer: our prefix keeps it apart from every input.
pub(crate) fn inner(name: &str) -> String {
    format!("{}{name}", crate::signature::RESERVED_PREFIX)
}

/// Collects a graph in the order in which it is written.
#[derive(Debug, Default)]
pub(crate) struct GraphBuilder {
    pub(crate) graph: GraphProto,
}

impl GraphBuilder {
    /// Adds an operator of the default domain; returns the name of its output, which is also the node's name.
    pub(crate) fn node(&mut self, operator: &str, inputs: &[&str], output: &str) -> String {
        self.node_with(operator, inputs, output, Vec::new())
    }

    pub(crate) fn node_with(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attribute: Vec<AttributeProto>,
    ) -> String {
        self.push(operator, "", inputs, output, attribute)
    }

    /// Adds an operator of the machine learning domain.
    pub(crate) fn ml_node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attribute: Vec<AttributeProto>,
    ) -> String {
        self.push(operator, ML_DOMAIN, inputs, output, attribute)
    }

    fn push(
        &mut self,
        operator: &str,
        domain: &str,
        inputs: &[&str],
        output: &str,
        attribute: Vec<AttributeProto>,
    ) -> String {
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: operator.to_owned(),
            attribute,
            domain: domain.to_owned(),
        });
        output.to_owned()
    }

    pub(crate) fn doubles(&mut self, name: &str, dims: &[usize], values: &[f64]) -> String {
        self.initializer(name, dims, data_type::DOUBLE, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    pub(crate) fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        self.initializer(name, dims, data_type::FLOAT, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    pub(crate) fn integers(&mut self, name: &str, dims: &[usize], values: &[i64]) -> String {
        self.initializer(name, dims, data_type::INT64, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    pub(crate) fn booleans(&mut self, name: &str, dims: &[usize], values: &[bool]) -> String {
        self.initializer(name, dims, data_type::BOOL, values.iter().map(|value| u8::from(*value)).collect())
    }

    fn initializer(&mut self, name: &str, dims: &[usize], kind: i32, raw: Vec<u8>) -> String {
        let name = inner(name);
        self.graph.initializer.push(TensorProto {
            dims: dims.iter().map(|dim| *dim as i64).collect(),
            data_type: Some(kind),
            name: name.clone(),
            raw_data: Some(raw),
        });
        name
    }
}

/// A tensor of shape `[N, columns]`.
pub(crate) fn rows_of(name: &str, kind: i32, columns: usize) -> ValueInfoProto {
    let rows = DimensionProto { dim_value: None, dim_param: Some("N".to_owned()) };
    let columns = DimensionProto { dim_value: Some(columns as i64), dim_param: None };
    let shape = TensorShapeProto { dim: vec![rows, columns] };
    let tensor = TensorTypeProto { elem_type: Some(kind), shape: Some(shape) };
    ValueInfoProto { name: name.to_owned(), kind: Some(TypeProto { tensor_type: Some(tensor) }) }
}

fn attribute(name: &str, kind: i32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), kind: Some(kind), ..AttributeProto::default() }
}

pub(crate) fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, attribute_type::INT) }
}

pub(crate) fn string(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(value.as_bytes().to_vec()), ..attribute(name, attribute_type::STRING) }
}

pub(crate) fn float_list(name: &str, floats: Vec<f32>) -> AttributeProto {
    AttributeProto { floats, ..attribute(name, attribute_type::FLOATS) }
}

pub(crate) fn integer_list(name: &str, ints: Vec<i64>) -> AttributeProto {
    AttributeProto { ints, ..attribute(name, attribute_type::INTS) }
}

pub(crate) fn string_list<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> AttributeProto {
    let strings = values.map(|value| value.as_bytes().to_vec()).collect();
    AttributeProto { strings, ..attribute(name, attribute_type::STRINGS) }
}
