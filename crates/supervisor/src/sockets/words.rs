//! Why an address cannot be listened on, in words for an operator: who has it, and what to do.

use super::Fault;
use config::plan::Listen;
use net::{
    holder::{self, Holder},
    identity, process,
    unix::UnixError,
};
use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    path::Path,
};

/// The first port that everybody may listen on, where the kernel says nothing else.
const FREE_PORT: u16 = 1024;

/// What an address was named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// The command line.
    Option,
    Listen,
    Admin,
}

impl Setting {
    /// What has named an address, which may be one of sites.
    pub(super) fn of(listen: &Listen, is_of_sites: bool) -> Self {
        match is_of_sites {
            true if listen.written.is_empty() => Self::Option,
            true => Self::Listen,
            false => Self::Admin,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Option => "--port N",
            Self::Listen => "`listen`",
            Self::Admin => "`address` of [server.admin]",
        }
    }

    /// What an address is for, where it is not for sites.
    fn purpose(self) -> &'static str {
        match self {
            Self::Admin => " for `admin`",
            Self::Option | Self::Listen => "",
        }
    }
}

pub(crate) fn explain_unix(path: &Path, error: &UnixError, setting: &str) -> Fault {
    let other = format!("choose another path by {setting}");
    let cause = match error {
        UnixError::Taken(Some(holder)) => {
            let way_out = holder.way_out();
            format!("{} (pid {}) listens there; {way_out}, or {other}", holder.name, holder.pid)
        }
        UnixError::Taken(None) => {
            format!("another server listens there, or is about to; stop that, or {other}")
        }
        UnixError::NoSocket => format!("what lies there is no socket; move it away, or {other}"),
        UnixError::Failed(error) if error.kind() == ErrorKind::NotFound => {
            "its folder does not exist; make that first".to_owned()
        }
        UnixError::Failed(error) if error.kind() == ErrorKind::PermissionDenied => {
            format!("this user may not make or replace it; {other}")
        }
        UnixError::Failed(error) => format!("cannot listen: {error}"),
    };
    Fault { is_taken: false, message: format!("error: unix:{}: {cause}", path.display()) }
}

/// Our own socket would have shared the port.
pub(super) fn explain_own(address: SocketAddr, own: SocketAddr, setting: Setting) -> Fault {
    let setting = setting.name();
    let message = format!(
        "error: {address}: the server itself listens at {own}, and somebody else has a part of \
         that port, too, whom `ss -ltnp` names: stop that, or choose another port by {setting}"
    );
    Fault { is_taken: false, message }
}

pub(super) fn explain(address: SocketAddr, error: &io::Error, setting: Setting) -> Fault {
    let message = match error.kind() {
        ErrorKind::AddrInUse => taken(address, setting),
        ErrorKind::PermissionDenied => denied(address.port(), setting),
        ErrorKind::AddrNotAvailable => {
            "this machine has no such address; `ip address` lists those it has".to_owned()
        }
        _ => format!("cannot listen: {error}"),
    };
    let message = format!("error: {address}{}: {message}", setting.purpose());
    Fault { is_taken: error.kind() == ErrorKind::AddrInUse, message }
}

fn taken(address: SocketAddr, setting: Setting) -> String {
    let (port, setting) = (address.port(), setting.name());
    let named = |holder: &Holder| format!("{} (pid {})", holder.name, holder.pid);
    let (holder, way_out) = if let Some(holder) = holder::holder(address) {
        (named(&holder), holder.way_out())
    } else if let Some(holder) = holder::connected(address) {
        let own = format!("a connection that {} has made from it", named(&holder));
        (own, "wait for its end".to_owned())
    } else {
        let owner = holder::owner(address).map(|user| format!(" of {}", identity::name(user)));
        let owner = owner.unwrap_or_default();
        let tells = if process::user() == 0 { "may name" } else { "names if root runs it" };
        let holder = format!("a program{owner}, which `ss -tanp sport = :{port}` {tells}");
        (holder, "stop that".to_owned())
    };
    format!("the port is taken by {holder}; {way_out}, or choose another by {setting}")
}

/// Why this user may not have a port.
fn denied(port: u16, setting: Setting) -> String {
    let everybody = format!(
        "to allow this port to everybody, `sysctl -w net.ipv4.ip_unprivileged_port_start={port}`"
    );
    let setting = setting.name();
    match setting {
        _ if port >= FREE_PORT => format!(
            "permission denied: a guard of this machine, such as SELinux, keeps programs from it; \
             choose another by {setting}, or, with SELinux, `semanage port -a -t http_port_t -p tcp \
             {port}`"
        ),
        "--port N" => format!(
            "permission denied: ports below 1024 are for root; use --port 8080 or, {everybody}"
        ),
        _ => format!(
            "permission denied: ports below 1024 are for root; start it as root, who then serves as \
             another user, or by systemd, or choose a higher port by {setting}, or, {everybody}"
        ),
    }
}
