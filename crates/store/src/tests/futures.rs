//! Whatever a handler awaits must be able to move between threads.

use std::time::Duration;

use obhut_format::{ObjectId, PersonId};
use obhut_model::action::{Mutate, ReadLog, Release};
use obhut_model::{Caller, Grant};

use crate::{Logged, Proposal, Store, Vault, VaultParts, VerifiedAct};

fn is_send<T: Send>(_: T) {}

#[expect(dead_code, reason = "checked by the compiler, never called")]
fn futures_are_send(
    (store, vault, parts): (&Store, &Vault, VaultParts),
    (caller, act, proposal): (&Caller, VerifiedAct, Proposal),
    (release, reading, mutate): (Grant<Release>, Grant<ReadLog>, Grant<Mutate>),
    (released, read): (&Logged<Release>, &Logged<ReadLog>),
) {
    is_send(store.open_vault(vault.id(), parts));
    is_send(vault.new_challenge(PersonId([0; 16]), caller.device()));
    is_send(vault.authenticate(&[0; 32]));
    is_send(vault.propose(&[]));
    is_send(vault.authorise_release(caller, &act));
    is_send(vault.log_release(release, act.clone()));
    is_send(vault.log_reading(reading, act.clone()));
    is_send(vault.commit(mutate, act, proposal));
    is_send(vault.release(released));
    is_send(vault.own_log(read));
    is_send(vault.own_keys(caller));
    is_send(vault.records_page(0, Some(caller)));
    is_send(vault.wait_receipt(0, Duration::ZERO));
    is_send(vault.note_objects(caller, &[]));
    is_send(vault.find_ticketed_object(caller, ObjectId([0; 16])));
    is_send(vault.shut_down());
}
