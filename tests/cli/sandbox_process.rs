//! How the sandbox lives and ends: behind a shell that asks for its lines, and beside a command.

use crate::support::{CHAT, Cli};

/// What a user might type to get the lines into a shell: none of it may wait for ever.
#[test]
fn a_shell_that_waits_for_its_lines_gets_them_and_a_sandbox_behind_it() {
    for lines in [
        r#"eval "$("$0" sandbox)""#,
        r#"eval `"$0" sandbox`"#,
        r#"eval "$("$0" sandbox 2>&1 | grep export)""#,
        r#"eval "$("$0" sandbox | head -n 3)""#,
        r#"eval "$("$0" sandbox; echo MORE=1)""#,
        r#"eval "$(env "$0" sandbox 2>/dev/null)""#,
        r#"eval "$(timeout 60 "$0" sandbox)""#,
        r#"lines=$("$0" sandbox --detach 2>&1); eval "$(echo "$lines" | grep export)""#,
    ] {
        for shell in ["sh", "bash"] {
            let script = format!(r#"exec {shell} -c '{lines}; "$0" request "$1"' "$0" "$1""#);
            let cli = Cli::new().arg(CHAT).shell(&script).stdout(format!("{CHAT}\taccepted\n"));
            cli.any_stderr().run();
        }
    }
}

#[test]
fn behind_a_shell_it_ends_with_the_shell() {
    let script = r#"sh -c 'eval "$("$0" sandbox)"; echo $GREEN_API_URL >url; "$0" request '"$1" "$0"
        GREEN_API_URL=$(cat url) GREEN_API_ID_INSTANCE=1 GREEN_API_TOKEN_INSTANCE=12345678
        export GREEN_API_URL GREEN_API_ID_INSTANCE GREEN_API_TOKEN_INSTANCE
        until ! "$0" --retries 0 request "$1" 2>&1 | grep -q unauthorized; do sleep 0.02; done; echo gone"#;
    let said = Cli::new().arg(CHAT).shell(script).any_stdout().any_stderr().run();
    assert!(said.stdout.ends_with("gone\n"), "{}", said.stdout);
}

#[test]
fn it_dies_by_the_signal_that_killed_its_command() {
    // Not 1: whoever runs the tests under nohup has it ignored.
    for signal in [9, 10, 15] {
        let kill = format!("kill -{signal} $$");
        Cli::new().args(["sandbox", "--", "/bin/sh", "-c", &kill]).dies(signal).any_stderr().run();
    }
}

#[test]
fn a_signal_for_its_group_reaches_the_command_once_and_the_command_s_status_counts() {
    let script = r#"setsid "$0" sandbox -- sh -c 'trap "n=1\$n" TERM; : >ready; until [ -n "$n" ]; do sleep 0.02; done; sleep 0.05; echo $n; exit 5' &
        until [ -e ready ]; do sleep 0.02; done
        kill -TERM -$!
        wait $!; echo "status $?""#;
    Cli::new().shell(script).stdout("1\nstatus 5\n").any_stderr().run();
}

#[test]
fn a_webhook_token_that_fits_no_header_is_refused() {
    let cli =
        Cli::new().args(["sandbox", "--webhook-url", "http://127.0.0.1:1", "--webhook-token", "a\nb", "--", "true"]);
    cli.exits(2).stderr_has("must fit a header").run();
}
