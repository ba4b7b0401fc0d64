//! Files for customers.
