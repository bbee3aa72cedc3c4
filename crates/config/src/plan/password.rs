//! Who may enter by password: a realm, its users, and the hash of each one's password.
//!
//! A hash is taken apart here and bounded, so that the room that checks passwords has nothing left
//! to refuse. It is never shown again: neither in a message nor in a dump of the plan.

use super::Place;
use base64::{Engine, alphabet, engine::GeneralPurpose, engine::general_purpose::NO_PAD};
use message::response::Line;
use std::{fmt, ops::RangeInclusive, sync::Arc};

/// The cost of a bcrypt hash: two to this power rounds. At the most it takes seconds.
const BCRYPT_COSTS: RangeInclusive<u32> = 4..=15;

/// Memory that the check of one Argon2 hash may take, in KiB.
const ARGON2_MEMORY_KIB_MAX: u32 = 256 * 1024;

/// Memory that it may write in all, pass by pass, in KiB: about a second's work.
const ARGON2_WRITTEN_KIB_MAX: u32 = 1024 * 1024;

/// Lanes of an Argon2 hash; they are worked off one after the other.
const ARGON2_LANES_MAX: u32 = 16;

/// Bytes of the salt and of the digest of an Argon2 hash.
const ARGON2_SALT_BYTES: RangeInclusive<usize> = 8..=64;
const ARGON2_DIGEST_BYTES: RangeInclusive<usize> = 16..=64;

const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);
const ARGON2_BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, NO_PAD);

/// Who may enter by password.
#[derive(Clone, Debug)]
pub struct Password {
    /// `WWW-Authenticate`, which tells a client how to ask for a password.
    pub challenge: Line,
    /// Who may; routes that inherit them share them.
    pub users: Arc<Users>,
    /// Who said so.
    pub place: Place,
}

/// The users of one realm.
#[derive(Debug)]
pub struct Users {
    /// A number that no other list of the plan has: a password that is right here says nothing of
    /// another list.
    pub id: usize,
    /// Names and hashes, ordered by name; at least one.
    list: Vec<(Box<str>, Hash)>,
}

impl Users {
    /// The list number `id`. Of two users with one name the first counts.
    pub(crate) fn new(id: usize, mut list: Vec<(Box<str>, Hash)>) -> Self {
        list.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self { id, list }
    }

    /// Why nobody can enter by that name (RFC 7617 section 2), or be named so in a file.
    #[must_use]
    pub fn name_fault(name: &str) -> Option<&'static str> {
        if name.is_empty() {
            return Some("the name of a user is not empty");
        }
        if name.contains(':') || name.starts_with('#') {
            return Some("the name of a user holds no `:` and does not begin with `#`");
        }
        let has_control = name.chars().any(char::is_control);
        has_control.then_some("the name of a user holds no control characters")
    }

    /// The hash that decides for `name`, and whether there is such a user.
    ///
    /// An unknown name gets the hash of somebody else, who is chosen by `number`, so that the check
    /// takes as long as for a user whom there is.
    #[must_use]
    pub fn hash(&self, name: &str, number: u64) -> Option<(&Hash, bool)> {
        if let Ok(at) = self.list.binary_search_by(|(known, _)| (**known).cmp(name)) {
            return self.list.get(at).map(|(_, hash)| (hash, true));
        }
        let at = number.checked_rem(self.list.len() as u64)?;
        self.list.get(usize::try_from(at).ok()?).map(|(_, hash)| (hash, false))
    }
}

/// The hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Hash {
    /// bcrypt, of the first 72 bytes of a password.
    Bcrypt {
        /// Two to this power rounds.
        cost: u32,
        /// The salt.
        salt: [u8; 16],
        /// What must come out.
        digest: [u8; 23],
    },
    /// Argon2 (RFC 9106).
    Argon2 {
        /// Which of the three.
        variant: Variant,
        /// Whether it is version 1.3 (0x13) of the algorithm; else it is 1.0 (0x10).
        is_current: bool,
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over the memory.
        passes: u32,
        /// Lanes of the memory.
        lanes: u32,
        /// The salt.
        salt: Box<[u8]>,
        /// What must come out.
        digest: Box<[u8]>,
    },
}

/// The variants of Argon2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are known by these names")]
pub enum Variant {
    Argon2d,
    Argon2i,
    Argon2id,
}

/// Why a text is no hash to check passwords by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashError {
    /// It is of a kind that gives passwords away, or is none.
    Weak(&'static str),
    /// It is not written as its kind is.
    Malformed(&'static str),
    /// One check would cost more than a server can spare.
    Costly(&'static str),
}

/// What no password is kept as here, by the start of the text.
const WEAK: [(&str, &str); 10] = [
    ("$apr1$", "an MD5 hash"),
    ("$1$", "an MD5 hash"),
    ("{SHA}", "a SHA-1 hash without a salt"),
    ("{SSHA}", "a SHA-1 hash"),
    ("{PLAIN}", "a password in plain text"),
    ("$5$", "a SHA-256 crypt hash"),
    ("$6$", "a SHA-512 crypt hash"),
    ("$2x$", "a hash of a faulty bcrypt"),
    ("$2$", "a hash of a faulty bcrypt"),
    ("$", "a hash of an unknown kind"),
];

impl Hash {
    /// Takes `text` apart: `$2b$…` (also `$2a$` and `$2y$`), `$argon2id$…` (also `i` and `d`).
    ///
    /// # Errors
    /// It is weak, malformed, or too costly to check.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        if let Some(rest) = ["$2a$", "$2b$", "$2y$"].iter().find_map(|kind| text.strip_prefix(kind))
        {
            return bcrypt(rest);
        }
        for (name, variant) in [
            ("$argon2id$", Variant::Argon2id),
            ("$argon2i$", Variant::Argon2i),
            ("$argon2d$", Variant::Argon2d),
        ] {
            if let Some(rest) = text.strip_prefix(name) {
                return argon2(variant, rest);
            }
        }
        let weak = WEAK.iter().find(|(start, _)| text.starts_with(start));
        Err(HashError::Weak(weak.map_or("a password in plain text or a crypt hash", |weak| weak.1)))
    }
}

/// Without what could be guessed at.
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bcrypt { cost, .. } => write!(f, "Bcrypt({cost})"),
            Self::Argon2 { variant, memory_kib, passes, lanes, .. } => {
                write!(f, "{variant:?}({memory_kib} KiB, {passes}, {lanes})")
            }
        }
    }
}

/// Says what is wrong as the rest of a sentence that begins with whose hash it is.
impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weak(what) => write!(f, "is {what}, which is no way to keep a password"),
            Self::Malformed(what) => write!(f, "is no sound hash: {what}"),
            Self::Costly(what) => write!(f, "is too costly to check: {what}"),
        }
    }
}

/// `12$` and 53 characters: salt and digest, of which bcrypt drops the last byte.
fn bcrypt(rest: &str) -> Result<Hash, HashError> {
    use HashError::Malformed;
    let (cost, rest) = rest.split_once('$').ok_or(Malformed("it ends behind its cost"))?;
    let cost = match cost.as_bytes() {
        [b'0'..=b'9', b'0'..=b'9'] => cost.parse().unwrap_or(u32::MAX),
        _ => return Err(Malformed("its cost is no number of two digits")),
    };
    if cost > *BCRYPT_COSTS.end() {
        return Err(HashError::Costly("its cost is above 15"));
    }
    if cost < *BCRYPT_COSTS.start() {
        return Err(Malformed("its cost is below 4"));
    }
    let (salt, digest) = rest.split_at_checked(22).ok_or(Malformed("it is cut off"))?;
    let wrong = Malformed("salt and digest are not 53 characters of bcrypt's base64");
    let salt = BCRYPT_BASE64.decode(salt).ok().and_then(|salt| salt.try_into().ok());
    let digest = BCRYPT_BASE64.decode(digest).ok().and_then(|digest| digest.try_into().ok());
    Ok(Hash::Bcrypt { cost, salt: salt.ok_or(wrong)?, digest: digest.ok_or(wrong)? })
}

/// `v=19$m=19456,t=2,p=1$SALT$DIGEST`, the version being left out for 1.0.
fn argon2(variant: Variant, rest: &str) -> Result<Hash, HashError> {
    use HashError::{Costly, Malformed};
    let (is_current, rest) = match rest.strip_prefix("v=").and_then(|rest| rest.split_once('$')) {
        Some(("19", rest)) => (true, rest),
        Some(("16", rest)) => (false, rest),
        Some(_) => return Err(Malformed("its version is neither 19 nor 16")),
        None => (false, rest),
    };
    let [costs, salt, digest] = parts(rest, '$').ok_or(Malformed("it lacks salt or digest"))?;
    let costs = parts(costs, ',').and_then(|[memory, passes, lanes]| {
        Some((number(memory, "m=")?, number(passes, "t=")?, number(lanes, "p=")?))
    });
    let (memory_kib, passes, lanes) = costs.ok_or(Malformed("its costs are not m=…,t=…,p=…"))?;
    if memory_kib > ARGON2_MEMORY_KIB_MAX {
        return Err(Costly("it takes more than 256 MiB of memory"));
    }
    if memory_kib.checked_mul(passes).is_none_or(|written| written > ARGON2_WRITTEN_KIB_MAX) {
        return Err(Costly("memory times passes is above 1 GiB"));
    }
    if lanes > ARGON2_LANES_MAX {
        return Err(Costly("it has more than 16 lanes"));
    }
    if passes == 0 || lanes == 0 || memory_kib < 8 * lanes {
        return Err(Malformed("it asks for no work, or for less than 8 KiB a lane"));
    }
    let decoded = |text: &str, lengths: RangeInclusive<usize>| {
        let bytes = ARGON2_BASE64.decode(text).ok().filter(|bytes| lengths.contains(&bytes.len()));
        bytes.map(Vec::into_boxed_slice)
    };
    let salt = decoded(salt, ARGON2_SALT_BYTES)
        .ok_or(Malformed("its salt is not base64 of 8 to 64 bytes"))?;
    let digest = decoded(digest, ARGON2_DIGEST_BYTES)
        .ok_or(Malformed("its digest is not base64 of 16 to 64 bytes"))?;
    Ok(Hash::Argon2 { variant, is_current, memory_kib, passes, lanes, salt, digest })
}

/// The `N` parts of `text` between separators.
fn parts<const N: usize>(text: &str, separator: char) -> Option<[&str; N]> {
    text.split(separator).collect::<Vec<_>>().try_into().ok()
}

/// The number behind `name`, without a sign.
fn number(text: &str, name: &str) -> Option<u32> {
    let digits = text.strip_prefix(name)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // What does not fit is beyond every bound.
    is_number.then(|| digits.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SALT: &str = "c29tZXNhbHRzb21lc2FsdA";
    const DIGEST: &str = "GpZ3sK/oH9p7VIiV56G/64Zo/8GaUw434IimaPqxwCo";

    fn check(text: &str, expect: Result<&str, &str>) {
        let found = Hash::parse(text);
        let found = found.map(|hash| format!("{hash:?}")).map_err(|error| error.to_string());
        assert_eq!(found, expect.map(str::to_owned).map_err(str::to_owned), "{text}");
    }

    #[test]
    fn strong_hashes_are_taken_apart() {
        let bcrypt = "DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.";
        for kind in ["2a", "2b", "2y"] {
            check(&format!("${kind}$06${bcrypt}"), Ok("Bcrypt(6)"));
        }
        let costs = "m=19456,t=2,p=1";
        check(&format!("$argon2id$v=19${costs}${SALT}${DIGEST}"), Ok("Argon2id(19456 KiB, 2, 1)"));
        check(&format!("$argon2i$v=16${costs}${SALT}${DIGEST}"), Ok("Argon2i(19456 KiB, 2, 1)"));
        check(&format!("$argon2d${costs}${SALT}${DIGEST}"), Ok("Argon2d(19456 KiB, 2, 1)"));
        let most = format!("$argon2id$v=19$m=262144,t=4,p=16${SALT}${DIGEST}");
        check(&most, Ok("Argon2id(262144 KiB, 4, 16)"));
    }

    #[test]
    fn weak_ones_are_refused_by_their_kind() {
        let check = |text: &str, what: &str| {
            check(text, Err(&format!("is {what}, which is no way to keep a password")));
        };
        check("$apr1$IkVnzRBM$8.lHvW6Z2pYxLHqAPwGsH1", "an MD5 hash");
        check("$1$abc$def", "an MD5 hash");
        check("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "a SHA-1 hash without a salt");
        check("$6$salt$digest", "a SHA-512 crypt hash");
        check("$2x$10$x", "a hash of a faulty bcrypt");
        check("$7$x", "a hash of an unknown kind");
        check("rqXexS6ZhobKA", "a password in plain text or a crypt hash");
        check("", "a password in plain text or a crypt hash");
        check("\u{fc}", "a password in plain text or a crypt hash");
    }

    #[test]
    fn one_check_cannot_take_the_machine() {
        let check = |text: &str, what: &str| {
            check(text, Err(&format!("is too costly to check: {what}")));
        };
        let argon2 = |costs: &str| format!("$argon2id$v=19${costs}${SALT}${DIGEST}");
        check("$2b$16$x", "its cost is above 15");
        check("$2b$99$x", "its cost is above 15");
        check(&argon2("m=262145,t=1,p=1"), "it takes more than 256 MiB of memory");
        check(&argon2("m=99999999999,t=1,p=1"), "it takes more than 256 MiB of memory");
        check(&argon2("m=262144,t=5,p=1"), "memory times passes is above 1 GiB");
        check(&argon2("m=8,t=99999999999,p=1"), "memory times passes is above 1 GiB");
        check(&argon2("m=4096,t=1,p=17"), "it has more than 16 lanes");
    }

    #[test]
    fn malformed_ones_are_refused() {
        let argon2 = |rest: &str| format!("$argon2id${rest}");
        for text in [
            "$2b$",
            "$2b$6$x",
            "$2b$+6$x",
            "$2b$03$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
            "$2b$06$DCq7YPn5Rq63x1Lad4cll",
            "$2b$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.x",
            "$2b$06$DCq7YPn5Rq63x1Lad4cl\u{fc}.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
            "$2b$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1!.",
            &argon2(""),
            &argon2(&format!("v=20$m=64,t=1,p=1${SALT}${DIGEST}")),
            &argon2(&format!("v=19$m=64,t=1${SALT}${DIGEST}")),
            &argon2(&format!("v=19$m=64,t=1,p=1,x=1${SALT}${DIGEST}")),
            &argon2(&format!("v=19$m=+64,t=1,p=1${SALT}${DIGEST}")),
            &argon2(&format!("v=19$m=64,t=0,p=1${SALT}${DIGEST}")),
            &argon2(&format!("v=19$m=64,t=1,p=0${SALT}${DIGEST}")),
            &argon2(&format!("v=19$m=7,t=1,p=1${SALT}${DIGEST}")),
            &argon2(&format!("v=19$m=64,t=1,p=1${SALT}=={DIGEST}")),
            &argon2(&format!("v=19$m=64,t=1,p=1$c2FsdA${DIGEST}")),
            &argon2(&format!("v=19$m=64,t=1,p=1${SALT}$c2hvcnQ")),
            &argon2(&format!("v=19$m=64,t=1,p=1${SALT}${DIGEST}$")),
        ] {
            let error = Hash::parse(text).unwrap_err();
            assert!(matches!(error, HashError::Malformed(_)), "{text}: {error:?}");
        }
    }

    #[test]
    fn an_unknown_name_is_checked_by_the_hash_of_another() {
        let hash = |cost| Hash::Bcrypt { cost, salt: [0; 16], digest: [0; 23] };
        let users = Users::new(0, vec![("b".into(), hash(5)), ("a".into(), hash(4))]);
        let check = |name: &str, number, cost, is_known| {
            assert_eq!(users.hash(name, number), Some((&hash(cost), is_known)), "{name} {number}");
        };
        check("a", 1, 4, true);
        check("b", 0, 5, true);
        check("c", 0, 4, false);
        check("c", 1, 5, false);
        check("", u64::MAX, 5, false);
        assert_eq!(Users::new(1, Vec::new()).hash("a", 7), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_hash_or_refused(text in "(\\$2[abxy]?\\$|\\$argon2(id|i|d)\\$|)[$=,.mtpv0-9a-zü]{0,90}") {
            let _ = Hash::parse(&text);
        }
    }
}
