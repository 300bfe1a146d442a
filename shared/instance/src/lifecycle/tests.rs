use std::{
    future::{pending, ready},
    io,
};

use super::*;

const SOON: Duration = Duration::from_secs(5);

async fn run(lifecycle: Lifecycle, limit: Duration) -> Result<(), Stopped> {
    timeout(SOON + limit, lifecycle.run_until_done(pending(), limit)).await.unwrap()
}

/// Notes in `log` when a task ends, and what had been cancelled by then.
fn until(
    token: &CancellationToken,
    name: &'static str,
    log: &Arc<Mutex<Vec<&'static str>>>,
) -> impl Future<Output = io::Result<()>> + Send + 'static {
    let (token, log) = (token.clone(), Arc::clone(log));
    async move {
        token.cancelled().await;
        tokio::task::yield_now().await;
        log.lock().unwrap().push(name);
        Ok(())
    }
}

#[tokio::test]
async fn a_signal_drains_in_order_and_is_no_failure() {
    let lifecycle = Lifecycle::default();
    let log = Arc::default();
    lifecycle.spawn_last("bus", until(lifecycle.closing(), "bus", &log));
    lifecycle.spawn("players", until(lifecycle.draining(), "players", &log));
    lifecycle.spawn_short("start", ready(io::Result::Ok(())));
    let done = lifecycle.run_until_done(ready(Signal::Terminate), SOON);
    timeout(SOON, done).await.unwrap().unwrap();
    assert_eq!(*log.lock().unwrap(), ["players", "bus"]);
}

#[tokio::test]
async fn a_drain_that_was_asked_for_is_no_failure() {
    let lifecycle = Lifecycle::default();
    let asker = lifecycle.clone();
    lifecycle.spawn("players", until(lifecycle.draining(), "players", &Arc::default()));
    lifecycle.spawn_short("stopper", async move {
        asker.drain("told to stop");
        io::Result::Ok(())
    });
    run(lifecycle, SOON).await.unwrap();
}

#[tokio::test]
async fn a_failed_task_stops_the_others_and_is_named_with_its_cause() {
    let lifecycle = Lifecycle::default();
    let log = Arc::default();
    lifecycle.spawn("players", until(lifecycle.draining(), "players", &log));
    lifecycle.spawn("clients", ready(Err(io::Error::other("no more sockets"))));
    let stopped = run(lifecycle, SOON).await.unwrap_err();
    assert_eq!(crate::chain(&stopped), "task `clients` failed: no more sockets");
    assert_eq!(*log.lock().unwrap(), ["players"]);
}

#[tokio::test]
async fn a_panic_stops_the_others() {
    let lifecycle = Lifecycle::default();
    lifecycle.spawn("players", until(lifecycle.draining(), "players", &Arc::default()));
    lifecycle.spawn("clients", async {
        if SOON > Duration::ZERO {
            panic!("a bug");
        }
        io::Result::Ok(())
    });
    let stopped = run(lifecycle, SOON).await.unwrap_err();
    assert_eq!(stopped.to_string(), "task `clients` panicked: a bug");
}

#[tokio::test]
async fn a_task_that_ends_unasked_stops_the_others() {
    for last in [false, true] {
        let lifecycle = Lifecycle::default();
        lifecycle.spawn("players", until(lifecycle.draining(), "players", &Arc::default()));
        let ended = ready(io::Result::Ok(()));
        if last {
            lifecycle.spawn_last("bus", ended)
        } else {
            lifecycle.spawn("bus", ended)
        }
        let stopped = run(lifecycle, SOON).await.unwrap_err();
        assert_eq!(stopped.to_string(), "task `bus` ended before it was asked to");
    }
}

#[tokio::test]
async fn a_server_with_nothing_to_do_stops() {
    let lifecycle = Lifecycle::default();
    lifecycle.spawn_last("bus", until(lifecycle.closing(), "bus", &Arc::default()));
    lifecycle.spawn_short("start", ready(io::Result::Ok(())));
    assert!(matches!(run(lifecycle, SOON).await, Err(Stopped::NothingLeft)));
}

#[tokio::test]
async fn the_deadline_names_and_aborts_stuck_tasks_and_the_last_still_close() {
    struct Aborted(Arc<Mutex<Vec<&'static str>>>);
    impl Drop for Aborted {
        fn drop(&mut self) {
            self.0.lock().unwrap().push("aborted");
        }
    }
    let lifecycle = Lifecycle::default();
    let log: Arc<Mutex<Vec<&'static str>>> = Arc::default();
    let guard = Aborted(Arc::clone(&log));
    lifecycle.spawn("saves", async move {
        let _guard = guard;
        pending::<io::Result<()>>().await
    });
    lifecycle.spawn("players", until(lifecycle.draining(), "players", &log));
    lifecycle.spawn_last("bus", until(lifecycle.closing(), "bus", &log));
    let done = lifecycle.run_until_done(ready(Signal::Interrupt), Duration::from_millis(50));
    let stopped = timeout(SOON, done).await.unwrap().unwrap_err();
    assert_eq!(
        stopped.to_string(),
        "these tasks did not end within 0.05 s and were aborted: saves"
    );
    let log = log.lock().unwrap();
    assert_eq!(log.first(), Some(&"players"));
    assert!(log.contains(&"bus") && log.contains(&"aborted"), "{log:?}");
}

#[tokio::test]
async fn a_failure_while_draining_is_still_told() {
    let lifecycle = Lifecycle::default();
    let draining = lifecycle.draining().clone();
    lifecycle.spawn("saves", async move {
        draining.cancelled().await;
        Err(io::Error::other("the last save was refused"))
    });
    let done = lifecycle.run_until_done(ready(Signal::Terminate), SOON);
    let stopped = timeout(SOON, done).await.unwrap().unwrap_err();
    assert!(matches!(stopped, Stopped::Failed { task, .. } if task == "saves"));
}
