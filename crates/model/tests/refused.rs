//! What must not compile.

#[test]
fn a_grant_is_made_by_the_policy_only() {
    trybuild::TestCases::new().compile_fail("tests/refused/*.rs");
}
