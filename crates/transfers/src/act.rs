//! What a client asks to be done with files, as it is judged and as it stands in facts.

use std::fmt;

use crate::path::RawPath;

/// One request of a client. Paths are those the client sent: relative ones are relative to the target's own folder, and links are not resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileAct {
    /// Open a file to read it. Reading from the handle is not judged again.
    Read {
        path: RawPath,
    },
    /// Open a file to write it. Writing to the handle is not judged again.
    Write {
        path: RawPath,
        how: Writing,
    },
    /// Open a file for both, or to read it with a flag that changes it (OpenSSH obeys `TRUNC` without `WRITE`).
    ReadWrite {
        path: RawPath,
        how: Writing,
    },
    /// List a directory.
    List {
        path: RawPath,
    },
    /// Ask for a file's attributes, or for those of its file system. Of an open file: the path it was opened with.
    Stat {
        path: RawPath,
    },
    /// Ask what a path means: its canonical form, or where a link leads.
    Resolve {
        path: RawPath,
    },
    /// Change attributes. Of an open file: the path it was opened with.
    SetAttributes {
        path: RawPath,
        to: Attributes,
    },
    Remove {
        path: RawPath,
    },
    /// `posix-rename@openssh.com` replaces what `to` names; the plain request does not. Both may move a file out of a folder or into one.
    Rename {
        from: RawPath,
        to: RawPath,
    },
    MakeDirectory {
        path: RawPath,
        permissions: Option<u32>,
    },
    RemoveDirectory {
        path: RawPath,
    },
    /// Make `link`, which leads to `leads_to`, in OpenSSH's order of the two. Servers that follow the draft to the letter read them the other way
    /// round: a rule about paths looks at both.
    Symlink {
        leads_to: RawPath,
        link: RawPath,
    },
    /// Give an existing file a second name.
    Hardlink {
        existing: RawPath,
        link: RawPath,
    },
    /// Copy on the target, between two open files, so that the content does not pass here.
    CopyData {
        from: RawPath,
        to: RawPath,
    },
    /// Ask about the server (limits, names of users, somebody's home) by an extension that names no file.
    Inquire {
        extension: RawPath,
    },
    /// An extension this crate does not know. It may do anything.
    Other {
        extension: RawPath,
    },
}

/// How a file is opened for writing: the flags of the request, and the permissions it asks for where the file is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Writing {
    /// Each write goes to the end, whatever offset it names.
    pub append: bool,
    /// Make the file where there is none.
    pub create: bool,
    /// Empty the file first.
    pub truncate: bool,
    /// Fail where the file is there already.
    pub exclusive: bool,
    pub permissions: Option<u32>,
}

/// Attributes that a request sets; `None` leaves them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Bytes; the file is cut or extended.
    pub size: Option<u64>,
    /// Numbers of user and group.
    pub owner: Option<(u32, u32)>,
    pub permissions: Option<u32>,
    /// Last access and last change, seconds since 1970.
    pub times: Option<(u32, u32)>,
}

impl FileAct {
    /// The paths it names, the first one first.
    #[must_use]
    pub fn paths(&self) -> Vec<&RawPath> {
        match self {
            Self::Read { path }
            | Self::Write { path, .. }
            | Self::ReadWrite { path, .. }
            | Self::List { path }
            | Self::Stat { path }
            | Self::Resolve { path }
            | Self::SetAttributes { path, .. }
            | Self::Remove { path }
            | Self::MakeDirectory { path, .. }
            | Self::RemoveDirectory { path } => vec![path],
            Self::Rename { from, to } | Self::CopyData { from, to } => vec![from, to],
            Self::Symlink { leads_to, link } => vec![leads_to, link],
            Self::Hardlink { existing, link } => vec![existing, link],
            Self::Inquire { .. } | Self::Other { .. } => vec![],
        }
    }

    /// Could it change something on the target? What is not known could.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Self::Read { .. } | Self::List { .. } | Self::Stat { .. } | Self::Resolve { .. } | Self::Inquire { .. } => {
                false
            }
            Self::Write { .. }
            | Self::ReadWrite { .. }
            | Self::SetAttributes { .. }
            | Self::Remove { .. }
            | Self::Rename { .. }
            | Self::MakeDirectory { .. }
            | Self::RemoveDirectory { .. }
            | Self::Symlink { .. }
            | Self::Hardlink { .. }
            | Self::CopyData { .. }
            | Self::Other { .. } => true,
        }
    }

    /// Bytes of text it holds.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Inquire { extension } | Self::Other { extension } => extension.len(),
            _ => self.paths().iter().map(|path| path.len()).sum(),
        }
    }
}

impl fmt::Display for FileAct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self {
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::ReadWrite { .. } => "read and write",
            Self::List { .. } => "list",
            Self::Stat { .. } => "stat",
            Self::Resolve { .. } => "resolve",
            Self::SetAttributes { .. } => "set attributes of",
            Self::Remove { .. } => "remove",
            Self::Rename { .. } => "rename",
            Self::MakeDirectory { .. } => "make directory",
            Self::RemoveDirectory { .. } => "remove directory",
            Self::Symlink { .. } => "symlink",
            Self::Hardlink { .. } => "hardlink",
            Self::CopyData { .. } => "copy",
            Self::Inquire { extension } => return write!(f, "inquire `{extension}`"),
            Self::Other { extension } => return write!(f, "unknown request `{extension}`"),
        };
        write!(f, "{verb}")?;
        self.paths().iter().try_for_each(|path| write!(f, " `{path}`"))
    }
}
