//! Recognises the exec line that starts an scp server.

use super::MAX_COMMAND;
use crate::facts::Direction;
use crate::path::RawPath;

/// Where an scp is taken for scp. One at another absolute path may be any program.
const PROGRAMS: &[&[u8]] = &[b"scp", b"/usr/bin/scp", b"/bin/scp", b"/usr/local/bin/scp"];

/// An exec line that starts an scp server and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// `Upload` for `-t`, `Download` for `-f`.
    pub direction: Direction,
    /// `-r`: directories with what is in them.
    pub recursive: bool,
    /// `-d`: the path must be a directory.
    pub into_directory: bool,
    /// `-p`: times and modes are kept.
    pub preserves: bool,
    /// One for an upload, one or more for a download.
    pub paths: Vec<Word>,
}

/// A path as the target's shell will read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub path: RawPath,
    /// It holds `*`, `?`, `[` or begins with `~` outside quotes: the shell makes other paths of it, which only it knows. It cannot run anything by that.
    pub expands: bool,
}

impl Command {
    /// Reads an exec line. `None` where it is anything but one plain scp server: then it is an ordinary command, also where it would start an scp among
    /// other things. Plain means: words, quoted as shells quote them, and nothing that a shell acts on: no variables, substitutions, redirections,
    /// lists, comments, braces, backslashes in single quotes (which shells read differently), or control characters.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        if line.len() > MAX_COMMAND {
            return None;
        }
        let words = words(line)?;
        let (program, arguments) = words.split_first()?;
        if program.expands || !PROGRAMS.contains(&program.path.as_bytes()) {
            return None;
        }
        Flags::read(arguments)?.command()
    }
}

/// The options, and the words that are none.
#[derive(Debug, Default)]
struct Flags {
    to: bool,
    from: bool,
    recursive: bool,
    into_directory: bool,
    preserves: bool,
    paths: Vec<Word>,
}

impl Flags {
    fn read(arguments: &[Word]) -> Option<Self> {
        let mut flags = Self::default();
        let mut arguments = arguments.iter();
        while let Some(word) = arguments.next() {
            match word.path.as_bytes() {
                b"--" => {
                    flags.paths.extend(arguments.cloned());
                    return Some(flags);
                }
                [b'-', letters @ ..] if !letters.is_empty() && !word.expands => {
                    letters.iter().try_for_each(|letter| flags.option(*letter))?;
                }
                _ => {
                    flags.paths.push(word.clone());
                    flags.paths.extend(arguments.by_ref().cloned());
                    // Some readers of options find them behind paths too, others do not.
                    return flags.paths.iter().all(|word| !word.path.as_bytes().starts_with(b"-")).then_some(flags);
                }
            }
        }
        Some(flags)
    }

    fn option(&mut self, letter: u8) -> Option<()> {
        let flag = match letter {
            b't' => &mut self.to,
            b'f' => &mut self.from,
            b'r' => &mut self.recursive,
            b'd' => &mut self.into_directory,
            b'p' => &mut self.preserves,
            b'v' | b'q' => return Some(()),
            _ => return None,
        };
        *flag = true;
        Some(())
    }

    fn command(self) -> Option<Command> {
        let direction = match (self.to, self.from, self.paths.len()) {
            (true, false, 1) => Direction::Upload,
            (false, true, 1..) => Direction::Download,
            _ => return None,
        };
        let Self { recursive, into_directory, preserves, paths, .. } = self;
        Some(Command { direction, recursive, into_directory, preserves, paths })
    }
}

/// How a byte is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoting {
    None,
    Single,
    Double,
}

/// Splits a line as a shell does, where every shell does it alike; else `None`.
fn words(line: &[u8]) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut word: Option<(Vec<u8>, bool)> = None;
    let mut quoting = Quoting::None;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        let starts = word.is_none();
        match (quoting, byte) {
            (Quoting::None, b' ' | b'\t') => words.extend(word.take().map(finished)),
            (_, 0..=31 | 127) => return None,
            (Quoting::None, b'\'') | (Quoting::Single, b'\'') => {
                word.get_or_insert_default();
                quoting = toggled(quoting, Quoting::Single);
            }
            (Quoting::None, b'"') | (Quoting::Double, b'"') => {
                word.get_or_insert_default();
                quoting = toggled(quoting, Quoting::Double);
            }
            (Quoting::Single, b'\\' | b'!') | (Quoting::Double, b'$' | b'`' | b'!') => return None,
            (Quoting::Double, b'\\') => {
                word.get_or_insert_default().0.extend_from_slice(&in_double_quotes(bytes.next()?)?)
            }
            (Quoting::None, b'\\') => {
                let next = bytes.next()?;
                if next < 32 || next == 127 || next == b'!' {
                    return None;
                }
                word.get_or_insert_default().0.push(next);
            }
            (Quoting::None, byte) if acts(byte, starts) => return None,
            (Quoting::None, byte) => {
                let (text, expands) = word.get_or_insert_default();
                *expands |= matches!(byte, b'*' | b'?' | b'[') || (starts && byte == b'~');
                text.push(byte);
            }
            (Quoting::Single | Quoting::Double, byte) => word.get_or_insert_default().0.push(byte),
        }
    }
    words.extend(word.take().map(finished));
    (quoting == Quoting::None).then_some(words)
}

fn finished((text, expands): (Vec<u8>, bool)) -> Word {
    Word { path: text.into(), expands }
}

fn toggled(from: Quoting, to: Quoting) -> Quoting {
    if from == to { Quoting::None } else { to }
}

/// What a backslash and this byte are within double quotes.
fn in_double_quotes(byte: u8) -> Option<Vec<u8>> {
    match byte {
        b'$' | b'`' | b'"' | b'\\' => Some(vec![byte]),
        0..=31 | 127 | b'!' => None,
        _ => Some(vec![b'\\', byte]),
    }
}

/// Does some shell act on it where it is not quoted?
fn acts(byte: u8, starts_word: bool) -> bool {
    match byte {
        b'|' | b'&' | b';' | b'<' | b'>' | b'(' | b')' | b'$' | b'`' | b'{' | b'}' | b'!' | b'^' | b'#' => true,
        b'=' | b'%' => starts_word,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(line: &str) -> Option<Vec<(String, bool)>> {
        let command = Command::parse(line.as_bytes())?;
        Some(command.paths.iter().map(|word| (word.path.to_string(), word.expands)).collect())
    }

    #[test]
    fn what_clients_send_is_recognised() {
        for (line, direction, path, expands) in [
            ("scp -t /tmp", Direction::Upload, "/tmp", false),
            ("scp -f /etc/passwd", Direction::Download, "/etc/passwd", false),
            ("scp -v -r -p -d -t dir", Direction::Upload, "dir", false),
            ("scp -rpt .", Direction::Upload, ".", false),
            ("/usr/bin/scp -q -f 'a b'", Direction::Download, "a b", false),
            ("scp -t -- -odd", Direction::Upload, "-odd", false),
            ("scp -t \"a \\\" b\"", Direction::Upload, "a \\\" b", false),
            ("scp -t a\\ b", Direction::Upload, "a b", false),
            ("scp -t 'it'\"'\"'s'", Direction::Upload, "it\\'s", false),
            ("scp  -t   x  ", Direction::Upload, "x", false),
            ("scp -t ~/x", Direction::Upload, "~/x", true),
            ("scp -t '~'/x", Direction::Upload, "~/x", false),
            ("scp -f *.log", Direction::Download, "*.log", true),
            ("scp -f '*'.log", Direction::Download, "*.log", false),
            ("scp -t a=b", Direction::Upload, "a=b", false),
            ("scp -t ''", Direction::Upload, "", false),
        ] {
            let command = Command::parse(line.as_bytes()).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(command.direction, direction, "{line}");
            let [word] = &command.paths[..] else { panic!("{line}") };
            assert_eq!(word.path.to_string(), path, "{line}");
            assert_eq!(word.expands, expands, "{line}");
        }
        assert_eq!(paths("scp -f a b").unwrap().len(), 2);
    }

    #[test]
    fn what_does_more_than_scp_is_an_ordinary_command() {
        for line in [
            "",
            "scp",
            "scp a b",
            "scp -t",
            "scp -t a b",
            "scp -t -f a",
            "scp -t a; id",
            "scp -t a && id",
            "scp -t a | id",
            "scp -t $(id)",
            "scp -t `id`",
            "scp -t \"$(id)\"",
            "scp -t \"`id`\"",
            "scp -t a > b",
            "scp -t a < b",
            "scp -t a &",
            "scp -t a\nid",
            "scp -t a\rid",
            "scp -t $HOME",
            "scp -t \"$HOME\"",
            "scp -t {a,b}",
            "scp -t a #b",
            "(scp -t a)",
            "X=1 scp -t a",
            "env scp -t a",
            "scp -S id -t a",
            "scp -oProxyCommand=id -t a",
            "scp -t a -S id",
            "scp -t 'a",
            "scp -t \"a",
            "scp -t a\\",
            "scp -3 -t a",
            "/tmp/scp -t a",
            "./scp -t a",
            "scpx -t a",
            "sc? -t a",
            "scp -t =id",
            "scp -t 'a\\'b'",
            "scp -t !1",
            "scp -t '!1'",
            "scp -t a\\\nid",
            "scp -t \u{0}",
            "SCP -t a",
            "exec scp -t a",
            "scp -f a ~b -r",
            "scp -t ^a",
            "!scp -t a",
            "scp -t a\u{7f}",
            "scp -tS a",
            "scp --to a",
        ] {
            assert_eq!(paths(line), None, "{line:?}");
        }
    }
}
