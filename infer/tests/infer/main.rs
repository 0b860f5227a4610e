//! Tests of the scorer through its library and its binary, on a small bundle that they write themselves.

mod command;
mod engines;
mod fixture;
mod lean;
mod refusals;
mod scoring;
