//! `tapline doctor`.

use crate::args::DoctorArgs;
use crate::exit::{Failure, Status};

pub(super) fn doctor(_args: &DoctorArgs) -> Result<Status, Failure> {
    super::print("")
}
