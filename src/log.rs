//! The log on stderr. Nothing waits for the reader of stderr: if it does not read, lines are dropped and counted.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, SyncSender},
    },
    time::Duration,
};

use pipeprobe::cli::{LogFormat, LogLevel};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Lines that wait for the reader of stderr; with lines of 200 bytes about 0.8 MiB.
const QUEUE: usize = 4096;
/// How long the end of the process waits for the reader of stderr.
const FLUSH: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(10);

/// Logs to stderr until the process ends.
pub(crate) fn to_stderr(level: LogLevel, format: LogFormat) -> Flush {
    let level = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // A separate descriptor: while a write to `io::stderr()` waits, its lock stops everything else that prints there.
    let writer = match io::stderr().as_fd().try_clone_to_owned() {
        Ok(descriptor) => Writer::start(std::fs::File::from(descriptor)),
        Err(_) => Writer::start(io::stderr()),
    };
    let flush = Flush(writer.clone());
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => Box::new(layer),
        LogFormat::Json => Box::new(layer.json().flatten_event(true)),
    };
    // Only pipeprobe's own events: aws-sigv4 logs the session token at trace.
    tracing_subscriber::registry().with(layer).with(Targets::new().with_target("pipeprobe", level)).init();
    flush
}

enum Message {
    Line(Vec<u8>),
    /// Answered when every line before it has been written.
    Flush(mpsc::Sender<()>),
}

/// Queues lines for a thread that writes them.
#[derive(Clone)]
struct Writer {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Writer {
    fn start(mut out: impl Write + Send + 'static) -> Self {
        let (queue, messages) = mpsc::sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        std::thread::spawn(move || {
            for message in messages {
                let line = match message {
                    Message::Line(line) => line,
                    Message::Flush(written) => {
                        let _ = written.send(());
                        continue;
                    }
                };
                // A closed stderr is not a reason to stop.
                let _ = out.write_all(&line);
                let lost = lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    let _ = writeln!(
                        out,
                        "pipeprobe: {lost} log lines were dropped, because stderr was not read"
                    );
                }
            }
        });
        Self { queue, dropped }
    }
}

impl Write for Writer {
    /// One event: the subscriber formats it as a whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Writer {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// When dropped, waits until the lines so far are written, but not for a reader that does not read.
pub(crate) struct Flush(Writer);

impl Drop for Flush {
    fn drop(&mut self) {
        let (sender, written) = mpsc::channel();
        let pauses = FLUSH.as_millis() / PAUSE.as_millis();
        for _ in 0..pauses {
            if self.0.queue.try_send(Message::Flush(sender.clone())).is_ok() {
                let _ = written.recv_timeout(FLUSH);
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;

    /// A pipe whose reader does not read until it is opened.
    #[derive(Clone, Default)]
    struct Pipe(Arc<(Mutex<(bool, String)>, Condvar)>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (state, opened) = &*self.0;
            let mut state = opened.wait_while(state.lock().unwrap(), |(open, _)| !*open).unwrap();
            state.1.push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_dropped_and_counted_while_nothing_reads() {
        let pipe = Pipe::default();
        let mut writer = Writer::start(pipe.clone());
        for line in 0..QUEUE + 100 {
            writer.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
        let dropped = writer.dropped.load(Ordering::Relaxed);
        assert!((99..=100).contains(&dropped), "{dropped}"); // the thread can have taken one from the queue
        pipe.0.0.lock().unwrap().0 = true;
        pipe.0.1.notify_all();
        drop(Flush(writer));
        let text = pipe.0.0.lock().unwrap().1.clone();
        assert!(
            text.starts_with("0\n") && text.contains(&format!("{dropped} log lines were dropped")),
            "{dropped}"
        );
        assert_eq!(text.lines().count() as u64, QUEUE as u64 + 100 - dropped + 1);
    }
}
