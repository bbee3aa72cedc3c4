//! What a user may do with a file by its mode, and how one comes to be allowed more, and nobody
//! else with them: what is closed to others may be a secret.

use crate::identity::{self, User};
use crate::process;
use base::text::shell_word;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Reading: the bit of others.
pub const READ: u32 = 4;
/// Writing.
pub const WRITE: u32 = 2;
/// Passing a folder.
pub const PASS: u32 = 1;

/// Groups whose members may do more than come to a file: nobody is to join them for one.
const POWERFUL: [&str; 11] = [
    "root",
    "adm",
    "disk",
    "docker",
    "kmem",
    "lxd",
    "shadow",
    "sudo",
    "sys",
    "systemd-journal",
    "wheel",
];

/// Whether `user` may do that with the file.
#[must_use]
pub fn may(metadata: &Metadata, user: &User, wanted: u32) -> bool {
    let (_, shift) = class(metadata, user);
    user.number == 0 || metadata.mode() >> shift & wanted == wanted
}

/// Whether `user` comes to the file as somebody whom it does not belong to.
#[must_use]
pub fn is_of_others(metadata: &Metadata, user: &User) -> bool {
    user.number != 0 && class(metadata, user).0 == 'o'
}

/// How `user` comes to be allowed that, and nobody else: commands for its owner or root.
#[must_use]
pub fn cure(path: &Path, metadata: &Metadata, user: &User, wanted: u32) -> String {
    let (path, letters) = (shell_word(&path.to_string_lossy()), letters(wanted));
    let group = identity::group_name(metadata.gid());
    let bits = metadata.mode() >> 3;
    let is_powerful = metadata.gid() == 0 || POWERFUL.contains(&&*group);
    let is_of_use = !is_powerful && bits & (READ | WRITE | PASS) != 0;
    match (class(metadata, user).0, identity::known(user.number)) {
        // Who is in that group already needs what it may do.
        ('o', Some(user)) if is_of_use => {
            let join = format!("usermod -aG {group} {user}");
            match bits & wanted == wanted {
                true => format!("{join}, and restart the server"),
                false => format!("{join} && chmod g+{letters} {path}, and restart the server"),
            }
        }
        ('o', _) => {
            let group = identity::group_name(user.group);
            format!("chgrp {group} {path} && chmod g={letters} {path}")
        }
        (own, _) => format!("chmod {own}+{letters} {path}"),
    }
}

/// How this process comes to be allowed that; `None` where its mode allows it, or is not known.
pub(crate) fn own_cure(path: &Path, wanted: u32) -> Option<String> {
    let metadata = path.metadata().ok()?;
    let number = process::user();
    let (group, groups) = (process::group(), process::groups());
    let user = User { name: identity::name(number), number, group, groups };
    let by = if metadata.uid() == number { "" } else { "as root: " };
    (!may(&metadata, &user, wanted))
        .then(|| format!("{by}{}", cure(path, &metadata, &user, wanted)))
}

/// That this process may not read the file, and how it comes to be allowed it.
#[must_use]
pub fn unreadable(path: &Path) -> String {
    let user = identity::name(process::user());
    let cure = own_cure(path, READ).map(|cure| format!(" ({cure})")).unwrap_or_default();
    format!("{}: {user} may not read it{cure}", path.display())
}

/// As whom `user` comes to the file: the letter of it in words of `chmod`, and where its bits are.
fn class(metadata: &Metadata, user: &User) -> (char, u32) {
    if user.number == metadata.uid() {
        ('u', 6)
    } else if user.group == metadata.gid() || user.groups.contains(&metadata.gid()) {
        ('g', 3)
    } else {
        ('o', 0)
    }
}

fn letters(wanted: u32) -> String {
    let all = [(READ, 'r'), (WRITE, 'w'), (PASS, 'x')];
    all.into_iter().filter(|(bit, _)| wanted & bit != 0).map(|(_, letter)| letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn nobody_else_is_let_in_beside_who_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a b.key");
        fs::write(&file, "").unwrap();
        let (owner, group) = (process::user(), process::group());
        let user = |number, group| User { name: String::new(), number, group, groups: vec![] };
        let check = |mode, user: &User, expect: Option<&str>| {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let metadata = fs::metadata(&file).unwrap();
            let words = shell_word(file.to_str().unwrap());
            let found = (!may(&metadata, user, READ)).then(|| cure(&file, &metadata, user, READ));
            assert_eq!(
                found.map(|found| found.replace(&words, "F")).as_deref(),
                expect,
                "{mode:o}"
            );
        };
        // Numbers that no list of this machine has.
        let (stranger, of_group) = (user(3_111_111, 3_222_222), user(3_111_111, group));
        check(0o600, &stranger, Some("chgrp 3222222 F && chmod g=r F"));
        check(0o604, &stranger, None);
        check(0o600, &of_group, Some("chmod g+r F"));
        check(0o640, &of_group, None);
        if owner != 0 {
            check(0o000, &user(owner, group), Some("chmod u+r F"));
        }
    }
}
