//! Where an operator, and programs of theirs, look at the running server.

use super::{
    Action, DEFAULT_SITE, Listen, LogFormat, Logs, Looking, Node, Place, Plan, Route, Routes, Site,
};

/// Connections of all who look, at a time.
const CONNECTIONS_MAX: usize = 128;

/// Where the running server is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The address.
    pub listen: Listen,
    /// What has to be known; nothing where only this machine comes there.
    pub token: Option<Box<str>>,
    /// The user that serves it, where root has started the server and one is named.
    pub user: Option<String>,
}

impl Plan {
    /// The plan of the process that serves it: no site of the config, and no file.
    #[must_use]
    pub fn of_admin(admin: Admin) -> Self {
        let Admin { listen, token, user } = admin;
        let place = Place::of("`admin`");
        let mut rest = Route::plain("/*", place.clone(), Action::Admin);
        rest.policy.access.looking = Some(Looking { token });
        let routes = Routes { top: Node::default(), rest };
        let (listeners, tls, label) = (None, None, 0);
        let site = Site { name: DEFAULT_SITE.into(), place, listeners, tls, routes, label };
        let mut plan = Self::new(vec![(site, Vec::new())], Vec::new());
        plan.listen_at(vec![listen]);
        plan.user = user;
        plan.logs = Logs { errors: None, ..Logs::of(LogFormat::Off, false) };
        plan.file_cache_bytes_max = 0;
        plan.capacity.connections_max = CONNECTIONS_MAX;
        plan.capacity.clients_max = CONNECTIONS_MAX;
        plan.capacity.pool_threads_max = 1;
        plan
    }
}
