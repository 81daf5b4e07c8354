//! Whether folders can be written and have room. Leaves nothing behind.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// Bytes of the probe file: one block, so that a full disk shows.
const PROBE_BYTES: usize = 4096;

/// Writes and removes a small file in `folder`, or in the nearest parent that exists.
pub(crate) fn can_write(folder: &Path) -> io::Result<()> {
    let folder = existing(folder);
    let probe = folder.join(format!(".valechat-probe-{}", std::process::id()));
    let written = fs::File::create_new(&probe).and_then(|mut file| {
        file.write_all(&[0; PROBE_BYTES])?;
        file.sync_all()
    });
    let removed = fs::remove_file(&probe);
    written.and(removed)
}

/// Bytes that this user may still write there.
pub(crate) fn free_space(folder: &Path) -> io::Result<u64> {
    fs4::available_space(existing(folder))
}

fn existing(folder: &Path) -> &Path {
    folder
        .ancestors()
        .find(|path| path.is_dir())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_is_judged_by_its_parent_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("a/b");
        can_write(&inside).unwrap();
        assert!(free_space(&inside).unwrap() > 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_judged_by_what_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        fs::write(&file, "").unwrap();
        assert_eq!(existing(&file.join("x")), folder.path());
    }
}
