//! Whatever happens to the process that owns a lab, its servers end and its folder goes.
//!
//! `Drop` does that in order. For every other end (SIGKILL, a lab in a static, an abort) there is the keeper: a small shell in
//! a session of its own that waits for the end of a pipe. The owner holds the other end and nothing else does, so the kernel
//! itself tells the keeper when the owner is gone.

use std::io;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A server leaves its process id and the signal that ends it in a file of this name in its folder.
pub(crate) const PID_FILE: &str = "supervisor.pid";

/// A recorded process is only signalled while its command line still names the lab's folder: by then the number may belong to
/// someone else. `/proc/PID/cmdline` is readable whoever the process runs as, which `/proc/PID/cwd` is not in a container.
const SCRIPT: &str = r#"
while read -r _; do :; done
lab=$1
known=
is_ours() { tr '\0' '\n' < "/proc/$1/cmdline" 2>/dev/null | grep -qF "$lab/"; }
try=0
while [ $try -lt 100 ]; do
  try=$((try + 1))
  for file in "$lab"/*/supervisor.pid; do
    [ -f "$file" ] && read -r pid signal < "$file" || continue
    case " $known " in *" $pid "*) ;; *)
      known="$known $pid"
      is_ours "$pid" && kill -s "$signal" "$pid" ;;
    esac
  done
  running=
  for pid in $known; do
    if is_ours "$pid"; then
      running=1
      [ $try -lt 80 ] || kill -s KILL "$pid"
    fi
  done
  if [ -z "$running" ]; then
    rm -rf "$lab"
    [ -e "$lab" ] || exit 0
  fi
  sleep 0.1
done
"#;

/// Ends what the lab started when the owner is gone. Dropping it means that this has been done in order already.
#[derive(Debug)]
pub(crate) struct Supervisor {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Supervisor {
    /// Starts watching over `lab`, the folder that everything of this lab lies in.
    pub(crate) fn start(lab: &Path) -> io::Result<Self> {
        let mut shell = Command::new("setsid")
            .args(["/bin/sh", "-c", SCRIPT, "pipeprobe-lab-supervisor"])
            .arg(lab)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.shell.wait();
    }
}
