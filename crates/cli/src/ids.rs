//! Arguments that name things.

use std::str::FromStr;

use obhut_client::{CaseId, ClientError, Role, Vault};

use crate::words::words;

/// A case by its id or, among the units of a caseworker, by its file reference.
#[derive(Clone)]
pub(crate) enum CaseName {
    Id(CaseId),
    Reference(String),
}

impl CaseName {
    /// The one case that is meant; nothing of it is opened.
    pub(crate) async fn find(&self, vault: &mut Vault) -> Result<CaseId, ClientError> {
        let reference = match self {
            Self::Id(case) => return Ok(*case),
            Self::Reference(reference) => reference,
        };
        let mut found = Vec::new();
        for unit in vault.caseworker_units() {
            found.extend(vault.cases_named(unit, reference).await?);
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(ClientError::NotFound(format!(
                "there is no case file {reference} for you"
            ))),
            many => {
                let ids: Vec<_> = many.iter().map(ToString::to_string).collect();
                Err(ClientError::Usage(format!(
                    "several case files have this reference, name one by its id: {}",
                    ids.join(", ")
                )))
            }
        }
    }
}

impl FromStr for CaseName {
    type Err = String;

    /// A text that begins like an id must be one.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("case_") {
            let id = text.parse::<CaseId>();
            id.map(Self::Id).map_err(|error| error.to_string())
        } else {
            words(text).map(Self::Reference)
        }
    }
}

/// A role by its stable name.
#[derive(Clone, Copy)]
pub(crate) struct RoleName(pub(crate) Role);

impl FromStr for RoleName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |role: &&Role| role.as_str() == text;
        let mut staff = STAFF.iter();
        staff.find(fits).copied().map(Self).ok_or_else(|| {
            let names: Vec<_> = STAFF.iter().map(|role| role.as_str()).collect();
            format!("use one of {}", names.join(", "))
        })
    }
}

const STAFF: &[Role] = &[
    Role::CaseWorker,
    Role::Registrar,
    Role::Dpo,
    Role::RecordsManager,
    Role::Approver,
];
