//! Gatekeeper and witness at other operators, in processes of their own.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::time::{Duration, Instant};

use obhut_e2e::{Agency, Gatekeeper, Run, Stack, Witness, fingerprint, random_bytes};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// Vault, gatekeeper and witness, each in a process of its own, founded by somebody who was told all their keys.
struct Separated {
    agency: Agency,
    gatekeeper: Gatekeeper,
    witness: Witness,
    /// What `obhut found` printed.
    founded: String,
}

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

impl Separated {
    fn open(caseworkers: usize) -> Self {
        let gatekeeper = Gatekeeper::start(&[]);
        let witness = Witness::start("witness.example/w1");
        let (mut stack, code) = prepare(&gatekeeper);
        witness.trust(&stack.server_command("log-keys").ok());
        let (url, key) = (&witness.url, &witness.key);
        stack.configure(&format!(
            "\n[[witnesses]]\nurl = \"{url}\"\nkey = \"{key}\"\n"
        ));
        let more = ["--gate-code", &code, "--witness", &witness.key];
        let founded = stack.try_found(&more).ok();
        Self {
            agency: Agency::in_founded(stack, caseworkers),
            gatekeeper,
            witness,
            founded,
        }
    }

    fn stack(&self) -> &Stack {
        &self.agency.stack
    }

    /// Repeats until it works again, as a person would.
    fn eventually(mut attempt: impl FnMut() -> Run) -> Run {
        let begun = Instant::now();
        loop {
            let run = attempt();
            if run.code == 0 {
                return run;
            }
            assert!(
                // An idle log is cosigned again every minute.
                begun.elapsed() < Duration::from_mins(2),
                "{}{}",
                run.stdout,
                run.stderr
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn ready(&self) -> String {
        use std::io::{Read as _, Write as _};
        let address = self.stack().url.trim_start_matches("http://");
        let address = address.trim_end_matches('/');
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let request =
            format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        body.to_owned()
    }
}

#[test]
fn three_operators_make_a_separated_vault_and_every_badge_says_so() {
    let separated = Separated::open(1);
    let stack = separated.stack();
    let founded = &separated.founded;
    assert!(founded.contains("Assurance separated"), "{founded}");
    let bytes = random_bytes(1, 20_000);
    let document = separated.agency.put("letter.pdf", &bytes);
    assert_eq!(stack.content("cw1", &document), bytes);
    separated.agency.verify_case();
    let status = stack.obhut("cw1", &["status"]).ok();
    assert!(status.contains("Assurance  separated"), "{status}");
    let doctor = stack.obhut("cw1", &["doctor"]).ok();
    assert!(
        doctor.contains("separated: gatekeeper and a witness"),
        "{doctor}"
    );
    let verified = stack.verify_logs().ok();
    assert!(verified.starts_with("Assurance separated"), "{verified}");
    // The shares lie with the gatekeeper and nowhere at the vault; the witness has nothing but heads.
    assert!(!stack.data().join("gate").exists());
    let status = separated.gatekeeper.command(&["status"], &[]).ok();
    assert!(status.contains("living"), "{status}");
    let status = separated.witness.command("status", &[]).ok();
    assert!(status.contains("/records up to"), "{status}");
    assert!(status.contains("/access/std/"), "{status}");
}

#[test]
fn without_the_gatekeeper_releases_stop_and_come_back_with_it() {
    let mut separated = Separated::open(1);
    let bytes = random_bytes(2, 9_000);
    let document = separated.agency.put("letter.pdf", &bytes);
    separated.gatekeeper.kill();
    let target = separated.stack().folder().join("refused");
    let refused = separated.stack().get("cw1", &document, &target);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("gatekeeper"), "{}", refused.stderr);
    assert!(!target.exists());
    let ready = separated.ready();
    assert!(
        ready.contains("the gatekeeper cannot be reached"),
        "{ready}"
    );
    separated.gatekeeper.restart();
    let opened = separated.stack().folder().join("opened");
    let run = Separated::eventually(|| {
        let _ = std::fs::remove_file(&opened);
        separated.stack().get("cw1", &document, &opened)
    });
    assert_eq!(run.code, 0);
    assert_eq!(std::fs::read(opened).unwrap(), bytes);
    assert!(separated.ready().ends_with("ready\n"));
    let _ = separated.stack().verify_logs().ok();
}

#[test]
fn without_the_witness_nothing_is_confirmed_and_nothing_is_lost() {
    let mut separated = Separated::open(1);
    let bytes = random_bytes(3, 9_000);
    let document = separated.agency.put("letter.pdf", &bytes);
    separated.witness.kill();
    let target = separated.stack().folder().join("refused");
    let refused = separated.stack().get("cw1", &document, &target);
    assert_ne!(refused.code, 0, "{}", refused.stdout);
    assert!(!target.exists());
    separated.witness.restart();
    let opened = separated.stack().folder().join("opened");
    let _ = Separated::eventually(|| {
        let _ = std::fs::remove_file(&opened);
        separated.stack().get("cw1", &document, &opened)
    });
    assert_eq!(std::fs::read(opened).unwrap(), bytes);
    let _ = separated.stack().verify_logs().ok();
}

#[test]
fn f30_founding_stops_where_the_gatekeeper_is_not_the_one_of_the_code() {
    let gatekeeper = Gatekeeper::start(&[]);
    let fake = Gatekeeper::start(&[]);
    // The server was told the fake one; the founder has a code of the true one.
    let (stack, _) = prepare(&fake);
    let code = gatekeeper.enrol(&fingerprint(&stack.printed));
    let code = stack.write("true-code", code.as_bytes());
    let refused = stack.try_found(&["--gate-code", code.to_str().unwrap()]);
    let said = refused.fails_with(6);
    assert!(said.contains("another gatekeeper"), "{said}");
    // Without any code the founder is told to get one.
    let said = stack.try_found(&[]).stderr;
    assert!(said.contains("--gate-code"), "{said}");
    let none = fake.command(&["status"], &[]).ok();
    assert!(none.contains("No vault is enrolled"), "{none}");
}

#[test]
fn f11_a_gatekeeper_comes_back_from_an_old_backup_and_its_second_store() {
    let mut separated = Separated::open(1);
    let (first, second) = (random_bytes(4, 9_000), random_bytes(5, 9_000));
    let before = separated.agency.put("before.pdf", &first);
    let folder = separated.gatekeeper.folder().join("backup");
    let folder = folder.to_str().unwrap().to_owned();
    let gatekeeper = &separated.gatekeeper;
    let _ = gatekeeper.command(&["backup"], &["--to", &folder]).ok();
    let proved = gatekeeper.command(&["verify"], &["--backup", &folder]).ok();
    assert!(proved.contains("The backup restores"), "{proved}");
    let after = separated.agency.put("after.pdf", &second);
    separated.gatekeeper.kill();
    std::fs::remove_dir_all(separated.gatekeeper.data().join("db")).unwrap();
    let restore = ["--backup", folder.as_str()];
    let _ = separated.gatekeeper.command(&["restore"], &restore).ok();
    let status = separated.gatekeeper.command(&["status"], &[]).ok();
    assert!(status.contains("not compared yet"), "{status}");
    separated.gatekeeper.restart();
    for (document, bytes) in [(before, first), (after, second)] {
        let opened = separated.stack().folder().join("opened");
        let _ = Separated::eventually(|| {
            let _ = std::fs::remove_file(&opened);
            separated.stack().get("cw1", &document, &opened)
        });
        assert_eq!(std::fs::read(opened).unwrap(), bytes);
    }
    let status = separated.gatekeeper.command(&["status"], &[]).ok();
    assert!(status.contains("compared with a witness"), "{status}");
    let again = separated.gatekeeper.command(&["restore"], &restore);
    assert_ne!(again.code, 0, "a serving gatekeeper is in use");
    separated.agency.verify_case();
    let _ = separated.stack().verify_logs().ok();
}

/// Kills of gatekeeper, witness and server in the middle of work: nothing that was acknowledged is lost, nothing forks.
#[test]
fn nothing_acknowledged_is_lost_in_kills_of_all_three() {
    let kills = std::env::var("OBHUT_KILLS").ok();
    let kills: u32 = kills.and_then(|text| text.parse().ok()).unwrap_or(60);
    let seed = std::env::var("OBHUT_SEED").ok();
    let seed: u64 = seed
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_261_123);
    println!("seed {seed}, {kills} kills");
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut separated = Separated::open(1);
    let mut filed: Vec<(String, Vec<u8>)> = Vec::new();
    for kill in 0..kills {
        let bytes = random_bytes(seed + u64::from(kill), 3_000);
        let name = format!("document-{kill}");
        let path = separated.stack().write(&name, &bytes);
        let case = separated.agency.case.clone();
        let arguments = ["put", &case, path.to_str().unwrap(), "--json"];
        let mut put = separated.stack().command("cw1", &arguments);
        put.stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null());
        let put = put.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(rng.next_u64() % 700));
        match rng.next_u64() % 3 {
            0 => separated.gatekeeper.restart(),
            1 => separated.witness.restart(),
            _ => separated.agency.stack.kill_and_restart(),
        }
        let done = put.wait_with_output().unwrap();
        if done.status.success() {
            let line: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
            filed.push((line["document"].as_str().unwrap().to_owned(), bytes));
        }
    }
    println!("{} of {kills} were acknowledged", filed.len());
    let opened = separated.stack().folder().join("opened");
    for (document, bytes) in &filed {
        let _ = Separated::eventually(|| {
            let _ = std::fs::remove_file(&opened);
            separated.stack().get("cw1", document, &opened)
        });
        assert_eq!(&std::fs::read(&opened).unwrap(), bytes, "seed {seed}");
    }
    separated.agency.verify_case();
    let _ = separated.stack().verify_logs().ok();
    let reading = separated
        .stack()
        .reading("cw1", &["case", "show", &separated.agency.case]);
    let _ = reading.ok();
    assert!(!filed.is_empty(), "seed {seed}");
}

#[test]
fn f12_a_restored_vault_signs_nothing_before_gatekeeper_and_witness_have_answered() {
    let mut separated = Separated::open(1);
    let bytes = random_bytes(1, 5_000);
    let document = separated.agency.put("letter.pdf", &bytes);
    let _ = separated.stack().quiet_access_entries();
    let backup = separated.stack().folder().join("backup");
    let backup = backup.to_str().unwrap();
    let _ = separated.stack().server(&["backup", "--to", backup]).ok();
    assert_eq!(separated.agency.stack.stop().code, 0);
    std::fs::remove_dir_all(separated.stack().data().join("db")).unwrap();
    let said = separated
        .stack()
        .server(&["restore", "--backup", backup])
        .ok();
    assert!(said.contains("signs nothing before"), "{said}");
    separated.gatekeeper.kill();
    separated.witness.kill();
    separated.agency.stack.serve_again();
    assert!(separated.ready().contains("restored-uncompared"));
    separated.gatekeeper.restart();
    std::thread::sleep(Duration::from_secs(5));
    assert!(separated.ready().contains("restored-uncompared"));
    separated.witness.restart();
    let stack = separated.stack();
    let target = stack.folder().join("opened");
    let _ = Separated::eventually(|| {
        let _ = std::fs::remove_file(&target);
        stack.get("cw1", &document, &target)
    });
    assert_eq!(std::fs::read(&target).unwrap(), bytes);
    assert!(separated.ready().starts_with("ready"));
    let _ = stack.verify_logs().ok();
}
