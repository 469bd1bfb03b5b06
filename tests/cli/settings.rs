//! Settings: which source wins, what a value may be, and what happens if it is something else.

#[cfg(unix)]
use std::os::unix::fs::chown;

use crate::support::tls::Authority;
use crate::support::{Answer, CHAT, Cli, INSTANCE, Proxy, Server, TOKEN, in_parallel, json};

const OTHER_TOKEN: &str = "other-token-of-another-source";

fn well() -> Server {
    Server::answering([Answer::status(200)])
}

/// Accepted, and nothing said beside it.
fn accepted(cli: Cli) {
    cli.stdout(format!("{CHAT}\taccepted\n")).run();
}

/// Refused with this status before anything is said on standard output.
fn refused(cli: Cli, status: u8, says: &str) {
    cli.exits(status).stderr_has(says).run();
}

/// The instance's id and the token in the path of the only request.
fn asked_as(server: &Server) -> (String, String) {
    let path = server.requests()[0].path.clone();
    let (id, token) = path.strip_prefix("/waInstance").expect("a path").split_once("/getAvatarAsync/").expect("a path");
    (id.to_owned(), token.to_owned())
}

fn pair(id: &str, token: &str) -> (String, String) {
    (id.to_owned(), token.to_owned())
}

/// A `.env` with the whole instance.
fn env_file(server: &Server) -> String {
    format!("GREEN_API_URL={}\nGREEN_API_ID_INSTANCE={INSTANCE}\nGREEN_API_TOKEN_INSTANCE={TOKEN}\n", server.url())
}

#[test]
fn a_env_file_here_says_it_all() {
    let server = well();
    accepted(Cli::new().file(".env", env_file(&server)).args(["request", CHAT]));
    assert_eq!(asked_as(&server), pair(INSTANCE, TOKEN));
}

#[test]
fn the_environment_comes_before_the_env_file() {
    let (server, other) = (well(), Server::unasked());
    let text = format!("{}ID_INSTANCE=5\n", env_file(&other));
    accepted(Cli::on(&server).env("GREEN_API_ID_INSTANCE", "77").file(".env", text).args(["request", CHAT]));
    assert_eq!(asked_as(&server), pair("77", TOKEN));
}

#[test]
fn a_flag_comes_before_the_environment() {
    let (server, other) = (well(), Server::unasked());
    let flags = ["--api-url", &server.url(), "--id-instance", "42", "--api-token-instance", OTHER_TOKEN];
    accepted(Cli::on(&other).arg("request").args(flags).arg(CHAT));
    assert_eq!(asked_as(&server), pair("42", OTHER_TOKEN));
}

#[test]
fn a_named_env_file_comes_before_the_environment() {
    let (server, other) = (well(), Server::unasked());
    let cli = Cli::on(&other).env("GREEN_API_ID_INSTANCE", "77").env("GREEN_API_TOKEN_INSTANCE", OTHER_TOKEN);
    let cli = cli.file("work.env", env_file(&server));
    accepted(cli.again().args(["--env-file", "work.env", "request", CHAT]));
    assert_eq!(asked_as(&server), pair(INSTANCE, TOKEN));
    // All names of a setting are looked for in one source before the next: a token's file in a named file wins, too.
    let server = well();
    let text = format!("GREEN_API_URL={}\nID_INSTANCE=5\nGREEN_API_TOKEN_FILE=token\n", server.url());
    let cli = cli.file("work.env", text).file("token", TOKEN);
    accepted(cli.again().args(["--env-file", "work.env", "request", CHAT]));
    assert_eq!(asked_as(&server), pair("5", TOKEN));
    // A flag wins over both.
    let server = well();
    accepted(cli.args(["--env-file", "work.env", "--api-url", &server.url(), "--id-instance=8", "request", CHAT]));
    assert_eq!(asked_as(&server), pair("8", TOKEN));
}

/// Where the user's own file is, relative to where the program runs: HOME is the directory above.
const USERS_FILE: &str = "../.config/greenavatar/env";

#[test]
fn the_users_own_file_is_the_last_source() {
    let server = well();
    accepted(Cli::new().file(USERS_FILE, env_file(&server)).args(["request", CHAT]));
    // It is the user's own: it may name any host for a token from elsewhere.
    let server = well();
    let cli = Cli::new().env("API_TOKEN_INSTANCE", OTHER_TOKEN).file(USERS_FILE, env_file(&server));
    accepted(cli.args(["request", CHAT]));
    assert_eq!(asked_as(&server), pair(INSTANCE, OTHER_TOKEN));
    let (server, other) = (well(), Server::unasked());
    let cli = Cli::new().file(USERS_FILE, env_file(&other)).file(".env", env_file(&server));
    accepted(cli.args(["request", CHAT]));
    // The found one is for one value, the user's for the rest.
    let server = well();
    let cli = Cli::new().file(USERS_FILE, env_file(&server)).file(".env", "ID_INSTANCE=6\n");
    accepted(cli.args(["request", CHAT]));
    assert_eq!(asked_as(&server), pair("6", TOKEN));
}

#[test]
fn the_users_own_file_is_where_xdg_config_home_says() {
    let server = well();
    let cli = Cli::new().file("config/greenavatar/env", env_file(&server));
    let config = cli.dir().join("config");
    accepted(cli.again().env("XDG_CONFIG_HOME", &config).args(["request", CHAT]));
    let (server, other) = (well(), Server::unasked());
    let cli = cli.file("config/greenavatar/env", env_file(&other)).file(USERS_FILE, env_file(&server));
    // A relative one is ignored, as its specification demands.
    accepted(cli.env("XDG_CONFIG_HOME", "config").args(["request", CHAT]));
}

#[test]
fn with_a_named_env_file_or_none_the_users_own_file_is_not_read() {
    let other = Server::unasked();
    let cli = Cli::new().file(USERS_FILE, env_file(&other)).file("empty.env", "");
    refused(cli.again().args(["--no-env-file", "request", CHAT]), 78, "no instance");
    refused(cli.args(["--env-file", "empty.env", "request", CHAT]), 78, "no instance");
    // It is not a found one either, for which the token of a found one would be somebody else's.
    let cli = Cli::new().file(USERS_FILE, format!("API_TOKEN_INSTANCE={TOKEN}\n"));
    let cli = cli.file(".env", format!("GREEN_API_URL={}\nID_INSTANCE=1\n", other.url()));
    refused(cli.args(["request", CHAT]), 78, "would send a token");
}

#[cfg(unix)]
#[test]
fn the_users_own_file_is_checked_like_any_other() {
    let server = Server::unasked();
    let cli = Cli::at(&server.url()).without("GREEN_API_ID_INSTANCE");
    refused(cli.file(USERS_FILE, "A=1\nno assignment\n").args(["request", CHAT]), 78, "greenavatar/env, line 2");
    // Where it is not needed, a malformed one does not matter.
    accepted(Cli::on(&well()).file(USERS_FILE, "no assignment\n").args(["request", CHAT]));
    let server = well();
    let cli = Cli::new().file(USERS_FILE, env_file(&server)).mode(USERS_FILE, 0o640).args(["request", CHAT]);
    let said = cli.stdout(format!("{CHAT}\taccepted\n")).stderr_has("chmod 600").run();
    assert_eq!(said.stderr.matches("warning").count(), 1, "{}", said.stderr);
}

#[test]
fn white_space_around_a_value_does_not_count() {
    let server = well();
    let cli = Cli::new()
        .env("GREEN_API_URL", format!("{}\n", server.url()))
        .env("GREEN_API_ID_INSTANCE", " 7\r\n")
        .env("GREEN_API_TOKEN_INSTANCE", format!("\t{TOKEN}\n"));
    accepted(cli.args(["request", CHAT]));
    assert_eq!(asked_as(&server), pair("7", TOKEN));
    let server = well();
    let text = format!("GREEN_API_URL=' {} '\nID_INSTANCE=\" 7\t\"\nAPI_TOKEN_INSTANCE='{TOKEN}\n'\n", server.url());
    accepted(Cli::new().file(".env", text).args(["request", CHAT]));
    assert_eq!(asked_as(&server), pair("7", TOKEN));
    let server = well();
    let token = format!(" {TOKEN} ");
    let flags = ["--api-url", &format!("{}/ ", server.url()), "--id-instance= 7", "--api-token-instance", &token];
    accepted(Cli::new().args(flags).args(["request", CHAT]));
    // What is left of nothing but white space is unset.
    let server = well();
    let cli = Cli::new().env("GREEN_API_URL", " ").env("GREEN_API_ID_INSTANCE", "\n").env("API_TOKEN_INSTANCE", "\t");
    accepted(cli.file(".env", env_file(&server)).args(["request", CHAT]));
}

#[test]
fn a_url_with_the_path_of_a_method_is_shown_without_it() {
    for url in [
        format!("https://api.green-api.com/waInstance{INSTANCE}/getAvatar/{TOKEN}"),
        format!("https://api.green-api.com/WAInstance{INSTANCE}?x#y"),
    ] {
        let cli = Cli::at(&url).args(["--json", "request", CHAT]);
        let error = json(&cli.again().args(["--json", "request", CHAT]).exits(78).any_stderr().run().stderr);
        assert_eq!(error["error"]["code"], "bad-settings");
        let hint = error["error"]["hint"].as_str().expect("a hint");
        assert!(hint.contains("https://api.green-api.com") && !hint.contains("nstance"), "{hint}");
        refused(
            Cli::at("").args(["--api-url", &url, "request", CHAT]),
            78,
            "hint: write it as https://api.green-api.com\n",
        );
        let file = Cli::at("").file(".env", format!("GREEN_API_URL={url}\n"));
        refused(file.args(["request", CHAT]), 78, "hint: write it as https://api.green-api.com\n");
    }
    let server = well();
    accepted(Cli::at(&format!("{}/gate/green", server.url())).args(["request", CHAT]));
    assert!(server.requests()[0].path.starts_with("/gate/green/waInstance"));
}

#[test]
fn a_variable_makes_the_check_of_chat_ids_lenient() {
    const LID: &str = "123456789012345@lid";
    for (value, is_lenient) in
        [("1", true), ("true", true), ("YES\n", true), ("0", false), ("false", false), ("No", false)]
    {
        let line = format!("GREEN_API_LENIENT='{value}'\n");
        for source in ["environment", ".env", "lenient.env"] {
            let server = if is_lenient { well() } else { Server::unasked() };
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
    // The flag wins, and what it does not need is not read.
    let server = well();
    let cli = Cli::request(&server, ["--lenient", LID]).env("GREEN_API_LENIENT", "odd");
    cli.stdout(format!("{LID}\taccepted\n")).run();
    let server = Server::unasked();
    refused(Cli::request(&server, [LID]).env("GREEN_API_LENIENT", "odd"), 78, "GREEN_API_LENIENT is not 1, true, yes");
    let cli = Cli::new().env("GREEN_API_LENIENT", "1").args(["--sandbox", "request", LID]);
    cli.stdout(format!("{LID}\taccepted\n")).any_stderr().run();
}

#[test]
fn a_found_env_file_sends_nothing_of_the_environment_anywhere() {
    const OTHERS: &str = "ghp_0123456789abcdefghij";
    for line in [
        "GREEN_API_TOKEN_INSTANCE=${GITHUB_TOKEN}",
        "GREEN_API_TOKEN_INSTANCE=$GITHUB_TOKEN",
        "API_TOKEN_INSTANCE=\"$GITHUB_TOKEN\"",
        "GREEN_API_URL={url}/$GITHUB_TOKEN",
        "export GREEN_API_URL=\"{url}/${GITHUB_TOKEN}\"",
        "GREEN_API_ID_INSTANCE=1$GITHUB_TOKEN",
        "ID_INSTANCE='1'$GITHUB_TOKEN",
        "GREEN_API_TOKEN_FILE=/tmp/$GITHUB_TOKEN",
        "GREEN_API_LENIENT=$GITHUB_TOKEN",
        "GREEN_API_WEBHOOK_TOKEN=$GITHUB_TOKEN",
        "GREEN_API_URL={url}/$UNSET",
    ] {
        let server = Server::unasked();
        let line = line.replace("{url}", &server.url());
        let text = format!("{}\n{line}\n", env_file(&server));
        let cli = Cli::new().env("GITHUB_TOKEN", OTHERS).file(".env", text).secret(OTHERS);
        refused(cli.args(["request", CHAT]), 78, ".env, line 5: a $ outside of single quotes");
    }
    // Other variables are not used, whatever is in them.
    let server = well();
    let others = "all_proxy=http://$GITHUB_TOKEN@127.0.0.1:9\nhttp_proxy=\"${GITHUB_TOKEN\"\nA=$\nPS1='$'\n";
    let cli = Cli::new().env("GITHUB_TOKEN", OTHERS).file(".env", format!("{others}{}", env_file(&server)));
    accepted(cli.secret(OTHERS).args(["request", CHAT]));
    assert_eq!(asked_as(&server), pair(INSTANCE, TOKEN));
    // In single quotes, or after a backslash, it is a character like any other.
    let cli = Cli::new().file(".env", "GREEN_API_TOKEN_FILE='$file'\nGREEN_API_WEBHOOK_TOKEN=a\\$b\n");
    refused(cli.env("ID_INSTANCE", "1").args(["request", CHAT]), 66, "cannot read $file");
}

#[test]
fn an_open_quote_is_reported_where_it_opens() {
    let server = Server::unasked();
    for open in ["GREEN_API_X='open", "GREEN_API_X=\"open", "it's open"] {
        let text = format!("A='a\nb'\n{open}\nGREEN_API_URL='{}'\nID_INSTANCE='1'\nC=1\n", server.url());
        refused(Cli::new().file(".env", text).args(["request", CHAT]), 78, ".env, line 3: not NAME=value");
    }
}

#[cfg(unix)]
#[test]
fn a_path_does_not_reach_the_terminal_as_it_is() {
    let server = Server::unasked();
    let odd = "odd\u{1b}[2J\nname\u{202e}";
    let shown = "odd\\u{1b}[2J\\nname\\u{202e}";
    for flag in ["--env-file", "--api-token-file", "--cacert"] {
        refused(Cli::request(&server, [flag, odd, CHAT]), 66, shown);
        let cli = Cli::request(&server, [flag, odd, CHAT]).file(odd, "not what it should be\n").mode(odd, 0o644);
        refused(cli, 78, shown);
    }
    refused(
        Cli::request(&server, [CHAT]).env("GREEN_API_TOKEN_FILE", odd).without("GREEN_API_TOKEN_INSTANCE"),
        66,
        shown,
    );
    let cli = Cli::new().file(&format!("../.config/{odd}/greenavatar/env"), "bad\n");
    let config = cli.dir().join("../.config").join(odd);
    refused(cli.env("XDG_CONFIG_HOME", config.canonicalize().expect("a directory")).args(["request", CHAT]), 78, shown);
}

#[test]
fn each_value_is_looked_up_for_itself() {
    let server = well();
    let cli = Cli::new()
        .env("GREEN_API_TOKEN_INSTANCE", TOKEN)
        .file(".env", "GREEN_API_ID_INSTANCE=31\nGREEN_API_TOKEN_INSTANCE=not-this-token\n")
        .args(["--api-url", &server.url(), "request", CHAT]);
    accepted(cli);
    assert_eq!(asked_as(&server), pair("31", TOKEN));
}

#[test]
fn the_settings_work_before_and_after_the_name_of_the_command() {
    for flags_first in [true, false] {
        let server = well();
        let flags = ["--api-url", &server.url(), "--id-instance=42", "--api-token-instance", TOKEN, "--retries=0"];
        let cli = if flags_first {
            Cli::new().args(flags).args(["request", CHAT])
        } else {
            Cli::new().args(["request", CHAT]).args(flags)
        };
        accepted(cli);
        assert_eq!(asked_as(&server), pair("42", TOKEN));
    }
}

#[test]
fn the_names_of_the_official_samples_are_the_second_choice() {
    let server = well();
    let cli = Cli::new()
        .env("GREEN_API_URL", server.url())
        .env("ID_INSTANCE", "7")
        .env("API_TOKEN_INSTANCE", OTHER_TOKEN)
        .args(["request", CHAT]);
    let both = cli.again().env("GREEN_API_ID_INSTANCE", "8").env("GREEN_API_TOKEN_INSTANCE", TOKEN);
    accepted(cli);
    assert_eq!(asked_as(&server), pair("7", OTHER_TOKEN));
    let server = well();
    accepted(both.env("GREEN_API_URL", server.url()).args(["request", CHAT]));
    assert_eq!(asked_as(&server), pair("8", TOKEN));
    let server = well();
    let text = format!("GREEN_API_URL={}\nID_INSTANCE=9\nAPI_TOKEN_INSTANCE={TOKEN}\n", server.url());
    accepted(Cli::new().file(".env", text).args(["request", CHAT]));
    assert_eq!(asked_as(&server), pair("9", TOKEN));
}

#[test]
fn an_official_name_in_the_environment_comes_before_ours_in_the_env_file() {
    let server = well();
    accepted(Cli::new().file(".env", env_file(&server)).env("ID_INSTANCE", "7").args(["request", CHAT]));
    assert_eq!(asked_as(&server), pair("7", TOKEN));
}

#[test]
fn an_env_file_is_found_in_a_parent_and_the_nearest_one_counts() {
    let (server, other) = (well(), Server::unasked());
    accepted(Cli::new().file("../.env", env_file(&server)).args(["request", CHAT]));
    let server = well();
    let cli = Cli::new().file("../.env", env_file(&other)).file(".env", env_file(&server));
    accepted(cli.args(["request", CHAT]));
}

#[test]
fn an_env_file_is_named_or_left_alone() {
    let (server, other) = (well(), Server::unasked());
    let cli = Cli::new().file(".env", env_file(&other)).file("other.env", env_file(&server));
    accepted(cli.again().args(["--env-file", "other.env", "request", CHAT]));
    refused(cli.args(["--no-env-file", "request", CHAT]), 78, "no instance");
}

#[test]
fn an_env_file_is_read_as_people_write_it() {
    for text in [
        "\u{feff}GREEN_API_URL={url}\nGREEN_API_ID_INSTANCE={id}\nGREEN_API_TOKEN_INSTANCE={token}\n",
        "GREEN_API_URL={url}\r\nGREEN_API_ID_INSTANCE={id}\r\nGREEN_API_TOKEN_INSTANCE={token}\r\n",
        "export GREEN_API_URL={url}\nexport GREEN_API_ID_INSTANCE={id}\nexport GREEN_API_TOKEN_INSTANCE={token}",
        "# mine\n\nGREEN_API_URL='{url}'\nGREEN_API_ID_INSTANCE=\"{id}\" # digits\n\nGREEN_API_TOKEN_INSTANCE='{token}'\n",
        "GREEN_API_URL={url}///\nGREEN_API_ID_INSTANCE={id}\nGREEN_API_TOKEN_INSTANCE={token}\nOTHER='x y'\n",
    ] {
        let server = well();
        let text = text.replace("{url}", &server.url()).replace("{id}", INSTANCE).replace("{token}", TOKEN);
        accepted(Cli::new().file(".env", text).args(["request", CHAT]));
        assert_eq!(asked_as(&server), pair(INSTANCE, TOKEN));
    }
}

#[test]
fn a_malformed_line_is_named_but_not_told() {
    let server = Server::unasked();
    for (line, bad) in [(4, "this is hunter2secret"), (4, "GREEN_API_X='hunter2secret"), (4, "X=hunter2secret more")] {
        let text = format!("{}{bad}\n", env_file(&server));
        let cli = Cli::new().file(".env", text).args(["request", CHAT]).secret("hunter2secret");
        let said = cli.exits(78).stderr_has("/work/.env, line").run();
        assert!(said.stderr.contains(&line.to_string()), "{}", said.stderr);
    }
    let cli = Cli::new().file(".env", "A=1\nbad hunter2secret\n").args(["--json", "request", CHAT]);
    let said = cli.secret("hunter2secret").exits(78).any_stderr().run();
    let error = json(&said.stderr);
    assert_eq!(error["error"]["code"], "bad-settings");
    assert!(error["error"]["message"].as_str().expect("a message").contains('2'), "{error}");
}

#[test]
fn a_broken_env_file_matters_only_where_it_is_needed() {
    let server = well();
    accepted(Cli::on(&server).file(".env", "this is not a setting\n").args(["request", CHAT]));
    let server = Server::unasked();
    let cli = Cli::on(&server).without("GREEN_API_ID_INSTANCE").file(".env", "this is not a setting\n");
    refused(cli.args(["request", CHAT]), 78, ".env");
}

#[test]
fn an_env_file_that_is_named_is_read_though_nothing_is_needed_from_it() {
    let server = Server::unasked();
    let cli = || Cli::request(&server, ["--env-file", "named", CHAT]);
    refused(cli(), 66, "named");
    refused(cli().file("named", "no assignment\n"), 78, "named, line 1");
}

#[test]
fn nothing_of_an_env_file_reaches_the_environment() {
    let server = well();
    let text = format!("{}ALL_PROXY=nonsense\nhttp_proxy=nonsense\n", env_file(&server));
    accepted(Cli::new().file(".env", text).args(["request", CHAT]));
}

#[test]
fn what_is_empty_is_unset() {
    let server = well();
    let cli = Cli::new()
        .file(".env", env_file(&server))
        .env("GREEN_API_URL", "")
        .env("GREEN_API_ID_INSTANCE", "")
        .env("GREEN_API_TOKEN_INSTANCE", "")
        .env("GREEN_API_TOKEN_FILE", "");
    accepted(cli.args(["request", CHAT]));
    let server = well();
    let text =
        format!("GREEN_API_URL={}\nGREEN_API_ID_INSTANCE=\nID_INSTANCE=3\nAPI_TOKEN_INSTANCE={TOKEN}\n", server.url());
    accepted(Cli::new().file(".env", text).args(["request", CHAT]));
    assert_eq!(asked_as(&server), pair("3", TOKEN));
}

#[test]
fn without_credentials_nothing_is_tried() {
    refused(Cli::new().args(["request", CHAT]), 78, "GREEN_API_ID_INSTANCE");
    let said = Cli::new().args(["--json", "request", CHAT]).exits(78).any_stderr().run();
    let error = json(&said.stderr);
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
fn a_flag_of_the_wrong_shape_is_a_usage_error() {
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
            Cli::on(&server).arg("request").arg(format!("{flag}={value}")).arg(CHAT).exits(2).stderr_has(flag).run();
        },
    );
}

#[test]
fn a_variable_of_the_wrong_shape_is_a_bad_setting() {
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
fn what_cannot_be_read_is_input_unreadable() {
    let server = Server::unasked();
    for args in [
        ["--env-file", "missing"],
        ["--env-file", "."],
        ["--api-token-file", "missing"],
        ["--api-token-file", "."],
        ["--cacert", "missing"],
    ] {
        let cli = Cli::on(&server).without("GREEN_API_ID_INSTANCE").args(["--json", "request", CHAT]);
        // Only what is needed is read.
        let cli = if args[0] == "--env-file" { cli } else { cli.env("GREEN_API_ID_INSTANCE", INSTANCE) };
        let said = cli.args(args).exits(66).any_stderr().run();
        assert_eq!(json(&said.stderr)["error"]["code"], "input-unreadable", "{args:?}");
    }
}

#[test]
fn the_token_is_the_first_line_of_a_file() {
    for text in [format!("{TOKEN}\nmore\n"), TOKEN.to_owned(), format!("{TOKEN}\r\n")] {
        let server = well();
        let cli = Cli::on(&server).without("GREEN_API_TOKEN_INSTANCE").file("token", text);
        accepted(cli.again().args(["request", "--api-token-file", "token", CHAT]));
        assert_eq!(asked_as(&server), pair(INSTANCE, TOKEN));
        let server = well();
        accepted(cli.env("GREEN_API_URL", server.url()).env("GREEN_API_TOKEN_FILE", "token").args(["request", CHAT]));
        assert_eq!(asked_as(&server), pair(INSTANCE, TOKEN));
    }
}

#[test]
fn the_token_comes_from_standard_input_where_a_hyphen_says_so() {
    let server = well();
    let cli = Cli::on(&server).without("GREEN_API_TOKEN_INSTANCE").args(["request", "--api-token-file", "-", CHAT]);
    accepted(cli.stdin(format!("{TOKEN}\n")));
    assert_eq!(asked_as(&server), pair(INSTANCE, TOKEN));
}

#[test]
fn a_token_file_comes_before_the_variable() {
    let server = well();
    let cli = Cli::on(&server).file("token", format!("{OTHER_TOKEN}\n"));
    accepted(cli.args(["request", "--api-token-file", "token", CHAT]));
    assert_eq!(asked_as(&server), pair(INSTANCE, OTHER_TOKEN));
}

#[test]
fn a_token_file_without_a_token_is_a_bad_setting_and_its_text_is_not_told() {
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
fn a_variable_does_not_take_the_list_from_standard_input_either() {
    let server = Server::unasked();
    for args in [&["-"][..], &["--dry-run", "-"]] {
        let cli = Cli::request(&server, args).without("GREEN_API_TOKEN_INSTANCE").env("GREEN_API_TOKEN_FILE", "-");
        refused(cli.stdin(format!("{TOKEN}\n{CHAT}\n")), 2, "more than once");
    }
}

#[test]
fn an_env_file_does_not_send_a_token_from_elsewhere_to_a_strange_host() {
    let server = Server::unasked();
    let text = format!("GREEN_API_URL={}\n", server.url());
    let cli = Cli::on(&server).without("GREEN_API_URL").file(".env", &text);
    let said = cli.again().args(["--json", "request", CHAT]).exits(78).any_stderr().run();
    let error = json(&said.stderr);
    assert_eq!(error["error"]["code"], "bad-settings");
    let story = error["error"].to_string();
    assert!(story.contains("--api-url") || story.contains("--env-file"), "it says how to mean it: {story}");
    // The same if it is found in a parent.
    let cli = Cli::on(&server).without("GREEN_API_URL").file("../.env", &text);
    refused(cli.args(["request", CHAT]), 78, ".env");
    // A token from a file that somebody else named came from elsewhere too.
    let cli = Cli::new().file(".env", text.clone() + "ID_INSTANCE=1\n").file("token", TOKEN);
    refused(cli.args(["request", "--api-token-file", "token", CHAT]), 78, ".env");
}

#[test]
fn a_strange_host_that_is_meant_is_asked() {
    let server = well();
    let text = format!("GREEN_API_URL={}\n", server.url());
    let cli = Cli::on(&server).without("GREEN_API_URL").file(".env", &text);
    accepted(cli.args(["--env-file", ".env", "request", CHAT]));
    let server = well();
    let cli = Cli::on(&server).without("GREEN_API_URL").file(".env", &text);
    accepted(cli.args(["--api-url", &server.url(), "request", CHAT]));
}

#[test]
fn an_env_file_may_name_a_host_of_the_service() {
    in_parallel(["api.green-api.com", "api.greenapi.com", "7103.api.greenapi.com", "1101.api.green-api.com"], |host| {
        let authority = Authority::new();
        let server = Server::tls(authority.server(host), Answer::status(200)).times(1);
        let proxy = Proxy::http(server.address());
        let cli = Cli::on(&server)
            .without("GREEN_API_URL")
            .env("HTTPS_PROXY", format!("http://{}", proxy.address()))
            .file("ca.pem", authority.pem())
            .file(".env", format!("GREEN_API_URL=https://{host}\n"));
        accepted(cli.args(["--cacert", "ca.pem", "request", CHAT]));
        assert_eq!(proxy.targets(), [format!("{host}:443")]);
    });
}

#[test]
fn a_host_that_only_looks_like_the_service_is_strange() {
    for host in ["evilgreen-api.com", "api.green-api.com.evil.example", "green-api.com.evil.example", "greenapi.co"] {
        let cli = Cli::at("").without("GREEN_API_URL").file(".env", format!("GREEN_API_URL=https://{host}\n"));
        refused(cli.args(["request", CHAT]), 78, host);
    }
}

#[test]
fn the_service_is_the_default_host() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("api.green-api.com"), Answer::status(200)).times(1);
    let proxy = Proxy::http(server.address());
    let cli = Cli::on(&server)
        .without("GREEN_API_URL")
        .env("ALL_PROXY", format!("http://{}", proxy.address()))
        .file("ca.pem", authority.pem());
    accepted(cli.args(["--cacert", "ca.pem", "request", CHAT]));
    assert_eq!(proxy.targets(), ["api.green-api.com:443"]);
}

#[test]
fn the_slash_at_the_end_of_the_url_does_not_count() {
    for tail in ["/", "///"] {
        let server = well();
        accepted(Cli::at(&format!("{}{tail}", server.url())).args(["request", CHAT]));
        assert_eq!(server.requests()[0].path, format!("/waInstance{INSTANCE}/getAvatarAsync/{TOKEN}"));
    }
}

#[test]
fn plain_http_goes_to_loopback_alone() {
    for url in ["http://192.0.2.1", "http://green-api.test:8080", "http://api.green-api.com", "http://localhost.test"] {
        let cli = Cli::at(url);
        let said = cli.again().args(["--json", "request", CHAT]).exits(78).any_stderr().run();
        assert_eq!(json(&said.stderr)["error"]["code"], "bad-settings", "{url}");
        // A well-formed flag that must not be used is not a usage error.
        refused(cli.args(["--api-url", url, "request", CHAT]), 78, "--insecure-http");
    }
    let server = well();
    accepted(Cli::at(&server.url().replace("127.0.0.1", "localhost")).args(["request", CHAT]));
}

#[test]
fn plain_http_elsewhere_must_be_meant() {
    let server = well();
    let proxy = Proxy::http(server.address());
    let cli = Cli::at("http://green-api.test:8080").env("http_proxy", format!("http://{}", proxy.address()));
    accepted(cli.args(["--insecure-http", "request", CHAT]));
    assert_eq!(proxy.targets(), ["green-api.test:8080"]);
}

#[cfg(unix)]
#[test]
fn an_env_file_that_others_can_read_is_one_warning() {
    for mode in [0o644, 0o640, 0o604] {
        let server = well();
        let cli = Cli::new().file(".env", env_file(&server)).mode(".env", mode).args(["request", CHAT]);
        let said = cli.stdout(format!("{CHAT}\taccepted\n")).stderr_has(".env").run();
        assert_eq!(said.stderr.matches("warning").count(), 1, "{}", said.stderr);
        assert!(said.stderr.starts_with("greenavatar: warning: "), "{}", said.stderr);
    }
    let server = well();
    let cli = Cli::new().file(".env", env_file(&server)).mode(".env", 0o644).args(["-q", "request", CHAT]);
    cli.any_stderr().run();
}

#[cfg(unix)]
#[test]
fn an_env_file_of_another_user_is_left_alone() {
    let server = Server::unasked();
    let cli = Cli::new().file(".env", env_file(&server)).args(["request", CHAT]);
    // Only root can give a file away.
    if chown(cli.dir().join(".env"), Some(12345), None).is_ok() {
        cli.exits(78).stderr_has("warning").stderr_has("another user").run();
    }
}

#[test]
fn the_template_in_the_repository_is_a_working_env_file() {
    let server = well();
    let template = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example")).expect(".env.example");
    let mut text = String::new();
    for line in template.lines() {
        let name = line.trim_start_matches(['#', ' ']).split('=').next().unwrap_or_default();
        match name {
            "GREEN_API_URL" => text.push_str(&format!("GREEN_API_URL='{}'", server.url())),
            "GREEN_API_ID_INSTANCE" => text.push_str(&format!("GREEN_API_ID_INSTANCE='{INSTANCE}'")),
            "GREEN_API_TOKEN_INSTANCE" => text.push_str(&format!("GREEN_API_TOKEN_INSTANCE='{TOKEN}'")),
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    accepted(Cli::new().file(".env", text).args(["request", CHAT]));
}
