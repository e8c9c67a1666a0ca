//! Captures that are still being made: from an interface, by `tcpdump` or `dumpcap`, and from a file that grows.
//!
//! Takes an interface and a filter, or a path, and returns a reader that blocks until there are more bytes. It ends when
//! the user interrupts the program; how many packets the capture lost is known after that. It does not look at packets.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::escape::escape;
use crate::field::counted;

use super::input::in_words;
use super::output::complain;

/// The programs that capture, the faster first (dumpcap passes packets on every 250 ms, its CAP_READ_TIMEOUT), and what they are given besides interface and filter.
const TOOLS: [(&str, &[&str]); 2] = [
    // Packets are handed on at once (--immediate-mode), each by itself (-U); 16 MiB wait for a slow reader.
    ("tcpdump", &["-n", "-U", "--immediate-mode", "-s", "0", "-B", "16384", "-w", "-"]),
    // In pcap (-P), without a count on the terminal (-q).
    ("dumpcap", &["-q", "-P", "-s", "0", "-B", "16", "-w", "-"]),
];

/// Directories that Debian does not give to users, and where these programs are.
const BESIDE_PATH: [&str; 2] = ["/usr/sbin", "/sbin"];

/// A program that captures.
#[derive(Debug)]
pub struct Live {
    tool: &'static str,
    child: Child,
    said: Option<JoinHandle<String>>,
    pipe: Pipe,
    is_interrupted: Arc<AtomicBool>,
}

/// The output of a program, until it is closed.
#[derive(Clone, Debug)]
struct Pipe(Arc<Mutex<Option<ChildStdout>>>);

impl Pipe {
    fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map_or(Ok(0), |pipe| pipe.read(buffer))
    }
}

/// The bytes of a capture as they are made.
pub type Reader = Box<dyn Read + Send>;

impl Live {
    /// So long it may take to end.
    const PATIENCE: Duration = Duration::from_millis(500);

    /// Starts capturing on an interface.
    pub fn start(interface: &str, filter: &str) -> anyhow::Result<(Live, Reader)> {
        let mut failures = Vec::new();
        for (tool, args) in TOOLS {
            let Some(mut child) = spawn(tool, args, interface, filter)? else { continue };
            let mut pipe = child.stdout.take().context("it has no output")?;
            let mut errors = child.stderr.take().context("it has no error output")?;
            let said = thread::spawn(move || {
                let mut said = Vec::new();
                let _ = errors.read_to_end(&mut said);
                String::from_utf8_lossy(&said).into_owned()
            });
            // The file's header comes as soon as the interface is open.
            let mut first = [0; 4];
            if pipe.read_exact(&mut first).is_ok() {
                let is_interrupted = when_interrupted(Some(&child))?;
                let pipe = Pipe(Arc::new(Mutex::new(Some(pipe))));
                let reader = Box::new(Cursor::new(first).chain(pipe.clone()));
                return Ok((Live { tool, child, said: Some(said), pipe, is_interrupted }, reader));
            }
            let _ = child.wait();
            failures.push(format!("{tool}: {}", reason(&said.join().unwrap_or_default())));
        }
        let interface = escape(interface);
        if failures.is_empty() {
            bail!("cannot capture on {interface}: neither tcpdump nor dumpcap is installed");
        }
        let is_permission =
            |said: &String| ["ermission", "not permitted", "privilege"].iter().any(|word| said.contains(word));
        let help = match failures.iter().any(is_permission) {
            true => "\nrun it as root, or give dumpcap the right: setcap cap_net_raw,cap_net_admin+eip",
            false => "",
        };
        bail!("cannot capture on {interface}\n{}{help}", failures.join("\n"))
    }

    /// Ends capturing, and says how many packets were lost.
    pub fn finish(mut self) -> anyhow::Result<()> {
        let is_over = self.child.try_wait().is_ok_and(|status| status.is_some());
        terminate(&self.child);
        let is_running = |child: &mut Child| child.try_wait().is_ok_and(|status| status.is_none());
        while_waiting(|| is_running(&mut self.child));
        // It may wait for its output to be read, or for something else.
        self.pipe.close();
        while_waiting(|| is_running(&mut self.child));
        let _ = self.child.kill();
        let status = self.child.wait().context("cannot wait for the capture's end")?;
        // What it started may keep its error output open.
        let said = self.said.take();
        while_waiting(|| said.as_ref().is_some_and(|said| !said.is_finished()));
        let said = said.filter(JoinHandle::is_finished).and_then(|said| said.join().ok()).unwrap_or_default();
        match lost(&said) {
            0 => {}
            lost => {
                let lost = counted(lost, "packet");
                complain(
                    "warning",
                    &format!("{} lost {lost}, which show as gaps; the filter may leave fewer", self.tool),
                );
            }
        }
        if is_over && !status.success() && !self.is_interrupted.load(Ordering::Relaxed) {
            complain("warning", &format!("{} ended: {}", self.tool, reason(&said)));
        }
        Ok(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // After an error in between, no program is to be left running.
        if self.said.is_some() {
            terminate(&self.child);
            self.pipe.close();
            while_waiting(|| self.child.try_wait().is_ok_and(|status| status.is_none()));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits as long as this holds, and not longer than [`Live::PATIENCE`].
fn while_waiting(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Live::PATIENCE;
    while Instant::now() < deadline && holds() {
        thread::sleep(Duration::from_millis(5));
    }
}

fn spawn(tool: &str, args: &[&str], interface: &str, filter: &str) -> anyhow::Result<Option<Child>> {
    let places = [tool.to_owned()].into_iter().chain(BESIDE_PATH.map(|directory| format!("{directory}/{tool}")));
    for place in places {
        let mut command = Command::new(&place);
        command.args(["-i", interface]).args(args);
        // dumpcap has an option for the filter, tcpdump takes it last.
        if tool == "dumpcap" {
            command.args(["-f", filter])
        } else {
            command.arg(filter)
        };
        match command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
            Ok(child) => return Ok(Some(child)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot run {place}")),
        }
    }
    Ok(None)
}

/// The filter for these ports, and for fragments, whose ports are in another packet.
pub fn filter(ports: &[u16]) -> String {
    let ports: Vec<_> = ports.iter().map(|port| format!("tcp port {port}")).collect();
    format!("{} or (ip[6:2] & 0x1fff != 0)", ports.join(" or "))
}

/// What a program said last that is not a count.
fn reason(said: &str) -> String {
    let is_count = |line: &&str| !line.trim().is_empty() && !line.contains("packets ") && !line.starts_with("Packets ");
    escape(said.lines().rfind(is_count).unwrap_or("it gave no reason").trim()).into_owned()
}

/// How many packets a program says that were lost.
fn lost(said: &str) -> u64 {
    let number = |text: &str| text.trim().parse::<u64>().unwrap_or(0);
    let of_line = |line: &str| {
        // tcpdump: `3 packets dropped by kernel`, `0 packets dropped by interface`.
        if let Some((count, _)) = line.split_once(" packets dropped by ").or(line.split_once(" packet dropped by ")) {
            return number(count);
        }
        // dumpcap: `Packets received/dropped on interface 'lo': 10/3 (pcap:3/dumpcap:0/…) (76.9%)`.
        let counts =
            line.strip_prefix("Packets received/dropped on interface ").and_then(|rest| rest.rsplit_once("': "));
        counts
            .and_then(|(_, counts)| counts.split_once('/'))
            .map_or(0, |(_, dropped)| number(dropped.split(' ').next().unwrap_or_default()))
    };
    said.lines().map(of_line).sum()
}

/// A file that another program writes: at its end, more is waited for.
pub struct Growing {
    file: File,
    is_interrupted: Arc<AtomicBool>,
}

impl Growing {
    /// How long a look at the file's end is apart from the next.
    const PAUSE: Duration = Duration::from_millis(10);

    /// Opens the file, until the user interrupts the program.
    pub fn open(path: &Path) -> anyhow::Result<Growing> {
        let name = in_words(path);
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        anyhow::ensure!(
            file.metadata().is_ok_and(|data| data.is_file()),
            "--follow reads a file that grows, and {name} is not a file; '-' is read as it comes without --follow"
        );
        Ok(Growing { file, is_interrupted: when_interrupted(None)? })
    }
}

impl Read for Growing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.file.read(buffer)?;
            if count > 0 || buffer.is_empty() || self.is_interrupted.load(Ordering::Relaxed) {
                return Ok(count);
            }
            thread::sleep(Growing::PAUSE);
        }
    }
}

/// Ends `child` when the user interrupts this program, which continues until all is read; true from then on.
#[cfg(unix)]
fn when_interrupted(child: Option<&Child>) -> anyhow::Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    super::interrupt::leave();
    let flag = Arc::new(AtomicBool::new(false));
    let mut signals =
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot wait for signals")?;
    let pid = child.map(rustix::process::Pid::from_child);
    let interrupted = Arc::clone(&flag);
    thread::spawn(move || {
        for _ in signals.forever() {
            interrupted.store(true, Ordering::Relaxed);
            if let Some(pid) = pid {
                // It may have ended by the same signal.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
    });
    Ok(flag)
}

#[cfg(not(unix))]
fn when_interrupted(_: Option<&Child>) -> anyhow::Result<Arc<AtomicBool>> {
    Ok(Arc::new(AtomicBool::new(false)))
}

#[cfg(unix)]
fn terminate(child: &Child) {
    // It may have ended by itself.
    let _ = rustix::process::kill_process(rustix::process::Pid::from_child(child), rustix::process::Signal::TERM);
}

#[cfg(not(unix))]
fn terminate(_: &Child) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_counted_as_each_program_says_them() {
        let tcpdump = "tcpdump: listening on lo, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n\
                       10 packets captured\n20 packets received by filter\n3 packets dropped by kernel\n";
        assert_eq!(lost(tcpdump), 3);
        assert_eq!(lost("1 packet captured\n1 packet dropped by kernel\n2 packets dropped by interface\n"), 3);
        let dumpcap = "Capturing on 'Loopback: lo'\nFile: -\nPackets captured: 10\nPackets received/dropped on interface \
                       'Loopback: lo': 10/4 (pcap:4/dumpcap:0/flushed:0/ps_ifdrop:0) (71.4%)\n";
        assert_eq!(lost(dumpcap), 4);
        assert_eq!(lost("nothing"), 0);
    }

    #[test]
    fn the_reason_is_the_last_line_that_is_no_count() {
        let said = "tcpdump: nosuch: No such device exists\n(No such device exists)\n0 packets captured\n\n";
        assert_eq!(reason(said), "(No such device exists)");
        assert_eq!(reason(""), "it gave no reason");
    }

    #[test]
    fn ports_are_in_the_filter() {
        assert_eq!(filter(&[1935, 443]), "tcp port 1935 or tcp port 443 or (ip[6:2] & 0x1fff != 0)");
    }
}
