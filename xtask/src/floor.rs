//! A process that does nothing: what starting one costs, beside which the benches put the product.

fn main() {}
