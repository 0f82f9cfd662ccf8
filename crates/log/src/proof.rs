//! C2SP tlog-proof: one leaf's inclusion in one text, verifiable offline.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use obhut_format::tree::{Hash, MAX_PATH};

use crate::checkpoint::{Quorum, SignedCheckpoint, Witnessed, parse_decimal, parse_hash};
use crate::error::LogError;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Proof that a leaf stands at `index` of the log whose checkpoint is enclosed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Bytes that travel along. Nothing authenticates them.
    pub extra: Option<Vec<u8>>,
    /// Position of the leaf.
    pub index: u64,
    /// Inclusion path, sibling of the leaf first.
    pub path: Vec<Hash>,
    /// The log's head with its signatures.
    pub checkpoint: SignedCheckpoint,
}

impl TlogProof {
    /// Checks path, log signature and quorum for the leaf with this hash.
    pub fn verify(&self, leaf: &Hash, quorum: &Quorum) -> Result<Witnessed, LogError> {
        let witnessed = quorum.verify(&self.checkpoint)?;
        let head = witnessed.checkpoint();
        head.verify_leaf(leaf, self.index, &self.path)?;
        Ok(witnessed)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", BASE64.encode(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for TlogProof {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(LogError::Malformed)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(LogError::Malformed);
        }
        let extra = lines
            .next_if(|line| line.starts_with("extra "))
            .and_then(|line| line.strip_prefix("extra "))
            .map(|extra| BASE64.decode(extra.as_bytes()))
            .transpose()
            .map_err(|_| LogError::Malformed)?;
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .ok_or(LogError::Malformed)?;
        let index = parse_decimal(index)?;
        let path: Vec<Hash> = lines
            .take(MAX_PATH + 1)
            .map(parse_hash)
            .collect::<Result<_, _>>()?;
        if path.len() > MAX_PATH {
            return Err(LogError::Malformed);
        }
        Ok(Self {
            extra,
            index,
            path,
            checkpoint: checkpoint.parse()?,
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::note::{NoteKeyType, NoteSigner};
    use obhut_format::tree::{Tree, TreeError, leaf_hash};
    use obhut_suite::{NoteKey, Secret};
    use proptest::prelude::*;

    const ORIGIN: &str = "vault.example/records";

    fn signer(name: &str, kind: NoteKeyType, seed: u8) -> NoteSigner {
        NoteSigner::new(name, kind, NoteKey::from_seed(&Secret::new([seed; 32]))).unwrap()
    }

    fn witness() -> NoteSigner {
        signer("witness.example/w1", NoteKeyType::Cosigner, 2)
    }

    fn quorum() -> Quorum {
        let log = signer(ORIGIN, NoteKeyType::Log, 1).verifier().clone();
        Quorum::new(log, vec![witness().verifier().clone()], 1).unwrap()
    }

    fn leaf(index: u64) -> Hash {
        leaf_hash(&index.to_be_bytes())
    }

    fn proof(index: u64, size: u64) -> TlogProof {
        let tree = Tree::new((0..size).map(leaf).collect());
        let head = Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: tree.root(),
        };
        let log = signer(ORIGIN, NoteKeyType::Log, 1);
        let mut checkpoint = SignedCheckpoint::sign(head, &log).unwrap();
        checkpoint.cosign(&witness(), 1_000).unwrap();
        TlogProof {
            extra: None,
            index,
            path: tree.inclusion_path(index).unwrap(),
            checkpoint,
        }
    }

    #[test]
    fn has_the_lines_of_the_specification() {
        let mut with_extra = proof(1, 3);
        with_extra.extra = Some(b"more".to_vec());
        let text = with_extra.to_string();
        let lines: Vec<&str> = text.split('\n').collect();
        let expected = [
            "c2sp.org/tlog-proof@v1",
            "extra bW9yZQ==",
            "index 1",
            &BASE64.encode(&leaf(0)),
            &BASE64.encode(&leaf(2)),
            "",
            ORIGIN,
            "3",
        ];
        assert_eq!(lines.get(..8).unwrap(), expected);
        assert_eq!(text.parse::<TlogProof>().unwrap(), with_extra);
    }

    #[test]
    fn c05_verifies_the_leaf_at_its_index_only() {
        let text = proof(3, 7).to_string();
        let proof: TlogProof = text.parse().unwrap();
        assert_eq!(proof.verify(&leaf(3), &quorum()).unwrap().time_s(), 1_000);
        let mismatch = Err(LogError::Tree(TreeError::RootMismatch));
        assert_eq!(proof.verify(&leaf(4), &quorum()), mismatch);
        let moved: TlogProof = text.replace("index 3", "index 2").parse().unwrap();
        assert_eq!(moved.verify(&leaf(3), &quorum()), mismatch);
        let beyond: TlogProof = text.replace("index 3", "index 7").parse().unwrap();
        assert!(beyond.verify(&leaf(3), &quorum()).is_err());
    }

    #[test]
    fn a_proof_without_quorum_is_refused() {
        let mut bare = proof(3, 7);
        let head = bare.checkpoint.unverified().clone();
        bare.checkpoint =
            SignedCheckpoint::sign(head, &signer(ORIGIN, NoteKeyType::Log, 1)).unwrap();
        assert_eq!(bare.verify(&leaf(3), &quorum()), Err(LogError::NoQuorum));
    }

    #[test]
    fn a_log_of_one_leaf_has_an_empty_path() {
        let text = proof(0, 1).to_string();
        assert!(text.contains("index 0\n\nvault.example"));
        assert!(
            text.parse::<TlogProof>()
                .unwrap()
                .verify(&leaf(0), &quorum())
                .is_ok()
        );
    }

    #[test]
    fn refuses_malformed_proofs() {
        let good = proof(3, 7).to_string();
        for bad in [
            String::new(),
            good.replace("@v1", "@v2"),
            good.replace("index 3", "index 03"),
            good.replace("index 3", "index 3 "),
            good.replace("index 3", "extra !\nindex 3"),
            good.replace("index 3\n", ""),
            good.replace("index 3\n", "index 3\nAAAA\n"),
            good.replace(
                "index 3\n",
                &format!("index 3\n{}", "A".repeat(43) + "=\n").repeat(2),
            ),
            good.replace("\n\nvault", "\nvault"),
            good.replace(
                "index 3\n",
                &format!("index 3\n{}", ("A".repeat(43) + "=\n").repeat(70)),
            ),
        ] {
            assert!(bad.parse::<TlogProof>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_proof_survives_its_text(
            size in 1_u64..200,
            index in 0_u64..200,
            extra in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        ) {
            let index = index % size;
            let proof = TlogProof { extra, ..proof(index, size) };
            let parsed: TlogProof = proof.to_string().parse().unwrap();
            prop_assert!(parsed.verify(&leaf(index), &quorum()).is_ok());
            prop_assert_eq!(parsed, proof);
        }
    }
}
