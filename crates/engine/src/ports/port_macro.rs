//! The macro that declares ports.

/// Declares a port: a trait whose methods the engine calls and adapters implement.
///
/// One declaration yields:
/// 1. the `#[async_trait]` trait, with its documentation;
/// 2. with the feature `test-support`, the implementation of the trait for
///    `FaultPort`, which counts the calls and injects faults. The name of a call is the name
///    of the method;
/// 3. for a storage port (`port! { storage name; … }`), the exported macro `name`, which passes the method signatures to
///    the macro of a database driver. The driver's macro implements the port without a repetition of the signatures.
///
/// The engine does not know the database: a driver for another database takes the same signatures.
///
/// # Adding a method
/// 1. Add the signature and its documentation to the declaration of the port. Methods that are not `async` follow in a
///    `sync { … }` block.
///    Each parameter is a plain name with a type, not a pattern.
/// 2. For a storage port, add an entry at the same position to the table in each store crate. For SQLite, the table
///    is in the folder of the subject: `method(parameters) { write "doing something", move |tx| function(tx, …) }`.
/// 3. For another port, implement the method in each adapter.
///
/// The compiler reports a missing or extra table entry as a repetition mismatch, and an entry at the wrong position as a
/// type mismatch in the entry.
macro_rules! port {
    (
        storage $signatures:ident;
        $(#[$attribute:meta])*
        pub trait $port:ident {
            $( $(#[$documentation:meta])*
            async fn $method:ident(&self $(, $parameter:ident: $type:ty)* $(,)?) -> $returned:ty; )*
        }
    ) => {
        $crate::ports::port_macro::port_trait! {
            store_call
            $(#[$attribute])*
            pub trait $port {
                $( $(#[$documentation])* async fn $method(&self $(, $parameter: $type)*) -> $returned; )*
                sync {}
            }
        }
        $crate::ports::port_macro::port_signatures! {
            ($) $signatures { $( $method($($type),*) -> $returned; )* }
        }
    };
    (
        $(#[$attribute:meta])*
        pub trait $port:ident {
            $( $(#[$documentation:meta])*
            async fn $method:ident(&self $(, $parameter:ident: $type:ty)* $(,)?) -> $returned:ty; )*
            $(sync { $( $(#[$sync_documentation:meta])*
            fn $sync_method:ident(&self $(, $sync_parameter:ident: $sync_type:ty)* $(,)?) -> $sync_returned:ty; )* })?
        }
    ) => {
        $crate::ports::port_macro::port_trait! {
            call
            $(#[$attribute])*
            pub trait $port {
                $( $(#[$documentation])* async fn $method(&self $(, $parameter: $type)*) -> $returned; )*
                sync { $($( $(#[$sync_documentation])*
                fn $sync_method(&self $(, $sync_parameter: $sync_type)*) -> $sync_returned; )*)? }
            }
        }
    };
}

/// The trait of a port, and its implementation for `FaultPort`.
macro_rules! port_trait {
    (
        $call:ident
        $(#[$attribute:meta])*
        pub trait $port:ident {
            $( $(#[$documentation:meta])*
            async fn $method:ident(&self $(, $parameter:ident: $type:ty)*) -> $returned:ty; )*
            sync { $( $(#[$sync_documentation:meta])*
            fn $sync_method:ident(&self $(, $sync_parameter:ident: $sync_type:ty)*) -> $sync_returned:ty; )* }
        }
    ) => {
        $(#[$attribute])*
        #[::async_trait::async_trait]
        pub trait $port: Send + Sync {
            $( $(#[$documentation])* async fn $method(&self $(, $parameter: $type)*) -> $returned; )*
            $( $(#[$sync_documentation])* fn $sync_method(&self $(, $sync_parameter: $sync_type)*) -> $sync_returned; )*
        }

        #[cfg(feature = "test-support")]
        #[::async_trait::async_trait]
        impl $port for $crate::ports::fault_injection::FaultPort<dyn $port> {
            $( async fn $method(&self $(, $parameter: $type)*) -> $returned {
                self.$call(stringify!($method), self.port.$method($($parameter),*)).await
            } )*
            $( fn $sync_method(&self $(, $sync_parameter: $sync_type)*) -> $sync_returned {
                self.port.$sync_method($($sync_parameter),*)
            } )*
        }
    };
}

/// The exported macro that passes the signatures of a storage port to the macro of a driver.
macro_rules! port_signatures {
    (($dollar:tt) $signatures:ident { $($signature:tt)* }) => {
        /// Calls the macro of a database driver with the signatures of the port and the tokens that follow its name.
        #[macro_export]
        macro_rules! $signatures {
            ($dollar driver:ident $dollar ($dollar input:tt)*) => {
                $dollar driver! { signatures { $($signature)* } $dollar ($dollar input)* }
            };
        }
    };
}

pub(crate) use {port, port_signatures, port_trait};
