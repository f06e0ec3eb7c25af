use std::{
    env,
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use countersign_protocol::Secret;

use super::{Lock, Storage, StorageError};

/// The largest file that is read as a session.
const MAX_SIZE: u64 = 64 * 1024;

/// A side file that a killed program left is removed when it is this old.
const LITTER: Duration = Duration::from_mins(1);

/// A file that only its user can read (mode 0600), shared by all processes that name it.
///
/// Writing goes to a side file, which is synced and renamed over the old one, and the folder is synced: after a crash
/// or a loss of power there is the old session or the new one, whole. The lock is an advisory lock on a second file,
/// `….lock`, which stays; the operating system frees it when its holder dies. On a network file system that has no such
/// locks, give each machine a file of its own.
#[derive(Clone, Debug)]
pub struct FileStorage {
    path: PathBuf,
}

impl FileStorage {
    /// The file with this path. Its folder is made when first needed, for its user alone (mode 0700).
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// `session.json` in the folder where this user's programs keep what they remember: `$XDG_STATE_HOME/APP`
    /// (`~/.local/state/APP`), `~/Library/Application Support/APP` on macOS, `%LOCALAPPDATA%\APP` on Windows.
    /// [`StorageError`] when there is no such folder or `app` is not a plain name.
    pub fn of_app(app: &str) -> Result<Self, StorageError> {
        let plain = !app.is_empty()
            && !app.starts_with('.')
            && app.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if !plain {
            return Err(StorageError::new(
                "a program's name has letters, digits, `-`, `_` and `.` alone",
            ));
        }
        let folder = state_folder().ok_or_else(|| {
            StorageError::new(
                "there is no home folder to keep the session in: name a file by FileStorage::new",
            )
        })?;
        Ok(Self::new(folder.join(app).join("session.json")))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    async fn blocking<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let path = self.path.clone();
        let done = tokio::task::spawn_blocking(move || work(&path)).await;
        done.map_err(io::Error::other).flatten().map_err(|error| {
            StorageError::new(format!("{}: cannot {what}", self.path.display())).because(error)
        })
    }
}

#[async_trait]
impl Storage for FileStorage {
    async fn load(&self) -> Result<Option<Secret>, StorageError> {
        self.blocking("be read", read).await
    }

    async fn store(&self, text: &Secret) -> Result<(), StorageError> {
        let text = text.clone();
        self.blocking("be written", move |path| write(path, &text)).await
    }

    async fn try_lock(&self) -> Result<Option<Lock>, StorageError> {
        let locked = self.blocking("be locked", lock).await?;
        Ok(locked.map(Lock::of))
    }
}

fn state_folder() -> Option<PathBuf> {
    let folder = |variable: &str| {
        let value = env::var_os(variable).map(PathBuf::from);
        value.filter(|path| path.is_absolute())
    };
    if cfg!(windows) {
        return folder("LOCALAPPDATA");
    }
    if cfg!(target_os = "macos") {
        return folder("HOME").map(|home| home.join("Library/Application Support"));
    }
    folder("XDG_STATE_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/state")))
}

fn read(path: &Path) -> io::Result<Option<Secret>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(MAX_SIZE + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|len| len > MAX_SIZE) {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "it is no kept session"));
    }
    Ok(Some(Secret::new(text)))
}

/// Writes to the side (`O_EXCL`, mode 0600), syncs, renames, and syncs the folder.
fn write(path: &Path, text: &Secret) -> io::Result<()> {
    let folder = folder_of(path)?;
    let prefix = side_prefix(path);
    let mut side = tempfile::Builder::new().prefix(&prefix).suffix(".tmp").tempfile_in(&folder)?;
    side.write_all(text.expose().as_bytes())?;
    side.as_file().sync_all()?;
    side.persist(path).map_err(|error| error.error)?;
    sync_folder(&folder)
}

fn lock(path: &Path) -> io::Result<Option<File>> {
    let folder = folder_of(path)?;
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(".lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(folder.join(name))?;
    match file.try_lock() {
        Ok(()) => {
            sweep(&folder, path);
            Ok(Some(file))
        }
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The file's folder, made if it is missing.
fn folder_of(path: &Path) -> io::Result<PathBuf> {
    if path.file_name().is_none() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not the name of a file"));
    }
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("."),
    };
    if !folder.is_dir() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    Ok(folder.to_owned())
}

fn side_prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".");
    prefix
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Removes the side files of programs that were killed while they wrote: they hold tokens.
fn sweep(folder: &Path, path: &Path) {
    let prefix = side_prefix(path);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let bytes = name.as_encoded_bytes();
        let ours = bytes.starts_with(prefix.as_encoded_bytes()) && bytes.ends_with(b".tmp");
        let age = || entry.metadata().and_then(|it| it.modified()).ok()?.elapsed().ok();
        if ours && age().is_some_and(|age| age > LITTER) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, FileStorage) {
        let folder = tempfile::tempdir().unwrap();
        let storage = FileStorage::new(folder.path().join("a/b/session.json"));
        (folder, storage)
    }

    #[tokio::test]
    async fn what_is_stored_is_loaded_and_nothing_else_lies_about() {
        let (_folder, storage) = place();
        assert!(storage.load().await.unwrap().is_none());
        storage.store(&"one".into()).await.unwrap();
        storage.store(&"two".into()).await.unwrap();
        assert_eq!(storage.load().await.unwrap().unwrap().expose(), "two");
        let names = fs::read_dir(storage.path().parent().unwrap()).unwrap();
        assert_eq!(names.count(), 1);
    }

    /// N3: the file is its user's alone, whatever the umask and whatever it was before.
    #[cfg(unix)]
    #[tokio::test]
    async fn the_file_is_its_users_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, storage) = place();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        storage.store(&"one".into()).await.unwrap();
        fs::set_permissions(storage.path(), fs::Permissions::from_mode(0o644)).unwrap();
        storage.store(&"two".into()).await.unwrap();
        drop(storage.try_lock().await.unwrap().unwrap());
        assert_eq!(mode(storage.path()), 0o600);
        assert_eq!(mode(&storage.path().with_extension("json.lock")), 0o600);
        assert_eq!(mode(storage.path().parent().unwrap()), 0o700);
    }

    #[tokio::test]
    async fn one_holds_the_lock_at_a_time() {
        let (_folder, storage) = place();
        let held = storage.try_lock().await.unwrap().unwrap();
        assert!(storage.clone().try_lock().await.unwrap().is_none());
        drop(held);
        assert!(storage.try_lock().await.unwrap().is_some());
    }

    #[tokio::test]
    async fn what_a_killed_program_left_is_swept_when_it_is_old() {
        let (_folder, storage) = place();
        storage.store(&"one".into()).await.unwrap();
        let folder = storage.path().parent().unwrap();
        let (old, new) = (folder.join(".session.json.a.tmp"), folder.join(".session.json.b.tmp"));
        let file = File::create(&old).unwrap();
        let before = fs::metadata(storage.path()).unwrap().modified().unwrap() - 2 * LITTER;
        file.set_modified(before).unwrap();
        fs::write(&new, "").unwrap();
        drop(storage.try_lock().await.unwrap());
        assert!(!old.exists() && new.exists() && storage.path().exists());
    }

    #[tokio::test]
    async fn a_place_that_does_not_work_says_which_and_not_what_it_holds() {
        let (folder, _) = place();
        fs::write(folder.path().join("file"), "secret").unwrap();
        let storage = FileStorage::new(folder.path().join("file/session.json"));
        let error = storage.store(&"secret".into()).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("session.json") && !text.contains("secret"), "{text}");
        fs::write(folder.path().join("big"), "x".repeat(70_000)).unwrap();
        assert!(FileStorage::new(folder.path().join("big")).load().await.is_err());
        assert!(FileStorage::of_app("../x").is_err());
    }
}
