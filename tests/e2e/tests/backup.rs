//! Backups of the server: cut beside a running server, proved offline, restored on either engine.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use obhut_e2e::{
    Agency, CLASS, Databases, REASON, Stack, copy_folder, files_below, random_bytes, run_within,
    text,
};
use serde_json::Value;

/// A backup with its keys apart, below the test's folder.
struct Kept {
    backup: PathBuf,
    keys: PathBuf,
}

fn keep(stack: &Stack, name: &str, more: &[&str]) -> Kept {
    let backup = stack.folder().join(name);
    let keys = stack.folder().join(format!("{name}-keys"));
    let to = ["backup", "--to", backup.to_str().unwrap()];
    let _ = stack.server(&[&to[..], more].concat()).ok();
    let _ = stack
        .server(&["backup-keys", "--to", keys.to_str().unwrap()])
        .ok();
    Kept { backup, keys }
}

impl Kept {
    fn verify(&self, stack: &Stack, more: &[&str]) -> obhut_e2e::Run {
        let backup = self.backup.to_str().unwrap();
        stack.bare_server(&[&["verify", "--backup", backup][..], more].concat())
    }

    fn restore(&self, stack: &Stack, data: &Path, more: &[&str]) -> obhut_e2e::Run {
        let arguments = [
            "restore",
            "--data",
            data.to_str().unwrap(),
            "--backup",
            self.backup.to_str().unwrap(),
            "--keys",
            self.keys.to_str().unwrap(),
        ];
        stack.bare_server(&[&arguments[..], more].concat())
    }
}

/// A configuration like the vault's own with another database.
fn config_on(stack: &Stack, url: &str) -> PathBuf {
    let text = std::fs::read_to_string(stack.data().join("obhut.toml")).unwrap();
    let url = format!("[database]\nurl = \"{url}\"\n");
    assert!(text.contains("[database]\n"), "{text}");
    let path = stack.folder().join("other.toml");
    std::fs::write(&path, text.replacen("[database]\n", &url, 1)).unwrap();
    path
}

/// The gatekeeper of the vault's own process moves with it.
fn bring_gatekeeper(from: &Path, to: &Path) {
    copy_folder(&from.join("gate"), &to.join("gate"));
}

#[test]
fn a_backup_made_beside_a_running_server_restores_with_its_documents() {
    let mut agency = Agency::open(1);
    let (small, large) = (random_bytes(1, 3_000), random_bytes(2, 700_000));
    let documents = [agency.put("a.bin", &small), agency.put("b.bin", &large)];
    let kept = keep(&agency.stack, "backup", &["--objects"]);
    let said = kept.verify(&agency.stack, &["--read-objects"]).ok();
    assert!(said.contains("every byte read"), "{said}");
    let old = agency.stack.data();
    let said = kept.verify(&agency.stack, &["--data", old.to_str().unwrap(), "--json"]);
    let said: Value = serde_json::from_str(&said.ok()).unwrap();
    assert_eq!(said["objects_checked"], 2, "{said}");
    assert!(agency.stack.stop().code == 0);
    // No key is in it.
    let key = std::fs::read_to_string(files_below(&kept.keys).pop().unwrap()).unwrap();
    for file in files_below(&kept.backup) {
        let bytes = std::fs::read(file).unwrap();
        assert!(!bytes.windows(40).any(|part| part == &key.as_bytes()[..40]));
    }
    let data = agency.stack.folder().join("restored");
    bring_gatekeeper(&old, &data);
    let said = kept.restore(&agency.stack, &data, &[]).ok();
    assert!(
        said.contains("2 registered capsules are in the object store, 2 of them"),
        "{said}"
    );
    assert!(said.contains("gatekeeper was not lost"), "{said}");
    agency.stack.use_data(&data);
    agency.stack.serve_again();
    assert_eq!(agency.stack.content("cw1", &documents[0]), small);
    assert_eq!(agency.stack.content("cw1", &documents[1]), large);
    agency.verify_case();
    let _ = agency.stack.verify_logs().ok();
    // It is in use now, and so is what was restored.
    let refused = kept.restore(&agency.stack, &data, &[]).fails_with(1);
    assert!(refused.contains("another obhut-server"), "{refused}");
    assert_eq!(agency.stack.stop().code, 0);
    let refused = kept.restore(&agency.stack, &data, &[]).fails_with(1);
    assert!(refused.contains("holds vaults already"), "{refused}");
}

#[test]
fn a_backup_restores_on_the_other_engine_and_back() {
    let Some(databases) = Databases::make() else {
        return;
    };
    let mut agency = Agency::open(1);
    let content = random_bytes(3, 400_000);
    let document = agency.put("a.bin", &content);
    let first = keep(&agency.stack, "backup", &["--objects"]);
    let config = config_on(&agency.stack, databases.vault());
    let config = config.to_str().unwrap();
    let (old, data) = (agency.stack.data(), agency.stack.folder().join("restored"));
    assert_eq!(agency.stack.stop().code, 0);
    bring_gatekeeper(&old, &data);
    let _ = first
        .restore(&agency.stack, &data, &["--config", config])
        .ok();
    agency.stack.use_data(&data);
    agency.stack.serve_again();
    assert_eq!(agency.stack.content("cw1", &document), content);
    let _ = agency.stack.quiet_access_entries();
    // Cut from PostgreSQL, restored as SQLite.
    let second = keep(&agency.stack, "backup-2", &["--objects"]);
    let _ = second.verify(&agency.stack, &[]).ok();
    assert_eq!(agency.stack.stop().code, 0);
    let back = agency.stack.folder().join("back");
    let config = old.join("obhut.toml");
    let _ = second
        .restore(
            &agency.stack,
            &back,
            &["--config", config.to_str().unwrap()],
        )
        .ok();
    bring_gatekeeper(&data, &back);
    agency.stack.use_data(&back);
    agency.stack.serve_again();
    assert_eq!(agency.stack.content("cw1", &document), content);
    let _ = agency.stack.verify_logs().ok();
}

#[test]
fn verify_names_what_is_damaged() {
    let agency = Agency::open(1);
    let _ = agency.put("a.bin", &random_bytes(1, 700_000));
    let kept = keep(&agency.stack, "backup", &["--objects"]);
    let object = agency.stack.objects().pop().unwrap();
    let name = object.file_name().unwrap().to_str().unwrap().to_owned();
    let data = agency.stack.data();
    let with_store = ["--data", data.to_str().unwrap(), "--read-objects"];
    // A flipped bit in the store shows when every byte is read, a missing capsule always.
    let whole = std::fs::read(&object).unwrap();
    let mut flipped = whole.clone();
    flipped[500_000] ^= 1;
    std::fs::write(&object, flipped).unwrap();
    let said = kept.verify(&agency.stack, &with_store).fails_with(1);
    assert!(said.contains(&name) && said.contains("damaged"), "{said}");
    std::fs::remove_file(&object).unwrap();
    let said = kept.verify(&agency.stack, &with_store[..2]).fails_with(1);
    assert!(said.contains(&name) && said.contains("missing"), "{said}");
    let _ = kept.verify(&agency.stack, &[]).ok();
    // Every file of the backup is covered by the manifest.
    for file in files_below(&kept.backup) {
        let whole = std::fs::read(&file).unwrap();
        if whole.is_empty() || file.components().any(|part| part.as_os_str() == "objects") {
            continue;
        }
        let mut broken = whole.clone();
        let place = whole.len() / 2;
        broken[place] ^= 1;
        std::fs::write(&file, broken).unwrap();
        let run = kept.verify(&agency.stack, &[]);
        assert_eq!(run.code, 1, "{}: {}", file.display(), run.stdout);
        std::fs::write(&file, whole).unwrap();
    }
    let _ = kept.verify(&agency.stack, &[]).ok();
    let again = ["backup", "--to", kept.backup.to_str().unwrap()];
    let said = agency.stack.server(&again).fails_with(1);
    assert!(said.contains("new folder"), "{said}");
}

/// The operator takes the only vault of a backup as its gatekeeper was restored.
fn accept(stack: &Stack, data: &Path, kept: &Kept) {
    let proved: Value = serde_json::from_str(&kept.verify(stack, &["--json"]).ok()).unwrap();
    let vault = proved["vaults"][0]["vault"].as_str().unwrap();
    let data = data.to_str().unwrap();
    let _ = stack
        .bare_server(&["accept", "--data", data, "--vault", vault])
        .ok();
}

/// Everything is lost but the backup and the keys that were kept apart. Who had seen no more than the backup goes on.
#[test]
fn f11_a_server_and_its_gatekeeper_come_back_from_a_backup_made_while_people_file() {
    let mut agency = Agency::open(2);
    let content = random_bytes(1, 3_000);
    let document = agency.put("a.bin", &content);
    let tree = agency.stack.folder().join("tree");
    for file in 0..800_u64 {
        let path = tree.join(format!("Akte {}/{file}.bin", file % 3));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, random_bytes(file, 5_000)).unwrap();
    }
    let arguments = ["import", tree.to_str().unwrap(), "--class", CLASS, "--json"];
    let mut import = agency.stack.command("cw1", &arguments);
    let mut import = import.stdout(Stdio::null()).spawn().unwrap();
    // The last one that was made before the import was through.
    let mut made = vec![keep(&agency.stack, "backup-0", &["--objects"])];
    while import.try_wait().unwrap().is_none() {
        let name = format!("backup-{}", made.len());
        made.push(keep(&agency.stack, &name, &["--objects"]));
    }
    assert!(import.wait().unwrap().success() && made.len() > 2);
    let kept = made.swap_remove(made.len() - 2);
    let _ = agency.put("seen-by-the-first.bin", &content);
    let data = agency.stack.data();
    let place = data.to_str().unwrap();
    let said = kept.verify(&agency.stack, &["--data", place]).ok();
    assert!(said.contains("The gatekeeper restores"), "{said}");
    let secrets = files_below(&kept.keys).into_iter();
    let secrets: Vec<_> = secrets.map(|path| std::fs::read(path).unwrap()).collect();
    assert!(secrets.len() >= 4, "keys of both logs, signing, storage");
    for file in files_below(&kept.backup) {
        let bytes = std::fs::read(&file).unwrap();
        let holds = |key: &Vec<u8>| bytes.windows(32).any(|part| part == &key[..32]);
        assert!(!secrets.iter().any(holds), "a key in {}", file.display());
    }

    agency.stack.kill();
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::remove_dir_all(agency.stack.folder().join("vault-gate-key")).unwrap();
    let keyless = ["restore", "--data", place, "--backup"];
    let keyless = [&keyless[..], &[kept.backup.to_str().unwrap()]].concat();
    let said = agency.stack.bare_server(&keyless).fails_with(1);
    assert!(said.contains("bring"), "{said}");
    let said = kept.restore(&agency.stack, &data, &[]).ok();
    assert!(said.contains("share(s) of the gatekeeper"), "{said}");
    assert!(said.contains("obhut-server accept"), "{said}");
    agency.stack.serve_again();
    // Nothing is confirmed yet, so nothing is released.
    let target = agency.stack.folder().join("early");
    let get = ["get", &document, "--output", target.to_str().unwrap()];
    let mut get = agency.stack.command("cw2", &[&get[..], &REASON].concat());
    let run = run_within(Duration::from_secs(6), &mut get);
    assert!(run.code != 0 && !target.exists(), "{}", run.stdout);
    let _ = agency.stack.stop();
    accept(&agency.stack, &data, &kept);
    agency.stack.serve_again();
    assert_eq!(agency.stack.content("cw2", &document), content);
    // Every document that was registered at the cut has its share.
    let cases = agency.stack.json_lines("cw2", &["case", "list"]);
    assert!(cases.len() >= 2, "{cases:?}");
    for (number, case) in cases.iter().enumerate() {
        let case = text(case, "case");
        let folder = agency.stack.folder().join(format!("exported-{number}"));
        let export = ["export", &case, folder.to_str().unwrap()];
        let _ = agency.stack.reading("cw2", &export).ok();
        let _ = agency.stack.obhut("cw2", &["case", "verify", &case]).ok();
    }
    let file = agency.stack.write("later.bin", &content);
    let later = agency.stack.put("cw2", &agency.case, &file);
    assert_eq!(agency.stack.content("cw2", &later), content);
    let _ = agency.stack.verify_logs().ok();
    // Who had seen more is not shown less.
    let said = agency.stack.obhut("cw1", &["case", "list"]).fails_with(6);
    assert!(said.contains("rolled back"), "{said}");
}

/// The body and status of `/readyz`.
fn ready(stack: &Stack) -> (u16, String) {
    use std::io::{Read as _, Write as _};
    let address = stack
        .url
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// The database of the data folder is lost; everything beside it stays.
fn lose_database(stack: &Stack) {
    std::fs::remove_dir_all(stack.data().join("db")).unwrap();
}

#[test]
fn f12_an_older_database_signs_nothing_deletes_nothing_and_says_what_to_do() {
    let mut agency = Agency::open(1);
    let first = agency.put("a.bin", &random_bytes(1, 5_000));
    let old = keep(&agency.stack, "old", &[]);
    let _ = agency.put("b.bin", &random_bytes(2, 5_000));
    let _ = agency.stack.quiet_access_entries();
    let new = keep(&agency.stack, "new", &[]);
    assert_eq!(agency.stack.stop().code, 0);
    let (objects, data) = (agency.stack.objects(), agency.stack.data());
    let tiles = |stack: &Stack| -> Vec<_> {
        let files = files_below(&stack.data().join("tiles"));
        let files = files.into_iter();
        files
            .map(|path| (std::fs::read(&path).unwrap(), path))
            .collect()
    };
    let published = tiles(&agency.stack);
    lose_database(&agency.stack);
    let _ = old.restore(&agency.stack, &data, &[]).ok();
    for _ in 0..2 {
        let said = agency.stack.try_serve().fails_with(1);
        assert!(said.contains("was it restored from a backup?"), "{said}");
        assert!(said.contains("Restore a newer backup"), "{said}");
    }
    // Without the tiles the gatekeeper alone knows better.
    let aside = agency.stack.folder().join("tiles-aside");
    std::fs::rename(data.join("tiles"), &aside).unwrap();
    let said = agency.stack.try_serve().fails_with(1);
    assert!(said.contains("known to the gatekeeper"), "{said}");
    std::fs::remove_dir_all(data.join("tiles")).unwrap();
    std::fs::rename(&aside, data.join("tiles")).unwrap();
    assert_eq!(agency.stack.objects(), objects);
    assert_eq!(tiles(&agency.stack), published);
    // The newest backup goes on from what was published.
    lose_database(&agency.stack);
    let _ = new.restore(&agency.stack, &data, &[]).ok();
    agency.stack.serve_again();
    assert_eq!(agency.stack.content("cw1", &first), random_bytes(1, 5_000));
    let _ = agency.stack.verify_logs().ok();
}

#[test]
fn a_vault_that_cannot_be_opened_does_not_stop_its_neighbour() {
    let mut agency = Agency::open(1);
    let _ = agency
        .stack
        .server(&["vault", "add", "--name", "Neighbour"])
        .ok();
    let old = keep(&agency.stack, "old", &[]);
    let _ = agency.put("a.bin", &random_bytes(1, 5_000));
    let _ = agency.stack.quiet_access_entries();
    assert_eq!(agency.stack.stop().code, 0);
    lose_database(&agency.stack);
    let data = agency.stack.data();
    let _ = old.restore(&agency.stack, &data, &[]).ok();
    agency.stack.serve_again();
    let (status, body) = ready(&agency.stack);
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("is not served: "), "{body}");
    assert!(body.contains("was it restored from a backup?"), "{body}");
    let said = agency.stack.obhut("cw1", &["case", "list"]);
    assert_ne!(said.code, 0, "{}", said.stdout);
    assert!(said.stderr.contains("vault-held"), "{}", said.stderr);
    assert_eq!(agency.stack.stop().code, 0);
}

/// Starts a command and kills it after a while; whether it was still at work.
fn kill_after(stack: &Stack, arguments: &[&str], pause: Duration) -> bool {
    let mut command = stack.server_process(arguments);
    let said = stack.folder().join("killed.log");
    let mut child = command
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&said).unwrap())
        .spawn()
        .unwrap();
    std::thread::sleep(pause);
    if let Some(ended) = child.try_wait().unwrap() {
        let said = std::fs::read_to_string(&said).unwrap();
        assert!(ended.success(), "{arguments:?} {ended}: {said}");
        return false;
    }
    let _ = child.kill();
    let _ = child.wait();
    true
}

/// Kills a command later and later until its work is done, whether it came to its end itself or was killed with nothing
/// left to do. How often it was killed.
fn kill_again_and_again(
    stack: &Stack,
    arguments: &[&str],
    is_done: impl Fn() -> bool,
    between: impl Fn(),
) -> usize {
    let mut kills = 0;
    while !is_done() && kill_after(stack, arguments, Duration::from_millis(8 + 60 * kills)) {
        kills += 1;
        between();
    }
    kills as usize
}

#[test]
fn a_killed_backup_is_none_and_a_killed_restore_goes_on() {
    let mut agency = Agency::open(1);
    let contents: Vec<_> = (0..6).map(|n| random_bytes(n, 300_000)).collect();
    let documents: Vec<_> = contents
        .iter()
        .map(|bytes| agency.put("a.bin", bytes))
        .collect();
    let _ = agency.stack.quiet_access_entries();
    let kept = keep(&agency.stack, "whole", &["--objects"]);
    let (folder, data) = (agency.stack.folder().join("killed"), agency.stack.data());
    let place = data.to_str().unwrap();
    let make = [
        "backup",
        "--objects",
        "--data",
        place,
        "--to",
        folder.to_str().unwrap(),
    ];
    let is_made = || folder.join("backup.toml").exists();
    let kills = kill_again_and_again(&agency.stack, &make, is_made, || {
        if !is_made() {
            let arguments = ["verify", "--backup", folder.to_str().unwrap()];
            assert_eq!(agency.stack.bare_server(&arguments).code, 1);
        }
    });
    assert!(kills > 0);
    let arguments = [
        "verify",
        "--read-objects",
        "--backup",
        folder.to_str().unwrap(),
    ];
    let _ = agency.stack.bare_server(&arguments).ok();
    assert_eq!(agency.stack.stop().code, 0);
    let target = agency.stack.folder().join("restored");
    let (backup, keys) = (kept.backup.to_str().unwrap(), kept.keys.to_str().unwrap());
    let restore = [
        "restore",
        "--data",
        target.to_str().unwrap(),
        "--backup",
        backup,
        "--keys",
        keys,
    ];
    // The tiles come after the mark that it is not finished, the configuration before.
    let is_restored = || target.join("tiles").exists() && !target.join("unfinished.toml").exists();
    // The gatekeeper is lost as well, but for its keys.
    std::fs::remove_dir_all(data.join("gate")).unwrap();
    assert!(kill_again_and_again(&agency.stack, &restore, is_restored, || ()) > 0);
    accept(&agency.stack, &target, &kept);
    agency.stack.use_data(&target);
    agency.stack.serve_again();
    for (document, content) in documents.iter().zip(&contents) {
        assert_eq!(agency.stack.content("cw1", document), *content);
    }
    agency.verify_case();
    let _ = agency.stack.verify_logs().ok();
}

#[test]
fn a_folder_with_a_restore_that_was_broken_off_is_not_served() {
    let mut agency = Agency::open(1);
    let kept = keep(&agency.stack, "backup", &[]);
    assert_eq!(agency.stack.stop().code, 0);
    let data = agency.stack.data();
    lose_database(&agency.stack);
    let mark = "command = \"obhut-server restore of before\"\nbrings = \"00\"\n";
    std::fs::write(data.join("unfinished.toml"), mark).unwrap();
    let said = agency.stack.try_serve().fails_with(1);
    assert!(
        said.contains("`obhut-server restore of before` again"),
        "{said}"
    );
    let said = kept.restore(&agency.stack, &data, &[]).fails_with(1);
    assert!(said.contains("is not complete"), "{said}");
}

#[test]
fn a_backup_that_is_made_while_an_import_runs_is_whole() {
    let agency = Agency::open(1);
    let tree = agency.stack.folder().join("tree");
    for file in 0..150_u64 {
        let path = tree.join(format!("Akte {}/{file}.bin", file % 3));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, random_bytes(file, 20_000)).unwrap();
    }
    let arguments = ["import", tree.to_str().unwrap(), "--class", CLASS, "--json"];
    let mut import = agency.stack.command("cw1", &arguments);
    let mut import = import.stdout(Stdio::null()).spawn().unwrap();
    let mut made = 0;
    while import.try_wait().unwrap().is_none() || made == 0 {
        let kept = keep(&agency.stack, &format!("during-{made}"), &["--objects"]);
        let _ = kept.verify(&agency.stack, &["--read-objects"]).ok();
        made += 1;
    }
    assert!(import.wait().unwrap().success());
    let kept = keep(&agency.stack, "after", &[]);
    let data = agency.stack.data();
    let said = kept.verify(&agency.stack, &["--data", data.to_str().unwrap(), "--json"]);
    let said: Value = serde_json::from_str(&said.ok()).unwrap();
    assert_eq!(said["objects_checked"], 150, "{said}");
}

/// A new data folder on PostgreSQL and S3 beside the old one, with the same gatekeeper.
fn new_side(stack: &Stack, databases: &Databases) -> Option<PathBuf> {
    let Ok(store) = std::env::var("OBHUT_TEST_S3") else {
        eprintln!("skipped: OBHUT_TEST_S3 is not set");
        return None;
    };
    let [host, bucket, access, secret] = xtask::seaweed::parts(&store).unwrap();
    let data = stack.folder().join("new");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("access"), access).unwrap();
    std::fs::write(data.join("secret"), secret).unwrap();
    std::fs::write(data.join("url"), databases.vault()).unwrap();
    let old = stack.data();
    let text = format!(
        "listen = \"127.0.0.1:8750\"\n\
         [database]\nurl_file = \"url\"\n\
         [objects.s3]\nendpoint = \"http://{host}\"\nbucket = \"{bucket}\"\nprefix = \"{}/\"\n\
         access_key_file = \"access\"\nsecret_key_file = \"secret\"\n\
         [gate]\nfolder = \"{}\"\nkeys = \"{}\"\n",
        stack
            .folder()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .replace('.', "-"),
        old.join("gate").display(),
        stack.folder().join("vault-gate-key").display(),
    );
    std::fs::write(data.join("obhut.toml"), text).unwrap();
    Some(data)
}

#[test]
fn a_vault_moves_from_sqlite_and_a_folder_to_postgresql_and_s3() {
    let Some(databases) = Databases::make() else {
        return;
    };
    let mut agency = Agency::open(2);
    let contents: Vec<_> = [10, 90_000, 700_000, 9 << 20]
        .iter()
        .enumerate()
        .map(|(n, length)| random_bytes(n as u64, *length))
        .collect();
    let documents: Vec<_> = contents
        .iter()
        .map(|bytes| agency.put("a.bin", bytes))
        .collect();
    let Some(new) = new_side(&agency.stack, &databases) else {
        return;
    };
    let (config, old) = (new.join("obhut.toml"), agency.stack.data());
    let config = config.to_str().unwrap();
    let refused = agency.stack.server(&["migrate-to", config]).fails_with(1);
    assert!(refused.contains("stop it first"), "{refused}");
    assert_eq!(agency.stack.stop().code, 0);
    let before: Vec<_> = files_below(&old);
    let said = agency
        .stack
        .server(&["migrate-to", config, "--dry-run", "--json"]);
    let said: Value = serde_json::from_str(&said.ok()).unwrap();
    assert_eq!(
        (&said["objects"], &said["objects_copied"]),
        (&4.into(), &0.into())
    );
    assert_eq!(files_below(&old), before);
    // Killed again and again it comes to its end, and the old side was not touched.
    let data = old.to_str().unwrap();
    let is_moved = || old.join("moved.toml").exists() && !new.join("unfinished.toml").exists();
    let move_to = ["migrate-to", config, "--data", data];
    assert!(kill_again_and_again(&agency.stack, &move_to, is_moved, || ()) > 0);
    let said = agency.stack.try_serve().fails_with(1);
    assert!(
        said.contains("were moved to") && said.contains("moved.toml"),
        "{said}"
    );
    let again = agency.stack.server(&["migrate-to", config]).fails_with(1);
    assert!(again.contains("were moved to"), "{again}");
    agency.stack.use_data(&new);
    agency.stack.serve_again();
    for (document, content) in documents.iter().zip(&contents) {
        assert_eq!(agency.stack.content("cw2", document), *content);
    }
    let later = agency.put("later.bin", &contents[1]);
    assert_eq!(agency.stack.content("cw1", &later), contents[1]);
    agency.verify_case();
    let _ = agency.stack.quiet_access_entries();
    let _ = agency.stack.verify_logs().ok();
    // A backup of the new side, capsules included, and back to files.
    let kept = keep(&agency.stack, "of-the-new-side", &["--objects"]);
    let _ = kept.verify(&agency.stack, &["--read-objects"]).ok();
    let data = new.to_str().unwrap();
    let _ = kept
        .verify(&agency.stack, &["--data", data, "--read-objects"])
        .ok();
    assert_eq!(agency.stack.stop().code, 0);
}

#[test]
fn a_move_to_another_gatekeeper_or_a_used_database_is_refused() {
    let Some(databases) = Databases::make() else {
        return;
    };
    let mut agency = Agency::open(1);
    let Some(new) = new_side(&agency.stack, &databases) else {
        return;
    };
    assert_eq!(agency.stack.stop().code, 0);
    let config = new.join("obhut.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let other = text.replace("/vault/gate\"", "/elsewhere/gate\"");
    std::fs::write(&config, &other).unwrap();
    let path = config.to_str().unwrap();
    let said = agency.stack.server(&["migrate-to", path]).fails_with(1);
    assert!(said.contains("the gatekeeper stays where it is"), "{said}");
    std::fs::write(&config, text).unwrap();
    let other = agency.stack.folder().join("other");
    let init = [
        "init",
        "--name",
        "Other",
        "--data",
        other.to_str().unwrap(),
        "--database",
        databases.vault(),
    ];
    let _ = agency.stack.bare_server(&init).ok();
    let said = agency.stack.server(&["migrate-to", path]).fails_with(1);
    assert!(said.contains("holds vaults already"), "{said}");
    // Going back is what the first start of the new side would end.
    assert!(!agency.stack.data().join("moved.toml").exists());
    agency.stack.serve_again();
}
