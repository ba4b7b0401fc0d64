//! Budget of the memory that the bodies of all requests use together.
//!
//! A body takes from the budget what it really buffers, while it is read: a large `Content-Length` alone takes nothing.
//!
//! **Invariant:** all leases together are at most the budget. The requests of one workspace have at most half of it,
//! unauthenticated requests a quarter, and the unauthenticated requests of one address a quarter of that quarter: strangers
//! cannot displace callers, and no caller displaces all others.
//!
//! **Invariant:** a lease is returned when it is dropped, so also after a disconnect and a panic.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::id::WorkspaceId;
use engine::metrics::{Label, Metrics};

use crate::client_ip;
use crate::http_options::BodyMemory;

/// Seconds after which a request without memory is worth another attempt.
pub(crate) const RETRY_AFTER: u32 = 1;

/// Owner of the memory of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyOwner {
    /// Workspace of the authenticated caller.
    Workspace(WorkspaceId),
    /// Client of a request that is not authenticated, if its address is known.
    Stranger(Option<IpAddr>),
}

/// Budget of the process.
pub(crate) struct BodyBudget {
    max: u64,
    used: Mutex<Used>,
    metrics: Arc<Metrics>,
}

/// Bytes in use. A holder without bytes has no entry.
#[derive(Default)]
struct Used {
    total: u64,
    strangers: u64,
    workspaces: BTreeMap<WorkspaceId, u64>,
    addresses: BTreeMap<IpAddr, u64>,
}

/// Error: the budget, or the part of the owner, has too few free bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the memory for bodies of requests is spent")]
pub(crate) struct BudgetSpent;

impl BodyBudget {
    /// Creates an unused budget.
    pub(crate) fn new(size: BodyMemory, metrics: Arc<Metrics>) -> Self {
        Self { max: size.0, used: Mutex::default(), metrics }
    }

    /// Returns a lease of 0 bytes.
    pub(crate) fn lease(self: &Arc<Self>, owner: BodyOwner) -> Arc<BodyLease> {
        let owner = match owner {
            BodyOwner::Workspace(_) => owner,
            BodyOwner::Stranger(address) => {
                // A proxy on this machine that is not in `trusted_proxies` speaks for all clients.
                let address = address.filter(|address| !address.is_loopback());
                BodyOwner::Stranger(address.map(client_ip::network_of))
            }
        };
        Arc::new(BodyLease { budget: self.clone(), held: Mutex::new((owner, 0)) })
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, owner: BodyOwner, n: u64) -> Result<(), BudgetSpent> {
        let taken = self.used().take(owner, n, self.max);
        if taken.is_err() {
            let owner = match owner {
                BodyOwner::Workspace(_) => "workspace",
                BodyOwner::Stranger(_) => "unauthenticated",
            };
            self.metrics.body_refusals.increment(&[Label::Static(owner)]);
        } else {
            self.metrics.body_memory.add(n);
        }
        taken
    }

    fn give_back(&self, owner: BodyOwner, n: u64) {
        self.used().give_back(owner, n);
        self.metrics.body_memory.subtract(n);
    }
}

impl Used {
    fn take(&mut self, owner: BodyOwner, n: u64, max: u64) -> Result<(), BudgetSpent> {
        let fits = |used: u64, max: u64| used.saturating_add(n) <= max;
        let all_fit = fits(self.total, max)
            && match owner {
                BodyOwner::Workspace(workspace) => {
                    fits(self.workspaces.get(&workspace).copied().unwrap_or(0), max / 2)
                }
                BodyOwner::Stranger(address) => {
                    let of_address = address.and_then(|address| self.addresses.get(&address));
                    fits(self.strangers, max / 4)
                        && (address.is_none() || fits(of_address.copied().unwrap_or(0), max / 16))
                }
            };
        if !all_fit {
            return Err(BudgetSpent);
        }
        self.total += n;
        match owner {
            BodyOwner::Workspace(workspace) => *self.workspaces.entry(workspace).or_default() += n,
            BodyOwner::Stranger(address) => {
                self.strangers += n;
                if let Some(address) = address {
                    *self.addresses.entry(address).or_default() += n;
                }
            }
        }
        Ok(())
    }

    fn give_back(&mut self, owner: BodyOwner, n: u64) {
        self.total = self.total.saturating_sub(n);
        match owner {
            BodyOwner::Workspace(workspace) => subtract(&mut self.workspaces, &workspace, n),
            BodyOwner::Stranger(address) => {
                self.strangers = self.strangers.saturating_sub(n);
                if let Some(address) = address {
                    subtract(&mut self.addresses, &address, n);
                }
            }
        }
    }
}

/// Subtracts from an entry, and removes an entry without bytes.
fn subtract<K: Ord>(entries: &mut BTreeMap<K, u64>, key: &K, n: u64) {
    if let Some(used) = entries.get_mut(key) {
        *used = used.saturating_sub(n);
        if *used == 0 {
            entries.remove(key);
        }
    }
}

/// Memory that one body uses.
pub(crate) struct BodyLease {
    budget: Arc<BodyBudget>,
    held: Mutex<(BodyOwner, u64)>,
}

impl BodyLease {
    fn held(&self) -> MutexGuard<'_, (BodyOwner, u64)> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes more bytes from the budget.
    pub(crate) fn take(&self, n: u64) -> Result<(), BudgetSpent> {
        let mut held = self.held();
        self.budget.take(held.0, n)?;
        held.1 = held.1.saturating_add(n);
        Ok(())
    }

    /// Moves the bytes to a workspace, once it is known that the request is from it.
    pub(crate) fn authenticate(&self, workspace: WorkspaceId) -> Result<(), BudgetSpent> {
        let mut held = self.held();
        let (stranger, n) = *held;
        let owner = BodyOwner::Workspace(workspace);
        // No moment exists at which another request could take the bytes.
        let mut used = self.budget.used();
        used.give_back(stranger, n);
        match used.take(owner, n, self.budget.max) {
            Ok(()) => held.0 = owner,
            Err(error) => {
                drop(used);
                held.1 = 0;
                self.budget.metrics.body_memory.subtract(n);
                self.budget.metrics.body_refusals.increment(&[Label::Static("workspace")]);
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Drop for BodyLease {
    fn drop(&mut self) {
        let (owner, n) = *self.held();
        if n > 0 {
            self.budget.give_back(owner, n);
        }
    }
}

#[cfg(test)]
mod tests;
