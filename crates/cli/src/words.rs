//! Arguments that are words for people.

/// Longest purpose, legal basis or justification that a vault takes, bytes.
const MAX_BYTES: usize = 4_096;

/// A text that says something.
pub(crate) fn words(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it is blank; say it in words".into());
    }
    if text.len() > MAX_BYTES {
        return Err(format!("it is longer than {MAX_BYTES} bytes"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_and_endless_texts_are_refused() {
        for blank in ["", " ", "\t\n", "\u{a0}"] {
            assert!(words(blank).is_err(), "{blank:?}");
        }
        assert!(words(&"a".repeat(MAX_BYTES + 1)).is_err());
        assert_eq!(words(" a b "), Ok(" a b ".to_owned()));
    }
}
