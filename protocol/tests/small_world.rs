//! Every interleaving of small worlds, searched to the end.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::{
    faults::{self, Fault},
    invariants::Invariant,
    world::{Bounds, Life, Move, Rules, Start, World},
};

/// Few requests, every order of them.
#[derive(Clone, Debug)]
struct Small {
    rules: Rules,
    bounds: Bounds,
    invariants: Vec<Invariant>,
    witnesses: &'static [Witness],
}

/// Something that must be able to happen.
type Witness = (&'static str, fn(&Small, &World) -> bool);

const NOTHING: Bounds = Bounds {
    start: Start::Line,
    life: Life::Endless,
    seconds: 1000,
    jumps: &[1],
    refreshes: 0,
    thefts: 0,
    snoops: 0,
    lost_writes: 0,
    sign_out: false,
    races: false,
    wild: false,
};

/// A code and two who have it, and a store that loses its answers.
pub(crate) const CODE: Bounds =
    Bounds { start: Start::Code, thefts: 2, lost_writes: 1, races: true, ..NOTHING };

/// A sign-out among refreshes of both.
pub(crate) const SIGN_OUT: Bounds =
    Bounds { refreshes: 1, thefts: 1, sign_out: true, races: true, ..NOTHING };

/// An honest client alone with a network and a store that lose its answers.
pub(crate) const LOST: Bounds = Bounds { refreshes: 4, lost_writes: 1, ..NOTHING };

/// The same from the code on, which somebody else has seen.
pub(crate) const LOST_CODE: Bounds = Bounds {
    start: Start::Code,
    refreshes: 2,
    snoops: 1,
    lost_writes: 2,
    sign_out: true,
    ..NOTHING
};

/// The same, until the line ends in time.
pub(crate) const ENDING: Bounds =
    Bounds { life: Life::Short, seconds: 7, refreshes: 2, sign_out: true, ..NOTHING };

/// A thief who took the honest client's tokens.
pub(crate) const THEFT: Bounds = Bounds { refreshes: 2, thefts: 3, ..NOTHING };

impl Model for Small {
    type State = World;
    type Action = Move;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.rules, &self.bounds)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Move>) {
        actions.extend(world.moves(&self.rules, &self.bounds));
    }

    fn next_state(&self, world: &World, action: Move) -> Option<World> {
        let mut next = world.clone();
        next.make(action, &self.rules, &self.bounds);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let always = self.invariants.iter().map(|invariant| property(*invariant));
        let sometimes = self.witnesses.iter();
        let sometimes = sometimes.map(|(name, seen)| Property::sometimes(name, *seen));
        always.chain(sometimes).collect()
    }
}

fn property(invariant: Invariant) -> Property<Small> {
    use Invariant as I;
    let condition: fn(&Small, &World) -> bool = match invariant {
        I::CodeOnce => |small, world| I::CodeOnce.holds(&small.rules, world),
        I::OneHead => |small, world| I::OneHead.holds(&small.rules, world),
        I::RevokedIsDead => |small, world| I::RevokedIsDead.holds(&small.rules, world),
        I::CapHolds => |small, world| I::CapHolds.holds(&small.rules, world),
        I::HonestIsServed => |small, world| I::HonestIsServed.holds(&small.rules, world),
        I::ThiefEndsEmptyHanded => {
            |small, world| I::ThiefEndsEmptyHanded.holds(&small.rules, world)
        }
    };
    Property::always(invariant.name(), condition)
}

const REPEATED: Witness = ("a repeat is answered", |_, world| world.past.witness.repeated);
const REPLACED: Witness = ("an unseen head is replaced", |_, world| world.past.witness.replaced);
const RECOGNIZED: Witness =
    ("a writer finds its own write", |_, world| world.past.witness.recognized);
const EXPIRED: Witness = ("a line ends in time", |_, world| world.past.witness.expired);
const REVOKED: Witness =
    ("a thief is caught", |_, world| world.past.revoked && !world.client.signed_out);

fn search(bounds: Bounds, witnesses: &'static [Witness]) {
    let small =
        Small { rules: Rules::REAL, bounds, invariants: Invariant::ALL.to_vec(), witnesses };
    let checker = small.checker().threads(2).spawn_bfs().join();
    println!(
        "{} states {} depth {}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth()
    );
    checker.assert_properties();
}

/// T1, T2.
#[test]
fn no_order_of_two_redemptions_gives_a_code_twice() {
    search(CODE, &[RECOGNIZED, REVOKED]);
}

/// R1.
#[test]
fn nothing_overtakes_a_sign_out() {
    search(SIGN_OUT, &[REPEATED]);
}

#[test]
fn no_lost_answer_makes_an_honest_client_a_thief() {
    search(LOST, &[REPEATED, REPLACED, RECOGNIZED]);
    search(LOST_CODE, &[REPEATED, REPLACED, RECOGNIZED]);
}

/// T18.
#[test]
fn no_refresh_outlives_the_line() {
    search(ENDING, &[REPEATED, REPLACED, EXPIRED]);
}

/// T13, T14, T15.
#[test]
fn no_thief_keeps_a_line_beside_the_honest_client() {
    search(THEFT, &[REPEATED, REPLACED, REVOKED]);
}

#[test]
fn every_invariant_has_a_fault_that_breaks_it() {
    let broken: BTreeSet<_> = faults::ALL.iter().map(|fault| fault.breaks).collect();
    assert_eq!(broken, BTreeSet::from(Invariant::ALL));
}

/// A search that finds nothing proves something only if it finds each of these.
#[test]
fn every_fault_has_a_counterexample() {
    for fault in faults::ALL {
        assert!(finds(fault), "{fault:?} passes for right");
    }
}

fn finds(fault: &Fault) -> bool {
    let small = Small {
        rules: fault.rules,
        bounds: fault.bounds,
        invariants: vec![fault.breaks],
        witnesses: &[],
    };
    let broken = BTreeSet::from([fault.breaks.name()]);
    let checker = small.checker().threads(2);
    let checker = checker.finish_when(HasDiscoveries::AllOf(broken)).spawn_bfs().join();
    println!("{}: {} states", fault.name, checker.unique_state_count());
    checker.discovery(fault.breaks.name()).is_some()
}
