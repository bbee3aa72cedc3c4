//! What is said to people: that the server has started, has stopped, or cannot start.

use super::Succession;
use config::{Blueprint, plan::Address};
use control::Counter;
use std::ffi::OsString;

/// What is said to people, by whoever knows how.
pub trait Voice {
    /// The server has started.
    fn started(&self, blueprint: &Blueprint, started: &Started<'_>);

    /// The server has stopped; so much was counted.
    fn stopped(&self, blueprint: &Blueprint, totals: &[(Counter, u64)]);

    /// The words by which a program is to go on where this one is.
    fn words(&self, succession: Succession) -> Vec<OsString>;
}

/// A server that has started.
#[derive(Clone, Copy, Debug)]
pub struct Started<'s> {
    /// Where it listens, each with its place among the addresses of the blueprint.
    pub addresses: &'s [(usize, Address)],
    /// Where it is looked at, if anywhere.
    pub admin: Option<&'s Address>,
    /// What its workers have given up.
    pub layers: &'s [String],
}

/// Why a server has not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What to say.
    pub text: String,
}
