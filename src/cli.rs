//! The command line: options in, text and exit status out.
//!
//! Only here are files opened, the environment read and anything printed. What was typed is turned
//! into library options once, in each subcommand's module.

mod amf;
mod check;
mod config;
mod decode;
mod diff;
mod fields;
mod follow;
mod given;
mod input;
mod interrupt;
mod keys;
mod lint;
mod live;
mod merge;
mod output;
mod output_file;
mod payload;
mod raw_order;
mod record;
mod relay;
mod reports;
mod rules;
mod secrets;
mod select;
mod snapshot;
mod streams;
mod values;

use std::io::Write;
use std::process::ExitCode;

use clap::error::ContextValue;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::escape::escape;

use output::Output;

/// Nothing to report, or sessions equivalent.
pub const EXIT_OK: u8 = 0;
/// Differences or findings.
pub const EXIT_FINDINGS: u8 = 1;
/// An error: a file that cannot be read, wrong usage, nothing to judge.
pub const EXIT_TROUBLE: u8 = 2;

#[derive(Debug, Parser)]
#[command(
    name = "rtmp-inspect",
    version,
    about = "Reads packet captures and shows the RTMP in them, true to the byte",
    after_help = "Examples:\n  rtmp-inspect decode capture.pcap\n  rtmp-inspect streams capture.pcapng.gz\n  \
                  tcpdump -U -w - port 1935 | rtmp-inspect decode -\n\n\
                  Exit status: 0 nothing to report, 1 differences or findings, 2 error.",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    global: Global,
}

#[derive(Debug, Args)]
struct Global {
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List every message, handshake, gap and undecoded stretch, in capture order
    Decode(decode::Options),
    /// Compare two sessions and say why they differ
    Diff(diff::Options),
    /// List the TCP connections: what each carries, who is who, and how it ended
    Streams(streams::Options),
    /// Follow each published message through the server to the players
    Relay(relay::Options),
    /// Check sessions against the rules, without a good one to compare with
    Lint(lint::Options),
    /// Check captures against their snapshots and the rules, for CI
    Check(check::Options),
    /// Print the settings that apply to a capture, and where each comes from
    Config(config::Options),
    /// List the fields that -e, -Y and -V know, with type and meaning
    Fields(fields::Options),
    /// Show a connection's bytes in the colours of their layers, or a selection of them as a literal
    Follow(follow::Options),
    /// Decode AMF from bytes in any form, or encode it from JSON
    Amf(amf::Options),
    /// Explain how the bytes received came from the bytes sent, and who changed them
    Payload(payload::Options),
    /// List the rules, print one rule's page, or find rules by words or a line from a log
    Rules(rules::Options),
    /// Write a capture's sessions as text for a repository, one message a line
    Snapshot(snapshot::Options),
    /// Print the completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff), of the program or of one subcommand
    Man {
        /// The subcommand
        subcommand: Option<String>,
    },
}

/// Parses the command line, runs it, and gives the exit status.
pub fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| match capture_without_subcommand(&error) {
        Some(path) => {
            let path = escape(&path);
            let words = format!("'{path}' is a capture, not a subcommand\ntry: rtmp-inspect decode {path}");
            output::complain("error", &words);
            std::process::exit(EXIT_TROUBLE.into())
        }
        None => in_safe_words(error).exit(),
    });
    match cli.global.color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    }
    .write_global();
    interrupt::install();
    let mut output = Output::stdout();
    let result = match cli.command {
        Command::Decode(options) => decode::run(&options, &mut output),
        Command::Diff(options) => diff::run(&options, &mut output),
        Command::Streams(options) => streams::run(&options, &mut output),
        Command::Relay(options) => relay::run(&options, &mut output),
        Command::Lint(options) => lint::run(&options, &mut output),
        Command::Check(options) => check::run(&options, &mut output),
        Command::Config(options) => config::run(&options, &mut output),
        Command::Fields(options) => fields::run(&options, &mut output),
        Command::Follow(options) => follow::run(&options, &mut output),
        Command::Amf(options) => amf::run(&options, &mut output),
        Command::Payload(options) => payload::run(&options, &mut output),
        Command::Snapshot(options) => snapshot::run(&options, &mut output),
        Command::Rules(options) => rules::run(&options, &mut output),
        Command::Completions { shell } => completions(shell, &mut output),
        Command::Man { subcommand } => man(subcommand.as_deref(), &mut output),
    };
    let result = result.and_then(|status| {
        output.flush()?;
        Ok(status)
    });
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            output::complain("error", &format!("{error:#}"));
            ExitCode::from(EXIT_TROUBLE)
        }
    }
}

/// What is wrong with the command line: words that were typed, or put there by a pattern of the shell, are escaped.
fn in_safe_words(mut error: clap::Error) -> clap::Error {
    let safe = |text: &String| escape(text).into_owned();
    let words: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, ContextValue::String(safe(text)))),
            ContextValue::Strings(texts) => Some((kind, ContextValue::Strings(texts.iter().map(safe).collect()))),
            _ => None,
        })
        .collect();
    for (kind, value) in words {
        error.insert(kind, value);
    }
    error
}

/// The capture that was given where a subcommand belongs.
fn capture_without_subcommand(error: &clap::Error) -> Option<String> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let kind = match error.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return None,
    };
    let Some(ContextValue::String(word)) = error.get(kind) else { return None };
    // `rtmp-inspect -r FILE`, as with tshark.
    let path = match word.as_str() {
        "-r" => std::env::args().skip_while(|arg| arg != "-r").nth(1)?,
        word => word.to_owned(),
    };
    let is_first = std::env::args().nth(1).is_some_and(|first| first == *word);
    let is_named_so = [".pcap", ".pcapng", ".cap", ".gz", ".zst"].iter().any(|ending| path.ends_with(ending));
    (is_first && (is_named_so || std::path::Path::new(&path).is_file())).then_some(path)
}

fn completions(shell: clap_complete::Shell, output: &mut Output) -> anyhow::Result<u8> {
    // The generator panics if it cannot write, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rtmp-inspect", &mut script);
    if shell == clap_complete::Shell::Bash {
        // clap_complete 4.6 takes the hyphen of the program's name for the border of a subcommand in the labels of its
        // `case`, and not where it sets the variable that is compared with them.
        let text = String::from_utf8(script)?.replace("rtmp__subcmd__inspect", "rtmp__inspect");
        script = text.into_bytes();
    }
    output.write_all(&script)?;
    Ok(EXIT_OK)
}

fn man(subcommand: Option<&str>, output: &mut Output) -> anyhow::Result<u8> {
    let mut command = Cli::command();
    command.build();
    let command = match subcommand {
        None => command,
        Some(name) => {
            let found = command.find_subcommand(name).cloned();
            found.ok_or_else(|| anyhow::anyhow!("no subcommand '{}'; rtmp-inspect --help lists them", escape(name)))?
        }
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    output.write_all(&page)?;
    Ok(EXIT_OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
