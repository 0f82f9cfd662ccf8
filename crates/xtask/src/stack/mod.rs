//! A vault with everything it stands on, for the demo and the benchmarks: embedded, or as an agency runs it.

pub(crate) mod background;
mod elsewhere;
pub(crate) mod founding;
pub(crate) mod servers;
pub(crate) mod services;
pub(crate) mod stage;
