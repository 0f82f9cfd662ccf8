//! What must not compile: reading without a committed entry.

#[test]
fn nothing_is_read_without_a_logged_act() {
    trybuild::TestCases::new().compile_fail("tests/refused/*.rs");
}
