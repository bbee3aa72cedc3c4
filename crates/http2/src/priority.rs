//! How urgent an answer is to its client (RFC 9218).

/// The order in which answers are sent that are ready together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Priority {
    /// 0 first, 7 last.
    pub(crate) urgency: u8,
    /// Whether the client can use a part of it, so that turns are taken.
    pub(crate) is_incremental: bool,
}

impl Default for Priority {
    fn default() -> Self {
        Self { urgency: 3, is_incremental: false }
    }
}

impl Priority {
    /// What one `priority` field says.
    pub(crate) fn parse(value: &[u8]) -> Self {
        let mut priority = Self::default();
        priority.add(value);
        priority
    }

    /// Adds what one line of a `priority` field says. Of its dictionary (RFC 9651 section 3.2) `u`
    /// and `i` are looked at; what is malformed says nothing.
    pub(crate) fn add(&mut self, value: &[u8]) {
        for member in value.split(|&byte| byte == b',') {
            let item = member.split(|&byte| byte == b';').next().unwrap_or_default();
            match item.trim_ascii() {
                [b'u', b'=', digit @ b'0'..=b'7'] => self.urgency = digit - b'0',
                b"i" | b"i=?1" => self.is_incremental = true,
                b"i=?0" => self.is_incremental = false,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_may_say() {
        for (value, urgency, is_incremental) in [
            ("", 3, false),
            ("u=0", 0, false),
            ("u=7, i", 7, true),
            ("i=?1,u=1", 1, true),
            ("i;x=1, i=?0", 3, false),
            ("u=8", 3, false),
            ("u=-1", 3, false),
            ("u=5;a, u=2", 2, false),
            ("x=1, =, ,,", 3, false),
        ] {
            let expect = Priority { urgency, is_incremental };
            assert_eq!(Priority::parse(value.as_bytes()), expect, "{value}");
        }
    }
}
