//! Action types: zero-sized, they mark what a `Grant<A>` and a `Logged<A>` stand for.

use obhut_format::act::ActKind;

mod sealed {
    pub trait Sealed {}
}

/// A kind of act as a type. Closed: implemented here only.
pub trait Action: sealed::Sealed + Send + Sync + 'static {
    /// Whether acts of this kind fall under the action.
    fn covers(kind: ActKind) -> bool;
}

/// Reading what the vault keeps sealed: case lists, titles, documents. Needs shares of the gatekeeper.
#[derive(Debug)]
pub enum Release {}

/// Writing records.
#[derive(Debug)]
pub enum Mutate {}

/// Reading access-log entries.
#[derive(Debug)]
pub enum ReadLog {}

/// Searching case ids by blind tags.
#[derive(Debug)]
pub enum Lookup {}

impl sealed::Sealed for Lookup {}
impl sealed::Sealed for Release {}
impl sealed::Sealed for Mutate {}
impl sealed::Sealed for ReadLog {}

impl Action for Release {
    fn covers(kind: ActKind) -> bool {
        matches!(
            kind,
            ActKind::ListCases
                | ActKind::FindCase
                | ActKind::ListDocuments
                | ActKind::OpenDocument
                | ActKind::ExportCase
        )
    }
}

/// The search alone; reading what it found is a [`Release`] by another act.
impl Action for Lookup {
    fn covers(kind: ActKind) -> bool {
        kind == ActKind::FindCase
    }
}

impl Action for Mutate {
    fn covers(kind: ActKind) -> bool {
        !Release::covers(kind) && !ReadLog::covers(kind)
    }
}

impl Action for ReadLog {
    fn covers(kind: ActKind) -> bool {
        kind == ActKind::ReadLog
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_falls_under_exactly_one_action() {
        for kind in ActKind::ALL {
            let actions = [
                Release::covers(*kind),
                Mutate::covers(*kind),
                ReadLog::covers(*kind),
            ];
            assert_eq!(
                actions.iter().filter(|covers| **covers).count(),
                1,
                "{kind}"
            );
        }
    }
}
