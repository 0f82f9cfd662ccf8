//! Reading, checking and making the corpus.

mod checks;
mod craft;
mod maker;
mod mutants;
mod people;
mod recovery;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

pub(crate) use checks::check;
pub(crate) use maker::make;

/// One vector: what goes in, and what must come out of it.
#[derive(Clone, Debug)]
pub(crate) struct Vector {
    /// `kind/name`.
    pub(crate) name: String,
    /// `accept`, or the class of the refusal.
    pub(crate) expect: String,
    /// The case of the threat model, if it is one.
    pub(crate) case: Option<String>,
    /// What is special about it.
    pub(crate) about: String,
    pub(crate) input: BTreeMap<String, Value>,
    pub(crate) output: BTreeMap<String, Value>,
    /// The capsule beside the vector.
    pub(crate) object: Option<Vec<u8>>,
}

impl Vector {
    pub(crate) fn kind(&self) -> &str {
        self.name.split('/').next().unwrap()
    }

    /// Paths below the folder, and contents.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut body = json!({
            "about": self.about,
            "expect": self.expect,
            "input": self.input,
            "output": self.output,
        });
        if let Some(case) = &self.case {
            body["case"] = json!(case);
        }
        let mut text = serde_json::to_string_pretty(&body).unwrap();
        text.push('\n');
        let mut files = vec![(format!("{}.json", self.name), text.into_bytes())];
        if let Some(object) = &self.object {
            files.push((format!("{}.capsule", self.name), object.clone()));
        }
        files
    }
}

/// All vectors in the folders below, by name.
pub(crate) fn read_all(folder: &Path) -> Vec<Vector> {
    let mut vectors = Vec::new();
    let kinds = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    for kind in kinds.filter(|path| path.is_dir()) {
        for file in fs::read_dir(&kind).unwrap() {
            let path = file.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let name = path.strip_prefix(folder).unwrap().with_extension("");
                vectors.push(parse(
                    name.to_str().unwrap(),
                    &fs::read_to_string(&path).unwrap(),
                ));
            }
        }
    }
    vectors.sort_by(|one, other| one.name.cmp(&other.name));
    vectors
}

/// The list that a second implementation starts from.
pub(crate) fn index(vectors: &[Vector]) -> String {
    let line = |vector: &Vector| {
        json!({
            "file": format!("{}.json", vector.name),
            "kind": vector.kind(),
            "expect": vector.expect,
            "case": vector.case,
        })
    };
    let lines: Vec<String> = vectors
        .iter()
        .map(|vector| line(vector).to_string())
        .collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn parse(name: &str, text: &str) -> Vector {
    let body: Value = serde_json::from_str(text).unwrap();
    let fields = |part: &str| {
        body[part]
            .as_object()
            .unwrap()
            .clone()
            .into_iter()
            .collect()
    };
    let text = |part: &str| body[part].as_str().map(str::to_owned);
    Vector {
        name: name.to_owned(),
        expect: text("expect").unwrap(),
        case: text("case"),
        about: text("about").unwrap(),
        input: fields("input"),
        output: fields("output"),
        object: None,
    }
}
