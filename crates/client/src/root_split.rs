//! The agency root split among people: sheets of which any k give the root's sheet back. All offline.

use std::path::{Path, PathBuf};

use obhut_crypto::Identity;
use obhut_format::context::Context;
use obhut_format::id::{base32, parse_base32};
use obhut_suite::{Secret, SecretPart, combine_parts, split_secret};
use zeroize::Zeroizing;

use crate::ClientError;
use crate::clock::{random_bytes, system_rng};
use crate::root_sheet::{RootFacts, grouped, read_facts, root_of_sheet, write_root_text};
use crate::whole_file::{Existing, WholeFile};

const SHARE: &str = "Share:";
const SET: &str = "Set:";
const SET_BYTES: usize = 10;
const CHECK_BYTES: usize = 5;

/// Splits the root of a sheet into files `root-share-1.txt` and so on in a folder. None may exist there yet; the
/// sheet itself stays where it is.
pub fn split_root(
    sheet: &Path,
    threshold: u8,
    count: u8,
    folder: &Path,
) -> Result<Vec<PathBuf>, ClientError> {
    let (root, facts) = root_of_sheet(sheet)?;
    let split = split_secret(root.master(), threshold, count, &mut system_rng());
    let parts = split.map_err(|_| {
        ClientError::Usage("the threshold is at least 2 and at most the number of shares".into())
    })?;
    let set = random_bytes::<SET_BYTES>();
    let mut files = Vec::with_capacity(parts.len());
    for part in &parts {
        let path = folder.join(format!("root-share-{}.txt", part.number()));
        let text = share_text(&facts, &set, threshold, count, part);
        WholeFile::write(&path, 0o600, Existing::Keep, text.as_bytes())?;
        files.push(path);
    }
    Ok(files)
}

/// Puts the root's sheet together from shares. A share with a wrong character, or of another set, is named; what the
/// shares give must be the root they name.
pub fn join_root(shares: &[PathBuf], sheet: &Path) -> Result<(), ClientError> {
    let mut read = Vec::with_capacity(shares.len());
    for path in shares {
        read.push((path, read_share(path)?));
    }
    let Some((_, first)) = read.first() else {
        return Err(ClientError::Usage("name the files of the shares".into()));
    };
    for (path, share) in &read {
        if share.set != first.set || share.facts != first.facts {
            return Err(ClientError::Usage(format!(
                "{} is a share of another set",
                path.display()
            )));
        }
    }
    if read.len() < usize::from(first.threshold) {
        return Err(ClientError::Usage(format!(
            "{} shares are needed, and there are {}",
            first.threshold,
            read.len()
        )));
    }
    let parts: Vec<&SecretPart> = read.iter().map(|(_, share)| &share.part).collect();
    let combined =
        combine_parts(&parts).map_err(|_| ClientError::Usage("one share is named twice".into()))?;
    let root = Identity::from_master(combined)?;
    if root.kid().to_string() != first.facts.root {
        return Err(ClientError::integrity(
            "the shares do not give the agency root they name",
        ));
    }
    write_root_text(sheet, &root, &first.facts)
}

struct RootShare {
    facts: RootFacts,
    set: String,
    threshold: u8,
    part: SecretPart,
}

fn share_text(
    facts: &RootFacts,
    set: &[u8; SET_BYTES],
    threshold: u8,
    count: u8,
    part: &SecretPart,
) -> Zeroizing<String> {
    let set = base32(set);
    // EXPOSE: onto the sheet of whoever keeps the share.
    let value = part.value().expose();
    let number = part.number();
    let check = check_bytes(facts, &set, threshold, number, value);
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 + 32 + CHECK_BYTES));
    bytes.extend([threshold, number]);
    bytes.extend_from_slice(value);
    bytes.extend(check);
    Zeroizing::new(format!(
        "OBHUT AGENCY ROOT, SHARE {number} OF {count}\n\
         \n\
         Any {threshold} shares of this set give the agency root (`obhut root join`); fewer say nothing\n\
         about it. Keep this one offline and apart from the others.\n\
         \n\
         {}\
         {SET}    {set}\n\
         {SHARE}  {}\n",
        facts.lines(),
        grouped(&bytes).as_str(),
    ))
}

fn read_share(path: &Path) -> Result<RootShare, ClientError> {
    let refused = || {
        ClientError::Usage(format!(
            "{} is no share of an agency root, or a character is wrong",
            path.display()
        ))
    };
    let bytes = std::fs::read(path).map_err(ClientError::io("cannot read", path))?;
    let bytes = Zeroizing::new(bytes);
    let text = str::from_utf8(&bytes).map_err(|_| refused())?;
    let field = |name: &str| {
        let mut lines = text.lines();
        lines
            .find_map(|line| line.strip_prefix(name))
            .map(|found| found.trim().to_owned())
    };
    let facts = read_facts(text).ok_or_else(refused)?;
    let set = field(SET).ok_or_else(refused)?;
    let letters: Zeroizing<String> = Zeroizing::new(
        field(SHARE)
            .ok_or_else(refused)?
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase(),
    );
    let bytes = Zeroizing::new(parse_base32(&letters).map_err(|_| refused())?);
    let (head, rest) = bytes.split_first_chunk::<2>().ok_or_else(refused)?;
    let (value, check) = rest.split_first_chunk::<32>().ok_or_else(refused)?;
    let [threshold, number] = *head;
    if check != check_bytes(&facts, &set, threshold, number, value) {
        return Err(refused());
    }
    let part = SecretPart::new(number, Secret::new(*value)).map_err(|_| refused())?;
    Ok(RootShare {
        facts,
        set,
        threshold,
        part,
    })
}

fn check_bytes(
    facts: &RootFacts,
    set: &str,
    threshold: u8,
    number: u8,
    value: &[u8; 32],
) -> [u8; CHECK_BYTES] {
    let hash = Context::new("obhut/root-share/v1")
        .text(&facts.vault)
        .text(&facts.root)
        .text(set)
        .number(threshold.into())
        .number(number.into())
        .field(value)
        .hash();
    let mut check = [0; CHECK_BYTES];
    check.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    check
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::root_sheet::{read_root_sheet, write_root_sheet};
    use obhut_format::VaultId;

    const VAULT: VaultId = VaultId([1; 16]);

    fn sheet(folder: &Path, name: &str) -> (PathBuf, Identity) {
        let root = Identity::generate(&mut system_rng()).unwrap();
        let path = folder.join(name);
        write_root_sheet(&path, &root, VAULT, "Test Agency", &[2; 32]).unwrap();
        (path, root)
    }

    #[test]
    fn two_of_three_shares_give_the_sheet_back() {
        let folder = tempfile::tempdir().unwrap();
        let (path, root) = sheet(folder.path(), "root");
        let shares = split_root(&path, 2, 3, folder.path()).unwrap();
        assert_eq!(shares.len(), 3);
        let joined = folder.path().join("joined");
        join_root(&[shares[2].clone(), shares[0].clone()], &joined).unwrap();
        assert_eq!(read_root_sheet(&joined, VAULT).unwrap().kid(), root.kid());
        assert_eq!(
            std::fs::read(&joined).unwrap(),
            std::fs::read(&path).unwrap()
        );
    }

    #[test]
    fn d05_names_the_share_that_is_wrong_and_d06_refuses_mixed_repeated_and_too_few_shares() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = sheet(folder.path(), "root");
        let shares = split_root(&path, 2, 3, folder.path()).unwrap();
        let joined = folder.path().join("joined");
        let refused = |files: &[&PathBuf]| {
            let files: Vec<PathBuf> = files.iter().map(|file| (*file).clone()).collect();
            let refused = join_root(&files, &joined).unwrap_err().to_string();
            assert!(!joined.exists());
            refused
        };
        assert!(refused(&[&shares[0]]).contains("2 shares are needed"));
        assert!(refused(&[&shares[0], &shares[0]]).contains("twice"));
        let elsewhere = folder.path().join("other");
        std::fs::create_dir(&elsewhere).unwrap();
        let mixed = split_root(&path, 2, 3, &elsewhere).unwrap();
        assert!(refused(&[&shares[0], &mixed[1]]).contains("another set"));
        let text = std::fs::read_to_string(&shares[1]).unwrap();
        let at = text.find(SHARE).unwrap() + SHARE.len() + 12;
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        let typed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
        std::fs::write(&shares[1], typed).unwrap();
        let said = refused(&[&shares[0], &shares[1]]);
        assert!(said.contains("root-share-2"), "{said}");
        assert!(split_root(&path, 1, 3, &folder.path().join("none")).is_err());
    }
}
