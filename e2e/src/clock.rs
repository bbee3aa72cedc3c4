//! Sets the wall clock of one process, and of nobody else.
//!
//! A program asks for the time in the vDSO, a piece of code that the kernel maps into every
//! process. No call can be intercepted there, and a preloaded library is not asked either by one
//! that does not go through libc. So the code itself is replaced, in the one process, by some that
//! makes the real call and adds an offset to what it says of the wall clock.

use crate::{eventually, process::Process};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    io::Write,
    ops::Range,
    os::unix::fs::FileExt,
    process::Command,
};

/// The function that is replaced, with the signature of clock_gettime.
const FUNCTION: &str = "__vdso_clock_gettime";

/// Sets the wall clock of `process`, all its threads alike, to so many seconds ahead of the real
/// one. The other clocks stay as they are.
pub fn set_ahead(process: Process, seconds: i32) {
    let id = Pid::from_raw(i32::try_from(process.0).unwrap()).unwrap();
    let region = region(process);
    let memory = format!("/proc/{}/mem", process.0);
    let memory = File::options().read(true).write(true).open(memory).expect("it is our process");
    let mut image = vec![0; usize::try_from(region.end - region.start).unwrap()];
    memory.read_exact_at(&mut image, region.start).unwrap();
    let (offset, size) = find(&image);
    let code = code(seconds);
    assert!(code.len() as u64 <= size, "there is no room for {} bytes", code.len());
    // Nobody may be on the way through what is replaced.
    let is_clear = eventually(|| {
        kill_process(id, Signal::STOP).unwrap();
        assert!(eventually(|| threads(process, |text| text.contains(") T "), "stat")));
        let is_clear = threads(process, |text| !is_inside(&region, text), "syscall");
        if is_clear {
            memory.write_all_at(&code, region.start + offset).unwrap();
        }
        kill_process(id, Signal::CONT).unwrap();
        is_clear
    });
    assert!(is_clear, "some thread never stops asking for the time");
}

/// Where the vDSO lies in the process.
fn region(process: Process) -> Range<u64> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", process.0)).unwrap();
    let line = maps.lines().find(|line| line.ends_with("[vdso]")).expect("there is a vDSO");
    let (start, rest) = line.split_once('-').unwrap();
    let end = rest.split(' ').next().unwrap();
    u64::from_str_radix(start, 16).unwrap()..u64::from_str_radix(end, 16).unwrap()
}

/// Where the function begins in the image, and how long it is.
fn find(image: &[u8]) -> (u64, u64) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(image).unwrap();
    let nm = Command::new("nm").args(["--dynamic", "--print-size"]).arg(file.path()).output();
    let listed = String::from_utf8(nm.expect("nm of binutils").stdout).unwrap();
    let line = listed.lines().find(|line| line.contains(FUNCTION)).expect("it has the function");
    let mut numbers = line.split(' ').map(|word| u64::from_str_radix(word, 16));
    (numbers.next().unwrap().unwrap(), numbers.next().unwrap().unwrap())
}

/// What stands for the function: the system call, and the seconds added for the clocks 0
/// (CLOCK_REALTIME) and 5 (CLOCK_REALTIME_COARSE).
fn code(seconds: i32) -> Vec<u8> {
    assert_eq!(std::env::consts::ARCH, "x86_64", "the code below is for another processor");
    let mut code = vec![
        0xb8, 0xe4, 0x00, 0x00, 0x00, // mov eax, 228 (clock_gettime)
        0x0f, 0x05, // syscall
        0x85, 0xff, // test edi, edi
        0x74, 0x05, // jz, to the addition
        0x83, 0xff, 0x05, // cmp edi, 5
        0x75, 0x07, // jne, past the addition
        0x48, 0x81, 0x06, // add qword [rsi], the seconds
    ];
    code.extend_from_slice(&seconds.to_le_bytes());
    code.push(0xc3); // ret
    code
}

/// Whether something holds for what the kernel shows in `file` of every thread.
fn threads(process: Process, is_so: impl Fn(&str) -> bool, file: &str) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", process.0)).unwrap();
    let mut texts =
        threads.filter_map(|thread| fs::read_to_string(thread.unwrap().path().join(file)).ok());
    texts.all(|text| is_so(&text))
}

/// Whether a thread's next instruction, the last word of its line, lies in `region`.
fn is_inside(region: &Range<u64>, line: &str) -> bool {
    let address = line.trim_end().rsplit_once("0x").map(|(_, digits)| digits);
    let address = address.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    address.is_none_or(|address| region.contains(&address))
}
