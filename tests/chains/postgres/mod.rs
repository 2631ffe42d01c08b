//! Stories on real PostgreSQL servers, which they start, cut off and stop.

mod connect;
mod hosts;
mod tls;
mod troubles;
