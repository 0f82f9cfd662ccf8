//! Arguments that name things.

use std::str::FromStr;

use obhut_client::Role;

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
