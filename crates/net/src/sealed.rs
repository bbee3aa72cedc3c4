//! Bytes in memory that another process can be given and nobody can change any more.

use rustix::{
    fd::{BorrowedFd, OwnedFd},
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create},
};
use std::{
    ffi::CStr,
    fs::File,
    io::{self, ErrorKind, Write},
    os::unix::fs::FileExt,
};

/// What keeps them as they are.
const SEALS: SealFlags =
    SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// Puts `content` into memory for good; `name` is what the kernel shows of it.
///
/// # Errors
///
/// There is no memory, or no descriptor left.
pub fn bytes(name: &CStr, content: &[u8]) -> io::Result<OwnedFd> {
    crate::failpoint::call()?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create(name, flags)?);
    file.write_all(content)?;
    fcntl_add_seals(&file, SEALS)?;
    Ok(file.into())
}

/// What somebody else has put there, `bytes_max` at most.
///
/// # Errors
///
/// It is something else, can still be changed, or is more than that.
pub fn read(memory: BorrowedFd<'_>, bytes_max: u64) -> io::Result<Vec<u8>> {
    crate::failpoint::call()?;
    if !fcntl_get_seals(memory)?.contains(SEALS) {
        return Err(ErrorKind::InvalidData.into());
    }
    let size = fstat(memory)?.st_size.unsigned_abs();
    if size > bytes_max {
        return Err(ErrorKind::FileTooLarge.into());
    }
    let mut content = vec![0; usize::try_from(size).map_err(|_| ErrorKind::FileTooLarge)?];
    // By its place, since whoever shares the descriptor shares its position, too.
    File::from(memory.try_clone_to_owned()?).read_exact_at(&mut content, 0)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn what_is_put_there_stays() {
        let memory = bytes(c"test", b"hello").unwrap();
        for _ in 0..2 {
            assert_eq!(read(memory.as_fd(), 5).unwrap(), b"hello");
        }
        assert_eq!(read(memory.as_fd(), 4).unwrap_err().kind(), ErrorKind::FileTooLarge);
        let mut file = File::from(memory);
        assert!(file.write_all(b"x").is_err() && file.set_len(0).is_err());
    }

    #[test]
    fn only_what_is_sealed_is_read() {
        let open = memfd_create(c"test", MemfdFlags::ALLOW_SEALING).unwrap();
        assert!(read(open.as_fd(), 100).is_err());
        let (pipe, _) = io::pipe().unwrap();
        assert!(read(pipe.as_fd(), 100).is_err());
    }
}
