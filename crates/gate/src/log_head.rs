//! The newest signed head of a log as the gatekeeper knows it.

use std::str::FromStr as _;

use obhut_log::{Checkpoint, SignedCheckpoint, VerifierKey};

use crate::Refusal;

/// Newest head with every signature that came for it, and how far the gatekeeper may have cosigned.
#[derive(Clone, Default)]
pub(crate) struct LogHead {
    newest: Option<SignedCheckpoint>,
    pub(crate) cosigned_size: u64,
}

impl LogHead {
    pub(crate) fn load(text: &str, cosigned_size: u64) -> Self {
        Self {
            newest: SignedCheckpoint::from_str(text).ok(),
            cosigned_size,
        }
    }

    pub(crate) fn newest(&self) -> Option<&SignedCheckpoint> {
        self.newest.as_ref()
    }

    pub(crate) fn to_text(&self) -> String {
        self.newest
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    /// Takes a head over, or the further signatures of the one at hand.
    pub(crate) fn take(&mut self, signed: SignedCheckpoint) {
        match &mut self.newest {
            Some(known) if known.unverified() == signed.unverified() => {
                // Same text, so merging cannot fail; if it did, the known signatures stay.
                let _ = known.merge(&signed);
            }
            newest => *newest = Some(signed),
        }
    }
}

/// Parses a head that the log itself signed and that is exactly the tree replayed here.
pub(crate) fn verify_head(
    text: &str,
    log: &VerifierKey,
    here: &Checkpoint,
) -> Result<SignedCheckpoint, Refusal> {
    let signed = SignedCheckpoint::from_str(text).map_err(|_| Refusal::Checkpoint)?;
    let head = signed.verify_log(log).map_err(|_| Refusal::Checkpoint)?;
    if head != here {
        return Err(Refusal::CheckpointTree);
    }
    Ok(signed)
}
