//! SIGINT and SIGTERM as flags that a run asks between batches.
//!
//! A handler does nothing but set a flag: staging is removed by the run itself. SIGXFSZ (a file grew beyond its limit) is
//! caught too, so that the write fails with an error instead of killing the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

use crate::observe::Stop;

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
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
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
