//! Agency recovery with the real programs: trustees open together what nobody could open any more.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use obhut_e2e::{Agency, Stack, text};

/// A second registrar and three trustees beside an agency's people.
struct Custody {
    agency: Agency,
    trustees: [String; 3],
}

impl Custody {
    fn open() -> Self {
        let agency = Agency::open(1);
        let stack = &agency.stack;
        second_registrar(stack);
        let trustees = ["t1", "t2", "t3"].map(|name| stack.join(name, "approver"));
        Self { agency, trustees }
    }

    fn split(&self) {
        let mut arguments = vec!["recovery", "split", "--threshold", "2", "--yes"];
        arguments.extend(self.trustees.iter().map(String::as_str));
        let made = self.agency.stack.json("registrar", &arguments);
        assert!(made["uncovered"].as_array().unwrap().is_empty(), "{made}");
    }

    /// Another policy by the first registrar, who does not hold the keys of every unit now.
    fn split_once_more(&self) {
        let mut arguments = vec!["recovery", "split", "--threshold", "3", "--yes"];
        arguments.extend(self.trustees.iter().map(String::as_str));
        let made = self.agency.stack.json("registrar", &arguments);
        assert_eq!(made["uncovered"].as_array().unwrap().len(), 1, "{made}");
    }

    /// The caseworker and the registrar who made the unit lose their devices: nobody who is left holds
    /// its key.
    fn lose_the_unit(&self) {
        let stack = &self.agency.stack;
        for profile in ["cw1", "registrar"] {
            let devices = stack.json_lines(profile, &["devices", "list"]);
            let device = text(&devices[0], "device");
            let revoke = ["devices", "revoke", &device, "--yes"];
            let _ = stack.obhut("registrar2", &revoke).ok();
        }
    }

    fn request(&self) -> String {
        let arguments = [
            "recovery",
            "request",
            &self.agency.unit,
            "--reason",
            "The last holders of the unit's key lost their devices",
        ];
        text(&self.agency.stack.json("registrar2", &arguments), "code")
    }

    fn approve(&self, trustee: &str, code: &str) {
        let approve = ["recovery", "approve", code, "--yes"];
        let _ = self.agency.stack.obhut(trustee, &approve).ok();
    }
}

fn second_registrar(stack: &Stack) {
    let person = stack.join("registrar2", "registrar");
    let _ = stack
        .obhut("registrar", &["appoint", &person, "--role", "registrar"])
        .ok();
}

#[test]
fn a_unit_whose_keys_are_lost_is_recovered_by_two_of_three_trustees() {
    let custody = Custody::open();
    let (agency, stack) = (&custody.agency, &custody.agency.stack);
    let content = b"filed before everything was lost";
    let document = agency.put("a.txt", content);
    custody.split();
    let _ = stack.obhut("t3", &["recovery", "drill"]).ok();
    let status = stack.json_lines("registrar2", &["recovery", "status"]);
    assert_eq!(status[0]["drilled"], 1, "{status:?}");
    let _ = stack
        .obhut("registrar2", &["recovery", "confirm", "--yes"])
        .ok();
    custody.lose_the_unit();

    let successor = stack.join_by("registrar2", "cw3", "caseworker");
    let add = ["unit", "add", &agency.unit, &successor];
    let _ = stack.obhut("registrar2", &add).fails_with(4);

    let code = custody.request();
    let wrong = code.replace(&code[..4], "AAAA");
    let said = stack
        .obhut("t1", &["recovery", "approve", &wrong, "--yes"])
        .fails_with(4);
    assert!(said.contains("code"), "{said}");
    custody.approve("t1", &code);
    let said = stack
        .obhut("registrar2", &["recovery", "finish"])
        .fails_with(4);
    assert!(said.contains("1 of 2"), "{said}");
    custody.approve("t2", &code);
    let finished = stack.json("registrar2", &["recovery", "finish"]);
    assert_eq!(finished["recovered"][0], agency.unit.as_str());

    let _ = stack.obhut("registrar2", &add).ok();
    assert_eq!(stack.content("cw3", &document), content);
    let later = stack.write("b.txt", b"filed after the recovery");
    let later = stack.put("cw3", &agency.case, &later);
    assert_eq!(stack.content("cw3", &later), b"filed after the recovery");

    // The old bundle opens nothing any more, and its shares are of no use.
    let status = stack.json_lines("registrar2", &["recovery", "status"]);
    assert_eq!(status[0]["policy"], 2);
    assert_eq!(status[0]["spent"], false);
    assert_eq!(status[0]["uncovered"].as_array().unwrap().len(), 0);
    assert_eq!(status[1]["state"], "finished");
    let late = ["recovery", "approve", &code, "--yes"];
    let _ = stack.obhut("t3", &late).fails_with(4);
    let _ = stack.verify_logs().ok();
}

#[test]
fn d03_no_unit_key_is_sealed_to_a_recovery_bundle_that_was_not_confirmed() {
    let custody = Custody::open();
    let stack = &custody.agency.stack;
    custody.split();
    let create = ["unit", "create", "Test Unit 9", "--yes"];
    let said = stack.obhut("registrar2", &create).fails_with(4);
    assert!(said.contains("recovery confirm"), "{said}");
    let _ = stack
        .obhut("registrar2", &["recovery", "confirm", "--yes"])
        .ok();
    let _ = stack.obhut("registrar2", &create).ok();
    // D04: another policy in its place is not taken silently.
    let unit = &custody.agency.unit;
    let _ = stack.obhut("registrar", &["unit", "renew", unit]).ok();
    custody.split_once_more();
    let said = stack.obhut("registrar2", &create).fails_with(4);
    assert!(said.contains("another one"), "{said}");
}

#[test]
fn recovery_is_off_until_there_are_two_registrars() {
    let agency = Agency::open(1);
    let stack = &agency.stack;
    let trustees = ["t1", "t2"].map(|name| stack.join(name, "approver"));
    let split = [
        "recovery",
        "split",
        "--threshold",
        "2",
        "--yes",
        &trustees[0],
        &trustees[1],
    ];
    let said = stack.obhut("registrar", &split).fails_with(4);
    assert!(said.contains("two registrars"), "{said}");
    let _ = stack.obhut("registrar", &["recovery", "status"]).ok();
}

trait JoinBy {
    fn join_by(&self, registrar: &str, profile: &str, role: &str) -> String;
}

impl JoinBy for Stack {
    /// As `join`, invited by another registrar than the first.
    fn join_by(&self, registrar: &str, profile: &str, role: &str) -> String {
        let file = self.folder().join(format!("invitation-{profile}"));
        let file = file.to_str().unwrap();
        let arguments = ["invite", "Test Successor", "--role", role, "--output", file];
        let person = text(&self.json(registrar, &arguments), "person");
        let _ = self.obhut(profile, &["join", file]).ok();
        person
    }
}
