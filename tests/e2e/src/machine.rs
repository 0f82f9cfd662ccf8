//! Machines in trouble: a small disk, a clock that is off.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::stack::{Stack, run};

/// Set, it lets tests pass that this machine cannot run.
const MAY_SKIP: &str = "OBHUT_MAY_SKIP";

/// To be said before a test ends because something is missing here: it fails, unless `OBHUT_MAY_SKIP` is set.
pub fn cannot_run_without(what: &str) {
    let allowed = std::env::var_os(MAY_SKIP).is_some();
    assert!(
        allowed,
        "this test needs {what}; set {MAY_SKIP}=1 to go on without it"
    );
    eprintln!("skipped without {what}");
}

/// A file system in memory, unmounted when dropped.
pub struct SmallDisk {
    /// Where it is mounted.
    pub folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one of this many MiB; `None` where the right to mount is missing and that may be.
    pub fn mount(folder: &Path, mebibytes: u32) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let options = format!("size={mebibytes}m,mode=0777");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "obhut-e2e"]);
        if run(mount.arg(folder)).code != 0 {
            cannot_run_without("the right to mount a small disk");
            return None;
        }
        Some(Self {
            folder: folder.to_owned(),
        })
    }

    /// Changes its size.
    pub fn resize(&self, mebibytes: u32) {
        let options = format!("remount,size={mebibytes}m");
        let done = run(Command::new("mount")
            .args(["-o", &options])
            .arg(&self.folder));
        assert_eq!(done.code, 0, "{}", done.stderr);
    }

    /// Leaves no room: a file that takes all there is.
    pub fn fill(&self) -> PathBuf {
        use std::io::Write as _;
        let path = self.folder.join("ballast");
        let mut file = std::fs::File::create(&path).unwrap();
        let block = vec![0x55; 4_096];
        while file.write_all(&block).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(&self.folder)
            .output();
    }
}

impl Stack {
    /// A library that shifts the wall clock of what loads it, made with the C compiler; `None` where none may be missing.
    pub fn clock_shifter(&self) -> Option<PathBuf> {
        let source = self.write("shifted.c", include_bytes!("shifted.c"));
        let library = self.folder().join("shifted.so");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library);
        let Ok(made) = compiler.arg(source).output() else {
            cannot_run_without("a C compiler");
            return None;
        };
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        Some(library)
    }
}

/// Lets a command believe that it is so many seconds later.
pub fn shift_clock(command: &mut Command, shifter: &Path, seconds: i64) {
    command
        .env("LD_PRELOAD", shifter)
        .env("OBHUT_TEST_SHIFT_S", seconds.to_string());
}
