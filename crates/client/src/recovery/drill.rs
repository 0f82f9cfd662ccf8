//! The drill: a trustee finds out that their share still opens, and uses it for nothing.

use obhut_crypto::open_recovery_share;
use obhut_format::act::ActKind;
use obhut_format::mutation::Mutation;
use obhut_format::recovery::RecoveryDrilled;
use obhut_format::statement::{Event, Role};

use crate::ClientError;
use crate::act::ActDraft;
use crate::transport::MutationRoute;
use crate::vault::Vault;

impl Vault {
    /// Opens this trustee's share, checks it against the policy, wipes it and logs that it opened. As the
    /// policy's maker checked that the shares give the seed, as many drilled shares as the threshold prove
    /// that recovery would succeed.
    pub async fn drill_recovery(&mut self) -> Result<(), ClientError> {
        let known = self.directory().recovery_policy();
        let policy = known
            .map(|known| known.policy.clone())
            .ok_or_else(|| ClientError::NotFound("there is no recovery policy".into()))?;
        let mine = policy.trustees.iter();
        if !mine.clone().any(|trustee| trustee.person == self.person()) {
            return Err(ClientError::Refused(
                "you keep no share of the recovery policy in force".into(),
            ));
        }
        let share =
            self.with_own_identities(|identity| open_recovery_share(&policy, self.id(), identity))?;
        let event = RecoveryDrilled {
            set: policy.set,
            number: share.number(),
        };
        drop(share);
        let mutation = Mutation::of(vec![self.state(Event::RecoveryDrilled(event), None)?]);
        let draft = ActDraft::new(ActKind::Recover, Role::Citizen);
        self.submit(MutationRoute::Recovery, draft, &mutation)
            .await?;
        Ok(())
    }
}
