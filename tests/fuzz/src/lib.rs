//! Hostile input for every parser of bytes that others wrote: nothing may panic, and what is accepted has one spelling.
//!
//! `tests/replay.rs` runs the targets on the corpus and on mutations of it, with stable Rust. `libfuzzer/` runs them under
//! libFuzzer where a nightly toolchain and `cargo-fuzz` are at hand: `cargo xtask fuzz`.

use obhut_format::bootstrap::BootstrapCode;
use obhut_format::capsule::{CapsuleHeader, HEADER_BYTES};
use obhut_format::manifest::Manifest;
use obhut_format::{cddl, invite};
use obhut_log::tile::TilePath;
use obhut_log::{Checkpoint, Core, Leaf, Recs, SignedCheckpoint, TlogProof};
use obhut_suite::{
    BUNDLE_LEN, DevicePublic, DeviceSignature, Encapsulation, KeyBundle, PassphraseParams,
    XwingPublic,
};

/// Reads the input; panics when what was accepted would be written differently.
type Parse = Box<dyn Fn(&[u8])>;

/// Every parser under its name, in a fixed order.
pub fn targets() -> Vec<(String, Parse)> {
    let records = cddl::readers().into_iter().map(|(name, read)| {
        let target: Parse = Box::new(move |input| one_spelling(input, read(input).ok()));
        (format!("record-{}", cddl::kebab(name)), target)
    });
    records
        .chain(layouts())
        .chain(texts())
        .chain(keys())
        .collect()
}

fn layouts() -> Vec<(String, Parse)> {
    vec![
        // It stands in front of the capsule's chunks.
        target("capsule-header", |input| {
            let header = input.get(..HEADER_BYTES).unwrap_or(input);
            let read = CapsuleHeader::parse(input).ok();
            one_spelling(header, read.map(|read| read.to_bytes()));
        }),
        target("manifest", |input| {
            one_spelling(
                input,
                Manifest::parse(input).ok().map(|read| read.to_bytes()),
            );
        }),
        target("core", |input| {
            one_spelling(input, Core::parse(input).ok().map(|read| read.to_bytes()));
        }),
        target("leaf", |input| {
            one_spelling(input, Leaf::parse(input).ok().map(|read| read.to_bytes()));
        }),
        target("recs", |input| {
            one_spelling(input, Recs::parse(input).ok().map(|read| read.to_bytes()));
        }),
        target("entry-bundle", |input| {
            let _ = obhut_log::tile::parse_entries(input, 256);
            let _ = obhut_log::tile::parse_entries(input, 1);
        }),
    ]
}

fn texts() -> Vec<(String, Parse)> {
    vec![
        text("checkpoint", |text| {
            one_spelling(
                text.as_bytes(),
                Checkpoint::parse_text(text).ok().map(|read| read.to_text()),
            );
        }),
        text("signed-checkpoint", |text| {
            let read = text.parse::<SignedCheckpoint>().ok();
            one_spelling(text.as_bytes(), read.map(|read| read.to_string()));
        }),
        text("tlog-proof", |text| {
            let read = text.parse::<TlogProof>().ok();
            one_spelling(text.as_bytes(), read.map(|read| read.to_string()));
        }),
        text("tile-path", |text| {
            let read = text.parse::<TilePath>().ok();
            one_spelling(text.as_bytes(), read.map(|read| read.to_string()));
        }),
        // People type these: several spellings mean the same, and what is written can be read.
        text("invitation", |text| {
            if let Ok(read) = invite::parse_text(text) {
                assert!(invite::parse_text(&invite::to_text(&read)).is_ok());
            }
        }),
        text("bootstrap-code", |text| {
            if let Ok(read) = BootstrapCode::parse_text(text) {
                assert!(BootstrapCode::parse_text(&read.to_text()).is_ok());
            }
        }),
    ]
}

fn keys() -> Vec<(String, Parse)> {
    vec![
        target("key-bundle", |input| {
            let _ = KeyBundle::parse(input);
        }),
        target("encapsulation", |input| {
            let _ = Encapsulation::parse(input);
        }),
        target("x-wing-public", |input| {
            let _ = XwingPublic::parse(input);
        }),
        target("device-public", |input| {
            let _ = DevicePublic::parse(input);
        }),
        target("device-signature", |input| {
            let _ = DeviceSignature::parse(input);
        }),
        target("passphrase-params", |input| {
            if let Some(bytes) = input.first_chunk() {
                let _ = PassphraseParams::parse(bytes);
            }
        }),
    ]
}

/// Longest input that says anything new to a parser.
pub const MOST_BYTES: usize = 4 * BUNDLE_LEN;

fn target(name: &str, parse: impl Fn(&[u8]) + 'static) -> (String, Parse) {
    (name.to_owned(), Box::new(parse))
}

fn text(name: &str, parse: impl Fn(&str) + 'static) -> (String, Parse) {
    target(name, move |input| {
        if let Ok(text) = str::from_utf8(input) {
            parse(text);
        }
    })
}

fn one_spelling(input: &[u8], written: Option<impl AsRef<[u8]>>) {
    if let Some(written) = written {
        assert!(
            input == written.as_ref(),
            "accepted, but written differently"
        );
    }
}
