//! The recovery sheet of a person: 24 words on paper, and everything else a new device has to know. The same text
//! brings an identity to a second device, sealed under a code.

mod words;

use std::fmt::Write;
use std::str::FromStr;

use obhut_crypto::Identity;
use obhut_format::context::Context;
use obhut_format::id::{base32, parse_base32};
use obhut_format::statement::Role;
use obhut_format::{Hash, Kid, PersonId, VaultId};
use obhut_suite::{Secret, hkdf_expand_secret};
use zeroize::Zeroizing;

use crate::ClientError;
use crate::clock::{random_bytes, system_rng};
use crate::letter::{escape, fill, fingerprint_text};
use crate::vault::Vault;

const TEMPLATE: &str = include_str!("sheet.html");
const MAGIC: &[u8; 4] = b"OBD1";
const CODE_BYTES: usize = 20;
const CODE_GROUP: usize = 4;
const WORDS_IN_ROW: usize = 6;

/// What a person needs to be themselves on a new device.
pub struct Sheet {
    /// Where the vault is reached.
    pub url: String,
    /// The vault.
    pub vault: VaultId,
    /// Fingerprint of its card.
    pub card: Hash,
    /// Kid of the agency root: a later card is one that the same root signed.
    pub root: Kid,
    /// The person.
    pub person: PersonId,
    /// The role the profile was made for.
    pub role: Role,
    secret: Secret<32>,
}

impl Sheet {
    /// The person's identity.
    pub(crate) fn identity(&self) -> Result<Identity, ClientError> {
        Ok(Identity::from_master(self.secret.duplicate())?)
    }

    /// As plain text, to be printed or copied by hand. It holds the secret.
    pub fn text(&self) -> Result<Zeroizing<String>, ClientError> {
        let mut text = Zeroizing::new(String::with_capacity(2_048));
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "OBHUT RECOVERY SHEET\n\n\
             Whoever has these words can act and read as you. Keep them where you keep your passport.\n\
             They help with `obhut restore --sheet FILE` when all your devices are lost.\n\n\
             Address: {}\nVault:   {}\nCard:    {}\nRoot:    {}\nPerson:  {}\nRole:    {}\nWords:\n",
            self.url,
            self.vault,
            fingerprint_text(&self.card),
            self.root,
            self.person,
            self.role,
        );
        let words = words::words_of(&self.secret)?;
        for (number, word) in words.split(' ').enumerate() {
            let end = if (number + 1) % WORDS_IN_ROW == 0 {
                "\n"
            } else {
                " "
            };
            let _ = write!(text, "{word}{end}");
        }
        Ok(text)
    }

    /// As a page to print: one HTML file without script.
    pub fn html(&self, agency: &str) -> Result<Zeroizing<String>, ClientError> {
        let words = words::words_of(&self.secret)?;
        let field = |name: &str| -> String {
            match name {
                "agency" => escape(agency),
                "url" => escape(&self.url),
                "vault" => self.vault.to_string(),
                "card" => fingerprint_text(&self.card),
                "root" => self.root.to_string(),
                "person" => self.person.to_string(),
                "role" => self.role.to_string(),
                "words" => words
                    .split(' ')
                    .map(|word| format!("<li>{word}</li>"))
                    .collect::<Vec<_>>()
                    .join("\n"),
                _ => String::new(),
            }
        };
        Ok(fill(TEMPLATE, field))
    }

    /// As [`Self::parse`] for the bytes of a file.
    pub fn read(bytes: &[u8]) -> Result<Self, ClientError> {
        let text = str::from_utf8(bytes);
        let text = text.map_err(|_| ClientError::Usage("this file is no text".into()))?;
        Self::parse(text)
    }

    /// Reads the text of a sheet, copied by hand or from a file; numbers before words do not matter.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let missing = |name: &str| {
            ClientError::Usage(format!(
                "the sheet's line `{name}` is missing or cannot be read"
            ))
        };
        let field = |name: &str| {
            let mut lines = text.lines().map(str::trim);
            let found = lines.find_map(|line| line.strip_prefix(name));
            found.map(str::trim).ok_or_else(|| missing(name))
        };
        let (_, words) = text.split_once("Words:").ok_or_else(|| missing("Words:"))?;
        let mut kept = Zeroizing::new(String::with_capacity(words.len()));
        for word in words.split(|letter: char| !letter.is_alphabetic()) {
            if !word.is_empty() {
                kept.push_str(word);
                kept.push(' ');
            }
        }
        let card: String = field("Card:")?.split_whitespace().collect();
        let card = parse_base32(&card.to_lowercase()).map_err(|_| missing("Card:"))?;
        Ok(Self {
            url: field("Address:")?.to_owned(),
            vault: parsed(field("Vault:")?).ok_or_else(|| missing("Vault:"))?,
            card: card.try_into().map_err(|_| missing("Card:"))?,
            root: parsed(field("Root:")?).ok_or_else(|| missing("Root:"))?,
            person: parsed(field("Person:")?).ok_or_else(|| missing("Person:"))?,
            role: parsed(field("Role:")?).ok_or_else(|| missing("Role:"))?,
            secret: words::secret_of(kept.trim())?,
        })
    }

    /// The sheet sealed under a fresh code of 160 bits, for a file that may be seen on its way; the code
    /// goes another way.
    pub fn seal_for_device(&self) -> Result<(Vec<u8>, Zeroizing<String>), ClientError> {
        let code = Zeroizing::new(random_bytes::<CODE_BYTES>());
        let text = self.text()?;
        let sealed = obhut_suite::seal(
            &transfer_key(&*code),
            Context::new("obhut/device-transfer/v1").as_bytes(),
            text.as_bytes(),
            &mut system_rng(),
        )?;
        let letters = Zeroizing::new(base32(&*code).to_uppercase());
        let mut shown = Zeroizing::new(String::with_capacity(64));
        for (at, letter) in letters.chars().enumerate() {
            if at > 0 && at % CODE_GROUP == 0 {
                shown.push('-');
            }
            shown.push(letter);
        }
        Ok(([MAGIC.as_slice(), &sealed].concat(), shown))
    }

    /// Opens what [`Self::seal_for_device`] made.
    pub fn open_transfer(file: &[u8], code: &str) -> Result<Self, ClientError> {
        let refused = || {
            ClientError::Usage(
                "this code does not open this file: a character is wrong, or one of \
                                the two is from another time"
                    .into(),
            )
        };
        let sealed = file.strip_prefix(MAGIC).ok_or_else(refused)?;
        let letters: Zeroizing<String> = Zeroizing::new(
            code.chars()
                .filter(char::is_ascii_alphanumeric)
                .collect::<String>()
                .to_lowercase(),
        );
        let code = Zeroizing::new(parse_base32(&letters).map_err(|_| refused())?);
        if code.len() != CODE_BYTES {
            return Err(refused());
        }
        let context = Context::new("obhut/device-transfer/v1");
        let opened = obhut_suite::open(&transfer_key(&code), context.as_bytes(), sealed)
            .map_err(|_| refused())?;
        // EXPOSE: parsed into the sheet the caller asked for.
        let text = str::from_utf8(opened.expose()).map_err(|_| refused())?;
        Self::parse(text)
    }
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn transfer_key(code: &[u8]) -> Secret<32> {
    let context = Context::new("obhut/device-transfer-key/v1");
    hkdf_expand_secret(code, &[context.as_bytes()])
}

impl Vault {
    /// This person's sheet with the keys in force. It is void once the keys change.
    pub fn sheet(&self) -> Sheet {
        let card = self.directory().card().unwrap_or_else(|| self.card());
        Sheet {
            url: self.record().url.clone(),
            vault: self.id(),
            card: card.fingerprint(),
            root: card.root.kid(),
            person: self.person(),
            role: self.record().role,
            secret: self.unlocked().identity.master().duplicate(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn sheet() -> Sheet {
        Sheet {
            url: "https://vault.agency.example".to_owned(),
            vault: VaultId([1; 16]),
            card: [2; 32],
            root: Kid([3; 32]),
            person: PersonId([4; 16]),
            role: Role::Citizen,
            secret: Secret::new([5; 32]),
        }
    }

    #[test]
    fn reads_back_a_sheet_that_was_copied_by_hand() {
        let text = sheet().text().unwrap();
        let (head, words) = text.split_once("Words:\n").unwrap();
        let numbered: Vec<String> = words
            .split_whitespace()
            .enumerate()
            .map(|(at, word)| format!("{}. {}", at + 1, word.to_uppercase()))
            .collect();
        let copied = format!("{head}Words:\n{}", numbered.join("\n"));
        let read = Sheet::parse(&copied).unwrap();
        assert!(read.secret.matches(&Secret::new([5; 32])));
        assert_eq!((read.vault, read.card), (VaultId([1; 16]), [2; 32]));
        assert_eq!((read.person, read.role), (PersonId([4; 16]), Role::Citizen));
        assert!(Sheet::parse(head).is_err());
    }

    #[test]
    fn d10_refuses_a_sheet_with_a_mistyped_word() {
        let text = sheet().text().unwrap();
        let last = text.trim_end().rsplit(' ').next().unwrap();
        let wrong = if last == "zoo" { "zone" } else { "zoo" };
        let at = text.rfind(last).unwrap();
        let typed = format!("{}{wrong}\n", &text[..at]);
        assert!(matches!(Sheet::parse(&typed), Err(ClientError::Usage(_))));
    }

    #[test]
    fn a_transfer_opens_with_its_code_only() {
        let (file, code) = sheet().seal_for_device().unwrap();
        let read = Sheet::open_transfer(&file, &code.to_lowercase()).unwrap();
        assert!(read.secret.matches(&Secret::new([5; 32])));
        let (_, other) = sheet().seal_for_device().unwrap();
        assert!(Sheet::open_transfer(&file, &other).is_err());
        assert!(Sheet::open_transfer(&file, &code[..20]).is_err());
        assert!(Sheet::open_transfer(&file[..file.len() - 1], &code).is_err());
    }

    #[test]
    fn the_page_holds_every_word_and_loads_nothing() {
        let html = sheet().html("<script>Test Agency</script>").unwrap();
        assert_eq!(html.matches("<li>").count(), words::WORDS);
        assert!(!html.contains("<script") && !html.contains("{{"));
        for bad in ["src=", "href=", "url(", "@import", "onload"] {
            assert!(!html.contains(bad), "{bad}");
        }
    }
}
