//! Settings: the order of their sources, the values that are accepted, and the errors for others.

use crate::support::{Answer, CHAT, Cli, INSTANCE, Server, TOKEN, in_parallel, json};

pub const OTHER_TOKEN: &str = "other-token-of-another-source";

pub fn accepting() -> Server {
    Server::answering([Answer::status(200)])
}

/// Checks that the run succeeds with nothing on standard error.
pub fn accepted(cli: Cli) {
    cli.stdout(format!("{CHAT}\taccepted\n")).run();
}

/// Checks that the run fails with this status and message, and prints nothing on standard output.
pub fn refused(cli: Cli, status: u8, says: &str) {
    cli.exits(status).stderr_has(says).run();
}

/// The instance id and the token in the path of the first request.
pub fn credentials_sent_to(server: &Server) -> (String, String) {
    let path = server.requests()[0].path.clone();
    let (id, token) = path.strip_prefix("/waInstance").expect("a path").split_once("/getAvatarAsync/").expect("a path");
    (id.to_owned(), token.to_owned())
}

pub fn pair(id: &str, token: &str) -> (String, String) {
    (id.to_owned(), token.to_owned())
}

/// A `.env` with all credentials for a server.
pub fn env_file(server: &Server) -> String {
    format!("GREEN_API_URL={}\nGREEN_API_ID_INSTANCE={INSTANCE}\nGREEN_API_TOKEN_INSTANCE={TOKEN}\n", server.url())
}

#[test]
fn the_environment_comes_before_the_env_file() {
    let (server, other) = (accepting(), Server::unasked());
    let text = format!("{}ID_INSTANCE=5\n", env_file(&other));
    accepted(Cli::on(&server).env("GREEN_API_ID_INSTANCE", "77").file(".env", text).args(["request", CHAT]));
    assert_eq!(credentials_sent_to(&server), pair("77", TOKEN));
}

#[test]
fn a_flag_comes_before_the_environment() {
    let (server, other) = (accepting(), Server::unasked());
    let flags = ["--api-url", &server.url(), "--id-instance", "42", "--api-token-instance", OTHER_TOKEN];
    accepted(Cli::on(&other).arg("request").args(flags).arg(CHAT));
    assert_eq!(credentials_sent_to(&server), pair("42", OTHER_TOKEN));
}

#[test]
fn a_named_env_file_comes_before_the_environment() {
    let (server, other) = (accepting(), Server::unasked());
    let cli = Cli::on(&other).env("GREEN_API_ID_INSTANCE", "77").env("GREEN_API_TOKEN_INSTANCE", OTHER_TOKEN);
    let cli = cli.file("work.env", env_file(&server));
    accepted(cli.again().args(["--env-file", "work.env", "request", CHAT]));
    assert_eq!(credentials_sent_to(&server), pair(INSTANCE, TOKEN));
    // Within a source all names of a setting count: a token file in the named file wins over a token in the
    // environment.
    let server = accepting();
    let text = format!("GREEN_API_URL={}\nID_INSTANCE=5\nGREEN_API_TOKEN_FILE=token\n", server.url());
    let cli = cli.file("work.env", text).file("token", TOKEN);
    accepted(cli.again().args(["--env-file", "work.env", "request", CHAT]));
    assert_eq!(credentials_sent_to(&server), pair("5", TOKEN));
    // A flag wins over both.
    let server = accepting();
    accepted(cli.args(["--env-file", "work.env", "--api-url", &server.url(), "--id-instance=8", "request", CHAT]));
    assert_eq!(credentials_sent_to(&server), pair("8", TOKEN));
}

#[test]
fn white_space_around_a_value_is_removed() {
    let server = accepting();
    let cli = Cli::new()
        .env("GREEN_API_URL", format!("{}\n", server.url()))
        .env("GREEN_API_ID_INSTANCE", " 7\r\n")
        .env("GREEN_API_TOKEN_INSTANCE", format!("\t{TOKEN}\n"));
    accepted(cli.args(["request", CHAT]));
    assert_eq!(credentials_sent_to(&server), pair("7", TOKEN));
    let server = accepting();
    let text = format!("GREEN_API_URL=' {} '\nID_INSTANCE=\" 7\t\"\nAPI_TOKEN_INSTANCE='{TOKEN}\n'\n", server.url());
    accepted(Cli::new().file(".env", text).args(["request", CHAT]));
    assert_eq!(credentials_sent_to(&server), pair("7", TOKEN));
    let server = accepting();
    let token = format!(" {TOKEN} ");
    let flags = ["--api-url", &format!("{}/ ", server.url()), "--id-instance= 7", "--api-token-instance", &token];
    accepted(Cli::new().args(flags).args(["request", CHAT]));
    // A value of only white space counts as unset.
    let server = accepting();
    let cli = Cli::new().env("GREEN_API_URL", " ").env("GREEN_API_ID_INSTANCE", "\n").env("API_TOKEN_INSTANCE", "\t");
    accepted(cli.file(".env", env_file(&server)).args(["request", CHAT]));
}

#[test]
fn a_variable_makes_the_check_of_chat_ids_lenient() {
    const LID: &str = "123456789012345@lid";
    for (value, is_lenient) in
        [("1", true), ("true", true), ("YES\n", true), ("0", false), ("false", false), ("No", false)]
    {
        let line = format!("GREEN_API_LENIENT='{value}'\n");
        for source in ["environment", ".env", "lenient.env"] {
            let server = if is_lenient { accepting() } else { Server::unasked() };
            let cli = Cli::request(&server, [LID]);
            let cli = match source {
                "environment" => cli.env("GREEN_API_LENIENT", value),
                ".env" => cli.file(".env", &line),
                named => cli.env("GREEN_API_LENIENT", "odd").file(named, &line).args(["--env-file", named]),
            };
            if is_lenient {
                cli.stdout(format!("{LID}\taccepted\n")).run();
            } else {
                cli.exits(65).any_stdout().any_stderr().run();
            }
        }
    }
    // With the flag, the variable is not read.
    let server = accepting();
    let cli = Cli::request(&server, ["--lenient", LID]).env("GREEN_API_LENIENT", "odd");
    cli.stdout(format!("{LID}\taccepted\n")).run();
    let server = Server::unasked();
    refused(Cli::request(&server, [LID]).env("GREEN_API_LENIENT", "odd"), 78, "GREEN_API_LENIENT is not 1, true, yes");
    let cli = Cli::new().env("GREEN_API_LENIENT", "1").args(["--sandbox", "request", LID]);
    cli.stdout(format!("{LID}\taccepted\n")).any_stderr().run();
}

#[test]
fn each_value_has_its_own_source() {
    let server = accepting();
    let cli = Cli::new()
        .env("GREEN_API_TOKEN_INSTANCE", TOKEN)
        .file(".env", "GREEN_API_ID_INSTANCE=31\nGREEN_API_TOKEN_INSTANCE=not-this-token\n")
        .args(["--api-url", &server.url(), "request", CHAT]);
    accepted(cli);
    assert_eq!(credentials_sent_to(&server), pair("31", TOKEN));
}

#[test]
fn the_settings_work_before_and_after_the_name_of_the_command() {
    for flags_first in [true, false] {
        let server = accepting();
        let flags = ["--api-url", &server.url(), "--id-instance=42", "--api-token-instance", TOKEN, "--retries=0"];
        let cli = if flags_first {
            Cli::new().args(flags).args(["request", CHAT])
        } else {
            Cli::new().args(["request", CHAT]).args(flags)
        };
        accepted(cli);
        assert_eq!(credentials_sent_to(&server), pair("42", TOKEN));
    }
}

#[test]
fn the_names_of_the_official_samples_are_the_second_choice() {
    let server = accepting();
    let cli = Cli::new()
        .env("GREEN_API_URL", server.url())
        .env("ID_INSTANCE", "7")
        .env("API_TOKEN_INSTANCE", OTHER_TOKEN)
        .args(["request", CHAT]);
    let both = cli.again().env("GREEN_API_ID_INSTANCE", "8").env("GREEN_API_TOKEN_INSTANCE", TOKEN);
    accepted(cli);
    assert_eq!(credentials_sent_to(&server), pair("7", OTHER_TOKEN));
    let server = accepting();
    accepted(both.env("GREEN_API_URL", server.url()).args(["request", CHAT]));
    assert_eq!(credentials_sent_to(&server), pair("8", TOKEN));
    let server = accepting();
    let text = format!("GREEN_API_URL={}\nID_INSTANCE=9\nAPI_TOKEN_INSTANCE={TOKEN}\n", server.url());
    accepted(Cli::new().file(".env", text).args(["request", CHAT]));
    assert_eq!(credentials_sent_to(&server), pair("9", TOKEN));
}

#[test]
fn an_official_name_in_the_environment_comes_before_ours_in_the_env_file() {
    let server = accepting();
    accepted(Cli::new().file(".env", env_file(&server)).env("ID_INSTANCE", "7").args(["request", CHAT]));
    assert_eq!(credentials_sent_to(&server), pair("7", TOKEN));
}

#[test]
fn an_empty_value_is_unset() {
    let server = accepting();
    let cli = Cli::new()
        .file(".env", env_file(&server))
        .env("GREEN_API_URL", "")
        .env("GREEN_API_ID_INSTANCE", "")
        .env("GREEN_API_TOKEN_INSTANCE", "")
        .env("GREEN_API_TOKEN_FILE", "");
    accepted(cli.args(["request", CHAT]));
    let server = accepting();
    let text =
        format!("GREEN_API_URL={}\nGREEN_API_ID_INSTANCE=\nID_INSTANCE=3\nAPI_TOKEN_INSTANCE={TOKEN}\n", server.url());
    accepted(Cli::new().file(".env", text).args(["request", CHAT]));
    assert_eq!(credentials_sent_to(&server), pair("3", TOKEN));
}

#[test]
fn without_credentials_the_error_says_where_they_come_from() {
    refused(Cli::new().args(["request", CHAT]), 78, "GREEN_API_ID_INSTANCE");
    let output = Cli::new().args(["--json", "request", CHAT]).exits(78).any_stderr().run();
    let error = json(&output.stderr);
    assert_eq!(error["error"]["code"], "missing-credentials");
    let hint = error["error"]["hint"].as_str().expect("a hint");
    for part in [
        "an instance is",
        "https://console.green-api.com",
        "GREEN_API_ID_INSTANCE",
        "GREEN_API_TOKEN_INSTANCE",
        ".env",
        ".config/greenavatar/env",
        "--sandbox",
    ] {
        assert!(hint.contains(part), "{part} is in {hint}");
    }
    let server = Server::unasked();
    refused(Cli::on(&server).without("GREEN_API_TOKEN_INSTANCE").args(["request", CHAT]), 78, "token");
}

#[test]
fn a_malformed_flag_is_a_usage_error() {
    let server = Server::unasked();
    let long_id = "1".repeat(21);
    let long_token = "a".repeat(129);
    in_parallel(
        [
            ("--id-instance", "12a"),
            ("--id-instance", ""),
            ("--id-instance", "-5"),
            ("--id-instance", "１２"),
            ("--id-instance", &long_id),
            ("--api-token-instance", "short"),
            ("--api-token-instance", "with/a/slash"),
            ("--api-token-instance", "with a blank"),
            ("--api-token-instance", &long_token),
            ("--api-url", "api.green-api.com"),
            ("--api-url", "ftp://api.green-api.com"),
            ("--api-url", "https://"),
            ("--timeout", "0"),
            ("--timeout", "0s"),
            ("--timeout", "soon"),
            ("--timeout", "-1s"),
            ("--timeout", "99999999999999999999h"),
            ("--connect-timeout", "0ms"),
            ("--retries", "-1"),
            ("--retries", "many"),
        ],
        |(flag, value)| {
            // Also if other settings are missing.
            for cli in [Cli::on(&server), Cli::new()] {
                cli.arg("request").arg(format!("{flag}={value}")).arg(CHAT).exits(2).stderr_has(flag).run();
            }
        },
    );
}

#[test]
fn a_malformed_variable_is_a_bad_setting() {
    let server = Server::unasked();
    in_parallel(
        [
            ("GREEN_API_ID_INSTANCE", "12a"),
            ("GREEN_API_TOKEN_INSTANCE", "with a blank in hunter2"),
            ("GREEN_API_URL", "api.green-api.com"),
            ("GREEN_API_URL", "gopher://api.green-api.com"),
        ],
        |(name, value)| {
            let cli = Cli::on(&server).env(name, value).secret("hunter2");
            refused(cli.again().args(["request", CHAT]), 78, name);
            let text = env_file(&server).replace(&format!("{name}="), "X=");
            let in_file = Cli::new().file(".env", format!("{text}{name}='{value}'\n")).secret("hunter2");
            refused(in_file.args(["request", CHAT]), 78, ".env");
        },
    );
}

#[test]
fn a_file_that_cannot_be_read_is_input_unreadable() {
    let server = Server::unasked();
    for args in [
        ["--env-file", "missing"],
        ["--env-file", "."],
        ["--api-token-file", "missing"],
        ["--api-token-file", "."],
        ["--cacert", "missing"],
    ] {
        let cli = Cli::on(&server).without("GREEN_API_ID_INSTANCE").args(["--json", "request", CHAT]);
        // Without a missing setting, only the other files are read.
        let cli = if args[0] == "--env-file" { cli } else { cli.env("GREEN_API_ID_INSTANCE", INSTANCE) };
        let output = cli.args(args).exits(66).any_stderr().run();
        assert_eq!(json(&output.stderr)["error"]["code"], "input-unreadable", "{args:?}");
    }
}

#[test]
fn the_token_is_the_first_line_of_a_file() {
    for text in [format!("{TOKEN}\nmore\n"), TOKEN.to_owned(), format!("{TOKEN}\r\n")] {
        let server = accepting();
        let cli = Cli::on(&server).without("GREEN_API_TOKEN_INSTANCE").file("token", text);
        accepted(cli.again().args(["request", "--api-token-file", "token", CHAT]));
        assert_eq!(credentials_sent_to(&server), pair(INSTANCE, TOKEN));
        let server = accepting();
        accepted(cli.env("GREEN_API_URL", server.url()).env("GREEN_API_TOKEN_FILE", "token").args(["request", CHAT]));
        assert_eq!(credentials_sent_to(&server), pair(INSTANCE, TOKEN));
    }
}

#[test]
fn a_token_file_named_hyphen_is_standard_input() {
    let server = accepting();
    let cli = Cli::on(&server).without("GREEN_API_TOKEN_INSTANCE").args(["request", "--api-token-file", "-", CHAT]);
    accepted(cli.stdin(format!("{TOKEN}\n")));
    assert_eq!(credentials_sent_to(&server), pair(INSTANCE, TOKEN));
}

#[test]
fn a_token_file_comes_before_the_variable() {
    let server = accepting();
    let cli = Cli::on(&server).file("token", format!("{OTHER_TOKEN}\n"));
    accepted(cli.args(["request", "--api-token-file", "token", CHAT]));
    assert_eq!(credentials_sent_to(&server), pair(INSTANCE, OTHER_TOKEN));
}

#[test]
fn a_token_file_without_a_token_is_a_bad_setting_and_its_text_is_not_printed() {
    let server = Server::unasked();
    for text in ["", "\n", "hunter2 secret\n", "short\n"] {
        let cli = Cli::on(&server).file("token", text).secret("hunter2");
        refused(cli.args(["request", "--api-token-file", "token", CHAT]), 78, "token");
    }
}

#[test]
fn standard_input_is_read_for_one_thing_only() {
    let server = Server::unasked();
    for args in [["request", "--api-token-file", "-", "-"], ["request", "-", "--from", "-"]] {
        Cli::on(&server).args(args).stdin(CHAT).exits(2).stderr_has("-").run();
    }
}

#[test]
fn a_variable_cannot_read_the_token_from_the_lists_standard_input() {
    let server = Server::unasked();
    for args in [&["-"][..], &["--dry-run", "-"]] {
        let cli = Cli::request(&server, args).without("GREEN_API_TOKEN_INSTANCE").env("GREEN_API_TOKEN_FILE", "-");
        refused(cli.stdin(format!("{TOKEN}\n{CHAT}\n")), 2, "more than once");
    }
}
