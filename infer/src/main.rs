//! The lean scorer binary.

fn main() {}
