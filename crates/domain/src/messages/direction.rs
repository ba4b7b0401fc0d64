//! Direction of a message.

crate::text_enum! {
    /// Who wrote.
    pub enum Direction {
        /// The customer, to us.
        Inbound = "inbound",
        /// We, to the customer.
        Outbound = "outbound",
    }
}
