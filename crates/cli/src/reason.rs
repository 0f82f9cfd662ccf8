use obhut_client::{ActKind, Reason, stated_reason};

/// Why something is read: goes into the access log, signed, and is shown to the data subjects.
#[derive(clap::Args)]
pub(crate) struct ReasonArgs {
    /// Purpose (Zweck)
    #[arg(long, value_name = "TEXT")]
    purpose: String,
    /// Legal basis (Rechtsgrundlage)
    #[arg(long, value_name = "TEXT")]
    legal_basis: String,
    /// Free justification
    #[arg(long, value_name = "TEXT")]
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
    #[arg(long, value_name = "TEXT")]
    purpose: Option<String>,
    /// Legal basis (Rechtsgrundlage)
    #[arg(long, value_name = "TEXT")]
    legal_basis: Option<String>,
}

impl OptionalReasonArgs {
    /// The reason; this purpose stands where the user named none.
    pub(crate) fn reason_for(&self, purpose: &str) -> Reason {
        let purpose = self.purpose.as_deref().unwrap_or(purpose);
        stated_reason(ActKind::Grant, Some(purpose), self.legal_basis.as_deref())
    }

    pub(crate) fn reason(&self, kind: ActKind) -> Reason {
        stated_reason(kind, self.purpose.as_deref(), self.legal_basis.as_deref())
    }
}
