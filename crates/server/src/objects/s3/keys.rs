//! Where things lie in the bucket: ids below the prefix, no names, tags or user metadata.

use obhut_format::{ObjectId, VaultId};

/// Makes and reads keys.
#[derive(Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// What all keys begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What the keys of a vault's capsules begin with.
    pub(super) fn capsules(&self, vault: VaultId) -> String {
        format!("{}{vault}/capsules/", self.prefix)
    }

    /// A capsule.
    pub(super) fn capsule(&self, vault: VaultId, object: ObjectId) -> String {
        format!("{}{object}", self.capsules(vault))
    }

    /// What the notes of an upload by part begin with.
    pub(super) fn notes(&self, vault: VaultId, object: ObjectId) -> String {
        format!("{}{vault}/parts/{object}/", self.prefix)
    }

    /// The note that names the upload.
    pub(super) fn upload_note(&self, vault: VaultId, object: ObjectId) -> String {
        format!("{}upload", self.notes(vault, object))
    }

    /// The note of a part.
    pub(super) fn part_note(&self, vault: VaultId, object: ObjectId, number: u64) -> String {
        format!("{}{number:05}", self.notes(vault, object))
    }

    /// The leaf list of a capsule that has more than one leaf.
    pub(super) fn leaves(&self, vault: VaultId, object: ObjectId) -> String {
        format!("{}{vault}/leaves/{object}", self.prefix)
    }
}

/// The object a key of a capsule names; none for keys that something else made.
pub(super) fn object_of(key: &str) -> Option<ObjectId> {
    key.rsplit('/').next()?.parse().ok()
}
