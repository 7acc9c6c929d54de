//! AWS implementations by others, from PyPI: moto with the AWS CLI in front of it, and ministack. They check neither signatures
//! nor policies; for these, [`crate::Lab`] has its own stand-in.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::fixture::REGION;
use crate::{Tool, files, random};

const SERVER: &str = include_str!("moto/server.py");
const CLIENT: &str = include_str!("moto/aws.py");

/// A running moto. It ends when it is dropped.
#[derive(Debug)]
pub struct Moto {
    server: Child,
    /// The processes end if this is closed, also after a kill of this process.
    _input: ChildStdin,
    endpoint: String,
    folder: PathBuf,
}

impl Moto {
    /// Starts moto on loopback, with an empty account.
    pub fn start() -> io::Result<Self> {
        let python = Tool::Moto.find().map_err(|why| io::Error::new(io::ErrorKind::NotFound, why))?;
        let folder = std::env::temp_dir().join(format!("pipeprobe-moto-{:016x}", random::number()));
        files::create(&folder)?;
        let shebang = format!("#!{} -IS\n", python.display());
        files::write_script(&folder.join("aws"), &(shebang + CLIENT))?;
        let mut server = Command::new(python)
            .args(["-I", "-c", SERVER])
            .arg(&folder)
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            // Nothing is read from the configuration of the user.
            .env("HOME", &folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pipes = (server.stdin.take(), server.stdout.take(), server.stderr.take());
        let (Some(input), Some(output), Some(mut complaints)) = pipes else {
            return Err(io::Error::other("a child without pipes"));
        };
        let mut moto = Self { server, _input: input, endpoint: String::new(), folder };
        BufReader::new(output).read_line(&mut moto.endpoint)?;
        moto.endpoint.truncate(moto.endpoint.trim_end().len());
        if moto.endpoint.is_empty() {
            let mut said = String::new();
            complaints.read_to_string(&mut said)?;
            return Err(io::Error::other(format!("moto: {said}")));
        }
        // A full pipe would stop it.
        thread::spawn(move || io::copy(&mut complaints, &mut io::sink()));
        Ok(moto)
    }

    /// Of all services.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The folder of the program `aws`, the AWS CLI.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The environment of the AWS CLI.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("PATH", format!("{}:/usr/bin:/bin", self.folder.display())),
            ("HOME", self.folder.display().to_string()),
            ("AWS_ACCESS_KEY_ID", "AKIALABMOTOEXAMPLE00".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "moto".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("LC_ALL", "C.UTF-8".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Runs the AWS CLI, and reads its answer.
    pub fn aws(&self, args: &[&str]) -> io::Result<Value> {
        let mut aws = Command::new(self.folder.join("aws"));
        let Output { status, stdout, stderr } = aws
            .args(args)
            .args(["--output", "json"])
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null())
            .output()?;
        match status.success() {
            true if stdout.is_empty() => Ok(Value::Null),
            true => Ok(serde_json::from_slice(&stdout)?),
            false => Err(io::Error::other(format!("aws {args:?}: {}", String::from_utf8_lossy(&stderr)))),
        }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = files::remove(&self.folder);
    }
}

/// A running ministack. It ends when it is dropped.
#[derive(Debug)]
pub struct Ministack {
    process: Child,
    endpoint: String,
}

impl Ministack {
    /// Starts STS of ministack on loopback.
    pub fn start() -> io::Result<Self> {
        let program = Tool::Ministack.find().map_err(|why| io::Error::new(io::ErrorKind::NotFound, why))?;
        for _ in 0..3 {
            // It has no option for a free port.
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let process = Command::new(&program)
                .env_clear()
                .env("BIND_HOST", "127.0.0.1")
                .env("GATEWAY_PORT", port.to_string())
                .env("SERVICES", "sts,iam")
                .env("IOT_MTLS_ENABLED", "0")
                .env("SFTP_ENABLED", "0")
                .env("HOME", std::env::temp_dir())
                .current_dir("/")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn()?;
            let mut ministack = Self { process, endpoint: format!("http://127.0.0.1:{port}") };
            if ministack.answers(port)? {
                return Ok(ministack);
            }
        }
        Err(io::Error::other("ministack ended three times before it answered"))
    }

    /// Waits until it accepts connections; false if it has ended.
    fn answers(&mut self, port: u16) -> io::Result<bool> {
        for _ in 0..1200 {
            if self.process.try_wait()?.is_some() {
                return Ok(false);
            }
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(true);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err(io::Error::other("ministack did not start within 60 s"))
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.process.wait();
    }
}
