//! The agency root on paper or an offline medium: written once at founding, never stored by the client.

use std::path::Path;

use obhut_crypto::Identity;
use obhut_format::context::Context;
use obhut_format::id::{base32, parse_base32};
use obhut_format::{Hash, VaultId};
use obhut_suite::Secret;
use zeroize::Zeroizing;

use crate::ClientError;
use crate::letter::fingerprint_text;
use crate::whole_file::{Existing, WholeFile};

const AGENCY: &str = "Agency:";
const CARD: &str = "Card:";
const ROOT: &str = "Root:";
const SECRET: &str = "Secret:";
const VAULT: &str = "Vault:";
const CHECK_BYTES: usize = 5;

/// What a root's sheet says in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RootFacts {
    pub(crate) agency: String,
    pub(crate) vault: String,
    pub(crate) card: String,
    /// Printed kid of the root.
    pub(crate) root: String,
}

impl RootFacts {
    pub(crate) fn lines(&self) -> String {
        format!(
            "{AGENCY} {}\n{VAULT}  {}\n{CARD}   {}\n{ROOT}   {}\n",
            self.agency, self.vault, self.card, self.root
        )
    }
}

/// Writes the root's sheet, readable for its owner only. Refuses to replace a file.
pub(crate) fn write_root_sheet(
    path: &Path,
    root: &Identity,
    vault: VaultId,
    agency: &str,
    card: &Hash,
) -> Result<(), ClientError> {
    let facts = RootFacts {
        agency: agency.split_whitespace().collect::<Vec<_>>().join(" "),
        vault: vault.to_string(),
        card: fingerprint_text(card),
        root: root.kid().to_string(),
    };
    write_root_text(path, root, &facts)
}

/// As [`write_root_sheet`] for what an earlier sheet said.
pub(crate) fn write_root_text(
    path: &Path,
    root: &Identity,
    facts: &RootFacts,
) -> Result<(), ClientError> {
    let secret = secret_text(root);
    let text = Zeroizing::new(format!(
        "OBHUT AGENCY ROOT\n\
         \n\
         Whoever has this secret speaks for the agency. Keep it offline, in two safe places,\n\
         never on a server, and remove this file once it is kept.\n\
         \n\
         {}\
         {SECRET} {}\n",
        facts.lines(),
        secret.as_str(),
    ));
    WholeFile::write(path, 0o600, Existing::Keep, text.as_bytes())
}

/// Reads the root back from its sheet; a mistyped character or another vault's sheet is refused.
pub fn read_root_sheet(path: &Path, vault: VaultId) -> Result<Identity, ClientError> {
    let (root, facts) = root_of_sheet(path)?;
    if facts.vault == vault.to_string() {
        Ok(root)
    } else {
        Err(refused(path))
    }
}

/// The root of whatever vault the sheet is for.
pub(crate) fn root_of_sheet(path: &Path) -> Result<(Identity, RootFacts), ClientError> {
    let bytes = std::fs::read(path).map_err(ClientError::io("cannot read", path))?;
    let bytes = Zeroizing::new(bytes);
    let refused = || refused(path);
    let text = str::from_utf8(&bytes).map_err(|_| refused())?;
    let facts = read_facts(text).ok_or_else(refused)?;
    let letters: Zeroizing<String> = Zeroizing::new(
        field(text, SECRET)
            .ok_or_else(refused)?
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase(),
    );
    let secret = Zeroizing::new(parse_base32(&letters).map_err(|_| refused())?);
    let (master, check) = secret.split_first_chunk::<32>().ok_or_else(refused)?;
    if check != check_bytes(master) {
        return Err(refused());
    }
    let root = Identity::from_master(Secret::new(*master))?;
    Ok((root, facts))
}

/// The lines in clear of a sheet or share.
pub(crate) fn read_facts(text: &str) -> Option<RootFacts> {
    Some(RootFacts {
        agency: field(text, AGENCY)?.to_owned(),
        vault: field(text, VAULT)?.to_owned(),
        card: field(text, CARD)?.to_owned(),
        root: field(text, ROOT)?.to_owned(),
    })
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines();
    lines
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}

fn refused(path: &Path) -> ClientError {
    ClientError::Usage(format!(
        "{} is no sheet of this vault's agency root, or a character is wrong",
        path.display()
    ))
}

fn secret_text(root: &Identity) -> Zeroizing<String> {
    // EXPOSE: onto the sheet the founder keeps offline.
    let master = root.master().expose();
    let bytes = Zeroizing::new([master.as_slice(), &check_bytes(master)].concat());
    grouped(&bytes)
}

/// Base32 in groups of four letters.
pub(crate) fn grouped(bytes: &[u8]) -> Zeroizing<String> {
    let letters = Zeroizing::new(base32(bytes).to_uppercase());
    let mut text = Zeroizing::new(String::with_capacity(2 * letters.len()));
    for (at, letter) in letters.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push('-');
        }
        text.push(letter);
    }
    text
}

fn check_bytes(master: &[u8; 32]) -> [u8; CHECK_BYTES] {
    let hash = Context::new("obhut/root-sheet/v1").field(master).hash();
    let mut check = [0; CHECK_BYTES];
    check.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    check
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::clock::system_rng;

    #[test]
    fn reads_back_the_root_and_notices_a_wrong_character() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root");
        let root = Identity::generate(&mut system_rng()).unwrap();
        let vault = VaultId([1; 16]);
        write_root_sheet(&path, &root, vault, "Test Agency", &[2; 32]).unwrap();
        assert_eq!(read_root_sheet(&path, vault).unwrap().kid(), root.kid());
        assert!(read_root_sheet(&path, VaultId([2; 16])).is_err());
        let text = std::fs::read_to_string(&path).unwrap();
        let at = text.find(SECRET).unwrap() + SECRET.len() + 1;
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        std::fs::write(&path, format!("{}{other}{}", &text[..at], &text[at + 1..])).unwrap();
        assert!(read_root_sheet(&path, vault).is_err());
    }

    #[test]
    fn keeps_an_earlier_sheet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root");
        std::fs::write(&path, b"earlier").unwrap();
        let root = Identity::generate(&mut system_rng()).unwrap();
        assert!(write_root_sheet(&path, &root, VaultId([1; 16]), "A", &[2; 32]).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"earlier");
    }
}
