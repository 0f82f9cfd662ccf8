//! A grant to write is no grant to read.
use obhut_model::Grant;
use obhut_model::action::{Mutate, Release};

fn release(_: Grant<Release>) {}

fn confuse(grant: Grant<Mutate>) {
    release(grant);
}

fn main() {
    let _ = confuse;
}
