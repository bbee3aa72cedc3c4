//! Scenes: at so many milliseconds something happens, and this is done.

use super::*;

/// Plays a scene. A line is `TIME event → orders`, with `left` behind the event where it comes to
/// the machine of another program that has taken the place of this one; a checked config is a
/// letter and a number of workers, with a stop time of 1 s and a drain time of 60 s.
fn play(scene: &str) {
    let mut machine = Machine::default();
    for line in scene.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (happens, expect) = line.split_once('→').expect(line);
        let words: Vec<_> = happens.split_whitespace().collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).expect(line);
        let event = match words[1] {
            "load" => Event::Load,
            "checked" => Event::Checked(Checked {
                source: words[2].to_owned(),
                workers: number(3) as usize,
                stop_time: Duration::from_secs(1),
                drain_time: Duration::from_secs(60),
            }),
            "refused" => Event::Refused(2, "why".to_owned()),
            "opened" => Event::Opened,
            "not-opened" => Event::NotOpened("why".to_owned()),
            "ready" => Event::Ready(number(2)),
            "failed" => Event::Failed(number(2), "why".to_owned()),
            "parted" => Event::Parted(number(2)),
            "hung" => Event::Hung(number(2), "how".to_owned()),
            "ended" => Event::Ended(number(2), "how".to_owned()),
            "term" => Event::Stop { signal: 15, is_gentle: false },
            "quit" => Event::Stop { signal: 3, is_gentle: true },
            "end" => Event::End,
            "tick" => Event::Tick,
            other => panic!("{other}"),
        };
        if words.last() == Some(&"left") {
            let memory = machine.memory().map(|source: &String| Some(source.clone()));
            machine = Machine::of(memory.unwrap(), Moment(number(0)));
        }
        let orders = machine.handle(event, Moment(number(0)));
        let done: Vec<_> = orders.iter().map(name).collect();
        assert_eq!(done.join(", "), expect.trim(), "{line}\n{machine:#?}");
    }
}

fn name(order: &Order<String>) -> String {
    match order {
        Order::Check => "check".to_owned(),
        Order::EndCheck => "end-check".to_owned(),
        Order::Open(source) => format!("open {source}"),
        Order::Start(id, source, place) => format!("start {id} {source}{place}"),
        Order::Keep(source) => format!("keep {source}"),
        Order::Serve(id) => format!("serve {id}"),
        Order::Drain(id) => format!("drain {id}"),
        Order::Stop(id) => format!("stop {id}"),
        Order::StopAtOnce(id) => format!("cut {id}"),
        Order::Abort(id) => format!("abort {id}"),
        Order::Kill(id) => format!("kill {id}"),
        Order::Close => "close".to_owned(),
        Order::Greet(source) => format!("greet {source}"),
        Order::Note(Note::Reloaded) => "reloaded".to_owned(),
        Order::Note(Note::Deaf(_) | Note::Unseen(_) | Note::Adopted | Note::Certificate(_)) => {
            "shell".to_owned()
        }
        Order::Note(
            Note::PhpDied(..)
            | Note::PhpSaid(..)
            | Note::Spans(_)
            | Note::Whole(_)
            | Note::Warned(_),
        ) => "shell".to_owned(),
        Order::Note(Note::NotReloaded(..)) => "not reloaded".to_owned(),
        Order::Note(Note::Died(id, _)) => format!("died {id}"),
        Order::Note(Note::NotStarted(id, _)) => format!("not started {id}"),
        Order::Note(Note::Hung(id, _)) => format!("hung {id}"),
        Order::Note(Note::CutOff(id, _)) => format!("cut off {id}"),
        Order::Note(Note::Killed(id)) => format!("killed {id}"),
        Order::Note(Note::TakenBack) => "taken back".to_owned(),
        Order::Note(Note::Upgraded | Note::NotUpgraded(_)) => "upgrade".to_owned(),
        Order::Exit(code) => format!("exit {code}"),
        Order::Fail(code, _) => format!("fail {code}"),
    }
}

/// A server with one worker, number 1, that has served since 0.
const STARTED: &str = "
    0 load → check
    0 checked a 1 → open a
    0 opened → start 1 a0
    0 ready 1 → keep a, greet a, serve 1
";

fn play_on(rest: &str) {
    play(&format!("{STARTED}{rest}"));
}

#[test]
fn it_greets_when_all_of_the_first_are_ready() {
    play(
        "0 load → check
         5 checked a 2 → open a
         5 opened → start 1 a0, start 2 a1
         9 ready 2 →
         9 ready 2 →
         12 ready 1 → keep a, greet a, serve 1, serve 2",
    );
}

#[test]
fn what_cannot_be_served_at_first_ends_it() {
    for (scene, expect) in [
        ("1 refused", "fail 2"),
        ("1 checked a 2 → open a\n 1 not-opened", "fail 1"),
        (
            "1 checked a 2 → open a\n 1 opened → start 1 a0, start 2 a1\n 2 failed 2",
            "kill 1, kill 2, fail 1",
        ),
        (
            "1 checked a 2 → open a\n 1 opened → start 1 a0, start 2 a1\n 2 ended 1",
            "kill 2, fail 1",
        ),
        ("1 checked a 1 → open a\n 1 opened → start 1 a0\n 30001 tick", "kill 1, fail 1"),
        ("60000 tick", "end-check, fail 1"),
        ("1 term", "end-check, close, exit 0"),
    ] {
        play(&format!("0 load → check\n{scene} → {expect}"));
    }
}

#[test]
fn a_reload_drains_the_old_ones_once_the_new_ones_are_ready() {
    play_on(
        "9 load → check
         9 checked b 2 → open b
         9 opened → start 2 b0, start 3 b1
         10 ready 2 →
         11 ready 3 → keep b, serve 2, serve 3, drain 1
         11 parted 1 → reloaded
         12 ended 1 →",
    );
    // One that hangs is not waited for, nor is one that is gone.
    for (time, how) in [(2010, "tick"), (11, "ended 1")] {
        play_on(&format!(
            "9 load → check
             9 checked b 1 → open b
             9 opened → start 2 b0
             10 ready 2 → keep b, serve 2, drain 1
             {time} {how} → reloaded"
        ));
    }
}

#[test]
fn whatever_goes_wrong_before_that_leaves_the_old_ones_untouched() {
    for (scene, expect) in [
        ("9 refused", "not reloaded"),
        ("9 checked b 1 → open b\n 9 not-opened", "not reloaded"),
        ("9 checked b 1 → open b\n 9 opened → start 2 b0\n 9 failed 2", "kill 2, not reloaded"),
        ("9 checked b 1 → open b\n 9 opened → start 2 b0\n 9 ended 2", "not reloaded"),
        ("9 checked b 1 → open b\n 9 opened → start 2 b0\n 30009 tick", "kill 2, not reloaded"),
        ("60009 tick", "end-check, not reloaded"),
    ] {
        play_on(&format!(
            "9 load → check\n{scene} → {expect}
             70000 ready 2 →
             70000 ended 2 →
             70000 load → check
             70000 checked c 1 → open c
             70000 term → close, stop 1"
        ));
    }
}

#[test]
fn reloads_that_pile_up_are_one() {
    play_on(
        "9 load → check
         9 load →
         9 load →
         9 refused → not reloaded, check
         9 load →
         9 checked b 1 → open b
         9 opened → start 2 b0
         9 ready 2 → keep b, serve 2, drain 1
         9 parted 1 → reloaded, check",
    );
}

#[test]
fn a_reload_too_many_hurries_the_oldest() {
    play_on(
        "1 load → check
         1 checked b 1 → open b
         1 opened → start 2 b0
         1 ready 2 → keep b, serve 2, drain 1
         1 parted 1 → reloaded
         2 load → check
         2 checked c 1 → open c
         2 opened → start 3 c0
         2 ready 3 → keep c, serve 3, drain 2
         2 parted 2 → reloaded
         3 load → check
         3 checked d 1 → open d
         3 opened → start 4 d0
         3 ready 4 → keep d, serve 4, drain 3
         3 parted 3 → reloaded
         4 load → stop 1
         5 load →
         5000 ended 1 → check",
    );
}

#[test]
fn a_config_that_is_taken_back_hurries_the_oldest_where_there_are_too_many() {
    let reload = |at: u32, next: char| {
        format!(
            "{at} load → check
             {at} checked {next} 1 → open {next}
             {at} opened → start {id} {next}0
             {at} ready {id} → keep {next}, serve {id}, drain {at}
             {at} parted {at} → reloaded\n",
            id = at + 1
        )
    };
    let [b, c, d] = [(1, 'b'), (2, 'c'), (3, 'd')].map(|(at, next)| reload(at, next));
    play_on(&format!(
        "{b}{c}{d}
         10 ended 4 → died 4
         110 tick → start 5 d0
         110 ended 5 → died 5
         310 tick → start 6 d0
         310 ended 6 → died 6, taken back, stop 1, open c
         310 opened → start 7 c0"
    ));
}

#[test]
fn who_was_healthy_is_replaced_at_once_and_others_after_a_while() {
    play_on(
        "2000 ended 1 → died 1, start 2 a0
         2001 ready 2 → serve 2
         2002 ended 2 → died 2
         2101 tick →
         2102 tick → start 3 a0
         2102 ended 3 → died 3
         2301 tick →
         2302 tick → start 4 a0
         2302 ready 4 → serve 4
         9000 ended 4 → died 4, start 5 a0
         9000 ended 5 → died 5
         9100 tick → start 6 a0",
    );
}

#[test]
fn a_replacement_that_hangs_is_replaced() {
    play_on(
        "2000 ended 1 → died 1, start 2 a0
         32000 tick → killed 2, kill 2
         32000 ended 2 → died 2
         32100 tick → start 3 a0",
    );
}

#[test]
fn why_a_replacement_cannot_serve_is_said_once() {
    play_on(
        "2000 ended 1 → died 1, start 2 a0
         2001 failed 2 → not started 2
         2001 failed 2 →
         2002 ended 2 → died 2
         2102 tick → start 3 a0
         2103 failed 3 → not started 3
         4103 tick → killed 3, kill 3
         4104 ended 3 → died 3",
    );
    play_on("9 failed 1 →\n 9 quit → close, drain 1\n 20 failed 1 →");
}

#[test]
fn who_hangs_is_aborted_then_killed_and_replaced() {
    play_on(
        "9000 hung 1 → hung 1, abort 1
         9001 ended 1 → died 1, start 2 a0
         11000 tick →
         11001 ready 2 → serve 2
         19000 hung 2 → hung 2, abort 2
         20999 tick →
         21000 tick → kill 2
         21001 tick →
         21001 ended 2 → died 2, start 3 a0
         21001 hung 2 →",
    );
    // One that was to end is not replaced.
    play_on("9 quit → close, drain 1\n 20 hung 1 → hung 1, abort 1\n 21 ended 1 → exit 0");
}

#[test]
fn a_config_whose_workers_die_is_taken_back_while_the_one_before_drains() {
    let reloaded = "
         9 load → check
         9 checked b 1 → open b
         9 opened → start 2 b0
         9 ready 2 → keep b, serve 2, drain 1
         9 parted 1 → reloaded";
    play_on(&format!(
        "{reloaded}
         10 ended 2 → died 2
         110 tick → start 3 b0
         110 ended 3 → died 3
         310 tick → start 4 b0
         310 ended 4 → died 4, taken back, open a
         310 opened → start 5 a0
         320 ready 5 → keep a, serve 5
         330 ended 1 →
         340 ended 5 → died 5
         440 tick → start 6 a0"
    ));
    // Where nobody drains any more, nobody can say that the one before was better.
    play_on(&format!(
        "{reloaded}
         10 ended 1 →
         10 ended 2 → died 2
         110 tick → start 3 b0
         110 ended 3 → died 3
         310 tick → start 4 b0
         310 ended 4 → died 4"
    ));
    // Deaths long ago count no more.
    play_on(&format!(
        "{reloaded}
         10 ended 2 → died 2
         110 tick → start 3 b0
         110 ended 3 → died 3
         310 tick → start 4 b0
         30400 ended 4 → died 4
         30800 tick → start 5 b0"
    ));
}

#[test]
fn it_ends_when_all_have_ended() {
    play_on("9 term → close, stop 1\n 10 ended 1 → exit 0");
    play_on("9 quit → close, drain 1\n 10 ended 1 → exit 0");
    play_on("9 quit → close, drain 1\n 10 term → cut 1\n 11 ended 1 → exit 143");
    play_on("9 term → close, stop 1\n 10 term → cut 1\n 11 quit → kill 1\n 11 ended 1 → exit 131");
    // A wish cuts nothing off, but does not wait for the drain time.
    play_on("9 term → close, stop 1\n 10 end →\n 10 end →\n 11 ended 1 → exit 0");
    play_on("9 quit → close, drain 1\n 10 end → stop 1\n 10 end →\n 11 ended 1 → exit 0");
    play_on("9 end → close, stop 1\n 10 end →\n 11 term → cut 1\n 12 ended 1 → exit 143");
    // One that hangs.
    play_on("9 term → close, stop 1\n 11009 tick → killed 1, kill 1\n 11010 ended 1 → exit 0");
    play_on("9 quit → close, drain 1\n 70009 tick → killed 1, kill 1\n 70010 ended 1 → exit 0");
    // In the middle of a reload, and of a crash.
    play_on(
        "9 load → check\n 9 term → end-check, close, stop 1\n 9 refused →\n 9 ended 1 → exit 0",
    );
    play_on(
        "9 load → check
         9 checked b 1 → open b
         9 opened → start 2 b0
         9 term → close, stop 1, kill 2
         9 load →
         9 ended 2 →
         9 ended 1 → exit 0",
    );
    play_on("9 ended 1 → died 1\n 10 term → close, exit 0");
}

#[test]
fn it_wakes_for_what_comes_next() {
    let mut machine = Machine::<()>::default();
    assert_eq!(machine.deadline(), Moment::NEVER);
    machine.handle(Event::Load, Moment(5));
    assert_eq!(machine.deadline(), Moment(5).after(CHECK_TIME));
}

#[test]
fn another_program_goes_on_where_this_one_was() {
    play_on(
        "3000 load left → check
         3100 checked b 1 → open b
         3100 opened → start 2 b0
         3200 ready 2 → keep b, serve 2, drain 1
         3300 parted 1 → reloaded
         3400 ended 2 left → died 2, start 3 b0
         3600 ready 3 left → serve 3
         3700 ended 1 →
         3800 term → close, stop 3
         3900 ended 3 → exit 0",
    );
    // Whatever goes wrong until the new program serves leaves the workers as they are.
    play_on(
        "3000 load left → check
         3100 refused → not reloaded
         3200 ended 1 left → died 1, start 2 a0",
    );
}

#[test]
fn it_is_left_only_while_nothing_is_under_way() {
    let mut machine = Machine::default();
    assert!(!machine.is_quiet());
    let config =
        Checked { source: "a", workers: 1, stop_time: Duration::ZERO, drain_time: Duration::ZERO };
    let rows = [
        (Event::Load, false),
        (Event::Checked(config), false),
        (Event::Opened, false),
        (Event::Ready(1), true),
        (Event::Load, false),
        (Event::Refused(2, String::new()), true),
        (Event::Stop { signal: 15, is_gentle: false }, false),
    ];
    for (event, expect) in rows {
        machine.handle(event.clone(), Moment(0));
        assert_eq!(machine.is_quiet(), expect, "{event:?}");
    }
}

#[test]
fn who_does_not_end_when_killed_is_left_behind() {
    // The kernel may wait for a disk in its place.
    play_on(
        "9 term → close, stop 1
         11009 tick → killed 1, kill 1
         16008 tick →
         16009 tick → exit 0",
    );
    play_on(
        "5000 hung 1 → hung 1, abort 1
         7000 tick → kill 1
         12000 tick → died 1
         12000 tick → start 2 a0
         12001 ready 2 → serve 2
         12002 ended 1 →",
    );
}
