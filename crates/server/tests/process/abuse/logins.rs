//! Floods of logins.

use serde_json::json;

use super::target::Target;
use crate::harness::client::{CallOutcome, Client};

/// Logins at the same time. An address is blocked after 50 failures.
const N_LOGINS: usize = 48;

#[test]
fn wrong_logins_at_the_same_time_take_the_memory_of_one() {
    let mut target = Target::start(&[]);
    target.withstand(64 * 1024, |target| {
        let log_in = |n: usize| {
            let login = json!({ "email": format!("stranger-{n}@example.com"), "password": "wrong" });
            let outcome = Client::of(target.address()).call("POST", "/api/auth/login", &[], Some(&login));
            let CallOutcome::Answered(response) = &outcome else { panic!("{outcome:?}") };
            response.status
        };
        let statuses = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..N_LOGINS).map(|n| scope.spawn(move || log_in(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        // One login is hashed and 32 wait; the others are refused at once.
        assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
        assert!(statuses.iter().filter(|status| **status == 401).count() >= 32, "{statuses:?}");
    });
}
