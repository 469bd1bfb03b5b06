//! What help and the manual say about more than one command.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use clap::Command;

use crate::failure::{EXIT_BUG, EXIT_SOME_FAILED, EXIT_USAGE, Kind};

/// The commands in the groups of the main help.
const GROUPS: [(&str, &[&str]); 3] = [
    ("Pictures", &["get", "request", "contacts", "gallery"]),
    ("Results of request", &["receive", "listen"]),
    ("Set-up", &["doctor", "sandbox", "completions", "man"]),
];

/// Where the credentials of a command that calls the service come from.
pub const CREDENTIALS: &str = "\
Credentials: copy them from https://console.green-api.com to GREEN_API_ID_INSTANCE and
GREEN_API_TOKEN_INSTANCE, as environment variables or in a .env file. --sandbox needs none.";

/// The end of `-h`: `text`, then where the exit codes are listed.
pub fn footer(text: &str) -> String {
    format!("{text}\nExit codes: greenavatar --help, man greenavatar, docs/scripting.md").trim_start().to_owned()
}

/// The statuses that are answers.
pub const STATUSES: &str = "\
Statuses:
  found       there is a picture; the line has its file, otherwise its URL
  none        no picture, or no WhatsApp account: GREEN-API answers both alike
  hidden      privacy settings hide the picture
  no-account  no WhatsApp account; only older instances answer this, also for
              accounts without a picture";

/// The environment of a command that calls the service.
const ENVIRONMENT: &str = "\
  GREEN_API_ID_INSTANCE     number of the instance; also ID_INSTANCE
  GREEN_API_TOKEN_INSTANCE  its token; also API_TOKEN_INSTANCE
  GREEN_API_TOKEN_FILE      a file with the token in its first line
  GREEN_API_URL             its API URL
  GREEN_API_LENIENT         1 has the effect of --lenient
  https_proxy, all_proxy, no_proxy
                            the proxy, as curl reads them
  NO_COLOR                  no colours, unless it is empty";

/// The files of a command that calls the service.
const FILES: &str = "\
  .env                      settings, in this directory or its nearest parent with a .env
  ~/.config/greenavatar/env
                            the user's settings (XDG_CONFIG_HOME, on Windows %APPDATA%)
  ~/.local/state/greenavatar/
                            locks, one for each instance whose queue is read
                            (XDG_STATE_HOME, on Windows %LOCALAPPDATA%)";

/// The environment of a command without settings.
pub const NO_COLOR: &str = "NO_COLOR  no colours, unless it is empty";

/// The end of `--help` of a command that calls the service, and with it the last sections of its manual page.
pub fn with_service(texts: &[&str]) -> String {
    sections(texts, ENVIRONMENT, FILES)
}

/// The end of `--help` of a command: `texts`, then the sections that each manual page has.
pub fn sections(texts: &[&str], environment: &str, files: &str) -> String {
    let texts = texts.join("\n\n");
    format!("{texts}\n\nEnvironment:\n  {environment}\n\nFiles:\n  {files}\n\nExit status:\n{}", *EXIT_STATUS)
}

static EXIT_STATUS: LazyLock<String> = LazyLock::new(|| {
    let mut rows = BTreeMap::from([
        (0, vec!["success; none, hidden and no-account are answers, too"]),
        (EXIT_SOME_FAILED, vec!["some chats of several failed"]),
        (EXIT_USAGE, vec!["usage error"]),
        (EXIT_BUG, vec!["a bug in greenavatar"]),
    ]);
    for kind in Kind::ALL {
        rows.entry(kind.exit()).or_default().push(kind.code());
    }
    let mut text = String::new();
    for (status, words) in rows {
        let lines: Vec<_> = words.chunks(3).map(|words| words.join(", ")).collect();
        let _ = writeln!(text, "  {status:<4}{}", lines.join(",\n      "));
    }
    text + "  A run for one chat id has the status of its error code. A run for several has 1,\n  \
            or the status of the error code that ended it."
});

/// Makes the main help list the commands in their groups, which clap itself cannot do.
pub fn group_commands(cli: Command) -> Command {
    let (header, literal) = (*cli.get_styles().get_header(), *cli.get_styles().get_literal());
    let mut groups = String::new();
    for (heading, names) in GROUPS {
        let _ = writeln!(groups, "{header}{heading}:{header:#}");
        for name in names {
            let about = cli.find_subcommand(name).and_then(Command::get_about).cloned().unwrap_or_default();
            let _ = writeln!(groups, "  {literal}{name:<11}{literal:#}  {about}");
        }
        groups.push('\n');
    }
    let template = format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}{{all-args}}{{after-help}}");
    cli.override_usage("greenavatar [OPTIONS] <COMMAND>")
        .help_template(template)
        .mut_subcommands(|command| command.hide(true))
}
