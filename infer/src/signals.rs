//! SIGINT, SIGTERM and SIGXFSZ, for both binaries.
//!
//! A handler does nothing but set a flag and wake a thread. Who reads the flag between two steps stops by itself
//! ([`StopFlag`]). Most work has no such steps: a library decodes a table or grows a forest for as long as it takes. A
//! [`Stopper`] therefore ends the process from a thread of its own, at once, except while something waits in staging or is
//! being published: that is [protected](Stopper::protect), and is given the time to end in order.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::{flag, low_level};

use crate::observe::Stop;

/// Makes a file that grows beyond its limit (`ulimit -f`) an error of the write, instead of the end of the process.
///
/// # Errors
/// When the system refuses a handler.
pub fn survive_file_size_limit() -> io::Result<()> {
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).map(drop)
}

/// Whether the process was asked to stop.
#[derive(Debug, Clone, Default)]
pub struct StopFlag {
    interrupt: Arc<AtomicBool>,
    terminate: Arc<AtomicBool>,
}

impl StopFlag {
    /// Catches the signals for the whole process. A second signal of the same kind while the first is being served ends
    /// the process at once; the next run removes what it leaves.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn install() -> io::Result<Self> {
        let flags = Self::default();
        for (signal, flag, code) in [(SIGINT, &flags.interrupt, 130), (SIGTERM, &flags.terminate, 143)] {
            // Order matters: the conditional shutdown looks at the flag before this signal sets it.
            flag::register_conditional_shutdown(signal, code, Arc::clone(flag))?;
            flag::register(signal, Arc::clone(flag))?;
        }
        Ok(flags)
    }

    /// The signal that came, if any.
    #[must_use]
    pub fn stop(&self) -> Option<Stop> {
        if self.terminate.load(Ordering::Relaxed) {
            return Some(Stop::Terminate);
        }
        self.interrupt.load(Ordering::Relaxed).then_some(Stop::Interrupt)
    }
}

/// How long protected work may take to end once a signal has come. What it leaves after that, the next run removes.
const PATIENCE: Duration = Duration::from_secs(4);

/// Ends the process when a signal comes, but not in the midst of protected work.
#[derive(Debug)]
pub struct Stopper {
    flag: StopFlag,
    protected: Mutex<usize>,
    idle: Condvar,
}

impl Stopper {
    /// Catches the signals for the whole process; `tell` is called once, before the process ends by one.
    ///
    /// # Errors
    /// When the system refuses a handler or a thread.
    pub fn start(tell: impl FnOnce(Stop) + Send + 'static) -> io::Result<Arc<Self>> {
        let stopper =
            Arc::new(Self { flag: StopFlag::install()?, protected: Mutex::default(), idle: Condvar::default() });
        let (mut listener, bell) = UnixStream::pair()?;
        // After the flags: whoever is woken finds them set.
        for signal in [SIGINT, SIGTERM] {
            low_level::pipe::register(signal, bell.try_clone()?)?;
        }
        if stopper.flag.stop().is_some() {
            // One that came after the flags and before the bell has woken nobody.
            bell.try_clone()?.write_all(&[0])?;
        }
        let watcher = Arc::clone(&stopper);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            while let Err(error) = listener.read_exact(&mut [0]) {
                if error.kind() != ErrorKind::Interrupted {
                    return;
                }
            }
            if let Some(stop) = watcher.flag.stop() {
                watcher.end(stop, tell);
            }
        })?;
        Ok(stopper)
    }

    /// The flag, for work that asks between its steps.
    #[must_use]
    pub fn flag(&self) -> &StopFlag {
        &self.flag
    }

    /// Does work that leaves something half-done when it is cut off: from the first staged byte to the last rename. Work
    /// of more than a moment must ask the [flag](Stopper::flag) and end by itself. Does not return once a signal has come:
    /// the process then ends by the signal, whatever the work has come to.
    pub fn protect<T>(&self, work: impl FnOnce() -> T) -> T {
        self.end_if_asked();
        let held = Protected::new(self);
        let result = work();
        drop(held);
        self.end_if_asked();
        result
    }

    /// Waits for the watcher to end the process, if a signal has come.
    fn end_if_asked(&self) {
        while self.flag.stop().is_some() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn end(&self, stop: Stop, tell: impl FnOnce(Stop)) {
        let deadline = Instant::now() + PATIENCE;
        // Held to the end: nobody begins anything more.
        let mut protected = self.count();
        while *protected > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            protected = self.idle.wait_timeout(protected, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        tell(stop);
        low_level::exit(i32::from(stop.exit_code().code()));
    }

    fn count(&self) -> MutexGuard<'_, usize> {
        self.protected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Protected work; ends when dropped, in a panic too.
struct Protected<'a>(&'a Stopper);

impl<'a> Protected<'a> {
    fn new(stopper: &'a Stopper) -> Self {
        *stopper.count() += 1;
        Self(stopper)
    }
}

impl Drop for Protected<'_> {
    fn drop(&mut self) {
        *self.0.count() -= 1;
        self.0.idle.notify_all();
    }
}
