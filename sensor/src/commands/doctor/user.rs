//! Whose files they have to be, and what is taken before rights are given away.

use std::io::ErrorKind;
use std::net::TcpListener;

use nix::unistd::{Gid, Uid, User, geteuid, getuid, setfsgid, setfsuid};

use super::Outcome::{Bad, Doubtful, Good};
use super::Point;

/// While it is there this thread opens files as another user.
pub(super) struct AsUser(Option<(Uid, Gid)>);

impl Drop for AsUser {
    fn drop(&mut self) {
        if let Some((uid, gid)) = self.0 {
            setfsuid(uid);
            setfsgid(gid);
        }
    }
}

/// Looks at files from here on as `capture.user` would; empty names nobody.
pub(super) fn become_for_files(name: &str, points: &mut Vec<Point>) -> AsUser {
    if name.is_empty() {
        return AsUser(None);
    }
    let user = match User::from_name(name) {
        Ok(Some(user)) => user,
        Ok(None) => {
            points.push((
                "user",
                Bad(
                    format!("there is no user {name} (capture.user)"),
                    format!("sudo useradd --system {name}"),
                ),
            ));
            return AsUser(None);
        }
        Err(error) => {
            points.push((
                "user",
                Bad(
                    format!("cannot look up the user {name} (capture.user): {error}"),
                    format!("getent passwd {name}"),
                ),
            ));
            return AsUser(None);
        }
    };
    if getuid() == user.uid {
        points.push(("user", Good(format!("this is {name}"))));
        return AsUser(None);
    }
    if !geteuid().is_root() {
        points.push((
            "user",
            Doubtful(
                format!("files were looked at as this user may, and not as {name} (capture.user)"),
                "run it with sudo".into(),
            ),
        ));
        return AsUser(None);
    }
    // With the user goes the right to open everything (capabilities(7)), and comes back with it.
    let gid = setfsgid(user.gid);
    let uid = setfsuid(user.uid);
    points.push((
        "user",
        Good(format!("files were looked at as {name} (capture.user) may")),
    ));
    AsUser(Some((uid, gid)))
}

/// Whether the address for metrics and health can be taken.
pub(super) fn listen(address: &str) -> Option<Point> {
    if address.is_empty() {
        return None;
    }
    let outcome = match TcpListener::bind(address) {
        Ok(_) => Good(format!("{address} can be listened on")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Doubtful(
            format!("{address} (http.listen) is taken already, perhaps by a capture that is running"),
            format!(
                "ss -ltnp 'sport = :{}'",
                address.rsplit(':').next().unwrap_or_default()
            ),
        ),
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => Bad(
            format!("{address} (http.listen) is no address of this machine"),
            "ip -brief address, then set http.listen to one of these".into(),
        ),
        Err(error) => Bad(
            format!("cannot listen on {address} (http.listen): {error}"),
            "set http.listen to a port above 1023, such as 127.0.0.1:9464".into(),
        ),
    };
    Some(("http", outcome))
}
