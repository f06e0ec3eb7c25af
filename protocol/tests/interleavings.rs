//! Long runs of a wide world, at random.

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};

use crate::{
    faults::{self, Fault},
    invariants::Invariant,
    world::{Bounds, Life, Move, Rules, Start, Witness, World},
};

/// How many runs the product must stand.
const RUNS: u32 = 1500;
/// In how many runs a fault must show.
const RUNS_TO_FIND: u32 = 4000;
/// How many moves a run has at most.
const MOVES: usize = 90;

/// An honest client among lost answers, crashes and clock jumps.
const HONEST: Bounds = Bounds {
    start: Start::Line,
    life: Life::Endless,
    seconds: 2000,
    jumps: &[1, 1, 2, 50, -1, -20],
    refreshes: 14,
    thefts: 0,
    snoops: 2,
    lost_writes: 5,
    sign_out: false,
    races: true,
    wild: false,
};

/// The same with a thief who tries everything.
const ROBBED: Bounds = Bounds { thefts: 14, wild: true, ..HONEST };

/// A code, and all that comes of it, in two hands.
const SHARED_CODE: Bounds = Bounds { start: Start::Code, sign_out: true, ..ROBBED };

/// A line that is soon over.
const BRIEF: Bounds =
    Bounds { life: Life::Short, seconds: 8, jumps: &[1, 1, 1, -1], thefts: 3, ..ROBBED };

/// What went wrong, and what led to it.
#[derive(Debug)]
#[expect(dead_code, reason = "a failing run prints it")]
struct Broken {
    invariant: Invariant,
    moves: Vec<Move>,
}

/// Makes the moves that the picks choose among those that are open.
fn run(
    rules: &Rules,
    bounds: &Bounds,
    picks: &[u16],
    wanted: &[Invariant],
) -> Result<World, Broken> {
    let mut world = World::new(rules, bounds);
    let mut moves = Vec::new();
    for pick in picks {
        let open = world.moves(rules, bounds);
        if open.is_empty() {
            break;
        }
        let choice = choose(&open, *pick);
        world.make(choice, rules, bounds);
        moves.push(choice);
        let broken = wanted.iter().find(|wanted| !wanted.holds(rules, &world));
        if let Some(&invariant) = broken {
            return Err(Broken { invariant, moves });
        }
    }
    Ok(world)
}

/// One of the moves: what is usual more often than what is rare, so that a run gets somewhere.
fn choose(open: &[Move], pick: u16) -> Move {
    let weighted = open.iter().flat_map(|choice| {
        let weight = match choice {
            Move::Decide(_)
            | Move::Swap(_)
            | Move::Redeem
            | Move::Refresh
            | Move::Keep
            | Move::Use => 6,
            Move::Abuse(_) | Move::SwapUnanswered(_) | Move::GiveUp => 2,
            _ => 1,
        };
        std::iter::repeat_n(*choice, weight)
    });
    let weighted: Vec<_> = weighted.collect();
    weighted[usize::from(pick) % weighted.len()]
}

fn picks() -> impl Strategy<Value = Vec<u16>> {
    vec(any::<u16>(), 1..MOVES)
}

fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// Runs the world at random; what was seen to happen.
fn stands(bounds: &Bounds) -> Witness {
    let seen = std::cell::Cell::new(Witness::default());
    let outcome = TestRunner::new(config(RUNS)).run(&picks(), |picks| {
        let world = run(&Rules::REAL, bounds, &picks, &Invariant::ALL);
        let world = world.map_err(|broken| TestCaseError::fail(format!("{broken:?}")))?;
        seen.set(seen.get().and(world.past.witness));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    seen.get()
}

#[test]
fn an_honest_client_is_served_in_whatever_order_things_happen() {
    let seen = stands(&HONEST);
    assert!(seen.repeated && seen.replaced && seen.recognized, "{seen:?}");
}

#[test]
fn a_thief_gains_nothing_in_whatever_order_things_happen() {
    let seen = stands(&ROBBED);
    assert!(seen.repeated && seen.replaced && seen.recognized, "{seen:?}");
}

#[test]
fn a_code_is_redeemed_once_in_whatever_order_things_happen() {
    assert!(stands(&SHARED_CODE).recognized);
}

#[test]
fn a_line_ends_in_whatever_order_things_happen() {
    assert!(stands(&BRIEF).expired);
}

/// Runs that find nothing prove something only if they find these.
#[test]
fn every_fault_shows_at_random() {
    for fault in faults::ALL {
        assert!(shows(fault), "{fault:?} passes for right");
    }
}

fn shows(fault: &Fault) -> bool {
    let wide = match (fault.bounds.life, fault.bounds.thefts) {
        (Life::Short, _) => BRIEF,
        (_, 0) => HONEST,
        _ => ROBBED,
    };
    let bounds = Bounds { start: fault.bounds.start, ..wide };
    let config = Config { max_shrink_iters: 0, ..config(RUNS_TO_FIND) };
    let same_each_time = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, same_each_time);
    let outcome = runner.run(&picks(), |picks| {
        let world = run(&fault.rules, &bounds, &picks, &[fault.breaks]);
        world.map_err(|broken| TestCaseError::fail(format!("{broken:?}")))?;
        Ok(())
    });
    matches!(outcome, Err(TestError::Fail(..)))
}
