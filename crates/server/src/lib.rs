//! Placeholder: filled by the crate's first commit.
