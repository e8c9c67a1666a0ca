//! Files that a subcommand writes: `-o`, `--junit`, `--sarif`, the snapshots of `check --update`.
//!
//! Takes a path and the whole content. A regular file is replaced by a new one that is renamed over it, so that nobody
//! ever finds half of it, and keeps its mode and, where that is allowed, its owner. Everything else that a path can
//! name (a device, a FIFO, an open descriptor) is written to as it is. Symbolic links are followed, as an open does.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};

use super::input::{in_words, is_standard_input};
use super::interrupt;

/// As many symbolic links does Linux follow in a path (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Where the content of an output goes.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// Standard output: `-`, or a name of its descriptor.
    Stdout,
    /// Standard error, by a name of its descriptor.
    Stderr,
    /// What is there is opened and written to.
    InPlace(PathBuf),
    /// A regular file with this final name, which need not exist.
    File(PathBuf),
}

/// Writes `content` to `path`; `-` is standard output.
pub fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    write_with(path, |file| Ok(file.write_all(content)?))
}

/// The same for content that `content` writes.
pub fn write_with(path: &Path, content: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let written = Target::of(path).and_then(|target| target.write(content));
    match written {
        // The reader of a FIFO has what it wants.
        Err(error) if is_closed_pipe(&error) => Ok(()),
        other => other.with_context(|| format!("cannot write {}", in_words(path))),
    }
}

/// Fails if an output is one of the files that are read, or another output: whatever it holds would be lost.
pub fn ensure_distinct<'o, 'i>(
    outputs: impl IntoIterator<Item = &'o PathBuf>,
    inputs: impl IntoIterator<Item = &'i PathBuf>,
) -> anyhow::Result<()> {
    let outputs: Vec<_> = outputs.into_iter().filter_map(|path| Some((path, FileId::of_output(path)?))).collect();
    if outputs.is_empty() {
        return Ok(());
    }
    for read in inputs.into_iter().filter_map(|path| FileId::of_input(path)) {
        if let Some((path, _)) = outputs.iter().find(|(_, written)| *written == read) {
            bail!("{} is an input and would be overwritten: write the output to another file", in_words(path));
        }
    }
    for (index, (path, written)) in outputs.iter().enumerate() {
        let is_taken = outputs[..index].iter().any(|(_, other)| other == written);
        ensure!(!is_taken, "{} is given for two outputs: the second would replace the first", in_words(path));
    }
    Ok(())
}

impl Target {
    fn of(path: &Path) -> anyhow::Result<Target> {
        if is_standard_input(path) {
            return Ok(Target::Stdout);
        }
        // The kernel's word first: it may forbid to follow a link (protected_symlinks), and knows what is there.
        let metadata = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let is_directory = metadata.as_ref().is_some_and(Metadata::is_dir);
        ensure!(
            !is_directory && !path.as_os_str().as_encoded_bytes().ends_with(b"/"),
            "it is a directory; name a file"
        );
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            if let Some(descriptor) = descriptor(&path) {
                return descriptor;
            }
            match fs::symlink_metadata(&path) {
                Ok(link) if link.is_symlink() => path = folder(&path).join(fs::read_link(&path)?),
                _ if metadata.is_none_or(|metadata| metadata.is_file()) => return Ok(Target::File(path)),
                _ => return Ok(Target::InPlace(path)),
            }
        }
        bail!("it is a circle of symbolic links, or a chain of more than {MOST_LINKS}")
    }

    fn write(self, content: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
        match self {
            Target::Stdout => content(&mut duplicate(&io::stdout())?),
            Target::Stderr => content(&mut duplicate(&io::stderr())?),
            // Not truncated: what others have written through the same descriptor stays.
            Target::InPlace(path) => content(&mut OpenOptions::new().append(true).open(path)?),
            Target::File(path) => replace(&path, content),
        }
    }
}

/// Puts a new file in the place of a regular one, or of none.
fn replace(path: &Path, content: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    // A file that may not be written to may not be replaced either, though its folder would allow it.
    let replaced = match OpenOptions::new().write(true).open(path) {
        Ok(file) => Some(file.metadata()?),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let folder = folder(path);
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A temporary file is its owner's alone; this one is a file like others, as the umask has it.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file =
        builder.prefix(".rtmp-inspect-").tempfile_in(folder).map_err(|error| cannot_create(folder, &error))?;
    let _unfinished = interrupt::Unfinished::new(file.path());
    if let Some(replaced) = &replaced {
        keep_access(file.as_file(), replaced)?;
    }
    // Through the file: errors of the temporary name that name, and nobody has heard of it.
    content(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Gives a new file the mode and the owner of the one that it replaces.
#[cfg(unix)]
fn keep_access(file: &File, replaced: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    // Only root can give files away, and others only to their own groups. Where the group is another one, it gets no
    // more than everybody.
    let has_owner = fchown(file, Some(replaced.uid()), Some(replaced.gid())).is_ok();
    let has_group = has_owner || fchown(file, None, Some(replaced.gid())).is_ok();
    let mode = replaced.mode() & 0o777;
    let mode = if has_group { mode } else { mode & 0o707 | (mode & 0o007) << 3 };
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn keep_access(file: &File, replaced: &Metadata) -> io::Result<()> {
    file.set_permissions(replaced.permissions())
}

/// What went wrong with the folder. The error has the name of the temporary file in its text, so only its kind is told.
fn cannot_create(folder: &Path, error: &io::Error) -> anyhow::Error {
    let shown = in_words(folder);
    if folder.is_dir() {
        anyhow!("no file can be made in the folder {shown}: {}", error.kind())
    } else {
        anyhow!("there is no folder {shown}")
    }
}

/// The folder of a file.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The target, if a path names an open descriptor: `/dev/fd/N`, `/proc/self/fd/N`, and what is linked to them. These
/// links look like ones to the file that is open, but a file put in that one's place would not be open.
fn descriptor(path: &Path) -> Option<anyhow::Result<Target>> {
    let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
    let folder = folder(path).canonicalize().ok()?;
    let is_of_proc = folder.starts_with("/proc") && folder.ends_with("fd");
    if !is_of_proc && folder != Path::new("/dev/fd") {
        return None;
    }
    if is_of_proc && !is_writable(path) {
        return Some(Err(anyhow!("descriptor {number} is not open for writing")));
    }
    let is_own = !is_of_proc || Path::new("/proc/self/fd").canonicalize().is_ok_and(|own| own == folder);
    Some(Ok(match number {
        1 if is_own => Target::Stdout,
        2 if is_own => Target::Stderr,
        _ => Target::InPlace(path.to_owned()),
    }))
}

/// Whether a descriptor is open for writing: Linux shows it as the mode of the link (proc_pid_fd(5)).
#[cfg(unix)]
fn is_writable(descriptor: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(descriptor).is_ok_and(|link| link.mode() & 0o200 != 0)
}

#[cfg(not(unix))]
fn is_writable(_: &Path) -> bool {
    true
}

/// The same open file once more, past our buffer, with the same position.
#[cfg(unix)]
fn duplicate(stream: &impl std::os::fd::AsFd) -> io::Result<File> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
fn duplicate(stream: &impl std::os::windows::io::AsHandle) -> io::Result<File> {
    Ok(stream.as_handle().try_clone_to_owned()?.into())
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Which regular file it is, whatever it is called. A device has no identity here: it can be read and written at once.
#[derive(Debug, PartialEq, Eq)]
enum FileId {
    There(Inode),
    /// It will be made: the folder, and the name in it.
    New(Inode, OsString),
}

#[cfg(unix)]
type Inode = (u64, u64);
#[cfg(not(unix))]
type Inode = PathBuf;

impl FileId {
    fn of_input(path: &Path) -> Option<FileId> {
        #[cfg(unix)]
        if is_standard_input(path) {
            let metadata = duplicate(&io::stdin()).ok()?.metadata().ok()?;
            return metadata.is_file().then(|| FileId::There(inode_of(&metadata)));
        }
        fs::metadata(path).ok()?.is_file().then(|| inode(path)).flatten().map(FileId::There)
    }

    fn of_output(path: &Path) -> Option<FileId> {
        match Target::of(path).ok()? {
            Target::Stdout | Target::Stderr => None,
            Target::File(path) if !path.exists() => {
                Some(FileId::New(inode(folder(&path))?, path.file_name()?.to_owned()))
            }
            Target::File(path) | Target::InPlace(path) => FileId::of_input(&path),
        }
    }
}

#[cfg(unix)]
fn inode(path: &Path) -> Option<Inode> {
    fs::metadata(path).ok().map(|metadata| inode_of(&metadata))
}

#[cfg(unix)]
fn inode_of(metadata: &Metadata) -> Inode {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn inode(path: &Path) -> Option<Inode> {
    path.canonicalize().ok()
}
