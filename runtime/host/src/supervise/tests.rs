use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actix::{Actor, ActorContext as _, Context, Handler, Message};
use tokio::task::LocalSet;
use vale_types::{ErrorKind, Failure};

use super::*;

// A kind of actor in full: what a person adds to have one supervised.
struct Counter(u32);

impl Actor for Counter {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Count;

impl Handler<Count> for Counter {
    type Result = u32;
    fn handle(&mut self, _: Count, _: &mut Context<Self>) -> u32 {
        self.0 += 1;
        self.0
    }
}

fn counter(tree: &Tree, group: &Arc<Group>, name: &str) -> Child<Counter> {
    tree.start(group, ChildSpec::permanent(name, "counter"), || Counter(0))
}
// Here it ends.

#[derive(Message)]
#[rtype(result = "()")]
struct Crash;

impl Handler<Crash> for Counter {
    type Result = ();
    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("crashed on purpose");
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct End;

impl Handler<End> for Counter {
    type Result = ();
    fn handle(&mut self, _: End, context: &mut Context<Self>) {
        context.stop();
    }
}

/// Runs on one thread with a paused clock.
fn on_stage(work: impl AsyncFnOnce(Tree)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        work(Tree::new(Stage::local(|| 0.5))).await;
    });
}

fn words(failed: Result<impl std::fmt::Debug, Failure>) -> String {
    match failed.unwrap_err() {
        Failure::Error(error) => {
            let ours = ["host", "resting"].map(|kind| ErrorKind::Other(kind.to_owned()));
            assert!(ours.contains(&error.kind), "{error:?}");
            error.message
        }
        Failure::Fault(fault) => panic!("{fault:?}"),
    }
}

fn report(tree: &Tree, path: &str) -> NodeReport {
    let mut reports = tree.report().into_iter();
    reports.find(|report| report.path == path).unwrap()
}

#[test]
fn an_actor_that_panics_is_named_and_comes_back_and_its_neighbours_do_not_notice() {
    on_stage(async |tree| {
        let group = tree.group("things", Escalation::Isolate);
        let (sick, well) = (
            counter(&tree, &group, "sick"),
            counter(&tree, &group, "well"),
        );
        assert_eq!(sick.call(Count).await, Ok(1));
        assert_eq!(well.call(Count).await, Ok(1));
        let said = words(sick.call(Crash).await);
        assert!(said.contains("things/sick crashed"), "{said}");
        assert_eq!(
            sick.call(Count).await,
            Ok(1),
            "a new actor with a new state"
        );
        assert_eq!(well.call(Count).await, Ok(2), "the same actor");
        let sick = report(&tree, "things/sick");
        assert_eq!((sick.state, sick.restarts), (ChildState::Running, 1));
        assert_eq!(
            sick.last_error.as_deref(),
            Some("it crashed: crashed on purpose")
        );
        assert_eq!(report(&tree, "things/well").restarts, 0);
    });
}

/// actix handles the rest of a mailbox while the first panic unwinds: a second one there would
/// abort the process, and this test with it.
#[test]
fn a_mailbox_full_of_poison_costs_one_life_and_not_the_process() {
    on_stage(async |tree| {
        let group = tree.group("things", Escalation::Isolate);
        let sick = counter(&tree, &group, "sick");
        let all = futures::future::join_all((0..8).map(|_| sick.call(Crash))).await;
        assert!(all.iter().all(Result::is_err));
        assert_eq!(sick.call(Count).await, Ok(1));
        assert_eq!(report(&tree, "things/sick").restarts, 1);
    });
}

#[test]
fn who_keeps_crashing_is_left_alone_says_so_at_once_and_is_tried_again() {
    on_stage(async |tree| {
        let group = tree.group("things", Escalation::Isolate);
        let (sick, well) = (
            counter(&tree, &group, "sick"),
            counter(&tree, &group, "well"),
        );
        let mut crashes = 0;
        while report(&tree, "things/sick").state != ChildState::Failed {
            assert!(sick.call(Crash).await.is_err());
            crashes += 1;
            assert!(crashes < 100, "never given up");
            tokio::task::yield_now().await;
        }
        let before = tokio::time::Instant::now();
        let said = words(sick.call(Count).await);
        assert!(
            said.contains("keeps crashing") && said.contains("on purpose"),
            "{said}"
        );
        assert_eq!(before.elapsed(), Duration::ZERO, "nobody waits for it");
        assert_eq!(well.call(Count).await, Ok(1));
        assert_eq!(
            report(&tree, "things/well").restarts,
            0,
            "siblings are left alone"
        );
        let rest = report(&tree, "things/sick").starts_in_s.unwrap();
        tokio::time::sleep(Duration::from_secs_f64(rest + 1.0)).await;
        assert_eq!(sick.call(Count).await, Ok(1), "it heals by itself");
    });
}

#[test]
fn where_siblings_share_what_broke_all_of_them_start_anew() {
    on_stage(async |tree| {
        let group = tree.group("core", Escalation::RestartSiblings);
        let (sick, well) = (
            counter(&tree, &group, "sick"),
            counter(&tree, &group, "well"),
        );
        assert_eq!(well.call(Count).await, Ok(1));
        while report(&tree, "core/well").restarts == 0 {
            assert!(sick.call(Crash).await.is_err());
            tokio::task::yield_now().await;
        }
        assert_eq!(well.call(Count).await, Ok(1), "a new life");
    });
}

#[test]
fn a_message_waits_for_a_restart_but_not_for_ever() {
    on_stage(async |tree| {
        let group = tree.group("things", Escalation::Isolate);
        let lives = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&lives);
        // The first life is well, the next ones do not even begin.
        let spec = ChildSpec::permanent("sick", "counter");
        let sick = tree.start(&group, spec, move || {
            let life = counted.fetch_add(1, Ordering::SeqCst);
            assert_eq!(life, 0, "no second life");
            Counter(0)
        });
        assert!(sick.call(Crash).await.is_err());
        let begun = tokio::time::Instant::now();
        let said = words(sick.call(Count).await);
        assert!(
            said.contains("restart") || said.contains("keeps crashing"),
            "{said}"
        );
        assert!(begun.elapsed() <= RESTART_WAIT + Duration::from_millis(10));
        assert!(lives.load(Ordering::SeqCst) > 2, "it was tried");
    });
}

#[test]
fn a_child_can_be_restarted_drained_and_stopped_by_hand() {
    on_stage(async |tree| {
        let group = tree.group("things", Escalation::Isolate);
        let child = counter(&tree, &group, "one");
        assert_eq!(child.call(Count).await, Ok(1));
        assert!(tree.command("things/one", Command::Restart));
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(child.call(Count).await, Ok(1), "a new life");
        assert!(tree.command("things/one", Command::Drain));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(words(child.call(Count).await).contains("no new work"));
        assert_eq!(report(&tree, "things/one").state, ChildState::Draining);
        assert!(tree.command("things/one", Command::Restart));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(child.call(Count).await, Ok(1));
        assert!(tree.command("things/one", Command::Stop));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(words(child.call(Count).await).contains("has ended"));
        assert!(!tree.command("things/nobody", Command::Restart));
    });
}

#[test]
fn what_follows_an_end_depends_on_the_spec() {
    on_stage(async |tree| {
        let group = tree.group("things", Escalation::Isolate);
        for (restart, after_end, after_crash) in [
            (Restart::Permanent, true, true),
            (Restart::Transient, false, true),
            (Restart::Temporary, false, false),
        ] {
            for (crash, lives_on) in [(false, after_end), (true, after_crash)] {
                let name = format!("{restart:?}-{crash}");
                let spec = ChildSpec {
                    restart,
                    ..ChildSpec::permanent(name.clone(), "counter")
                };
                let child = tree.start(&group, spec, || Counter(0));
                assert_eq!(child.call(Count).await, Ok(1));
                if crash {
                    assert!(child.call(Crash).await.is_err());
                } else {
                    let _ = child.call(End).await;
                }
                assert_eq!(child.call(Count).await.is_ok(), lives_on, "{name}");
            }
        }
    });
}

#[test]
fn the_tree_ends_its_children_and_tells_it() {
    on_stage(async |tree| {
        let group = tree.group("things", Escalation::Isolate);
        let children: Vec<_> = (0..3)
            .map(|n| counter(&tree, &group, &n.to_string()))
            .collect();
        for child in &children {
            assert_eq!(child.call(Count).await, Ok(1));
        }
        let mut events = tree.events();
        tree.stop(Duration::from_secs(1)).await;
        for child in &children {
            assert_eq!(child.report().state, ChildState::Stopped);
        }
        let mut stopped = 0;
        while let Ok(event) = events.try_recv() {
            stopped += u32::from(matches!(
                event,
                HostEvent::Child {
                    state: ChildState::Stopped,
                    ..
                }
            ));
        }
        assert_eq!(stopped, 3);
    });
}
