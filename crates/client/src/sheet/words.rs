//! 32 bytes as 24 words with a checksum (BIP-39, English list). The words are the secret itself, not the
//! input of BIP-39's key stretching.

use bip39::{Language, Mnemonic};
use obhut_suite::Secret;
use zeroize::Zeroizing;

use crate::ClientError;

/// Number of words of a sheet.
pub(crate) const WORDS: usize = 24;

/// The words of a secret, in order.
pub(crate) fn words_of(secret: &Secret<32>) -> Result<Zeroizing<String>, ClientError> {
    // EXPOSE: onto the sheet.
    let words = Mnemonic::from_entropy_in(Language::English, secret.expose());
    let words = words.map_err(|_| ClientError::integrity("the secret has no words"))?;
    let mut text = Zeroizing::new(String::with_capacity(WORDS * 9));
    for word in words.words() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    Ok(text)
}

/// The secret of 24 words; a wrong or missing word, another order or another list is refused.
pub(crate) fn secret_of(words: &str) -> Result<Secret<32>, ClientError> {
    let refused = || {
        ClientError::Usage(
            "these are not the 24 words of a recovery sheet: a word is missing, mistyped or in \
             another place"
                .into(),
        )
    };
    let lower = Zeroizing::new(words.to_lowercase());
    let parsed = Mnemonic::parse_in_normalized(Language::English, &lower).map_err(|_| refused())?;
    if parsed.word_count() != WORDS {
        return Err(refused());
    }
    let (bytes, len) = parsed.to_entropy_array();
    let bytes = Zeroizing::new(bytes);
    let bytes = bytes.get(..len).ok_or_else(refused)?;
    Secret::from_slice(bytes).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn words_lead_back_to_their_secret() {
        for byte in [0, 1, 0x80, 0xff] {
            let secret = Secret::new([byte; 32]);
            let words = words_of(&secret).unwrap();
            assert_eq!(words.split(' ').count(), WORDS);
            let typed = words.to_uppercase();
            assert!(secret_of(&typed).unwrap().matches(&secret));
        }
        // Known answer of BIP-39: 32 zero bytes.
        let zero = words_of(&Secret::new([0; 32])).unwrap();
        assert!(zero.starts_with("abandon abandon ") && zero.ends_with(" art"));
    }

    #[test]
    fn d10_refuses_a_bad_checksum_a_missing_word_another_order_and_another_list() {
        let secret = Secret::new(core::array::from_fn(|at| at as u8 * 7 + 1));
        let words = words_of(&secret).unwrap();
        let mut list: Vec<&str> = words.split(' ').collect();
        assert!(secret_of(&list[..23].join(" ")).is_err());
        assert!(secret_of(&list[..12].join(" ")).is_err());
        list.swap(0, 1);
        assert!(secret_of(&list.join(" ")).is_err(), "another order");
        list.swap(0, 1);
        let replaced = if list[5] == "zoo" { "zone" } else { "zoo" };
        let mut wrong = list.clone();
        wrong[5] = replaced;
        assert!(secret_of(&wrong.join(" ")).is_err(), "bad checksum");
        wrong[5] = "schlüssel";
        assert!(secret_of(&wrong.join(" ")).is_err(), "no word of the list");
        let spanish = "ábaco ".repeat(23) + "zurdo";
        assert!(secret_of(&spanish).is_err(), "another list");
        assert!(secret_of(&list.join(" ")).unwrap().matches(&secret));
    }
}
