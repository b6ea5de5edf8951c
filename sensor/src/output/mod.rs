//! Where results go: files, standard output, Kafka.

pub(crate) mod kafka;
pub(crate) mod record;
