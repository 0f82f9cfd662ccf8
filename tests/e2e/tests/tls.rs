//! TLS in the server, and what clients and other servers make of its certificate.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use obhut_e2e::{Agency, Authority, HERE, Stack, random_bytes, text};
use reqwest::Certificate;

/// A client that believes this authority only.
fn client(authority: &Authority) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([authority]);
    client.timeout(Duration::from_secs(20)).build().unwrap()
}

fn port(stack: &Stack) -> u16 {
    let (_, port) = stack.url.rsplit_once(':').unwrap();
    port.parse().unwrap()
}

fn connect(stack: &Stack) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port(stack))).unwrap();
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).unwrap();
    stream
}

#[test]
fn a_document_is_filed_and_read_over_tls() {
    let authority = Authority::new("Test Authority 1");
    let agency = Agency::in_stack(Stack::start_with_tls(&authority), 2);
    assert!(
        agency.stack.url.starts_with("https://"),
        "{}",
        agency.stack.url
    );
    let content = random_bytes(1, 3_000_000);
    let document = agency.put("Größe.pdf", &content);
    let stack = &agency.stack;
    assert_eq!(stack.content("cw2", &document), content);
    agency.verify_case();
    let _ = stack.verify_logs().ok();
    let connection = stack.json("cw1", &["connection"]);
    assert_eq!(text(&connection, "authorities"), "own");
    assert_eq!(text(&connection, "url"), stack.url);
    let checks = stack.obhut("cw1", &["doctor"]).ok();
    assert!(
        checks.contains("ok") && !checks.contains("not looked at"),
        "{checks}"
    );
}

#[test]
fn refuses_a_certificate_that_is_expired_or_of_another_authority_or_name() {
    let authority = Authority::new("Test Authority 1");
    let other = Authority::new("Test Authority 2");
    let stack = Stack::start_with_tls(&authority);
    let wrong = stack.write("other-ca.pem", other.pem().as_bytes());
    let code = stack.code_file();
    let root = stack.folder().join("root-of-a-wrong-founding.txt");
    let root = root.to_str().unwrap();
    let found = [
        "found",
        &stack.url,
        &code,
        "--root-file",
        root,
        "--agency",
        "A",
        "--registrar",
        "R",
    ];
    for (more, why) in [
        (vec!["--ca", wrong.to_str().unwrap()], "not trusted here"),
        // What this machine trusts: hundreds of authorities, or none.
        (vec![], "not trusted here|trusts no certificate authority"),
        (vec!["--ca", &code], ""),
    ] {
        let refused = stack.obhut("registrar", &[&found[..], &more].concat());
        let stderr = refused.fails_with(if why.is_empty() { 2 } else { 7 });
        let next = stderr.contains("--ca FILE") || stderr.contains("holds no certificate");
        assert!(
            why.split('|').any(|why| stderr.contains(why)) && next,
            "{stderr}"
        );
    }
    stack.found();
    let list = || stack.obhut("registrar", &["unit", "list"]);
    for (certified, why, next) in [
        (
            other.certify(HERE),
            "not trusted here",
            "obhut connection --ca FILE",
        ),
        (
            authority.certify_for(HERE, 2020, 2021),
            "has expired",
            "renew",
        ),
        (
            authority.certify_for(HERE, 2089, 2090),
            "not valid yet",
            "clock",
        ),
        (
            authority.certify(&["vault.example", "10.1.2.3"]),
            "another name: vault.example, 10.1.2.3",
            "obhut connection --url",
        ),
    ] {
        stack.replace_certificate(&certified);
        let begun = Instant::now();
        let stderr = list().fails_with(7);
        assert!(stderr.contains(why) && stderr.contains(next), "{stderr}");
        // It does not get better by asking again.
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?}",
            begun.elapsed()
        );
        let status = stack.obhut("registrar", &["status"]).ok();
        assert!(status.contains(why), "{status}");
        let _ = stack
            .obhut("registrar", &["unit", "list", "--insecure"])
            .ok();
        let checks = stack.obhut("registrar", &["doctor", "--insecure"]).ok();
        assert!(checks.contains("certificate was not looked at"), "{checks}");
    }
    stack.replace_certificate(&authority.certify(HERE));
    let _ = list().ok();
}

#[test]
fn leaves_certificates_unchecked_on_this_machine_only() {
    let authority = Authority::new("Test Authority 1");
    let stack = Stack::start_with_tls(&authority);
    let code = stack.code_file();
    for url in ["https://vault.example:1", "http://192.0.2.1:1"] {
        let found = [
            "found",
            url,
            &code,
            "--agency",
            "A",
            "--registrar",
            "R",
            "--insecure",
        ];
        let stderr = stack.obhut("registrar", &found).fails_with(2);
        assert!(
            stderr.contains("for a server on this machine only"),
            "{stderr}"
        );
    }
    stack.found();
    stack.redirect("registrar", "https://vault.example:1");
    let stderr = stack.obhut("registrar", &["unit", "list", "--insecure"]);
    assert!(
        stderr
            .fails_with(2)
            .contains("for a server on this machine only")
    );
    stack.redirect("registrar", "http://vault.example:1");
    let stderr = stack.obhut("registrar", &["unit", "list"]).fails_with(2);
    assert!(
        stderr.contains("plain http is allowed to this machine only"),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_hangup_takes_a_new_certificate_over_and_keeps_connections() {
    let (first, second) = (
        Authority::new("Test Authority 1"),
        Authority::new("Test Authority 2"),
    );
    let stack = Stack::start_with_tls(&first);
    let url = format!("{}/readyz", stack.url);
    let ask = async |client: &reqwest::Client| {
        let answer = client.get(&url).send().await.ok()?;
        let status = answer.status().as_u16();
        let _ = answer.bytes().await.unwrap();
        Some(status)
    };
    let (kept, of_second) = (client(&first), client(&second));
    assert_eq!(ask(&kept).await, Some(200));
    assert_eq!(ask(&of_second).await, None);

    let mut half = second.certify(HERE);
    let key = std::mem::replace(&mut half.key, first.certify(HERE).key);
    half.write(&stack.tls_folder());
    stack.hang_up("the certificate cannot be used; the one before stays");
    half.certificate.truncate(100);
    half.write(&stack.tls_folder());
    stack.hang_up("the certificate cannot be used; the one before stays");
    assert_eq!(ask(&client(&first)).await, Some(200));

    stack.replace_certificate(&second.certify(HERE));
    assert_ne!(key, "");
    assert_eq!(ask(&of_second).await, Some(200));
    assert_eq!(ask(&client(&first)).await, None);
    // The connection from before, which shook hands with the first certificate.
    assert_eq!(ask(&kept).await, Some(200));
}

#[test]
fn plain_http_and_tls_are_told_apart_and_a_profile_moves_to_tls() {
    let authority = Authority::new("Test Authority 1");
    let mut agency = Agency::open(1);
    let plain = agency.stack.url.clone();
    let with_tls = plain.replace("http://", "https://");
    let move_to = |stack: &Stack, profile: &str, more: &[&str]| {
        stack.obhut(profile, &[&["connection"], more].concat())
    };
    let ca = agency.stack.write("ca.pem", authority.pem().as_bytes());
    let ca = ca.to_str().unwrap().to_owned();
    let moved = ["--url", &with_tls, "--ca", &ca];
    let stderr = move_to(&agency.stack, "cw1", &moved).fails_with(7);
    assert!(
        stderr.contains("does not speak TLS") && stderr.contains("begins with http://"),
        "{stderr}"
    );

    let tls = agency.stack.folder().join("tls");
    let [_, certificate, _, key] = authority.certify(HERE).write(&tls);
    let section = format!("\n[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n");
    agency.stack.configure(&section);
    assert_eq!(agency.stack.url, with_tls);
    let stack = &agency.stack;
    let stderr = stack.obhut("cw1", &["case", "list"]).fails_with(1);
    assert!(
        stderr.contains("speaks TLS") && stderr.contains("begins with https://"),
        "{stderr}"
    );
    let mut stream = connect(stack);
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(
        answer.contains("urn:obhut:problem:tls-required"),
        "{answer}"
    );

    let stderr = move_to(stack, "cw1", &["--url", &with_tls]).fails_with(7);
    assert!(stderr.contains("--ca FILE"), "{stderr}");
    let shown = stack.json("cw1", &["connection"]);
    assert_eq!(
        (text(&shown, "url"), text(&shown, "authorities")),
        (plain, "none".into())
    );
    let _ = move_to(stack, "cw1", &moved).ok();
    let _ = stack.obhut("cw1", &["case", "list"]).ok();

    let stranger = Stack::start_with_tls(&authority);
    stranger.found();
    let stderr = move_to(stack, "cw1", &["--url", &stranger.url]).fails_with(4);
    assert!(stderr.contains("no such thing"), "{stderr}");
    let _ = stack.obhut("cw1", &["case", "list"]).ok();
}

#[test]
fn listens_beyond_this_machine_with_tls_only() {
    let mut stack = Stack::start_with_tls(&Authority::new("Test Authority 1"));
    stack.kill();
    stack.serve("0.0.0.0:0");
    assert!(stack.url.starts_with("https://0.0.0.0:"), "{}", stack.url);
    stack.kill();
    let path = stack.data().join("obhut.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let without = config
        .replace("\n[tls]", "\n# [tls]")
        .replace("\ncertificate = ", "\n# ");
    let without = without.replace("\nkey = ", "\n# ");
    let open = without.replace("listen = \"127.0.0.1:", "listen = \"0.0.0.0:");
    for (config, command) in [
        (open, &["config", "check"][..]),
        (without, &["serve", "--listen", "0.0.0.0:0"]),
    ] {
        std::fs::write(&path, config).unwrap();
        let stderr = stack.server(command).fails_with(1);
        let explained = stderr.contains("is not a loopback address") && stderr.contains("[tls]");
        assert!(explained, "{stderr}");
    }
}

#[test]
fn callers_that_never_shake_hands_are_cut_off_and_keep_nobody_out() {
    let mut stack = Stack::start_with_tls(&Authority::new("Test Authority 1"));
    let path = stack.data().join("obhut.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let config = config.replace("# handshakes = 256", "handshakes = 4");
    let config = config.replace("# handshake_seconds = 10", "handshake_seconds = 1");
    std::fs::write(path, config).unwrap();
    stack.kill_and_restart();
    stack.found();
    let mut silent: Vec<_> = (0..6).map(|_| connect(&stack)).collect();
    for (number, stream) in silent.iter_mut().enumerate() {
        // The beginning of a handshake that never goes on.
        stream.write_all(&[0x16, 3, 1, 2, 0][..number % 6]).unwrap();
    }
    let _ = stack.obhut("registrar", &["unit", "list"]).ok();
    for stream in &mut silent {
        assert_eq!(stream.read(&mut [0; 64]).unwrap_or(0), 0);
    }
}

#[test]
fn servers_hand_on_over_tls_to_one_they_recognise_only() {
    let authority = Authority::new("Test Authority 1");
    let Some(stack) = Stack::start_fleet_with_tls(2, &authority) else {
        return;
    };
    let mut agency = Agency::in_stack(stack, 1);
    let leader = agency.stack.wait_for_leader(None);
    let follower = 1 - leader;
    let url = agency.stack.fleet().url_of(follower);
    for profile in ["registrar", "cw1"] {
        agency.stack.redirect(profile, &url);
    }
    let content = random_bytes(3, 90_000);
    let document = agency.put("a.pdf", &content);
    assert_eq!(agency.stack.content("cw1", &document), content);

    // Written nowhere: the leader refuses it, or the follower says that it knows no leader.
    let ask = || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let post = client(&authority).post(format!("{url}/v1/vaults/x/units"));
        runtime.block_on(async { post.json(&()).send().await.unwrap().text().await.unwrap() })
    };
    let handed_on = ask();
    assert!(!handed_on.contains("no-leader"), "{handed_on}");
    let other = Authority::new("Test Authority 2").pem();
    let ca = agency.stack.ca.clone().unwrap();
    std::fs::write(ca, other).unwrap();
    agency.stack.fleet().kill(follower);
    agency.stack.fleet().start(follower);
    let refused = ask();
    assert!(refused.contains("no-leader"), "{refused}");
}
