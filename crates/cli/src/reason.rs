use obhut_client::{ActKind, Reason, stated_reason};

use crate::words::words;

/// Why something is read: goes into the access log, signed, and is shown to the data subjects.
#[derive(clap::Args)]
pub(crate) struct ReasonArgs {
    /// Purpose (Zweck)
    #[arg(long, value_name = "TEXT", value_parser = words)]
    purpose: String,
    /// Legal basis (Rechtsgrundlage)
    #[arg(long, value_name = "TEXT", value_parser = words)]
    legal_basis: String,
    /// Free justification
    #[arg(long, value_name = "TEXT", value_parser = words)]
    justification: Option<String>,
}

impl ReasonArgs {
    pub(crate) fn reason(self) -> Reason {
        Reason {
            purpose: self.purpose,
            legal_basis: self.legal_basis,
            justification: self.justification,
        }
    }
}

/// Why something is filed or listed; the act's own name stands where nothing is said.
#[derive(clap::Args)]
pub(crate) struct OptionalReasonArgs {
    /// Purpose (Zweck)
    #[arg(long, value_name = "TEXT", value_parser = words)]
    purpose: Option<String>,
    /// Legal basis (Rechtsgrundlage)
    #[arg(long, value_name = "TEXT", value_parser = words)]
    legal_basis: Option<String>,
}

impl OptionalReasonArgs {
    pub(crate) fn reason(&self, kind: ActKind) -> Reason {
        stated_reason(kind, self.purpose.as_deref(), self.legal_basis.as_deref())
    }
}
