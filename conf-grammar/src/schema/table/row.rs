//! How a row is written.

use crate::schema::{
    BlockKind, Body, ClauseSpec, Compat, DefaultValue, FIRST_RELEASE, Kind, LogPath, Range, Repeats, Status,
};

const FILE_PATH_MAX: usize = 256;
const SECS_MAX: u32 = 2_147_483_647;
pub(super) const BUFFER: &[Kind] = &[Kind::Uint(or_zero(1, 2_147_483_647, "bytes"))];
pub(super) const GROWTH: &[Kind] = &[Kind::Uint(range(0, 2_147_483_647, "bytes"))];
pub(super) const SOCKET_BUFFER: &[Kind] = &[Kind::Uint(or_zero(1, 1_073_741_823, "bytes"))];
pub(super) const SECS: &[Kind] = &[Kind::Uint(or_zero(1, SECS_MAX, "seconds"))];
pub(super) const POLL_SECS: &[Kind] = &[Kind::Uint(range(1, 86_400, "seconds"))];
pub(super) const PORT: &[Kind] = &[Kind::Uint(Range::PORTS)];
pub(super) const ANY_NUMBER: &[Kind] = &[Kind::Uint(range(0, u32::MAX, ""))];
pub(super) const BOOL: &[Kind] = &[Kind::Bool];
pub(super) const FILE_PATH: &[Kind] = &[Kind::Path(FILE_PATH_MAX)];

pub(super) const REMOVE: &str = "remove it";
pub(super) const SYSTEM: &str = "what the system gives";

/// A clause with values.
pub(super) const fn value(name: &'static str, args: &'static [Kind]) -> ClauseSpec {
    ClauseSpec {
        name,
        args,
        body: Body::None,
        default: DefaultValue::None,
        status: Status::Alive,
        repeats: Repeats::Replace,
        since: FIRST_RELEASE,
        until: None,
        doc: "",
        compat: Compat::Same,
    }
}

/// A clause with a block behind its values.
pub(super) const fn block_of(name: &'static str, args: &'static [Kind], kind: BlockKind) -> ClauseSpec {
    ClauseSpec {
        body: Body::Required(kind),
        repeats: Repeats::Accumulate,
        ..value(name, args)
    }
}

/// An old name of a clause.
pub(super) const fn alias(name: &'static str, args: &'static [Kind], new: &'static str) -> ClauseSpec {
    value(name, args)
        .status(Status::Alias(new))
        .doc("The name of early releases; files of distributions still use it.")
}

impl ClauseSpec {
    /// What the clause does, in one to three sentences; ranges, units, defaults and standing are told
    /// by the other columns.
    pub(super) const fn doc(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }

    pub(super) const fn default(self, default: DefaultValue) -> Self {
        Self { default, ..self }
    }

    /// The default is a number.
    pub(super) const fn number(self, number: u32) -> Self {
        self.default(DefaultValue::Number(number))
    }

    pub(super) const fn path(self, path: &'static str) -> Self {
        self.default(DefaultValue::Path(path))
    }

    pub(super) const fn on(self) -> Self {
        self.default(DefaultValue::Bool(true))
    }

    pub(super) const fn off(self) -> Self {
        self.default(DefaultValue::Bool(false))
    }

    /// Without the clause there is no such value, but what the text says.
    pub(super) const fn unset(self, instead: &'static str) -> Self {
        self.default(DefaultValue::Unset(instead))
    }

    /// The clause must be given, or the one of this name.
    pub(super) const fn unless(self, other: &'static str) -> Self {
        self.default(DefaultValue::Either(other))
    }

    pub(super) const fn required(self) -> Self {
        self.default(DefaultValue::Required)
    }

    pub(super) const fn status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    pub(super) const fn accumulates(self) -> Self {
        Self {
            repeats: Repeats::Accumulate,
            ..self
        }
    }

    /// The release of conntrack-tools that brought the clause.
    pub(super) const fn since(self, since: &'static str) -> Self {
        Self { since, ..self }
    }

    /// The last release of conntrack-tools that took the clause.
    pub(super) const fn until(self, until: &'static str) -> Self {
        Self {
            until: Some(until),
            ..self
        }
        .differs("the stock daemon refuses it since 1.4.5")
    }

    pub(super) const fn differs(self, how: &'static str) -> Self {
        Self {
            compat: Compat::Differs(how),
            ..self
        }
    }

    pub(super) const fn not_yet(self, instead: &'static str) -> Self {
        Self {
            compat: Compat::NotYet(instead),
            ..self
        }
    }
}

pub(super) const fn log_path(on: &'static str) -> Kind {
    Kind::BoolOrPath(LogPath {
        len_max: FILE_PATH_MAX,
        on,
    })
}

pub(super) const fn range(min: u32, max: u32, unit: &'static str) -> Range {
    Range {
        min,
        max,
        zero_is_default: false,
        unit,
    }
}

/// A range that 0 is not in: it stands for the default, or for none.
pub(super) const fn or_zero(min: u32, max: u32, unit: &'static str) -> Range {
    Range {
        zero_is_default: true,
        ..range(min, max, unit)
    }
}
