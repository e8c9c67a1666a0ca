//! Options that several subcommands share: which connections, and the bounds on memory.

use std::path::PathBuf;

use clap::Args;

use crate::pipeline;
use crate::rtmp::decoder;
use crate::session::{self, ConnectionFilter};
use crate::tcp::ConnectionId;

use super::values;

/// Which connections to look at.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Selection")]
pub struct Connections {
    /// Only TCP connection N (Wireshark's tcp.stream)
    #[arg(long, value_name = "N", value_parser = values::connection)]
    pub stream: Option<u32>,

    /// Only connections on PORT, read as RTMP whatever they contain (repeatable)
    #[arg(long, value_name = "PORT", value_parser = values::port)]
    pub port: Vec<u16>,

    /// Also read connections on PORT as RTMP whatever they contain (repeatable)
    #[arg(long, value_name = "tcp:PORT", value_parser = values::tcp_port)]
    pub decode_as: Vec<u16>,

    /// Ports of RTMP servers that are known from elsewhere: what is on them need not prove that it is RTMP.
    #[arg(skip)]
    pub known: Vec<u16>,
}

/// Bounds against hostile and damaged input.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct Bounds {
    /// Bytes that the open messages of one direction may hold
    #[arg(long, value_name = "BYTES", value_parser = values::number::<usize>, default_value_t = decoder::Options::default().open_bytes)]
    max_open_bytes: usize,

    /// Bytes that the open messages of all connections may hold together
    #[arg(long, value_name = "BYTES", value_parser = values::number::<usize>, default_value_t = session::Options::default().total_open_bytes)]
    max_total_open_bytes: usize,

    /// TCP connections that may be open at once; beyond that, the one idle for longest is closed
    #[arg(long, value_name = "N", value_parser = values::number::<usize>, default_value_t = crate::tcp::Limits::default().open_connections)]
    max_open_connections: usize,

    /// Closed TCP connections whose ports are remembered, so that later ones get Wireshark's numbers
    #[arg(long, value_name = "N", value_parser = values::number::<usize>, default_value_t = crate::tcp::Limits::default().known_connections)]
    max_known_connections: usize,

    /// Chunk streams that one direction may use
    #[arg(long, value_name = "N", value_parser = values::number::<usize>, default_value_t = decoder::Options::default().chunk_streams)]
    max_chunk_streams: usize,

    /// Bytes of one direction that may wait after a hole
    #[arg(long, value_name = "BYTES", value_parser = values::number::<usize>, default_value_t = crate::tcp::Limits::default().out_of_order_bytes)]
    max_waiting_bytes: usize,

    /// Bytes of all directions that may wait after holes
    #[arg(long, value_name = "BYTES", value_parser = values::number::<usize>, default_value_t = crate::tcp::Limits::default().total_out_of_order_bytes)]
    max_total_waiting_bytes: usize,

    /// Bytes of IP fragments that may wait for others
    #[arg(long, value_name = "BYTES", value_parser = values::number::<usize>, default_value_t = crate::packet::Limits::default().fragment_bytes)]
    max_fragment_bytes: usize,

    /// Bytes that one compressed byte may expand to
    #[arg(long, value_name = "N", value_parser = values::number::<u64>, default_value_t = crate::capture::Limits::default().expansion)]
    max_expansion: u64,

    #[command(flatten)]
    pub keys: Keys,
}

/// Keys for what is encrypted.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Decryption")]
pub struct Keys {
    /// Decrypt TLS with the secrets in FILE, a key log in NSS's format (repeatable) [default: $SSLKEYLOGFILE]
    #[arg(long, value_name = "FILE")]
    keylog: Vec<PathBuf>,
}

/// A key log file.
#[derive(Clone, Debug)]
pub struct KeyLogFile {
    pub path: PathBuf,
    /// Whether it was asked for; else it need not exist.
    pub is_asked_for: bool,
}

impl Keys {
    /// The key log files: those given, else the one that the environment names.
    pub fn files(&self) -> Vec<KeyLogFile> {
        let given = self.keylog.iter().map(|path| KeyLogFile { path: path.clone(), is_asked_for: true });
        let named = || std::env::var_os("SSLKEYLOGFILE").filter(|path| !path.is_empty());
        match self.keylog.is_empty() {
            false => given.collect(),
            true => named().map(|path| KeyLogFile { path: path.into(), is_asked_for: false }).into_iter().collect(),
        }
    }
}

impl Connections {
    /// Which connections are asked for.
    pub fn wanted(&self) -> ConnectionFilter {
        ConnectionFilter { connection: self.stream.map(ConnectionId), ports: self.port.clone() }
    }

    /// Fails if the connection that was asked for is not in the capture, and says which are.
    pub fn ensure_there(&self, name: &str, totals: &pipeline::Totals) -> anyhow::Result<()> {
        let Some(number) = self.stream.filter(|&number| number >= totals.numbered && !totals.stopped) else {
            return Ok(());
        };
        let there_are = match totals.numbered {
            0 => "it holds no TCP connection".to_owned(),
            1 => "its only one is 0".to_owned(),
            count => format!("it has {count}, 0 to {}", count - 1),
        };
        anyhow::bail!("there is no TCP connection {number} in {name}: {there_are}; rtmp-inspect streams lists them")
    }

    /// The session layer's options, for decoders that keep `media_prefix` bytes of each media body.
    pub fn options(&self, bounds: &Bounds, media_prefix: u32) -> session::Options {
        let plain = session::Options::default();
        session::Options {
            ports: plain.ports.iter().chain(&self.known).copied().collect(),
            total_open_bytes: bounds.max_total_open_bytes,
            forced_ports: self.port.iter().chain(&self.decode_as).copied().collect(),
            decoder: decoder::Options {
                media_prefix,
                open_bytes: bounds.max_open_bytes,
                chunk_streams: bounds.max_chunk_streams,
                ..decoder::Options::default()
            },
            ..plain
        }
    }
}

impl Bounds {
    /// The bounds of the layers below the sessions.
    pub fn limits(&self) -> pipeline::Limits {
        let mut limits = pipeline::Limits::default();
        limits.capture.expansion = self.max_expansion;
        limits.packet.fragment_bytes = self.max_fragment_bytes;
        limits.tcp.out_of_order_bytes = self.max_waiting_bytes;
        limits.tcp.open_connections = self.max_open_connections;
        limits.tcp.known_connections = self.max_known_connections;
        limits.tcp.total_out_of_order_bytes = self.max_total_waiting_bytes;
        limits
    }
}
