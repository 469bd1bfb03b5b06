//! How `sandbox` starts and ends, in the background of a shell and with a command.

use crate::support::{CHAT, Cli};

#[test]
fn a_command_gets_the_credentials_of_its_sandbox() {
    let script = r#""$0" sandbox --id-instance 4711 --api-token-instance my-own-token -- \
        sh -c 'echo $GREEN_API_ID_INSTANCE $GREEN_API_TOKEN_INSTANCE'"#;
    Cli::new().shell(script).stdout("4711 my-own-token\n").any_stderr().run();
}

#[test]
fn eval_gets_the_lines_and_a_sandbox_in_the_background() {
    for lines in [r#"eval "$("$0" sandbox --detach)""#, r#"eval `"$0" sandbox --detach`"#] {
        // Within this half second a sandbox that watched the wrong process would end.
        for shell in ["sh", "bash"] {
            let script = format!(r#"exec {shell} -c '{lines}; sleep 0.5; "$0" request "$1"' "$0" "$1""#);
            let cli = Cli::new().arg(CHAT).shell(&script).stdout(format!("{CHAT}\taccepted\n"));
            cli.any_stderr().run();
        }
    }
}

#[test]
fn a_detached_sandbox_that_cannot_start_says_why() {
    let script = r#""$0" sandbox --detach --bind 127.0.0.1:0 >lines; eval "$(cat lines)"
        "$0" sandbox --detach --bind "${GREEN_API_URL#http://}"; echo "status $?""#;
    Cli::new().shell(script).stdout("status 78\n").stderr_has("the sandbox cannot start").run();
}

#[test]
fn a_detached_sandbox_ends_with_the_shell() {
    let script = r#"sh -c 'eval "$("$0" sandbox --detach)"; echo $GREEN_API_URL >url; "$0" request '"$1" "$0"
        GREEN_API_URL=$(cat url) GREEN_API_ID_INSTANCE=1 GREEN_API_TOKEN_INSTANCE=12345678
        export GREEN_API_URL GREEN_API_ID_INSTANCE GREEN_API_TOKEN_INSTANCE
        until "$0" --retries 0 request "$1" 2>&1 | grep -q unreachable; do sleep 0.02; done; echo gone"#;
    let output = Cli::new().arg(CHAT).shell(script).any_stdout().any_stderr().run();
    assert!(output.stdout.ends_with("gone\n"), "{}", output.stdout);
}

#[test]
fn a_detached_sandbox_ends_with_a_shell_in_a_shell_of_the_same_name() {
    // `set -m` gives the inner shell a process group of its own, as a terminal does.
    let shell = r#"if [ -n "$INNER" ]; then eval "$("$PROGRAM" sandbox --detach)"; echo $GREEN_API_URL >url; exit; fi
        set -m; INNER=1 bash nested "$1"
        GREEN_API_URL=$(cat url) GREEN_API_ID_INSTANCE=1 GREEN_API_TOKEN_INSTANCE=12345678
        export GREEN_API_URL GREEN_API_ID_INSTANCE GREEN_API_TOKEN_INSTANCE
        until "$PROGRAM" --retries 0 request "$1" 2>&1 | grep -q unreachable; do sleep 0.02; done; echo gone"#;
    let cli = Cli::new().file("nested", shell).arg(CHAT).shell(r#"PROGRAM=$0; export PROGRAM; exec bash nested "$1""#);
    cli.stdout("gone\n").any_stderr().run();
}

#[test]
fn it_dies_by_the_signal_that_killed_its_command() {
    // Not SIGHUP, which is ignored if the tests run under nohup.
    for signal in [9, 10, 15] {
        let kill = format!("kill -{signal} $$");
        Cli::new().args(["sandbox", "--", "/bin/sh", "-c", &kill]).dies(signal).any_stderr().run();
    }
}
