//! The completion script in a real zsh: an interactive shell in a pseudo-terminal, in which Tab is pressed.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Read by the shell under test: Tab completes, and prints what is then on the line.
const ZSHRC: &str = "
PS1= PS2=
autoload -Uz compinit; compinit -u -D
source <(rtmp-inspect completions zsh)
complete_and_print() { zle complete-word; print -r -- \"<<$BUFFER>>\" }
zle -N complete_and_print
bindkey '^I' complete_and_print
print -r -- '<<ready>>'
";

/// Drives it: `$1` is typed, followed by Tab. Waits for output, never for a time.
const DRIVER: &str = "
zmodload zsh/zpty
zpty shell zsh -i
zpty -r shell said '*<<ready>>*'
zpty -w -n shell \"$1\"$'\\t'
zpty -r shell said '*<<*>>*'
print -r -- \"$said\"
zpty -d shell
";

#[test]
fn zsh_completes_subcommands_and_their_options() {
    let home = tempfile::tempdir().expect("a temporary directory");
    fs::write(home.path().join(".zshrc"), ZSHRC).expect("writable");
    let program = Path::new(env!("CARGO_BIN_EXE_rtmp-inspect")).parent().expect("a directory");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").expect("set"));
    for (typed, expected) in [
        ("rtmp-inspect deco", "<<rtmp-inspect decode"),
        ("rtmp-inspect decode --dir", "<<rtmp-inspect decode --direction"),
        ("rtmp-inspect decode --format jsonl --no-such", "<<rtmp-inspect decode --format jsonl --no-such>>"),
    ] {
        let output = Command::new("timeout")
            .args(["60", "zsh", "-f", "-c", DRIVER, "zsh", typed])
            .env("PATH", &path)
            .env("ZDOTDIR", home.path())
            .env("TERM", "dumb")
            .output()
            .expect("timeout, of coreutils");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains(expected),
            "{typed}: {said} {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
