//! The options of [`Flags`], which work before and after the command's name.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

use crate::duration::parse_timeout;
use crate::settings::Flags;

const API_URL: &str = "API URL of the instance [default: https://api.green-api.com] [env: GREEN_API_URL]";
const TOKEN: &str = "Token of the instance; it is visible in the process list, so prefer a variable, a .env or a file \
                     [env: GREEN_API_TOKEN_INSTANCE, API_TOKEN_INSTANCE]";
const TOKEN_FILE: &str = "Read the token from the first line of FILE; - for standard input [env: GREEN_API_TOKEN_FILE]";
const SANDBOX: &str = "Use a sandbox in this process: no account needed, nothing leaves this machine";

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let settings = [
            option("sandbox", "", SANDBOX).hide_short_help(false),
            option("api-url", "URL", API_URL),
            option("id-instance", "ID", "Number of the instance [env: GREEN_API_ID_INSTANCE, ID_INSTANCE]"),
            option("api-token-instance", "TOKEN", TOKEN).conflicts_with("api-token-file"),
            option("api-token-file", "FILE", TOKEN_FILE),
            option(
                "env-file",
                "FILE",
                "Read settings from FILE, before the environment; no other settings file is read",
            )
            .conflicts_with("no-env-file"),
            option("no-env-file", "", "Read neither a .env nor the user's settings file"),
        ];
        let network = [
            option("timeout", "DURATION", "Time limit for one request, such as 500ms, 30s or 2m").default_value("60s"),
            option("connect-timeout", "DURATION", "Time limit for connecting").default_value("10s"),
            option("retries", "N", "Retries after a temporary failure, with pauses of 1 s, 2 s, 4 s and so on")
                .default_value("3"),
            option("cacert", "FILE", "Trust the certificates in this PEM file instead of the built-in ones"),
            option("insecure-http", "", "Allow http: to other machines; the token is then sent in clear text"),
        ];
        command.next_help_heading("Settings").args(settings).next_help_heading("Network").args(network)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// An option; `value` names its value, and is empty for a flag.
fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    let arg = Arg::new(name).long(name).help(help).global(true).hide_short_help(true).value_name(value);
    match value {
        "" => arg.action(ArgAction::SetTrue),
        "FILE" => arg.value_parser(value_parser!(PathBuf)),
        "DURATION" => arg.value_parser(parse_timeout),
        "N" => arg.value_parser(value_parser!(u32).range(0..=100)),
        _ => arg.value_parser(value_parser!(OsString)).allow_hyphen_values(value != "URL"),
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Flags, clap::Error> {
        Ok(Flags {
            api_url: matches.get_one("api-url").cloned(),
            id_instance: matches.get_one("id-instance").cloned(),
            api_token_instance: matches.get_one("api-token-instance").cloned(),
            api_token_file: matches.get_one("api-token-file").cloned(),
            env_file: matches.get_one("env-file").cloned(),
            no_env_file: matches.get_flag("no-env-file"),
            sandbox: matches.get_flag("sandbox"),
            timeout: matches.get_one("timeout").copied().unwrap_or_default(),
            connect_timeout: matches.get_one("connect-timeout").copied().unwrap_or_default(),
            retries: matches.get_one("retries").copied().unwrap_or_default(),
            cacert: matches.get_one("cacert").cloned(),
            insecure_http: matches.get_flag("insecure-http"),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Flags::from_arg_matches(matches)?;
        Ok(())
    }
}
