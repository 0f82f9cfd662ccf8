//! Synthetic case files: made from a seed, alike on every machine, about nobody.

mod pdf;
mod png;

use std::fs;
use std::io;
use std::path::Path;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::canary::Canary;

/// A file of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The case's folder.
    pub case: &'static str,
    /// The file's name.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
    /// The token planted in the content, where there is room for one.
    pub canary: Option<Canary>,
}

/// The case files, one folder each.
pub const CASES: [&str; 4] = [
    "Bauvoranfrage Musterstraße 1",
    "Hundesteuer Testfall 2",
    "Wohngeld Testperson 3",
    "Führerschein Testperson 4",
];

/// Texts of a case, without the token and number that are added.
const TEXTS: [(&str, &str); 4] = [
    (
        "Antrag",
        "Hiermit wird beantragt, was in diesem Testfall beantragt wird.",
    ),
    (
        "Bestätigung",
        "Ihr Antrag ist eingegangen. Dies ist ein Text ohne Bedeutung.",
    ),
    (
        "Vermerk über ein Gespräch",
        "Es wurde nichts besprochen; das Gespräch ist erfunden.",
    ),
    (
        "Bescheid (Entwurf)",
        "Dem Antrag wird zur Probe stattgegeben. Größe, Maß und Öffnung stimmen.",
    ),
];

/// Sizes at the borders of a chunk of 16 KiB, and one of many chunks.
const SIZES: [(usize, usize); 6] = [
    (0, 0),
    (1, 1),
    (1, 16_383),
    (2, 16_384),
    (3, 16_385),
    (0, 20 << 20),
];

/// All files of all cases: texts, pictures and documents of 1 KiB or so, and sizes that matter.
pub fn make(seed: u64) -> Vec<Sample> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut samples = Vec::new();
    for (number, case) in (1_u32..).zip(CASES) {
        for (title, text) in TEXTS {
            samples.push(text_file(case, number, title, text, &mut rng));
        }
        samples.push(document(case, number, &mut rng));
        samples.push(picture(case, number, &mut rng));
    }
    for (case, size) in SIZES {
        samples.extend(CASES.get(case).map(|case| sized(case, size, &mut rng)));
    }
    samples
}

/// Writes the samples below a folder, a folder a case. Existing files are replaced.
pub fn write(samples: &[Sample], folder: &Path) -> io::Result<()> {
    for sample in samples {
        let case = folder.join(sample.case);
        fs::create_dir_all(&case)?;
        fs::write(case.join(&sample.name), &sample.content)?;
    }
    Ok(())
}

fn text_file(
    case: &'static str,
    number: u32,
    title: &str,
    text: &str,
    rng: &mut ChaCha20Rng,
) -> Sample {
    let name = format!("{title} {number}.txt");
    let canary = Canary::generate(&format!("the content of {name}"), rng);
    let token = String::from_utf8_lossy(&canary.token);
    let content = format!("{title}\n\n{text}\n\nTestperson {number}\nKennung: {token}\n");
    Sample {
        case,
        name,
        content: content.into_bytes(),
        canary: Some(canary),
    }
}

fn document(case: &'static str, number: u32, rng: &mut ChaCha20Rng) -> Sample {
    let name = format!("Anlage {number} – Übersicht.pdf");
    let canary = Canary::generate(&format!("the content of {name}"), rng);
    let token = String::from_utf8_lossy(&canary.token);
    let lines = [
        format!("Anlage {number}: Übersicht"),
        "Ein Dokument zur Probe, für niemanden ausgestellt.".to_owned(),
        format!("Kennung: {token}"),
    ];
    Sample {
        case,
        name,
        content: pdf::one_page(&lines),
        canary: Some(canary),
    }
}

fn picture(case: &'static str, number: u32, rng: &mut ChaCha20Rng) -> Sample {
    let name = format!("Skizze {number}.png");
    let canary = Canary::generate(&format!("the content of {name}"), rng);
    let mut tint = [0; 3];
    rng.fill_bytes(&mut tint);
    let token = String::from_utf8_lossy(&canary.token);
    let content = png::gradient(24, tint, &format!("Kennung: {token}"));
    Sample {
        case,
        name,
        content,
        canary: Some(canary),
    }
}

/// Random bytes; with a token in the middle where it fits.
fn sized(case: &'static str, size: usize, rng: &mut ChaCha20Rng) -> Sample {
    let name = format!("Rohdaten {size}.bin");
    let canary = Canary::generate(&format!("the content of {name}"), rng);
    let mut content = vec![0; size];
    rng.fill_bytes(&mut content);
    let middle = size / 2;
    let room = content.get_mut(middle..middle + canary.token.len());
    let planted = room.map(|room| room.copy_from_slice(&canary.token));
    Sample {
        case,
        name,
        content,
        canary: planted.map(|()| canary),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::canary::Search;

    #[test]
    fn makes_the_same_files_from_the_same_seed() {
        assert!(make(1) == make(1));
        assert!(make(1) != make(2));
    }

    #[test]
    fn has_every_size_that_matters_and_umlauts_in_names() {
        let samples = make(1);
        assert_eq!(samples.len(), 30);
        for size in [0, 1, 16_383, 16_384, 16_385, 20 << 20] {
            assert!(samples.iter().any(|sample| sample.content.len() == size));
        }
        assert!(samples.iter().any(|sample| sample.name.contains('Ü')));
        for case in CASES {
            assert!(samples.iter().filter(|sample| sample.case == case).count() >= 6);
        }
        let mut paths: Vec<_> = samples.iter().map(|s| (s.case, &s.name)).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), samples.len());
    }

    #[test]
    fn every_planted_canary_can_be_found_once() {
        let samples = make(3);
        let folder = tempfile::tempdir().unwrap();
        write(&samples, folder.path()).unwrap();
        let canaries: Vec<_> = samples.into_iter().filter_map(|s| s.canary).collect();
        assert_eq!(canaries.len(), 28);
        let found = Search::new(&canaries).unwrap().tree(folder.path()).unwrap();
        let mut places: Vec<_> = found.into_iter().map(|finding| finding.place).collect();
        let mut planted: Vec<_> = canaries.into_iter().map(|canary| canary.place).collect();
        places.sort();
        planted.sort();
        assert_eq!(places, planted);
    }
}
