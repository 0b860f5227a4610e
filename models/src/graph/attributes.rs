//! The attributes of a node, read by name and type; whatever is not asked for is refused.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::GraphError;
use super::proto::{AttributeProto, NodeProto};
use super::tensor::{Kind, Tensor};

/// A node while its operator is read.
pub(super) struct Attributes<'a> {
    pub(super) node: &'a NodeProto,
    /// Version of the operator set that the node belongs to.
    pub(super) version: i64,
    asked: RefCell<BTreeSet<&'static str>>,
}

/// Name of a node for people: its own, or that of its first output.
pub(super) fn node_name(node: &NodeProto) -> String {
    let named = [Some(&node.name), node.output.first()].into_iter().flatten().find(|name| !name.is_empty());
    named.cloned().unwrap_or_else(|| "without a name".to_owned())
}

/// Domain and operator.
pub(super) fn operator_name(node: &NodeProto) -> String {
    if node.domain.is_empty() { node.op_type.clone() } else { format!("{}.{}", node.domain, node.op_type) }
}

impl<'a> Attributes<'a> {
    pub(super) fn new(node: &'a NodeProto, version: i64) -> Self {
        Self { node, version, asked: RefCell::default() }
    }

    pub(super) fn unsupported(&self, what: impl Into<String>) -> GraphError {
        GraphError::Unsupported { node: node_name(self.node), operator: operator_name(self.node), what: what.into() }
    }

    pub(super) fn malformed(&self, what: &str, expected: impl ToString, found: impl ToString) -> GraphError {
        let place = format!("node `{}` ({}), {what}", node_name(self.node), operator_name(self.node));
        GraphError::malformed(place, expected, found)
    }

    pub(super) fn find(&self, name: &'static str) -> Option<&'a AttributeProto> {
        self.asked.borrow_mut().insert(name);
        self.node.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn has(&self, name: &'static str) -> bool {
        self.find(name).is_some()
    }

    /// Marks attributes that change nothing.
    pub(super) fn ignore(&self, names: &[&'static str]) {
        self.asked.borrow_mut().extend(names);
    }

    /// Refuses attributes that nobody asked for, subgraphs, and names that appear twice.
    pub(super) fn finish(&self) -> Result<(), GraphError> {
        let mut seen = BTreeSet::new();
        for attribute in &self.node.attribute {
            if attribute.g.is_some() || !self.asked.borrow().contains(attribute.name.as_str()) {
                return Err(self.unsupported(format!("attribute `{}`", attribute.name)));
            }
            if !seen.insert(attribute.name.as_str()) {
                return Err(self.malformed("attributes", "each name once", format!("`{}` twice", attribute.name)));
            }
        }
        Ok(())
    }

    pub(super) fn integer(&self, name: &'static str, default: i64) -> i64 {
        self.find(name).and_then(|attribute| attribute.i).unwrap_or(default)
    }

    pub(super) fn float(&self, name: &'static str, default: f32) -> f32 {
        self.find(name).and_then(|attribute| attribute.f).unwrap_or(default)
    }

    pub(super) fn text(&self, name: &'static str, default: &str) -> String {
        let text = self.find(name).and_then(|attribute| attribute.s.as_deref());
        text.map_or_else(|| default.to_owned(), |text| String::from_utf8_lossy(text).into_owned())
    }

    pub(super) fn integers(&self, name: &'static str) -> &'a [i64] {
        self.find(name).map_or(&[], |attribute| &attribute.ints)
    }

    pub(super) fn floats(&self, name: &'static str) -> Vec<f64> {
        self.find(name).map_or_else(Vec::new, |found| found.floats.iter().map(|value| f64::from(*value)).collect())
    }

    pub(super) fn texts(&self, name: &'static str) -> Vec<Arc<str>> {
        let texts = self.find(name).map_or(&[][..], |attribute| &attribute.strings);
        texts.iter().map(|text| Arc::from(String::from_utf8_lossy(text).as_ref())).collect()
    }

    pub(super) fn tensor(&self, name: &'static str) -> Result<Option<Tensor>, GraphError> {
        let Some(attribute) = self.find(name) else { return Ok(None) };
        let Some(tensor) = &attribute.t else { return Ok(None) };
        let place = format!("node `{}`, attribute `{name}`", node_name(self.node));
        Tensor::read(tensor, &place).map(Some)
    }

    /// Numbers of `name`, or of the tensor `name_as_tensor`; none where there is neither. The second is whether they
    /// are 64-bit floats.
    pub(super) fn numbers(
        &self,
        name: &'static str,
        as_tensor: &'static str,
    ) -> Result<(Option<Vec<f64>>, bool), GraphError> {
        match self.tensor(as_tensor)? {
            Some(tensor) => Ok((Some(tensor.as_numbers()?.to_vec()), tensor.kind == Kind::Double)),
            None => Ok((self.find(name).map(|_| self.floats(name)), false)),
        }
    }
}
