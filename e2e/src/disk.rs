//! A disk with next to no room.

use crate::eventually;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use std::{
    ffi::CString,
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

/// A disk with next to no room, which takes the right to mount.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Puts one in the place of that folder.
    pub fn mount(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let options = CString::new("size=1m,mode=0755").unwrap();
        mount("small", folder, "tmpfs", MountFlags::NOSUID, options.as_c_str()).unwrap();
        Self(folder.to_owned())
    }

    /// Takes all room there is.
    pub fn fill(&self) {
        let mut file = File::create(self.0.join("filling")).unwrap();
        let error = (0..).find_map(|_| file.write(&[0; 4096]).err()).unwrap();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }

    /// Has it mounted so that it can only be read, or no longer.
    pub fn set_only_read(&self, is_only_read: bool) {
        let rest = if is_only_read { MountFlags::RDONLY } else { MountFlags::empty() };
        let flags = MountFlags::BIND | MountFlags::NOSUID | rest;
        // Nobody may be writing at that moment.
        assert!(eventually(|| mount_remount(&self.0, flags, c"").is_ok()), "{rest:?}");
    }

    /// Gives it back.
    pub fn empty(&self) {
        fs::remove_file(self.0.join("filling")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}
