//! Bench package.
