//! What of it is not usual: one detector a file.
