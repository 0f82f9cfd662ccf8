//! The printable letter that brings a citizen the secret of an invitation: one HTML file without script.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use obhut_format::id::base32;
use obhut_format::invite::{Invitation, parse_text, to_text};
use obhut_format::{Cbor, FormatError, Hash};
use qrcode::{Color, EcLevel, QrCode};
use zeroize::Zeroizing;

const TEMPLATE: &str = include_str!("letter.html");
/// Groups of five characters in a row of the code.
const GROUPS_IN_ROW: usize = 8;
/// Empty modules around a QR code.
const QUIET: usize = 4;
/// Path below the vault's address under which the fragment carries the secret.
const LINK_PATH: &str = "/#/i/";

/// What a letter says.
pub struct Letter<'a> {
    /// The agency's name, from its card.
    pub agency: &'a str,
    /// Whom it is for, as enrolled.
    pub recipient: &'a str,
    /// Further lines of the address.
    pub address: &'a [String],
    /// What is provided: the document's title.
    pub document: &'a str,
    /// The secret and where it leads.
    pub invitation: &'a Invitation,
    /// Date of the letter, microseconds UTC.
    pub written_us: u64,
}

/// Why a letter cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LetterError {
    /// The link is too long for a QR code.
    #[error("the vault's address is too long for a QR code")]
    AddressTooLong,
    /// The time of expiry is not a date.
    #[error("the invitation's expiry is not a date")]
    Expiry,
}

/// The letter as HTML. It holds the secret: write it readable for its owner only, and wipe it.
pub fn render_letter(letter: &Letter<'_>) -> Result<Zeroizing<String>, LetterError> {
    let link = invitation_link(letter.invitation);
    let qr = qr_svg(&link)?;
    let expires = civil(letter.invitation.expires_us)?;
    let written = civil(letter.written_us)?;
    let fields = |name: &str| -> String {
        match name {
            "agency" => escape(letter.agency),
            "recipient" => recipient_lines(letter),
            "name" => escape(letter.recipient),
            "document" => escape(letter.document),
            "date_de" => written.german_date(),
            "until_de" => expires.german(),
            "until_en" => expires.english(),
            "fingerprint" => fingerprint_text(&letter.invitation.card),
            "code_rows" => code_rows(&to_text(letter.invitation)),
            "qr" => qr.to_string(),
            _ => String::new(),
        }
    };
    Ok(fill(TEMPLATE, fields))
}

/// The link in the QR code; the secret stands in the fragment, which no browser sends.
pub fn invitation_link(invitation: &Invitation) -> Zeroizing<String> {
    let text = Zeroizing::new(to_text(invitation));
    let code: Zeroizing<String> = Zeroizing::new(text.replace('-', ""));
    let base = invitation.url.trim_end_matches('/');
    Zeroizing::new(format!("{base}{LINK_PATH}{}", code.as_str()))
}

/// Reads what somebody brings from a letter: its text, the link with its fragment, or the bytes of
/// an invitation file.
pub fn parse_invitation(input: &[u8]) -> Result<Invitation, FormatError> {
    if let Ok(invitation) = Invitation::from_bytes(input) {
        return Ok(invitation);
    }
    let text = str::from_utf8(input).map_err(|_| FormatError::NotUtf8)?;
    let code = text.rsplit_once(LINK_PATH).map_or(text, |(_, code)| code);
    parse_text(code)
}

/// A card's fingerprint as people compare it: 13 groups of four characters.
pub fn fingerprint_text(card: &Hash) -> String {
    let letters = base32(card).to_uppercase();
    let groups: Vec<_> = letters
        .as_bytes()
        .chunks(4)
        .map(String::from_utf8_lossy)
        .collect();
    groups.join(" ")
}

/// Replaces each `{{name}}` once, so that a name with braces in it stays a name.
pub(crate) fn fill(template: &str, field: impl Fn(&str) -> String) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(template.len() + (1 << 16)));
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        out.push_str(before);
        let (name, behind) = behind.split_once("}}").unwrap_or((behind, ""));
        out.push_str(&Zeroizing::new(field(name)));
        rest = behind;
    }
    out.push_str(rest);
    out
}

pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other if other.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

fn recipient_lines(letter: &Letter<'_>) -> String {
    let lines = std::iter::once(letter.recipient).chain(letter.address.iter().map(String::as_str));
    lines.map(escape).collect::<Vec<_>>().join("<br>")
}

fn code_rows(text: &str) -> String {
    let groups: Vec<&str> = text.split('-').collect();
    let rows = groups
        .chunks(GROUPS_IN_ROW)
        .map(|groups| format!("<li>{}</li>", groups.join(" ")));
    rows.collect::<Vec<_>>().join("\n")
}

/// One path of unit squares, runs joined, with a quiet zone of four modules.
fn qr_svg(link: &str) -> Result<Zeroizing<String>, LetterError> {
    let code = QrCode::with_error_correction_level(link, EcLevel::M)
        .map_err(|_| LetterError::AddressTooLong)?;
    let width = code.width();
    let colors = Zeroizing::new(
        code.to_colors()
            .into_iter()
            .map(|color| u8::from(color == Color::Dark))
            .collect::<Vec<_>>(),
    );
    let mut path = Zeroizing::new(String::with_capacity(colors.len() * 4));
    for (y, row) in colors.chunks(width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            let (x_at, y_at, len) = (x + QUIET, y + QUIET, run.len());
            if run.first() == Some(&1) {
                // Writing to a String does not fail.
                let _ = write!(path, "M{x_at} {y_at}h{len}v1h-{len}z");
            }
            x += len;
        }
    }
    let side = width + 2 * QUIET;
    Ok(Zeroizing::new(format!(
        "<svg role=\"img\" aria-label=\"QR-Code mit dem Zugang\" viewBox=\"0 0 {side} {side}\" \
         shape-rendering=\"crispEdges\"><path fill=\"#000\" d=\"{}\"/></svg>",
        path.as_str()
    )))
}

/// A moment by German civil time.
struct Civil(jiff::ZonedDateTime);

fn civil(time_us: u64) -> Result<Civil, LetterError> {
    let micros = i64::try_from(time_us).map_err(|_| LetterError::Expiry)?;
    let time = Timestamp::from_microsecond(micros).map_err(|_| LetterError::Expiry)?;
    let zone = TimeZone::get("Europe/Berlin").map_err(|_| LetterError::Expiry)?;
    Ok(Civil(time.to_zoned_datetime(zone)))
}

impl Civil {
    fn german_date(&self) -> String {
        const MONTHS: [&str; 12] = [
            "Januar",
            "Februar",
            "März",
            "April",
            "Mai",
            "Juni",
            "Juli",
            "August",
            "September",
            "Oktober",
            "November",
            "Dezember",
        ];
        let date = self.0.date();
        let month = MONTHS.get(usize::from(date.month().unsigned_abs()) - 1);
        format!(
            "{}.\u{a0}{}\u{a0}{}",
            date.day(),
            month.copied().unwrap_or_default(),
            date.year()
        )
    }

    fn german(&self) -> String {
        format!(
            "{}, {}\u{a0}Uhr",
            self.german_date(),
            self.0.strftime("%H:%M")
        )
    }

    fn english(&self) -> String {
        self.0.strftime("%-d %B %Y, %H:%M (%Z)").to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use obhut_format::statement::Role;
    use obhut_format::{PersonId, VaultId};

    fn invitation() -> Invitation {
        Invitation {
            url: "http://127.0.0.1:8443/".to_owned(),
            vault: VaultId([1; 16]),
            card: [2; 32],
            person: PersonId([3; 16]),
            secret: obhut_format::SecretField::new([4; 32]),
            role: Role::Citizen,
            expires_us: 1_796_565_600_000_000,
        }
    }

    fn render(recipient: &str, invitation: &Invitation) -> String {
        let letter = Letter {
            agency: "Gemeinde Musterstadt, Bürgeramt",
            recipient,
            address: &["Teststraße 1".to_owned(), "00000 Musterstadt".to_owned()],
            document: "Bescheid über die Eintragung",
            invitation,
            written_us: 1_795_446_000_000_000,
        };
        render_letter(&letter).unwrap().to_string()
    }

    #[test]
    fn the_letter_says_what_was_agreed() {
        insta::assert_snapshot!(render("Test Person 1", &invitation()));
    }

    #[test]
    fn holds_no_script_and_loads_nothing() {
        let html = render("<script>alert(1)</script> {{code_rows}}", &invitation());
        assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
        for bad in [
            "http-equiv=\"refresh\"",
            "src=",
            "href=",
            "url(",
            "@import",
            "onload",
        ] {
            assert!(!html.contains(bad), "{bad}");
        }
        assert_eq!(html.matches("class=\"code\"").count(), 1);
        assert!(
            html.contains("{{code_rows}}"),
            "a name with braces stays a name"
        );
    }

    #[test]
    fn the_printed_text_and_the_link_lead_to_the_same_invitation() {
        let invitation = invitation();
        let link = invitation_link(&invitation);
        assert_eq!(parse_invitation(link.as_bytes()).unwrap(), invitation);
        assert!(link.starts_with("http://127.0.0.1:8443/#/i/OBHUT1"));
        let typed = code_rows(&to_text(&invitation));
        let typed = typed.replace("<li>", " ").replace("</li>", " ");
        assert_eq!(parse_invitation(typed.as_bytes()).unwrap(), invitation);
        let file = invitation.to_bytes();
        assert_eq!(parse_invitation(&file).unwrap(), invitation);
    }

    #[test]
    fn times_are_german_civil_time() {
        let winter = civil(1_796_565_600_000_000).unwrap();
        assert_eq!(
            winter.german(),
            "6.\u{a0}Dezember\u{a0}2026, 15:00\u{a0}Uhr"
        );
        assert_eq!(winter.english(), "6 December 2026, 15:00 (CET)");
        assert!(civil(u64::MAX).is_err());
    }
}
