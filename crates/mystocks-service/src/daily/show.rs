//! How far the job is: a bar in a terminal, lines elsewhere.

use std::io::{IsTerminal, stderr};
use tokio::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use mystocks_indicators::DailyProgress;

/// So many percent are a line.
const STEP: u64 = 10;

/// Shows progress on standard error.
pub(super) struct Show {
    bar: Option<ProgressBar>,
    began: Instant,
    next: u64,
}

impl Show {
    pub(super) fn new() -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            let template = "{bar:40} {pos}/{len} symbols, {per_sec}, {eta} left {msg}";
            // The template is constant; were it wrong, the bar would look otherwise.
            match ProgressStyle::with_template(template) {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Self { bar, began: Instant::now(), next: 0 }
    }

    #[expect(clippy::print_stderr, reason = "the log of a program without a terminal")]
    pub(super) fn progress(&mut self, progress: &DailyProgress) {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total);
            bar.set_position(progress.finished);
            if progress.failed > 0 {
                bar.set_message(format!("({} failed)", progress.failed));
            }
            return;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
        let percent = progress.percent() as u64;
        if percent < self.next {
            return;
        }
        self.next = (percent / STEP + 1) * STEP;
        let DailyProgress { total, finished, failed, skipped, .. } = progress;
        eprintln!(
            "daily: {percent} %, {finished} of {total} symbols, {failed} failed, {skipped} skipped, {:.1} s",
            self.began.elapsed().as_secs_f64()
        );
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
