//! One statement after the other.

use std::sync::Arc;

use obhut_format::card::VaultCard;
use obhut_format::statement::{Event, GATE_HEAD_LABEL, GateHead, ShardOpened, SignedStatement};
use obhut_suite::Label;

use super::authority::{Author, verify_device};
use super::directory::{Directory, quorum};
use super::error::ReplayError;

/// Longest origin prefix of a vault, so that every log's origin fits the 255 bytes of C2SP.
const MAX_ORIGIN: usize = 200;

impl Directory {
    pub(super) fn apply_statement(
        &mut self,
        signed: &SignedStatement,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let (statement, author) = self.open_statement(signed, time_us)?;
        match &statement.event {
            Event::Card(card) => self.card_stated(card, author)?,
            Event::PersonEnrolled(event) => self.person_enrolled(event, author, time_us)?,
            Event::PersonInvited(event) => self.person_invited(event, author, time_us)?,
            Event::BundleRotated(event) => self.bundle_rotated(event, author, time_us)?,
            Event::DeviceAdded(event) => self.device_added(event, author)?,
            Event::DeviceRevoked(event) => self.device_revoked(event, author, time_us)?,
            Event::Appointed(event) => self.appointed(event, author, time_us)?,
            Event::AppointmentEnded(event) => self.appointment_ended(event, author, time_us)?,
            Event::UnitEpoch(event) => self.unit_epoch(event, author, time_us)?,
            Event::CaseCreated(event) => self.case_created(event, author, time_us)?,
            Event::CaseRekeyed(event) => self.case_rekeyed(event, author, time_us)?,
            Event::SubjectAdded(event) => self.subject_added(event, author, time_us)?,
            Event::CaseClosed(event) => self.case_closed(event, author, time_us)?,
            Event::CaseReopened(event) => self.case_reopened(event, author, time_us)?,
            Event::GrantRevoked(event) => self.grant_revoked(event, author, time_us)?,
            Event::CardAmended(event) => self.card_amended(event, author, time_us)?,
            Event::ShardOpened(event) => self.shard_opened(event, author)?,
            Event::GateHead(event) => self.gate_head_anchored(event, author)?,
            event => self.apply_custody(event, author, time_us)?,
        }
        self.nonces.insert_mut(statement.nonce);
        Ok(())
    }

    /// Recovery and deputies.
    fn apply_custody(
        &mut self,
        event: &Event,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        match event {
            Event::RecoveryPolicy(event) => self.recovery_policy_stated(event, author, time_us),
            Event::RecoveryRequested(event) => self.recovery_requested(event, author, time_us),
            Event::RecoveryApproved(event) => self.recovery_approved(event, author, time_us),
            Event::RecoveryFinished(event) => self.recovery_finished(event, author, time_us),
            Event::RecoveryWithdrawn(event) => self.recovery_withdrawn(event, author, time_us),
            Event::RecoveryDrilled(event) => self.recovery_drilled(event, author, time_us),
            Event::DeputyAppointed(event) => self.deputy_appointed(event, author, time_us),
            Event::DeputyEnded(event) => self.deputy_ended(event, author, time_us),
            _ => Err(ReplayError::NotSensible),
        }
    }

    /// The first card is pinned; a later one may change policy, never who the vault is.
    fn card_stated(&mut self, card: &VaultCard, author: Author) -> Result<(), ReplayError> {
        if author != Author::Root {
            return Err(ReplayError::NotAuthorised);
        }
        let (version, same) = match self.card() {
            None => (1, true),
            Some(old) => (
                old.version + 1,
                (&old.origin, &old.root) == (&card.origin, &card.root),
            ),
        };
        let pinned = card.vault == self.vault && card.records_key == self.records_key;
        if !same || !pinned || card.version != version {
            return Err(ReplayError::CardMismatch);
        }
        if card.origin.is_empty() || card.origin.len() > MAX_ORIGIN {
            return Err(ReplayError::NotSensible);
        }
        obhut_suite::KeyBundle::parse(card.root.as_bytes()).map_err(|_| ReplayError::KeyRefused)?;
        quorum(card, &card.records_origin(), &card.records_key)?;
        if card.assurance > card.supported_assurance() {
            return Err(ReplayError::AssuranceClaimed);
        }
        self.card = Some(Arc::new(card.clone()));
        Ok(())
    }

    fn shard_opened(&mut self, event: &ShardOpened, author: Author) -> Result<(), ReplayError> {
        let card = self.card().ok_or(ReplayError::NotFounded)?;
        if matches!(author, Author::Person(_)) {
            return Err(ReplayError::NotAuthorised);
        }
        let ours = is_shard_origin(card, event) && event.key == card.access_key;
        if !ours || event.from_us >= event.to_us || self.find_shard(&event.origin).is_some() {
            return Err(ReplayError::ShardRefused);
        }
        self.shards.push_back_mut(event.clone());
        Ok(())
    }

    fn gate_head_anchored(&mut self, event: &GateHead, author: Author) -> Result<(), ReplayError> {
        let card = self.card().ok_or(ReplayError::NotFounded)?;
        if matches!(author, Author::Person(_)) {
            return Err(ReplayError::NotAuthorised);
        }
        let last = self.gate_head().map_or(0, |head| head.seq);
        let rewritten = self
            .gate_head()
            .is_some_and(|h| h.seq == event.seq && h.head != event.head);
        if event.seq < last || rewritten {
            return Err(ReplayError::GateHeadStale);
        }
        let message = event.signed_message(self.vault);
        let label = Label::new(GATE_HEAD_LABEL);
        verify_device(&card.gate_key, label, message.as_bytes(), &event.signature)?;
        self.gate_head = Some(event.clone());
        Ok(())
    }
}

/// Exactly `<vault origin>/access/<class>/<yyyy>q<n>`: origins become folders of tiles.
fn is_shard_origin(card: &VaultCard, event: &ShardOpened) -> bool {
    let class = &event.class;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let prefix = format!("{}/access/{class}/", card.origin);
    let quarter = event.origin.strip_prefix(&prefix).map(str::as_bytes);
    let is_quarter = |text: &[u8]| match text {
        [year @ .., b'q', b'1'..=b'4'] => year.len() == 4 && year.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    !class.is_empty()
        && class.len() <= 32
        && class.bytes().all(plain)
        && quarter.is_some_and(is_quarter)
}
