//! Why a command line is refused.

/// A command line that is not carried out.
///
/// Its text is what the stock tool says, word for word, where the stock tool refuses too: scripts
/// compare it. Text of the command line is shown as far as it is UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A second command.
    #[error("Invalid commands combination")]
    SecondCommand,
    /// No option of that name; the word in which it stands.
    #[error("unknown option `{0}'")]
    UnknownOption(String),
    /// An option without its value; the word in which it stands.
    #[error("option `{0}' requires an argument")]
    MissingValue(String),
    /// No table of that name.
    #[error("unknown type `{0}'")]
    UnknownTable(String),
    /// A command that lists of flows do not have.
    #[error("Can't do that command with tables `dying' and `unconfirmed'")]
    ListOnly,
    /// A command that expectations do not have; its name.
    #[error("Can't do --{0} on expectations")]
    NotOnExpectations(&'static str),
    /// An option that the command does not take; its name.
    #[error("Illegal option `--{0}' with this command")]
    IllegalOption(&'static str),
    /// An option that the command needs; its name.
    #[error("You need to supply the `--{0}' option for this command")]
    NeededOption(&'static str),
    /// Two options that are needed together; their names.
    #[error("you have to specify `--{0}' and `--{1}'")]
    NeededPair(&'static str, &'static str),
    /// One kind of translation and any kind.
    #[error("cannot specify `--src-nat' or `--dst-nat' with `--any-nat'")]
    AnyNatWithNat,
    /// Labels both to set and to clear.
    #[error("cannot use --label-add and --label-del at the same time")]
    LabelAddAndDel,
    /// Lines for `-R` and another notation.
    #[error("cannot combine save output with any other output type, use -o save only")]
    SaveWithOutput,
    /// Objects and another notation.
    #[error("cannot combine json output with xml or save output")]
    JsonWithOutput,
    /// A mask for an address that is not given; names of both options.
    #[error("Can't use --{0} without --{1}")]
    MaskWithoutAddress(&'static str, &'static str),
    /// A mask for a list of addresses; names of both options.
    #[error("Can't use --{0} with a list in --{1}; use /BITS in the list")]
    MaskOfList(&'static str, &'static str),
    /// Counters that would be reset although they are not shown.
    #[error("Can't use -z with filtering parameters")]
    ZeroWithFilter,
    /// No address.
    #[error("Invalid IP address `{0}'")]
    Address(String),
    /// No prefix length of that family.
    #[error("Invalid netmask")]
    PrefixLength,
    /// A prefix length where there can be none; the name of the option.
    #[error("CIDR notation unavailable for `--{0}'")]
    NoPrefix(&'static str),
    /// An address of the other family.
    #[error("mismatched address family")]
    Family,
    /// No protocol, of layer 3 or 4.
    #[error("`{0}' unsupported protocol")]
    Protocol(String),
    /// No port.
    #[error("Invalid port `{0}'")]
    Port(String),
    /// An address to translate to ends with its colon.
    #[error("No port specified after `:'")]
    NoPort,
    /// Brackets without an address.
    #[error("No IPv6 address specified")]
    EmptyBrackets,
    /// A bracket that stays open.
    #[error("No closing ']' around IPv6 address")]
    OpenBracket,
    /// No number, or not in the range of the option.
    #[error("Invalid value `{text}' for `--{option}', a number up to {max} is expected")]
    Number {
        /// Name of the option.
        option: &'static str,
        /// What was given.
        text: String,
        /// The largest number it takes.
        max: u64,
    },
    /// A list with a name that nothing has; the rest of the list.
    #[error("Bad parameter `{0}'")]
    ListItem(String),
    /// No label of that name.
    #[error("unknown label '{0}'")]
    Label(String),
    /// A label that the kernel has no room for: its bits are 0 to 127.
    #[error("Operation failed: Numerical result out of range")]
    LabelRange,
    /// No state of TCP.
    #[error("unknown TCP state `{0}'")]
    TcpState(String),
    /// No state of SCTP.
    #[error("unknown SCTP state `{0}'")]
    SctpState(String),
    /// No state of DCCP.
    #[error("Unknown DCCP state `{0}'")]
    DccpState(String),
    /// No end of a DCCP connection.
    #[error("Unknown DCCP role `{0}'")]
    DccpRole(String),
    /// No name of a helper: empty, or too long.
    #[error("Invalid helper name `{0}', 1 to 15 bytes are expected")]
    Helper(String),
    /// Words behind the name of a file.
    #[error("unexpected argument `{0}' after the file of --load-file")]
    AfterFile(String),
    /// A command that a file may not have.
    #[error("Cannot use command `{0}' with --load-file")]
    NotInFile(&'static str),
    /// A word of a file that is too long.
    #[error("Parameter too long!")]
    LongWord,
    /// A line of a file with too many words.
    #[error("too many arguments")]
    ManyWords,
    /// A line of a file that is too long; its length and the longest, in bytes.
    #[error("a line of {0} bytes, at most {1} are allowed")]
    LongLine(usize, usize),
}

impl Refusal {
    /// Line that follows the text on stderr where [`Refusal::has_hint`].
    pub const HINT: &str = "Try `conntrack -h' or 'conntrack --help' for more information.";

    /// Returns the status that the program ends with.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        if self.is_conflict() { 1 } else { 2 }
    }

    /// Returns whether the user is pointed at the help.
    #[must_use]
    pub const fn has_hint(&self) -> bool {
        !self.is_conflict()
    }

    /// Each word is right, but not in this company.
    const fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::LabelAddAndDel | Self::SaveWithOutput | Self::JsonWithOutput | Self::LabelRange
        )
    }
}

/// Returns what was given as text for a message.
pub(super) fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
