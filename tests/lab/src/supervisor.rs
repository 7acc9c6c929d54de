//! Stops a lab's servers and removes its folder, however the owning process ends.
//!
//! `Drop` does this cleanly. The supervisor handles every other case (SIGKILL, a lab in a static, an abort): a small shell in
//! its own session that waits for the end of a pipe. Only the owner holds the other end, so the kernel
//! closes it when the owner exits.

use std::io;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Each server's folder has a file of this name with its process id and the signal that stops it.
pub(crate) const PID_FILE: &str = "supervisor.pid";

/// A process is signalled only if its command line names the lab's folder, because the process id may have been
/// reused. `/proc/PID/cmdline` is readable for every user; in a container `/proc/PID/cwd` is not.
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

/// Stops what the lab started if the owner is killed. Dropping it means that everything was stopped already.
#[derive(Debug)]
pub(crate) struct Supervisor {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Supervisor {
    /// Starts to supervise `lab`, the folder of this lab.
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
