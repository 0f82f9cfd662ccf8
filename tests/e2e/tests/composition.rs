//! `deploy/compose`: its files are in order, and servers run with its configuration.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use obhut_e2e::{
    Agency, Databases, Gatekeeper, Stack, files_below, fingerprint, random_bytes, run,
};
use yaml_rust2::{Yaml, YamlLoader};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/compose")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// The composition, with what a service takes over by `<<` put in.
fn composition() -> Yaml {
    let mut documents = YamlLoader::load_from_str(&read("compose.yaml")).unwrap();
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

/// A setting of a service, its own or one it takes over.
fn find<'a>(service: &'a Yaml, setting: &str) -> &'a Yaml {
    let (own, taken) = (&service[setting], &service["<<"]);
    if own.is_badvalue() && !taken.is_badvalue() {
        find(taken, setting)
    } else {
        own
    }
}

fn texts(list: &Yaml) -> Vec<String> {
    let entries = list.as_vec().into_iter().flatten();
    entries
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

fn keys(map: &Yaml) -> BTreeSet<String> {
    let keys = map.as_hash().unwrap().keys();
    keys.map(|key| key.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_composition_names_only_what_there_is_and_holds_no_secret() {
    let all = composition();
    let services = all["services"].as_hash().unwrap();
    assert_eq!(
        keys(&all["services"]),
        [
            "entrance",
            "gate",
            "postgres",
            "s3",
            "s3-bucket",
            "server-1",
            "server-2"
        ]
        .map(str::to_owned)
        .into()
    );
    let (mut secrets, mut volumes, mut networks) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for service in services.values() {
        assert!(find(service, "image").as_str().is_some());
        secrets.extend(texts(find(service, "secrets")));
        networks.extend(texts(find(service, "networks")));
        for volume in texts(find(service, "volumes")) {
            let source = volume.split(':').next().unwrap();
            match source.strip_prefix("./") {
                Some(file) => assert!(folder().join(file).is_file(), "{file}"),
                None => assert!(volumes.insert(source.to_owned()) || source == "server-keys"),
            }
        }
        if let Some(variables) = service["environment"].as_hash() {
            for name in variables.keys().map(|name| name.as_str().unwrap()) {
                let spoken =
                    name.contains("PASSWORD") || name.contains("SECRET") || name.contains("KEY");
                assert!(!spoken || name.ends_with("_FILE"), "{name}");
            }
        }
    }
    assert_eq!(secrets, keys(&all["secrets"]));
    assert_eq!(volumes, keys(&all["volumes"]));
    assert_eq!(networks, keys(&all["networks"]));
    for name in &secrets {
        let file = all["secrets"][name.as_str()]["file"].as_str().unwrap();
        assert_eq!(file, format!("./secrets/{name}"));
    }
    // What the servers read is what the composition gives them.
    let server = &all["services"]["server-1"];
    let given: BTreeSet<_> = texts(find(server, "secrets")).into_iter().collect();
    let config = read("config/server-1.toml");
    let read_by_them = config.split("\"/run/secrets/").skip(1);
    let read_by_them = read_by_them.map(|rest| rest.split('"').next().unwrap().to_owned());
    assert_eq!(given, read_by_them.collect());
    let others = config.replace("server-1", "server-2");
    assert_eq!(others, read("config/server-2.toml"));
}

/// The folder of secrets that `make-secrets` makes; `None` without openssl.
fn make_secrets(place: &Path) -> Option<PathBuf> {
    Command::new("openssl").arg("version").output().ok()?;
    fs::create_dir_all(place).unwrap();
    let script = place.join("make-secrets");
    fs::copy(folder().join("make-secrets"), &script).unwrap();
    let _ = run(Command::new("sh")
        .arg(&script)
        .arg("vault.example")
        .arg("10.1.2.3"))
    .ok();
    let again = run(Command::new("sh").arg(&script)).fails_with(1);
    assert!(again.contains("is there already"), "{again}");
    Some(place.join("secrets"))
}

#[test]
fn servers_run_with_the_configuration_of_the_composition() {
    let Ok(store) = std::env::var("OBHUT_TEST_S3") else {
        eprintln!("skipped: OBHUT_TEST_S3 is not set");
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let (Some(databases), Some(secrets)) = (Databases::make(), make_secrets(place.path())) else {
        return;
    };
    let made: BTreeSet<_> = files_below(&secrets)
        .iter()
        .filter(|path| path.parent().unwrap() == secrets)
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(made, keys(&composition()["secrets"]));

    let gatekeeper = Gatekeeper::start(&[]);
    let stack = Stack::composed(databases, &gatekeeper, |text, databases| {
        configure(text, &secrets, &store, databases, &gatekeeper)
    });
    let checked = stack.server(&["config", "check"]).ok();
    assert!(checked.contains("key and certificate fit"), "{checked}");
    assert!(!checked.contains("warning: the certificate"), "{checked}");
    let code = gatekeeper.enrol(&fingerprint(&stack.printed));
    let code = stack.write("gate-code", code.as_bytes());
    let mut stack = stack.with_servers(2, secrets.join("servers-ca").to_str().unwrap());
    let _ = stack
        .try_found(&["--gate-code", code.to_str().unwrap()])
        .ok();
    let agency = Agency::in_founded(stack, 1);
    let content = random_bytes(5, 300_000);
    let document = agency.put("a.pdf", &content);
    assert_eq!(agency.stack.content("cw1", &document), content);
    agency.verify_case();
    stack = agency.stack;
    assert!(
        !stack.data().join("objects").exists(),
        "capsules are in the store"
    );
}

/// The configuration of `server-1` with the addresses and files of this test.
fn configure(
    text: &str,
    secrets: &Path,
    store: &str,
    databases: &Databases,
    gatekeeper: &Gatekeeper,
) -> String {
    let [host, bucket, access, secret] = xtask::seaweed::parts(store).unwrap();
    for (name, value) in [
        ("s3-access", access),
        ("s3-secret", secret),
        ("database-url", databases.vault()),
    ] {
        let path = secrets.join(name);
        fs::remove_file(&path).unwrap();
        fs::write(path, value).unwrap();
    }
    let prefix = fingerprint(&gatekeeper.fingerprint).to_lowercase();
    let mut text = text.to_owned();
    for (theirs, ours) in [
        ("/run/secrets/", format!("{}/", secrets.display())),
        ("http://s3:8333", format!("http://{host}")),
        (
            "bucket = \"vault\"",
            format!("bucket = \"{bucket}\"\nprefix = \"{prefix}/\""),
        ),
        ("https://gate:8760", gatekeeper.url.clone()),
        (
            "FINGERPRINT-OF-THE-GATEKEEPER",
            gatekeeper.fingerprint.clone(),
        ),
        ("https://server-1:8750", "https://127.0.0.1:8750".to_owned()),
    ] {
        assert!(text.contains(theirs), "{theirs}");
        text = text.replace(theirs, &ours);
    }
    text
}
