//! What persons and units are called, as far as this profile may know.

use std::collections::HashMap;

use obhut_format::{PersonId, UnitId};

use crate::ClientError;
use crate::import::NamedPerson;
use crate::records::take_sealed;
use crate::vault::Vault;

impl Vault {
    /// A person's name, if it is sealed for a unit this profile belongs to.
    pub async fn find_person_name(
        &mut self,
        person: PersonId,
    ) -> Result<Option<String>, ClientError> {
        self.load_keyring().await?;
        if self.records.names().find_person(person).is_none() {
            self.fetch_sealed(person).await?;
        }
        self.open_person_name(person)
    }

    fn open_person_name(&self, person: PersonId) -> Result<Option<String>, ClientError> {
        let Some(sealed) = self.records.names().find_person(person) else {
            return Ok(None);
        };
        let keyring = self.keyring()?;
        let keys = keyring
            .units()
            .into_iter()
            .flat_map(|unit| keyring.epochs_of(unit));
        let mut opened =
            keys.filter_map(|key| key.register_key().open_person(person, &sealed.0).ok());
        Ok(opened.next().map(|entry| entry.name))
    }

    /// Ids of the citizens whose names this profile may know, by name.
    pub async fn citizen_names(&mut self) -> Result<HashMap<String, Vec<PersonId>>, ClientError> {
        let persons = self.directory().persons();
        let citizens: Vec<_> = persons
            .filter(|person| person.citizen)
            .map(|person| person.person)
            .collect();
        let mut names: HashMap<String, Vec<PersonId>> = HashMap::new();
        for person in citizens {
            if let Some(name) = self.find_person_name(person).await? {
                names.entry(name).or_default().push(person);
            }
        }
        Ok(names)
    }

    /// Citizens of this name, among those whose names this profile has at hand.
    pub async fn citizens_named(&mut self, name: &str) -> Result<Vec<PersonId>, ClientError> {
        self.load_keyring().await?;
        let citizens = self.directory().persons().filter(|person| person.citizen);
        let citizens: Vec<_> = citizens.map(|person| person.person).collect();
        let mut same = Vec::new();
        for person in citizens {
            if self.open_person_name(person)?.as_deref() == Some(name.trim()) {
                same.push(person);
            }
        }
        Ok(same)
    }

    /// Units of this name, among those whose names this profile may know.
    pub async fn units_named(&mut self, name: &str) -> Result<Vec<UnitId>, ClientError> {
        let units: Vec<_> = self.directory().units().map(|unit| unit.unit).collect();
        let mut same = Vec::new();
        for unit in units {
            if self.find_unit_name(unit).await?.as_deref() == Some(name.trim()) {
                same.push(unit);
            }
        }
        Ok(same)
    }

    /// The one citizen of this id or name.
    pub async fn find_citizen(&mut self, person: &NamedPerson) -> Result<PersonId, ClientError> {
        let name = match person {
            NamedPerson::Id(id) => return Ok(*id),
            NamedPerson::Name(name) => name,
        };
        let names = self.citizen_names().await?;
        match names.get(name).map_or(&[][..], Vec::as_slice) {
            [one] => Ok(*one),
            [] => Err(ClientError::NotFound(
                "nobody of this name is enrolled".into(),
            )),
            _ => Err(ClientError::Usage(
                "several persons have this name; give the person id instead".into(),
            )),
        }
    }

    /// A unit's name, if this profile holds its key.
    pub async fn find_unit_name(&mut self, unit: UnitId) -> Result<Option<String>, ClientError> {
        self.load_keyring().await?;
        let known = self.directory().unit(unit);
        let Some(epochs) = known.map(|unit| unit.epochs.clone()) else {
            return Ok(None);
        };
        for epoch in epochs.iter().rev() {
            let sealed = self.records.names().find_unit(unit, epoch.epoch);
            let key = self.keyring()?.find_unit(unit, epoch.epoch);
            if let (Some(sealed), Some(key)) = (sealed, key) {
                let entry = key.register_key().open_unit(&epoch.entry_hash, &sealed.0)?;
                return Ok(Some(entry.name));
            }
        }
        Ok(None)
    }

    /// Asks for all records once more: a granted recovery lets this profile see the sealed names of units
    /// it was not a member of.
    pub(crate) async fn load_unit_names(&mut self) -> Result<(), ClientError> {
        let (mut next, size) = (0, self.directory().size());
        while next < size {
            let page = self.endpoint().records(next).await?;
            if page.entries.is_empty() || page.first != next {
                return Err(ClientError::integrity("the vault keeps records back"));
            }
            for (entry, sealed) in page.entries.iter().zip(&page.sealed) {
                take_sealed(entry, sealed, self.records.names_mut())?;
            }
            next += page.entries.len() as u64;
        }
        Ok(())
    }

    /// Asks once more for the record that enrolled a person: the first time this profile may not have been
    /// allowed to see its sealed part.
    async fn fetch_sealed(&mut self, person: PersonId) -> Result<(), ClientError> {
        let Some(record) = self.directory().person(person).map(|person| person.record) else {
            return Ok(());
        };
        let page = self.endpoint().records(record).await?;
        if let (Some(entry), Some(sealed)) = (page.entries.first(), page.sealed.first()) {
            take_sealed(entry, sealed, self.records.names_mut())?;
        }
        Ok(())
    }
}
