//! The walls that a unit file has systemd put around a service, as a test cannot have systemd.

use crate::{Launch, binary};
use rustix::process::geteuid;
use std::{collections::BTreeMap, fs, os::unix::fs::chown, path::Path};

/// Whom the service is where root runs the tests.
const USER: u32 = 65534;

/// Puts filters of system calls around itself, as systemd makes them of a unit file, by the same
/// library, and goes on as the program behind it.
const FILTERS: &str = r##"
import ctypes, errno, json, os, socket, subprocess, sys
unit = json.loads(os.environ.pop("UNIT"))
library = ctypes.CDLL("libseccomp.so.2")
library.seccomp_init.restype = ctypes.c_void_p
ALLOW, EQUAL, MASKED, WRITE, RUN = 0x7fff0000, 4, 7, 2, 4
refuse = lambda number: 0x50000 | number

class Test(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("kind", ctypes.c_int),
                ("one", ctypes.c_uint64), ("other", ctypes.c_uint64)]

def enter(usual, rules):
    filter = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(usual)))
    for action, name, *tests in rules:
        call = library.seccomp_syscall_resolve_name(name.encode())
        tests = (Test * len(tests))(*tests)
        # Not each name is one of this kind of processor.
        if call >= 0:
            action = ctypes.c_uint32(action)
            done = library.seccomp_rule_add_array(filter, action, call, len(tests), tests)
            assert done == 0, name
    assert library.seccomp_load(filter) == 0

def calls(names):
    all = set()
    for name in names:
        if name.startswith("@"):
            told = subprocess.check_output(["systemd-analyze", "syscall-filter", name], text=True)
            lines = [line.strip() for line in told.splitlines()[1:]]
            all |= calls(line for line in lines if line and not line.startswith("#"))
        else:
            all.add(name)
    return all

allowed = calls(["@default"])
for value in unit["SystemCallFilter"]:
    names = calls(value.lstrip("~").split())
    allowed = allowed - names if value.startswith("~") else allowed | names
names = " ".join(unit["RestrictAddressFamilies"]).split()
others = set(range(1, 64)) - {getattr(socket, name) for name in names}
no_family = refuse(errno.EAFNOSUPPORT)
enter(ALLOW, [(no_family, "socket", Test(0, EQUAL, family, 0)) for family in others])
if unit["MemoryDenyWriteExecute"] == ["yes"]:
    enter(ALLOW, [
        (refuse(errno.EPERM), "mmap", Test(2, MASKED, WRITE | RUN, WRITE | RUN)),
        (refuse(errno.EPERM), "mprotect", Test(2, MASKED, RUN, RUN)),
        (refuse(errno.EPERM), "pkey_mprotect", Test(2, MASKED, RUN, RUN)),
    ])
number = getattr(errno, unit["SystemCallErrorNumber"][0])
enter(refuse(number), [(ALLOW, name) for name in sorted(allowed)])
del os.environ["FILTERS"]
os.execv(sys.argv[1], ["gannet"] + sys.argv[2:])
"##;

/// A unit file.
pub struct Unit(String);

impl Unit {
    /// The one that is shipped.
    pub fn shipped() -> Self {
        Self(fs::read_to_string(binary::workspace().join("contrib/gannet.service")).unwrap())
    }

    /// The same without what holds `text` of it.
    #[must_use]
    pub fn without(self, text: &str) -> Self {
        let (kept, taken): (Vec<_>, Vec<_>) = self.0.lines().partition(|line| !line.contains(text));
        assert!(!taken.is_empty(), "{text}");
        Self(kept.join("\n"))
    }

    /// Whether it has this line.
    pub fn has(&self, line: &str) -> bool {
        self.0.lines().any(|own| own == line)
    }

    /// Starts a service within its walls; its user, its powers and what it sees of the machine are
    /// those of the unit where root runs the tests. It may write to `folder`, which it is given
    /// with what lies there.
    #[must_use]
    pub fn of(&self, launch: Launch, folder: &Path) -> Launch {
        let mut settings: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, value) in self.0.lines().filter_map(|line| line.split_once('=')) {
            settings.entry(key).or_default().push(value);
        }
        // Debian's own, which anybody may run.
        let filters = "/usr/bin/python3 -c \"$FILTERS\" \"$0\" \"$@\"";
        let prelude = match geteuid().is_root() {
            true => {
                let within = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
                let all = within.chain([folder.to_owned()]);
                all.for_each(|path| chown(path, Some(USER), Some(USER)).unwrap());
                let view = self.view(folder.to_str().unwrap());
                let (ambient, bound) = ("AmbientCapabilities", "CapabilityBoundingSet");
                let [ambient, bound] = [ambient, bound].map(|key| powers(&settings[key]));
                format!(
                    "exec unshare --mount sh -c '{view}exec setpriv --reuid={USER} --regid={USER} \
                     --clear-groups --no-new-privs --inh-caps={ambient} --ambient-caps={ambient} \
                     --bounding-set={bound} {filters}' \"$0\" \"$@\""
                )
            }
            // Who is somebody else already has no such power to give.
            false => format!("exec {filters}"),
        };
        let settings = serde_json::to_string(&settings).unwrap();
        launch.env("UNIT", &settings).env("FILTERS", FILTERS).after(&prelude)
    }

    /// What has a shell see of the files what the unit lets its service see.
    fn view(&self, folder: &str) -> String {
        let processes = [
            ("ProcSubset=pid", "subset=pid"),
            ("ProtectProc=invisible", "hidepid=invisible"),
            ("ProtectProc=default", "hidepid=off"),
        ];
        let processes = processes.into_iter().filter(|(line, _)| self.has(line));
        let processes: Vec<_> = processes.map(|(_, option)| option).collect();
        let mut view = format!(
            "mount --bind {folder} {folder} && mount -t proc -o {} proc /proc && ",
            processes.join(",")
        );
        for (line, mount) in [
            // Both, so that they stay writable; one holds what tests have made.
            ("PrivateTmp=yes", "mount --bind /tmp /tmp && mount -t tmpfs tmpfs /var/tmp && "),
            ("ProtectSystem=strict", "mount -o remount,bind,ro / && "),
        ] {
            view.push_str(if self.has(line) { mount } else { "" });
        }
        view
    }
}

/// Powers as setpriv has them.
fn powers(values: &[&str]) -> String {
    let names = values.iter().flat_map(|value| value.split(' '));
    let names = names.map(|name| format!(",+{}", name.trim_start_matches("CAP_").to_lowercase()));
    format!("-all{}", names.collect::<String>())
}
