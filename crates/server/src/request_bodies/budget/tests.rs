use domain::id::WorkspaceId;
use proptest::prelude::*;

use super::*;

/// A budget of 1600 bytes: 800 for a workspace, 400 for strangers, 100 for an address.
fn budget() -> Arc<BodyBudget> {
    let metrics = Metrics::new(Arc::new(crate::clock::SystemClock::new()));
    Arc::new(BodyBudget::new(BodyMemory(1600), Arc::new(metrics)))
}

fn workspace(n: u128) -> BodyOwner {
    BodyOwner::Workspace(workspace_id(n))
}

fn workspace_id(n: u128) -> WorkspaceId {
    format!("01900000-0000-7000-8000-{n:012x}").parse().unwrap()
}

fn stranger(address: &str) -> BodyOwner {
    BodyOwner::Stranger(Some(address.parse().unwrap()))
}

#[test]
fn a_lease_takes_up_to_the_bound_of_its_owner_and_gives_back_when_it_is_dropped() {
    let budget = budget();
    for (owner, most) in [
        (workspace(1), 800),
        (stranger("192.0.2.1"), 100),
        (BodyOwner::Stranger(None), 400),
        (stranger("127.0.0.1"), 400),
    ] {
        let lease = budget.lease(owner);
        assert_eq!(lease.take(most), Ok(()), "{owner:?}");
        assert_eq!(lease.take(1), Err(BudgetSpent), "{owner:?}");
        drop(lease);
        assert_eq!(budget.used().total, 0);
        let again = budget.lease(owner);
        assert_eq!(again.take(most + 1), Err(BudgetSpent), "{owner:?}");
        assert_eq!(again.take(most), Ok(()), "{owner:?}");
    }
    assert!(budget.used().workspaces.is_empty() && budget.used().addresses.is_empty());
}

#[test]
fn strangers_do_not_displace_callers() {
    let budget = budget();
    let strangers: Vec<_> = (1..=5).map(|n| budget.lease(stranger(&format!("192.0.2.{n}")))).collect();
    let taken: Vec<_> = strangers.iter().map(|lease| lease.take(100).is_ok()).collect();
    assert_eq!(taken, [true, true, true, true, false]);
    let first = budget.lease(workspace(1));
    let second = budget.lease(workspace(2));
    assert_eq!((first.take(800), second.take(400)), (Ok(()), Ok(())));
    assert_eq!(second.take(1), Err(BudgetSpent));
    drop(first);
    assert_eq!(second.take(400), Ok(()));
}

#[test]
fn an_ipv6_network_is_one_address() {
    let budget = budget();
    let lease = budget.lease(stranger("2001:db8::1"));
    assert_eq!(lease.take(100), Ok(()));
    assert_eq!(budget.lease(stranger("2001:db8::2")).take(1), Err(BudgetSpent));
    assert_eq!(budget.lease(stranger("2001:db8:0:1::2")).take(1), Ok(()));
}

#[test]
fn a_signed_body_moves_to_its_workspace() {
    let budget = budget();
    let lease = budget.lease(stranger("192.0.2.1"));
    lease.take(100).unwrap();
    lease.authenticate(workspace_id(1)).unwrap();
    assert_eq!(budget.lease(stranger("192.0.2.1")).take(100), Ok(()));
    assert_eq!(budget.used().total, 100);
    assert_eq!(lease.take(700), Ok(()));
    let other = budget.lease(stranger("192.0.2.1"));
    other.take(50).unwrap();
    assert_eq!(other.authenticate(workspace_id(1)), Err(BudgetSpent));
    assert_eq!(budget.used().total, 800);
    drop((lease, other));
    assert_eq!(budget.used().total, 0);
}

proptest! {
    #[test]
    fn the_bounds_hold_for_every_sequence(
        steps in prop::collection::vec((0_u128..6, 0_u64..500, any::<bool>()), 0..60)
    ) {
        let budget = budget();
        let mut leases = Vec::new();
        for (owner, n, is_dropped) in steps {
            let owner = match owner {
                0..3 => workspace(owner),
                _ => stranger(&format!("192.0.2.{owner}")),
            };
            let lease = budget.lease(owner);
            lease.take(n).ok();
            leases.push(lease);
            if is_dropped {
                leases.swap_remove(leases.len() / 2);
            }
            let used = budget.used();
            prop_assert!(used.total <= 1600 && used.strangers <= 400);
            prop_assert!(used.workspaces.values().all(|n| *n <= 800));
            prop_assert!(used.addresses.values().all(|n| *n <= 100));
            let all = used.strangers + used.workspaces.values().sum::<u64>();
            prop_assert_eq!(all, used.total);
            drop(used);
        }
        leases.clear();
        prop_assert_eq!(budget.used().total, 0);
    }
}
