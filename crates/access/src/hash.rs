//! Hashes of passwords: made, and compared with what somebody typed.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use config::plan::{Hash, Variant};
use net::Pages;
use std::hint::black_box;

/// Bytes of a password that bcrypt looks at.
const BCRYPT_BYTES_MAX: usize = 72;

/// What a new hash costs: 19 MiB and two passes, some 20 ms, as OWASP asks for at least.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Bytes of the digest of a new hash.
const DIGEST_BYTES: usize = 32;

/// Hashes `password` with Argon2id, in the form that [`Hash::parse`] reads; `salt` is random.
///
/// `None` for want of memory, or where the password is longer than 4 GiB.
#[must_use]
pub fn hash(password: &[u8], salt: [u8; 16]) -> Option<String> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(DIGEST_BYTES)).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let digest = digest(&argon2, password, &salt, DIGEST_BYTES)?;
    let [salt, digest] = [&salt[..], &digest].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    Some(format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${digest}"))
}

/// Whether `hash` is one of `password`; `None` where there is no memory to find out.
pub(crate) fn matches(hash: &Hash, password: &[u8]) -> Option<bool> {
    match hash {
        Hash::Bcrypt { cost, salt, digest } => {
            // The NUL at the end of a C string is part of what is hashed, where there is room.
            let mut bytes = password[..password.len().min(BCRYPT_BYTES_MAX)].to_vec();
            if bytes.len() < BCRYPT_BYTES_MAX {
                bytes.push(0);
            }
            let found = bcrypt::bcrypt(*cost, *salt, &bytes);
            Some(is_same(&found[..digest.len()], digest))
        }
        Hash::Argon2 { variant, is_current, memory_kib, passes, lanes, salt, digest: expect } => {
            let algorithm = match variant {
                Variant::Argon2d => Algorithm::Argon2d,
                Variant::Argon2i => Algorithm::Argon2i,
                Variant::Argon2id => Algorithm::Argon2id,
            };
            let version = if *is_current { Version::V0x13 } else { Version::V0x10 };
            let params = Params::new(*memory_kib, *passes, *lanes, Some(expect.len())).ok()?;
            let argon2 = Argon2::new(algorithm, version, params);
            digest(&argon2, password, salt, expect.len()).map(|found| is_same(&found, expect))
        }
    }
}

/// What Argon2 makes of `password`, in memory that is there for this one time only.
fn digest(argon2: &Argon2<'_>, password: &[u8], salt: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let mut digest = vec![0; bytes];
    let mut blocks = Pages::filled(argon2.params().block_count(), Block::new()).ok()?;
    let made = argon2.hash_password_into_with_memory(password, salt, &mut digest, blocks.as_mut());
    made.ok().map(|()| digest)
}

/// Compares all bytes, however early the first differs.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let odd = a.iter().zip(b).fold(0, |odd, (a, b)| black_box(odd | (a ^ b)));
    a.len() == b.len() && odd == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hash: &str, password: &[u8], expect: bool) {
        let parsed = Hash::parse(hash).unwrap();
        assert_eq!(matches(&parsed, password), Some(expect), "{hash} {}", password.escape_ascii());
    }

    #[test]
    fn hashes_that_others_made_are_understood() {
        // jBCrypt's test vectors.
        check("$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.", b"", true);
        check("$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe", b"a", true);
        check("$2y$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe", b"a", true);
        check("$2b$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe", b"b", false);
        check("$2b$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe", b"", false);
        // The test vectors of the reference implementation of Argon2.
        let argon2 = "$c29tZXNhbHQ$";
        for (costs, digest) in [
            ("$argon2i$m=65536,t=2,p=1", "9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ"),
            ("$argon2i$v=19$m=256,t=2,p=1", "iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8"),
            ("$argon2id$v=19$m=256,t=2,p=1", "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
            ("$argon2id$v=19$m=256,t=2,p=2", "bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"),
        ] {
            check(&format!("{costs}{argon2}{digest}"), b"password", true);
            check(&format!("{costs}{argon2}{digest}"), b"Password", false);
        }
    }

    #[test]
    fn what_bcrypt_does_not_look_at_makes_no_difference() {
        let salt = [7; 16];
        let digest = bcrypt::bcrypt(4, salt, &[b'x'; 72])[..23].try_into().unwrap();
        let hash = Hash::Bcrypt { cost: 4, salt, digest };
        for (length, expect) in [(71, false), (72, true), (73, true), (10_000, true)] {
            assert_eq!(matches(&hash, &vec![b'x'; length]), Some(expect), "{length}");
        }
    }

    #[test]
    fn a_new_hash_is_one_of_its_password() {
        let new = hash("p\u{e4}ss w\u{f6}rd".as_bytes(), [3; 16]).unwrap();
        assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$AwMDAwMDAwMDAwMDAwMDAw$"), "{new}");
        check(&new, "p\u{e4}ss w\u{f6}rd".as_bytes(), true);
        check(&new, b"pass word", false);
        assert_ne!(hash(b"a", [3; 16]), hash(b"a", [4; 16]));
    }
}
