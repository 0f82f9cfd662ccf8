//! The gatekeeper at another operator, in a process of its own.

#![allow(clippy::unwrap_used, reason = "tests")]

use obhut_e2e::{Agency, Gatekeeper, Stack, fingerprint, random_bytes};

/// A vault whose gatekeeper is another operator's, not founded yet, and the founder's enrolment code in a file.
fn prepare(gatekeeper: &Gatekeeper) -> (Stack, String) {
    let gate = [
        "--gate",
        &gatekeeper.url,
        "--gate-fingerprint",
        &gatekeeper.fingerprint,
    ];
    let stack = Stack::start_with(&gate);
    let code = gatekeeper.enrol(&fingerprint(&stack.printed));
    let file = stack.write("gate-code", code.as_bytes());
    (stack, file.to_str().unwrap().to_owned())
}

#[test]
fn a_document_lives_with_the_gatekeeper_elsewhere() {
    let mut gatekeeper = Gatekeeper::start(&[]);
    let (stack, code) = prepare(&gatekeeper);
    let printed = stack.try_found(&["--gate-code", &code]).ok();
    assert!(printed.contains("Assurance witnessed"), "{printed}");
    let agency = Agency::in_founded(stack, 1);
    let bytes = random_bytes(1, 20_000);
    let document = agency.put("letter.pdf", &bytes);
    assert_eq!(agency.stack.content("cw1", &document), bytes);
    gatekeeper.restart();
    assert_eq!(agency.stack.content("cw1", &document), bytes);
    let _ = agency.stack.verify_logs().ok();
    assert!(
        !agency.stack.data().join("gate").exists(),
        "shares beside the vault"
    );
    let status = gatekeeper.command(&["status"], &[]).ok();
    assert!(
        status.contains("1 living") || status.contains(" living"),
        "{status}"
    );
}
