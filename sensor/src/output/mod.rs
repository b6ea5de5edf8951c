//! Where results go: files, standard output, Kafka.

pub(crate) mod record;
