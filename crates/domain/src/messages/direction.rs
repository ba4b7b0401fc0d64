//! Direction of a message.

crate::text_enum! {
    /// Direction of a message.
    pub enum Direction {
        /// From the customer to the business.
        Inbound = "inbound",
        /// From the business to the customer.
        Outbound = "outbound",
    }
}
