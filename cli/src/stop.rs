//! SIGINT and SIGTERM end every verb in the same way: exit 130 or 143, nothing half-done under a final name, staging
//! removed. Signals come to the process as a whole, so this is the one thing that commands do not hand to each other.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use bellwether_infer::arguments::Common;
use bellwether_infer::logging::{self, LogFormat};
use bellwether_infer::observe::Stop;
use bellwether_infer::signals::Stopper;

static STOPPER: OnceLock<Arc<Stopper>> = OnceLock::new();

/// Catches the signals from here on.
pub(crate) fn start(common: &Common) -> io::Result<()> {
    let (format, bars) = (common.log_format(), common.progress());
    let stopper = Stopper::start(move |stop| {
        if bars && format == LogFormat::Text {
            // The bar of the step that is cut off.
            let _ = io::stderr().write_all(b"\r\x1b[2K");
        }
        crate::fetch::sweep();
        logging::error(format, &Stopped { signal: signal(stop) });
    })?;
    // Only a second start fails, and the first one holds.
    let _ = STOPPER.set(stopper);
    Ok(())
}

/// Does work that stages or publishes; see [`Stopper::protect`].
pub(crate) fn protect<T>(work: impl FnOnce() -> T) -> T {
    match STOPPER.get() {
        Some(stopper) => stopper.protect(work),
        None => work(),
    }
}

/// The signal that came, if any.
pub(crate) fn asked() -> Option<Stop> {
    STOPPER.get()?.flag().stop()
}

fn signal(stop: Stop) -> &'static str {
    match stop {
        Stop::Interrupt => "an interrupt",
        Stop::Terminate => "a termination request",
    }
}

/// What is said before the process ends by a signal.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("stopped by {signal}")]
#[diagnostic(code(bellwether::stopped), help("what was published before stands, nothing is half-done; run it again"))]
struct Stopped {
    signal: &'static str,
}
