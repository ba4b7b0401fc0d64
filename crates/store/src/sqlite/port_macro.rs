//! The macro that implements the engine's storage ports for [`SqliteStore`](super::SqliteStore).

/// Implements a storage port: one transaction per method.
///
/// The macro gets the signatures from the declaration of the port (`engine::name_port!`), and a table with one entry per
/// method, in the order of the declaration:
///
/// ```text
/// engine::name_port! {
///     sqlite_port for Name {
///         insert_thing(new, audit_entry) { write "inserting a thing", move |tx| insert(tx, &new, &audit_entry) }
///         list_things(workspace, filter) cloning(filter) { read "listing things", move |tx| list(tx, workspace, &filter) }
///     }
/// }
/// ```
///
/// - `write` runs the closure in a write transaction, `read` on a read-only connection, `list` on one of those for
///   lists and within their budget. The text says what is being done;
///   an error of the store begins with it.
/// - `cloning(…)` names parameters that are references: the closure gets a clone.
/// - `with field` gives the closure a clone of a field of the store, such as `sealer`.
/// - `{ call function }` calls an async function with the store instead.
macro_rules! sqlite_port {
    (
        signatures { $( $signature:ident ( $($type:ty),* ) -> $returned:ty; )* }
        for $port:ident { $(
            $method:ident ( $($parameter:ident),* )
            $( cloning ( $($cloned:ident),* ) )?
            $( with $field:ident )?
            { $( $body:tt )* }
        )* }
    ) => {
        #[::async_trait::async_trait]
        impl ::engine::ports::$port for $crate::sqlite::SqliteStore {
            $( async fn $method(&self $(, $parameter: $type)*) -> $returned {
                $( $( let $cloned = ::std::borrow::ToOwned::to_owned($cloned); )* )?
                $( let $field = ::std::clone::Clone::clone(&self.$field); )?
                $crate::sqlite::port_macro::port_body!(self, { $( $body )* })
            } )*
        }
    };
}

/// The body of one method of a port.
macro_rules! port_body {
    ($store:ident, { call $function:path }) => {
        $function($store).await
    };
    ($store:ident, { $mode:ident $doing:literal, $job:expr }) => {
        $store.$mode($doing, $job).await
    };
}

pub(crate) use {port_body, sqlite_port};
