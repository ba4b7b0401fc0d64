//! Test double of every port: counts the calls and injects faults.

use std::sync::Arc;

use async_trait::async_trait;

use super::storage::StoreError;

/// Observer of the calls of ports, which may make them fail.
#[async_trait]
pub trait FaultInjector: Send + Sync {
    /// Runs before the call has an effect, and returns a number for the call.
    ///
    /// An error becomes the result of a storage port's method. The function may also panic, or never return.
    async fn before(&self, call: &'static str) -> Result<usize, StoreError>;

    /// Runs after the effect of the call with this number, before its result is returned. Errors and panics have the
    /// same meaning as in [`FaultInjector::before`].
    async fn after(&self, call: &'static str, n: usize) -> Result<(), StoreError>;
}

/// A port whose calls pass a [`FaultInjector`].
///
/// **Invariant:** a call that the injector lets pass reaches the port unchanged.
pub struct FaultPort<P: ?Sized> {
    /// The port that does the work.
    pub port: Arc<P>,
    /// Observer of the calls.
    pub injector: Arc<dyn FaultInjector>,
}

impl<P: ?Sized> FaultPort<P> {
    /// Passes a call of a storage port. An error of the injector becomes the result.
    pub(super) async fn store_call<T>(
        &self,
        call: &'static str,
        result: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let n = self.injector.before(call).await?;
        let result = result.await;
        self.injector.after(call, n).await?;
        result
    }

    /// Passes a call of a port whose errors are of another type.
    ///
    /// # Panics
    /// The injector returns an error: a [`StoreError`] cannot become the result.
    #[expect(clippy::expect_used, reason = "test double: the error is a mistake in the test")]
    pub(super) async fn call<T>(&self, call: &'static str, result: impl Future<Output = T> + Send) -> T {
        let n = self.injector.before(call).await.expect("only storage ports can fail with a StoreError");
        let result = result.await;
        self.injector.after(call, n).await.expect("only storage ports can fail with a StoreError");
        result
    }
}
