//! A `Grant` does not come from nothing.
use obhut_model::Grant;
use obhut_model::action::Mutate;

fn main() {
    let _ = Grant::<Mutate>::default();
}
