//! What a command is to use: from its options, else the environment, else `cli.toml`, else the defaults.

use std::path::PathBuf;

use serde::Deserialize;

use crate::environment::Environment;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::gate::Gate;
use crate::messages::Lang;
use crate::places::Places;

/// Options that every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct GlobalArgs {
    /// Folder that holds the whole installation
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// The server's socket on this machine
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "gate")]
    pub(crate) socket: Option<PathBuf>,
    /// Reach the server through its own SSH port: [USER@]HOST[:PORT]
    #[arg(long, global = true, value_name = "HOST")]
    pub(crate) gate: Option<String>,
    /// Configuration file for the `ssh` that --gate starts
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) ssh_config: Option<PathBuf>,
    /// Your SSH key: a private key file, or the .pub of a key in the agent
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) key: Option<PathBuf>,
    /// Folder with the founders' fingerprints, to verify against
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) trust: Option<PathBuf>,
    /// Language of messages
    #[arg(long, global = true, value_name = "LANG")]
    pub(crate) lang: Option<Lang>,
    /// Answer with one JSON document
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Sign though the server's clock is far from this machine's
    #[arg(long, global = true)]
    pub(crate) by_server_clock: bool,
    /// Sign without asking
    #[arg(long, short = 'y', global = true)]
    pub(crate) yes: bool,
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
}

/// Whether the person is asked before a signature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    BeforeSigning,
    Never,
}

/// Whether statements are made by a server's clock that this machine's contradicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerClock {
    NearOurs,
    AsItIs,
}

/// How the server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    Socket(PathBuf),
    Gate(GateWay),
}

/// What `ssh` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GateWay {
    pub(crate) gate: Gate,
    pub(crate) ssh_config: Option<PathBuf>,
    /// The key that signs also logs in; without one `ssh` chooses.
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) places: Places,
    pub(crate) reach: Reach,
    pub(crate) key: Option<PathBuf>,
    pub(crate) trust: Option<PathBuf>,
    pub(crate) lang: Lang,
    pub(crate) form: Form,
    pub(crate) asking: Asking,
    pub(crate) server_clock: ServerClock,
}

/// `$XDG_CONFIG_HOME/sekimori/cli.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    key: Option<PathBuf>,
    gate: Option<String>,
    socket: Option<PathBuf>,
    lang: Option<Lang>,
    trust: Option<PathBuf>,
    ssh_config: Option<PathBuf>,
}

/// The language for messages before anything else is known: that of the option or the environment.
pub(crate) fn language(options: &GlobalArgs, environment: &Environment) -> Lang {
    options.lang.unwrap_or_else(|| environment.language.as_deref().map_or(Lang::En, Lang::of_locale))
}

impl Settings {
    pub(crate) fn of(options: GlobalArgs, environment: &Environment) -> Outcome<Self> {
        let file = read_file(environment)?;
        let root = options.root.clone().or_else(|| environment.root.clone());
        let places = Places::choose(root.as_deref(), environment);
        let lang = options.lang.or(file.lang).unwrap_or_else(|| language(&options, environment));
        let key = options.key.clone().or_else(|| environment.key.clone()).or_else(|| file.key.clone());
        Ok(Self {
            reach: reach(&options, environment, &file, &places, key.as_ref())?,
            places,
            key,
            trust: options.trust.or_else(|| environment.trust.clone()).or(file.trust),
            lang,
            form: if options.json { Form::Json } else { Form::Text },
            server_clock: if options.by_server_clock { ServerClock::AsItIs } else { ServerClock::NearOurs },
            asking: if options.yes { Asking::Never } else { Asking::BeforeSigning },
        })
    }
}

/// The nearest layer that says where the server is decides; a root says it as well as a socket does.
fn reach(
    options: &GlobalArgs,
    environment: &Environment,
    file: &File,
    places: &Places,
    key: Option<&PathBuf>,
) -> Outcome<Reach> {
    let ssh_config =
        options.ssh_config.clone().or_else(|| environment.ssh_config.clone()).or_else(|| file.ssh_config.clone());
    let in_root = |root: &Option<PathBuf>| root.as_ref().map(|_| places.api_socket());
    let layers = [
        (options.socket.clone().or_else(|| in_root(&options.root)), options.gate.clone()),
        (environment.socket.clone().or_else(|| in_root(&environment.root)), environment.gate.clone()),
        (file.socket.clone(), file.gate.clone()),
    ];
    for (socket, gate) in layers {
        match (socket, gate) {
            (_, Some(gate)) => return Ok(Reach::Gate(GateWay { gate: gate.parse()?, ssh_config, key: key.cloned() })),
            (Some(socket), None) => return Ok(Reach::Socket(socket)),
            (None, None) => {}
        }
    }
    Ok(Reach::Socket(places.api_socket()))
}

fn read_file(environment: &Environment) -> Outcome<File> {
    let Some(path) = environment.config_dir().map(|dir| dir.join("cli.toml")) else { return Ok(File::default()) };
    if !path.exists() {
        return Ok(File::default());
    }
    let text = files::read_text(&path, LONGEST_FILE)?;
    let file: File = toml::from_str(&text)
        .map_err(|error| Failure::SettingsUnreadable { path: files::shown(&path), why: error.to_string() })?;
    if file.gate.is_some() && file.socket.is_some() {
        let why = "`gate` and `socket` cannot both be the way".to_owned();
        return Err(Failure::SettingsUnreadable { path: files::shown(&path), why });
    }
    Ok(file)
}

/// A handful of lines.
const LONGEST_FILE: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn environment(file: &str) -> (tempfile::TempDir, Environment) {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join(".config/sekimori")).unwrap();
        std::fs::write(home.path().join(".config/sekimori/cli.toml"), file).unwrap();
        let environment = Environment { home: Some(home.path().to_owned()), ..Environment::default() };
        (home, environment)
    }

    fn socket(path: &str) -> Reach {
        Reach::Socket(path.into())
    }

    #[test]
    fn the_nearest_word_counts() {
        let (_home, mut environment) = environment("key = \"/file/key\"\nlang = \"ja\"\nsocket = \"/file/socket\"\n");
        let settings = |options: GlobalArgs, environment: &Environment| Settings::of(options, environment).unwrap();
        let from_file = settings(GlobalArgs::default(), &environment);
        assert_eq!((from_file.key.as_deref(), from_file.lang), (Some(Path::new("/file/key")), Lang::Ja));
        assert_eq!(from_file.reach, socket("/file/socket"));
        environment.key = Some("/env/key".into());
        environment.root = Some("/env".into());
        environment.language = Some("en_US.UTF-8".into());
        let from_environment = settings(GlobalArgs::default(), &environment);
        assert_eq!(from_environment.key.as_deref(), Some(Path::new("/env/key")));
        assert_eq!(from_environment.reach, socket("/env/run/api.sock"));
        assert_eq!(from_environment.lang, Lang::Ja, "the file was written for this program, the locale was not");
        let options = GlobalArgs {
            key: Some("/my/key".into()),
            gate: Some("gate:2222".into()),
            lang: Some(Lang::En),
            ..GlobalArgs::default()
        };
        let mine = settings(options, &environment);
        assert_eq!((mine.key.as_deref(), mine.lang), (Some(Path::new("/my/key")), Lang::En));
        assert!(matches!(mine.reach, Reach::Gate(_)));
    }

    #[test]
    fn a_file_that_says_two_ways_or_something_unknown_is_refused() {
        for text in ["gate = \"a\"\nsocket = \"b\"\n", "keys = \"x\"\n", "lang = \"fr\"\n", "key = 3\n", "="] {
            let (_home, environment) = environment(text);
            assert_eq!(
                Settings::of(GlobalArgs::default(), &environment).unwrap_err().code(),
                "settings-unreadable",
                "{text}"
            );
        }
    }

    #[test]
    fn locales_choose_the_language() {
        for (locale, lang) in [
            ("ja_JP.UTF-8", Lang::Ja),
            ("ja", Lang::Ja),
            ("C", Lang::En),
            ("POSIX", Lang::En),
            ("C.UTF-8", Lang::En),
            ("de_DE", Lang::En),
            ("jam", Lang::En),
        ] {
            let environment = Environment { language: Some(locale.into()), ..Environment::default() };
            assert_eq!(language(&GlobalArgs::default(), &environment), lang, "{locale}");
        }
    }
}
