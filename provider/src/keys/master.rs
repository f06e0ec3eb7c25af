//! The master key: 256 bits that the ring is sealed under, kept outside the store.

use std::{
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use countersign_protocol::{
    Secret,
    id::{decode, encode},
};
use zeroize::Zeroizing;

use super::{KeyError, KeyId};
use crate::seal::Root;

/// Where the master key is.
pub struct MasterKey(Source);

enum Source {
    File(PathBuf),
    Held { name: Box<str>, root: Root },
}

impl MasterKey {
    /// In a file (43 characters of base64url, mode 0600), which is made when a ring begins. It is read again when the
    /// ring was changed by somebody who has another one.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// In a value of 43 characters of base64url (such as `openssl rand -base64 32 | tr '+/' '-_' | tr -d =`) that
    /// came from `name`, an environment variable. [`KeyError::MasterMalformed`] when it is no such value.
    pub fn from_text(name: &str, text: &Secret) -> Result<Self, KeyError> {
        let root = parse(text.expose());
        let root = root.ok_or_else(|| KeyError::MasterMalformed {
            master: format!("the master key in {name}"),
        })?;
        Ok(Self::held(name, root))
    }

    /// A new one that is kept nowhere: what is sealed ends with this process. For tests, and for embedding on the
    /// memory engine.
    pub fn generate() -> Self {
        Self::held("memory", Root::draw())
    }

    fn held(name: &str, root: Root) -> Self {
        let name = name.into();
        Self(Source::Held { name, root })
    }

    /// The key; `None` when its file is not there.
    pub(super) fn read(&self) -> Result<Option<Root>, KeyError> {
        match &self.0 {
            Source::Held { root, .. } => Ok(Some(root.clone())),
            Source::File(path) => self.read_file(path),
        }
    }

    /// The key; its file is made if it is not there.
    pub(super) fn read_or_create(&self) -> Result<Root, KeyError> {
        if let Some(root) = self.read()? {
            return Ok(root);
        }
        if let Source::File(path) = &self.0 {
            create(path).map_err(|cause| self.unreadable(cause))?;
        }
        let made = self.read()?;
        made.ok_or_else(|| self.unreadable(io::ErrorKind::NotFound.into()))
    }

    fn read_file(&self, path: &Path) -> Result<Option<Root>, KeyError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unreadable(error)),
        };
        let metadata = file.metadata().map_err(|cause| self.unreadable(cause))?;
        // A group may read: secrets that an orchestrator mounts belong to one.
        if metadata.permissions().mode() & 0o027 != 0 {
            return Err(KeyError::MasterExposed { master: self.to_string() });
        }
        let mut text = Zeroizing::new(Vec::with_capacity(64));
        let read = file.take(64).read_to_end(&mut text);
        read.map_err(|cause| self.unreadable(cause))?;
        let root = std::str::from_utf8(&text).ok().and_then(parse);
        let root = root.ok_or_else(|| KeyError::MasterMalformed { master: self.to_string() })?;
        Ok(Some(root))
    }

    fn unreadable(&self, cause: io::Error) -> KeyError {
        KeyError::MasterUnreadable { master: self.to_string(), cause }
    }
}

impl fmt::Display for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::File(path) => write!(f, "the master key file {}", path.display()),
            Source::Held { name, .. } => write!(f, "the master key in {name}"),
        }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({self})")
    }
}

fn parse(text: &str) -> Option<Root> {
    let bytes = Zeroizing::new(decode(text.trim_ascii_end())?);
    Root::from_bytes(&bytes)
}

/// Writes a new key beside the path and links it there, which never overwrites one that somebody else just made.
fn create(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let side = folder.join(format!(".master-key-{}", KeyId::draw()));
    let linked = write(&side).and_then(|()| match fs::hard_link(&side, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&side);
    linked.and(removed)?;
    File::open(folder)?.sync_all()
}

fn write(side: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(side)?;
    let text = Secret::new(encode(Root::draw().expose()) + "\n");
    file.write_all(text.expose().as_bytes())?;
    file.sync_all()
}
