//! The smallest PDF a reader shows: one page, one font (ISO 32000-1, 7.5).

use std::fmt::Write as _;

/// A page with a line of text each. Characters beyond Latin-1 become a question mark.
pub(super) fn one_page(lines: &[String]) -> Vec<u8> {
    let stream = content(lines);
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!(
            "<< /Length {} >>\nstream\n{stream}\nendstream",
            stream.len()
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
    ];
    let mut file = String::from("%PDF-1.4\n");
    let mut table = String::from("0000000000 65535 f \n");
    for (number, object) in (1..).zip(&objects) {
        let _ = writeln!(table, "{:010} 00000 n ", file.len());
        let _ = writeln!(file, "{number} 0 obj\n{object}\nendobj");
    }
    let start = file.len();
    let count = objects.len() + 1;
    let _ = write!(
        file,
        "xref\n0 {count}\n{table}trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    );
    file.into_bytes()
}

fn content(lines: &[String]) -> String {
    let mut stream = String::from("BT /F1 12 Tf 72 770 Td 18 TL");
    for line in lines {
        let _ = write!(stream, "\n({}) Tj T*", escaped(line));
    }
    stream.push_str("\nET");
    stream
}

/// A literal string: ASCII as it is, Latin-1 in octal, so that the whole file is ASCII.
fn escaped(line: &str) -> String {
    let mut text = String::new();
    for character in line.chars() {
        match u32::from(character) {
            _ if matches!(character, '(' | ')' | '\\') => {
                text.push('\\');
                text.push(character);
            }
            0x20..=0x7e => text.push(character),
            code @ 0xa0..=0xff => {
                let _ = write!(text, "\\{code:03o}");
            }
            _ => text.push('?'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::string_slice, reason = "tests")]

    use super::*;

    #[test]
    fn every_offset_of_the_table_is_where_its_object_begins() {
        let file = String::from_utf8(one_page(&["Größe (1)".to_owned()])).unwrap();
        let start: usize = file
            .split("startxref\n")
            .nth(1)
            .and_then(|rest| rest.lines().next())
            .unwrap()
            .parse()
            .unwrap();
        assert!(file[start..].starts_with("xref\n0 6\n"));
        let entries = file[start..].lines().skip(3).take(5);
        for (number, entry) in (1..).zip(entries) {
            let offset: usize = entry[..10].parse().unwrap();
            assert!(file[offset..].starts_with(&format!("{number} 0 obj\n")));
            assert_eq!(entry.len() + 1, 20);
        }
        assert!(file.contains("(Gr\\366\\337e \\(1\\))"));
    }
}
