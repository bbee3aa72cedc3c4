//! Closed lists of what can be wrong with a message, each reason with its status and its words.

/// Declares an enum of reasons: the status of the answer where one is given, and what is wrong.
#[macro_export]
macro_rules! reasons {
    (
        $(#[$about:meta])*
        pub enum $Reason:ident;
        $($name:ident = $status:ident $words:literal;)*
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $Reason {
            $(#[doc = $words] $name,)*
        }

        impl $Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The status of the answer, where one is given.
            #[must_use]
            pub const fn status(self) -> $crate::Status {
                match self {
                    $(Self::$name => $crate::Status::$status,)*
                }
            }

            /// What is wrong, in words.
            #[must_use]
            pub const fn reason(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }
        }

        impl ::std::fmt::Display for $Reason {
            fn fmt(&self, out: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                out.write_str(self.reason())
            }
        }
    };
}
