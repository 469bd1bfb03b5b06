//! `.env` files: which ones are read, their syntax, and what is never taken from them.

use crate::settings::{OTHER_TOKEN, accepted, accepting, credentials_sent_to, env_file, pair, refused};
use crate::support::{CHAT, Cli, INSTANCE, Server, TOKEN, json};

#[test]
fn an_env_file_in_the_current_directory_is_enough() {
    let server = accepting();
    accepted(Cli::new().file(".env", env_file(&server)).args(["request", CHAT]));
    assert_eq!(credentials_sent_to(&server), pair(INSTANCE, TOKEN));
}

#[test]
fn an_env_file_is_found_in_a_parent_and_the_nearest_one_counts() {
    let (server, other) = (accepting(), Server::unasked());
    accepted(Cli::new().file("../.env", env_file(&server)).args(["request", CHAT]));
    let server = accepting();
    let cli = Cli::new().file("../.env", env_file(&other)).file(".env", env_file(&server));
    accepted(cli.args(["request", CHAT]));
}

#[test]
fn an_env_file_can_be_named_or_excluded() {
    let (server, other) = (accepting(), Server::unasked());
    let cli = Cli::new().file(".env", env_file(&other)).file("other.env", env_file(&server));
    accepted(cli.again().args(["--env-file", "other.env", "request", CHAT]));
    refused(cli.args(["--no-env-file", "request", CHAT]), 78, "no instance");
}

/// The user's own file, relative to the program's directory: HOME is the parent directory.
pub const USERS_FILE: &str = "../.config/greenavatar/env";

#[test]
fn the_users_own_file_is_the_last_source() {
    let server = accepting();
    accepted(Cli::new().file(USERS_FILE, env_file(&server)).args(["request", CHAT]));
    // It may name any host for a token of another source.
    let server = accepting();
    let cli = Cli::new().env("API_TOKEN_INSTANCE", OTHER_TOKEN).file(USERS_FILE, env_file(&server));
    accepted(cli.args(["request", CHAT]));
    assert_eq!(credentials_sent_to(&server), pair(INSTANCE, OTHER_TOKEN));
    let (server, other) = (accepting(), Server::unasked());
    let cli = Cli::new().file(USERS_FILE, env_file(&other)).file(".env", env_file(&server));
    accepted(cli.args(["request", CHAT]));
    // Of two values, one is in the found file and the other one in the user's.
    let server = accepting();
    let cli = Cli::new().file(USERS_FILE, env_file(&server)).file(".env", "ID_INSTANCE=6\n");
    accepted(cli.args(["request", CHAT]));
    assert_eq!(credentials_sent_to(&server), pair("6", TOKEN));
}

#[test]
fn with_a_named_env_file_or_none_the_users_own_file_is_not_read() {
    let other = Server::unasked();
    let cli = Cli::new().file(USERS_FILE, env_file(&other)).file("empty.env", "");
    refused(cli.again().args(["--no-env-file", "request", CHAT]), 78, "no instance");
    refused(cli.args(["--env-file", "empty.env", "request", CHAT]), 78, "no instance");
    // For a URL in a found file, a token in the user's file is one of another source.
    let cli = Cli::new().file(USERS_FILE, format!("API_TOKEN_INSTANCE={TOKEN}\n"));
    let cli = cli.file(".env", format!("GREEN_API_URL={}\nID_INSTANCE=1\n", other.url()));
    refused(cli.args(["request", CHAT]), 78, "would send a token");
}

#[test]
fn the_users_own_file_is_checked_like_any_other() {
    let server = Server::unasked();
    let cli = Cli::at(&server.url()).without("GREEN_API_ID_INSTANCE");
    refused(cli.file(USERS_FILE, "A=1\nno assignment\n").args(["request", CHAT]), 78, "greenavatar/env, line 2");
    // If it is not needed, a malformed file does not matter.
    accepted(Cli::on(&accepting()).file(USERS_FILE, "no assignment\n").args(["request", CHAT]));
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
        let server = accepting();
        let text = text.replace("{url}", &server.url()).replace("{id}", INSTANCE).replace("{token}", TOKEN);
        accepted(Cli::new().file(".env", text).args(["request", CHAT]));
        assert_eq!(credentials_sent_to(&server), pair(INSTANCE, TOKEN));
    }
}

#[test]
fn a_malformed_line_is_reported_without_its_text() {
    let server = Server::unasked();
    for line in ["this is hunter2secret", "GREEN_API_X='hunter2secret", "X=hunter2secret more"] {
        let text = format!("{}{line}\n", env_file(&server));
        let cli = Cli::new().file(".env", text).args(["request", CHAT]).secret("hunter2secret");
        refused(cli, 78, "/here/.env, line 4: ");
    }
    let cli = Cli::new().file(".env", "A=1\nbad hunter2secret\n").args(["--json", "request", CHAT]);
    let output = cli.secret("hunter2secret").exits(78).any_stderr().run();
    let error = json(&output.stderr);
    assert_eq!(error["error"]["code"], "bad-settings");
    assert!(error["error"]["message"].as_str().expect("a message").contains("line 2"), "{error}");
}

#[test]
fn an_open_quote_is_reported_where_it_opens() {
    let server = Server::unasked();
    for open in ["GREEN_API_X='open", "GREEN_API_X=\"open", "it's open"] {
        let text = format!("A='a\nb'\n{open}\nGREEN_API_URL='{}'\nID_INSTANCE='1'\nC=1\n", server.url());
        refused(Cli::new().file(".env", text).args(["request", CHAT]), 78, ".env, line 3: not NAME=value");
    }
}

#[test]
fn a_malformed_env_file_matters_only_if_it_is_needed() {
    let server = accepting();
    accepted(Cli::on(&server).file(".env", "this is not a setting\n").args(["request", CHAT]));
    let server = Server::unasked();
    let cli = Cli::on(&server).without("GREEN_API_ID_INSTANCE").file(".env", "this is not a setting\n");
    refused(cli.args(["request", CHAT]), 78, ".env");
}

#[test]
fn a_named_env_file_is_read_even_if_it_is_not_needed() {
    let server = Server::unasked();
    let cli = || Cli::request(&server, ["--env-file", "named", CHAT]);
    refused(cli(), 66, "named");
    refused(cli().file("named", "no assignment\n"), 78, "named, line 1");
}

#[test]
fn nothing_of_an_env_file_reaches_the_environment() {
    let server = accepting();
    let text = format!("{}ALL_PROXY=nonsense\nhttp_proxy=nonsense\n", env_file(&server));
    accepted(Cli::new().file(".env", text).args(["request", CHAT]));
}

#[test]
fn a_found_env_file_cannot_read_the_environment() {
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
    // In the values of other variables a $ means nothing.
    let server = accepting();
    let others = "all_proxy=http://$GITHUB_TOKEN@127.0.0.1:9\nhttp_proxy=\"${GITHUB_TOKEN\"\nA=$\nPS1='$'\n";
    let cli = Cli::new().env("GITHUB_TOKEN", OTHERS).file(".env", format!("{others}{}", env_file(&server)));
    accepted(cli.secret(OTHERS).args(["request", CHAT]));
    assert_eq!(credentials_sent_to(&server), pair(INSTANCE, TOKEN));
    // In single quotes or after a backslash, a $ is an ordinary character.
    let cli = Cli::new().file(".env", "GREEN_API_TOKEN_FILE='$file'\nGREEN_API_WEBHOOK_TOKEN=a\\$b\n");
    refused(cli.env("ID_INSTANCE", "1").args(["request", CHAT]), 66, "cannot read $file");
}

#[test]
fn the_template_in_the_repository_is_a_working_env_file() {
    let server = accepting();
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
