//! Sealed names as they came with the records: opened only when somebody is shown.

use std::collections::BTreeMap;

use obhut_format::{Blob, Cbor, FormatError, PersonId, UnitId, record};

record! {
    /// One sealed [`obhut_format::content::PersonEntry`].
    PersonName {
        /// Whom it names.
        1 => person: PersonId,
        /// Sealed bytes.
        2 => sealed: Blob,
    }
}

record! {
    /// One sealed [`obhut_format::content::UnitEntry`].
    UnitName {
        /// Which unit.
        1 => unit: UnitId,
        /// Under which epoch's key.
        2 => epoch: u32,
        /// Sealed bytes.
        3 => sealed: Blob,
    }
}

record! {
    /// [`SealedNames`] as kept.
    NamesFile {
        /// Persons.
        1 => persons: Vec<PersonName>,
        /// Units.
        2 => units: Vec<UnitName>,
    }
}

/// Sealed names this profile was given.
#[derive(Clone, Debug, Default)]
pub(crate) struct SealedNames {
    persons: BTreeMap<PersonId, Blob>,
    units: BTreeMap<(UnitId, u32), Blob>,
}

impl SealedNames {
    pub(crate) fn add_person(&mut self, person: PersonId, sealed: Blob) {
        self.persons.insert(person, sealed);
    }

    pub(crate) fn add_unit(&mut self, unit: UnitId, epoch: u32, sealed: Blob) {
        self.units.insert((unit, epoch), sealed);
    }

    pub(crate) fn find_person(&self, person: PersonId) -> Option<&Blob> {
        self.persons.get(&person)
    }

    pub(crate) fn find_unit(&self, unit: UnitId, epoch: u32) -> Option<&Blob> {
        self.units.get(&(unit, epoch))
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let persons = self.persons.iter().map(|(person, sealed)| PersonName {
            person: *person,
            sealed: sealed.clone(),
        });
        let units = self.units.iter().map(|((unit, epoch), sealed)| UnitName {
            unit: *unit,
            epoch: *epoch,
            sealed: sealed.clone(),
        });
        let file = NamesFile {
            persons: persons.collect(),
            units: units.collect(),
        };
        file.to_bytes()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let file = NamesFile::from_bytes(bytes)?;
        let persons = file
            .persons
            .into_iter()
            .map(|name| (name.person, name.sealed));
        let units = file.units.into_iter();
        Ok(Self {
            persons: persons.collect(),
            units: units
                .map(|name| ((name.unit, name.epoch), name.sealed))
                .collect(),
        })
    }
}
