//! The words of the machine: what has happened, and what is to be done.

use std::time::Duration;

/// The number of a worker; no two ever have the same.
pub type WorkerId = u64;

/// What the machine has to know of a config; `S` is whatever stands for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked<S> {
    /// The config.
    pub source: S,
    /// How many workers it wants.
    pub workers: usize,
    /// Time for what is under way when the server stops.
    pub stop_time: Duration,
    /// Time for what is under way in a worker that another one has replaced.
    pub drain_time: Duration,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<S> {
    /// Somebody wants the config to be read, again or for the first time.
    Load,
    /// The config can be served.
    Checked(Checked<S>),
    /// It cannot: the exit code and the words of `gannet check`.
    Refused(u8, String),
    /// The sockets and files for a generation are open.
    Opened,
    /// They cannot be had: what `gannet run` would say.
    NotOpened(String),
    /// A worker can serve.
    Ready(WorkerId),
    /// A worker cannot, and says why.
    Failed(WorkerId, String),
    /// A loop of a worker is stuck: what it was at.
    Hung(WorkerId, String),
    /// A worker accepts nobody any more.
    Parted(WorkerId),
    /// A worker is gone: how it ended.
    Ended(WorkerId, String),
    /// A signal of that number says to stop; gently where clients may ask once more.
    Stop {
        /// Its number.
        signal: u8,
        /// Whether what is under way may take the time that it has in a reload.
        is_gentle: bool,
    },
    /// Somebody wishes that it stops within the stop time, whether it stops already or not.
    End,
    /// Nothing but that time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order<S> {
    /// Have the config checked, and give up any check before.
    Check,
    /// End the check that is under way.
    EndCheck,
    /// Open what a config needs that is not open yet; [`Event::Opened`] is the answer.
    Open(S),
    /// Start a worker, in that place of its generation.
    Start(WorkerId, S, usize),
    /// All workers of a config are ready: its sockets are the ones that are kept.
    Keep(S),
    /// Have a worker, which is ready, serve.
    Serve(WorkerId),
    /// Have a worker end when its clients have gone to others.
    Drain(WorkerId),
    /// Have a worker end within the stop time.
    Stop(WorkerId),
    /// Have a worker end at once.
    StopAtOnce(WorkerId),
    /// End a worker that hangs, so that its fault can be looked for.
    Abort(WorkerId),
    /// End a worker that does not do what it is told.
    Kill(WorkerId),
    /// Close all sockets: whoever connects from now on may try another server.
    Close,
    /// The first generation serves: say so.
    Greet(S),
    /// Put something down in the error log.
    Note(Note),
    /// End, with this exit code.
    Exit(u8),
    /// End, as the config cannot be served: the exit code, and why.
    Fail(u8, String),
}

/// What is worth a line in the error log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Another config is served.
    Reloaded,
    /// Another config was wanted and cannot be served: the exit code and the words of `check`.
    NotReloaded(u8, String),
    /// A worker has died while it served; how.
    Died(WorkerId, String),
    /// One that was to take the place of a worker that has died cannot; why.
    NotStarted(WorkerId, String),
    /// A worker hangs, and is ended: what it was at.
    Hung(WorkerId, String),
    /// A worker is gone that was at these requests.
    CutOff(WorkerId, Vec<String>),
    /// A worker was ended, as it did not end itself.
    Killed(WorkerId),
    /// The last config kept its workers from living: the one before is served again.
    TakenBack,
    /// The process before was killed, and this one goes on with its workers.
    Adopted,
    /// Nobody can tell the server what to do but by signals; why.
    Deaf(String),
    /// Nobody can see how the server is at the address for that; why.
    Unseen(String),
    /// What is wrong with the sending of spans, or no longer is.
    Spans(String),
    /// Another program has taken the place of the one before.
    Upgraded,
    /// Another program was to do so and cannot; why.
    NotUpgraded(String),
    /// A certificate is used from now on, or what is wrong with one.
    Certificate(Result<String, String>),
    /// Something in the config that is served may not be meant.
    Warned(String),
    /// A file of certificates that could not be used is again what it was before.
    Whole(String),
    /// What runs PHP for a site has died and is replaced; whose, and how.
    PhpDied(String, String),
    /// The same has something to say.
    PhpSaid(String, String),
}
