//! Every SQL text of the crate is declared through these macros, so that a test can have both
//! engines parse all of them.

/// Declares SQL texts as constants and lists them in `STATEMENTS`.
macro_rules! statements {
    ($($(#[$meta:meta])* $name:ident = $text:expr;)+) => {
        $($(#[$meta])* const $name: &str = $text;)+
        /// Every text of this module, by name.
        #[cfg(test)]
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $name)),+];
    };
}

/// Declares batches as constants and a function `prepare_batches` that has the engine parse them.
macro_rules! batches {
    ($($(#[$meta:meta])* $name:ident: $columns:literal = $batch:expr;)+) => {
        $($(#[$meta])* pub(crate) const $name: obhut_sql::Batch<$columns> = $batch;)+

        /// Has the engine parse every batch: for tests.
        #[cfg(test)]
        pub(crate) async fn prepare_batches(tx: &mut obhut_sql::Tx) -> Result<(), obhut_sql::SqlError> {
            $($name.prepare(tx).await?;)+
            Ok(())
        }
    };
}

pub(crate) use {batches, statements};
