//! A batch tells how far it is; a page that watches one task and a monitor that watches all of them hear it.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use mystocks_bus::{Bus, Json, NaiveUtc, TaskCompleted, TaskEvent, TaskProgress, TaskResult, TaskStatus};

fn progress(processed: u64, total: u64) -> TaskEvent {
    TaskEvent::Progress(TaskProgress {
        timestamp: NaiveUtc::now(),
        version: "1.0".to_owned(),
        task_id: "b-17".to_owned(),
        task_type: "daily_indicators".to_owned(),
        status: TaskStatus::Running,
        progress: 100.0 * processed as f64 / total as f64,
        message: Some(format!("{processed} of {total} stocks")),
        metadata: Json::Object(Vec::new()),
        processed,
        total,
        failed: 0,
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // With Redis: Bus::new(PubSub::new(manager), &settings.bus, &keyspace, "batch"), in each process.
    let bus = Bus::memory();
    let mut page = bus.subscribe(&TaskEvent::topic_of("b-17")).await?;
    let monitor = bus
        .on(TaskEvent::topic(), |event| async move {
            if let TaskEvent::Completed(done) = event.event {
                println!(
                    "monitor: {} took {} s, {} stocks",
                    done.task_id, done.duration_seconds, done.result.success
                );
            }
        })
        .await?;

    for processed in [2, 4] {
        println!("heard by {}", bus.publish(&progress(processed, 4)).await?);
    }
    let completed = TaskEvent::Completed(TaskCompleted {
        timestamp: NaiveUtc::now(),
        version: "1.0".to_owned(),
        task_id: "b-17".to_owned(),
        task_type: "daily_indicators".to_owned(),
        status: TaskStatus::Completed,
        duration_seconds: 1.5,
        result: TaskResult { success: 4, failed: 0 },
    });
    bus.publish(&completed).await?;
    // When the monitor has handled all; what waits for the page can still be taken.
    bus.shutdown().await;

    for _ in 0..2 {
        if let TaskEvent::Progress(now) = page.next_event().await.ok_or("the bus goes on")?.event {
            println!("page: {} %, {}", now.progress, now.message.unwrap_or_default());
        }
    }
    println!("the monitor handled {} events", monitor.counts().delivered);
    Ok(())
}
