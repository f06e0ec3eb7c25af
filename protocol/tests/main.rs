//! The grant's steps in a world of lost answers, crashes and thieves.
//!
//! [`world`] has the actors and their moves, [`invariants`] what must hold whatever they do. Two drivers make the
//! moves: [`interleavings`] at random, in long runs of a wide world, and [`small_world`] all of them, in worlds small
//! enough to be searched to the end. [`faults`] are wrong variants of the step, the store and the client, each of which
//! the drivers must catch.
#![cfg(test)]

mod faults;
mod interleavings;
mod invariants;
mod small_world;
mod stay;
mod world;
