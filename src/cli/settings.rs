//! The options of [`Flags`], which work before and after the command's name.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

use crate::duration::parse_timeout;
use crate::settings::Flags;

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let os_string = || value_parser!(OsString);
        let path = || value_parser!(PathBuf);
        let timeout = || ValueParser::new(parse_timeout);
        let retries = value_parser!(u32).range(0..=100);
        command
            .next_help_heading("Settings")
            .args([
                flag("sandbox", "Use a sandbox in this process: no account needed, nothing leaves this machine")
                    .hide_short_help(false),
                value(
                    "api-url",
                    "URL",
                    "API URL of the instance [default: https://api.green-api.com] [env: GREEN_API_URL]",
                )
                .value_parser(os_string()),
                value("id-instance", "ID", "Number of the instance [env: GREEN_API_ID_INSTANCE, ID_INSTANCE]")
                    .value_parser(os_string())
                    .allow_hyphen_values(true),
                value("api-token-instance", "TOKEN", TOKEN)
                    .value_parser(os_string())
                    .allow_hyphen_values(true)
                    .conflicts_with("api-token-file"),
                value(
                    "api-token-file",
                    "FILE",
                    "Read the token from the first line of FILE; - for standard input [env: GREEN_API_TOKEN_FILE]",
                )
                .value_parser(path()),
                value(
                    "env-file",
                    "FILE",
                    "Read settings from FILE, before the environment; no other settings file is read",
                )
                .value_parser(path())
                .conflicts_with("no-env-file"),
                flag("no-env-file", "Read neither a .env nor the user's settings file"),
            ])
            .next_help_heading("Network")
            .args([
                value("timeout", "DURATION", "Time limit for one request, such as 500ms, 30s or 2m")
                    .value_parser(timeout())
                    .default_value("60s"),
                value("connect-timeout", "DURATION", "Time limit for connecting")
                    .value_parser(timeout())
                    .default_value("10s"),
                value("retries", "N", "Retries after a temporary failure, with pauses of 1 s, 2 s, 4 s and so on")
                    .value_parser(retries)
                    .default_value("3"),
                value("cacert", "FILE", "Trust the certificates in this PEM file instead of the built-in ones")
                    .value_parser(path()),
                flag("insecure-http", "Allow http: to other machines; the token is then sent in clear text"),
            ])
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

const TOKEN: &str = "Token of the instance; it is visible in the process list, so prefer a variable, a .env or a file \
                     [env: GREEN_API_TOKEN_INSTANCE, API_TOKEN_INSTANCE]";

fn value(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    flag(name, help).value_name(value).action(ArgAction::Set)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).action(ArgAction::SetTrue).global(true).hide_short_help(true)
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
